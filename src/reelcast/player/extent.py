"""How much of a stream is played: from the first picture on, for as long as was asked for."""

from __future__ import annotations

import math

__all__ = ["Extent"]


class Extent:
    """Some seconds of presentation time, counted from the first that comes; without end for None."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = math.inf if seconds is None else seconds
        self._end: float | None = None

    def restart(self) -> None:
        """Count anew, from what comes next."""
        self._end = None

    def seek(self, place: float) -> None:
        """Somebody goes to a place in seconds; behind its end there is no end to be kept any more."""
        if self._end is not None and place >= self._end:
            self._end = math.inf

    def behind(self, pts: float) -> float:
        """How many seconds behind its end a time is; less than 0 before it."""
        if self._end is None:
            self._end = pts + self._seconds
        return pts - self._end
