"""PCM cut on a fixed grid, so that its units are the same wherever reading began.

Containers hold PCM in packets of any length, and a seek begins a packet wherever it lands. Cut at multiples of a
fiftieth of a second, the units that follow a seek are those that are read in sequence.
"""

from __future__ import annotations

from reelcast.track import AccessUnit

__all__ = ["UNITS_A_SECOND", "SampleGrid"]

UNITS_A_SECOND = 50
"""20 ms, the default packetization interval (RFC 3551 section 4.2)."""


class SampleGrid:
    """The samples of one track, `frame` bytes for each tick of its clock; lengths and times in ticks."""

    def __init__(self, clock_rate: int, frame: int) -> None:
        self.cell = max(clock_rate // UNITS_A_SECOND, 1)
        """Ticks of a whole unit: all begin at multiples of it."""
        self._frame = frame
        self.restart(whole=True)

    def restart(self, *, whole: bool) -> None:
        """Forget what waits; unless `whole`, samples before the first multiple are of a unit begun before."""
        self._waiting = b""
        self._pts = 0
        self._partial = not whole

    def push(self, unit: AccessUnit) -> list[AccessUnit]:
        """Take the next samples; what they complete. A gap in time ends a unit early."""
        units: list[AccessUnit] = []
        data = unit.data
        if unit.pts != self._pts + len(self._waiting) // self._frame:
            units = self.flush()
            self._pts = unit.pts
        if self._partial:
            missing = -self._pts % self.cell * self._frame
            self._pts += min(missing, len(data)) // self._frame
            self._partial = missing > len(data)
            data = data[missing:]
        data = self._waiting + data
        place = 0
        while len(data) - place >= (size := (self.cell - self._pts % self.cell) * self._frame):
            units.append(self._unit(data[place : place + size]))
            place += size
        self._waiting = data[place:]
        return units

    def flush(self) -> list[AccessUnit]:
        """The last unit, which may be short."""
        waiting, self._waiting = self._waiting, b""
        return [self._unit(waiting)] if waiting else []

    def _unit(self, data: bytes) -> AccessUnit:
        pts, length = self._pts, len(data) // self._frame
        self._pts += length
        return AccessUnit(data, pts, pts, duration=length)
