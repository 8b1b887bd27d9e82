"""Where the keyframes of a raw H.264 or H.265 file are: an index made when it is read through."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from reelcast.track import AccessUnit

__all__ = ["RawIndex"]

MAX_KEYFRAMES = 1_000_000
"""Entries of an index: 11 days with a keyframe a second."""


class RawIndex:
    """Keyframes by the time they are shown; `delay` is how far dts is ahead of the order of decoding.

    All times are in units of the track's clock.
    """

    def __init__(self, delay: int) -> None:
        self._delay = delay
        self._offsets: dict[int, int] = {}  # of keyframes whose pts is not known yet, by time of decoding
        self._shown: list[int] = []
        self._places: list[tuple[int, int]] = []

    def expect(self, decoded: int, offset: int) -> None:
        """A keyframe that is decoded at `decoded`, before any delay, begins `offset` bytes into the file."""
        self._offsets[decoded] = offset

    def add(self, units: Iterable[AccessUnit]) -> None:
        """Take the keyframes expected among these units, whose pts are known."""
        for unit in units:
            decoded = unit.dts + self._delay
            offset = self._offsets.pop(decoded, None)
            if offset is not None and len(self._shown) < MAX_KEYFRAMES:
                self._shown.append(unit.pts)
                self._places.append((decoded, offset))

    def find(self, wanted: int) -> tuple[int, int] | None:
        """When the last keyframe shown at or before `wanted` is decoded, before any delay, and its offset.

        None where there is no such keyframe.
        """
        at = bisect_right(self._shown, wanted) - 1
        return self._places[at] if at >= 0 else None
