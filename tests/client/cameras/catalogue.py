"""Every camera that there is, by name."""

from __future__ import annotations

from collections.abc import Mapping

from tests.client.cameras import anyone, dahua, hikvision, reolink, servers, small, tplink, wires
from tests.client.cameras.camera import Camera

__all__ = ["CAMERAS"]

CAMERAS: Mapping[str, Camera] = {
    name: camera
    for family in (hikvision, dahua, reolink, tplink, small, anyone, servers, wires)
    for name, camera in family.CAMERAS.items()
}
