"""What a picture's first slice tells of its place among the others."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Place"]


@dataclass(frozen=True, slots=True)
class Place:
    """The place of an access unit.

    count      its picture order count: those of a coded video sequence are shown as these rise
    second     the unit is a field that completes the frame before it
    barrier    nothing that is decoded before it is shown after it, and counts begin anew
    """

    count: int
    second: bool
    barrier: bool
