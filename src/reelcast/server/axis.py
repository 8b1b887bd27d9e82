"""One time axis for all that comes to a live path: it never leaps, whatever publishers' timestamps do.

Timestamps of one publisher keep their distances exactly. Where they leap, begin again or come from another
publisher, all tracks are put anew behind what came before, after a gap as long as it was.

No I/O: time is an argument.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from reelcast.rtp.clock import TimestampUnwrapper
from reelcast.track import Track

__all__ = ["MAX_AHEAD", "Axis"]

MAX_AHEAD: Final = 2.0
"""Seconds that a timestamp may step forward beyond the time that has passed: more is a leap. Time passes in
jumps itself where a network holds back and lets go."""
MAX_BACK: Final = {"video": 1.0, "audio": 0.1}
"""Seconds back: pictures are reordered, sound is only badly rounded."""
MAX_APART: Final = 1.0
"""Seconds by which tracks' beginnings by their wall clocks may differ from those by their arrival."""
RECENT: Final = 32
"""Timestamps remembered: as far as pictures are ever reordered, twice."""
_LEAST: Final = 0.001
"""Seconds by which a track goes on where nothing tells by how much."""


class _Lane:
    """One track: `offset` leads from its timestamps to the axis, in units of its clock; None before it is set."""

    def __init__(self, track: Track) -> None:
        self.rate = track.clock_rate
        self.back = MAX_BACK[track.kind]
        self.highest: int | None = None
        self.came = 0.0
        self.recent: deque[int] = deque(maxlen=RECENT)
        self.begin()

    def begin(self) -> None:
        self.unwrapper = TimestampUnwrapper()
        self.offset: int | None = None


class Axis:
    """The media times of a live path's tracks, in units of their clocks from the time 0 of the path.

    leaps   how often timestamps leapt
    """

    def __init__(self, tracks: Sequence[Track]) -> None:
        self.leaps = 0
        self._lanes = [_Lane(track) for track in tracks]
        self._anchor: tuple[float, float, float] | None = None

    def begin(self) -> None:
        """Another publisher, or another connection to it: its timestamps mean something else."""
        self._anchor = None
        for lane in self._lanes:
            lane.begin()

    def place(self, track: int, timestamp: int, time: float, now: float) -> int:
        """Where a unit stands whose 32-bit RTP timestamp this is.

        `time` is its wall-clock time, in Unix seconds, by whatever clock; `now` is the path's time when it came.
        """
        lane = self._lanes[track]
        if lane.offset is not None and self._leaps(lane, timestamp, now):
            self.leaps += 1
            self.begin()
        if lane.offset is None:
            lane.offset = self._beginning(lane, time, now) - lane.unwrapper.nearest(timestamp)
        ticks = lane.unwrapper.unwrap(timestamp) + lane.offset
        # Packets of equal timestamps are one picture to those who receive them.
        while ticks in lane.recent:
            ticks += 1
        lane.recent.append(ticks)
        lane.highest = ticks if lane.highest is None else max(lane.highest, ticks)
        lane.came = now
        return ticks

    def _leaps(self, lane: _Lane, timestamp: int, now: float) -> bool:
        assert lane.offset is not None
        assert lane.highest is not None
        step = (lane.unwrapper.nearest(timestamp) + lane.offset - lane.highest) / lane.rate
        return step < -lane.back or step > now - lane.came + MAX_AHEAD

    def _beginning(self, lane: _Lane, time: float, now: float) -> int:
        """Where a track begins: beside the others by its clock, and behind all that came of it before."""
        if self._anchor is None:
            ends = [each.highest / each.rate for each in self._lanes if each.highest is not None]
            place = max([now, *(end + _LEAST for end in ends)])
            self._anchor = place, time, now
        else:
            place, first, came = self._anchor
            passed = now - came
            place += time - first if abs(time - first - passed) <= MAX_APART else passed
        ticks = round(place * lane.rate)
        return ticks if lane.highest is None else max(ticks, lane.highest + 1)
