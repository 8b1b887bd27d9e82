"""What tests ask of a station: what one of its paths is, and what a stranger is told of it."""

from __future__ import annotations

from tests.server.raw import Client

from reelcast.server.live import Live
from reelcast.station.station import Station

__all__ = ["live", "status"]


def live(station: Station, path: str) -> Live:
    """The live path that is mounted there."""
    found = station.server.mounted(path)
    assert isinstance(found, Live)
    return found


async def status(station: Station, path: str) -> int:
    """What a DESCRIBE of it is answered."""
    async with await Client.connect(station.server.port) as client:
        return (await client.ask("DESCRIBE", path)).status
