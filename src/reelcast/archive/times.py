"""When what is recorded was: from a stream's own times to the wall clock, without ever going back.

A stream counts by the clock of whoever sends it, the archive by that of the wall. The two drift apart, sender
reports come late and correct what was estimated, clocks are set. So the distance between the two is followed
slowly: too slowly to be heard, soon enough for a day to have its 24 hours.
"""

from __future__ import annotations

from typing import Final

from reelcast.rtp.intake import ReceivedUnit

__all__ = ["MAX_BACK", "WallTimes"]

BELIEVED: Final = 10.0
"""Seconds by which a stream's wall clock may differ from ours. One further off was never set, or is in another
time zone; what is recorded is looked for by our own clock, so that counts then."""
LEAP: Final = 20.0
"""Seconds in one step that are a leap of times, not a clock that is a little off; more than BELIEVED, about which
a clock may come and go."""
RATE: Final = 0.005
"""Seconds a second by which a difference is made up: pictures and sound stay where they are heard and seen."""
MAX_BACK: Final = 5.0
"""Seconds by which a unit may be behind another: what is sent together was not always shown together."""
MAX_AHEAD: Final = 86_400.0
"""Seconds: where the last recording is further in the future, the clock was wrong then, and is right now."""


class WallTimes:
    """The wall-clock time of each unit of one stream, in Unix seconds.

    latest   the latest time given so far, or where the last recording ended: nothing is put before it
    """

    def __init__(self, latest: float = 0.0) -> None:
        self.latest = latest
        self._offset: float | None = None
        self._target = 0.0
        self._pts = 0.0

    def at(self, pts: float) -> float | None:
        """The time of a unit that is about as old as the last one; None before the first."""
        return None if self._offset is None else pts + self._offset

    def place(self, received: ReceivedUnit, now: float) -> float:
        """When a unit is presented; `now` is our own clock's time when it came, in Unix seconds."""
        pts, time = received.pts, received.time
        if time is None or abs(time - now) > BELIEVED:
            time = now
        target = time - pts
        back = self._offset is not None and pts + self._offset < self.latest - MAX_BACK
        if self._offset is None or back or abs(target - self._target) > LEAP:
            behind = self.latest - time
            self._offset = target + behind if 0 < behind < MAX_AHEAD else target
            self._pts = pts
        else:
            # Pictures come in another order than they are shown in, and sound between them: no time counts twice.
            step = RATE * min(max(pts - self._pts, 0.0), 1.0)
            self._offset += min(max(target - self._offset, -step), step)
            self._pts = max(self._pts, pts)
        self._target = target
        placed = pts + self._offset
        self.latest = max(self.latest, placed)
        return placed
