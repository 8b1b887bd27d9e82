"""The clock that pictures are shown by: presentation time against a monotonic clock, stopped or running."""

from __future__ import annotations

from typing import Final

__all__ = ["Clock"]

GAIN: Final = 0.1
"""Part of an error that one correction takes away: an audio device calls at times that jitter by milliseconds."""


class Clock:
    """Presentation time in seconds, as a function of a monotonic time in seconds that is given.

    rate    presentation seconds in a second, while it runs

    Nothing is known before the first `set`: `at` says None.
    """

    def __init__(self) -> None:
        self.rate = 1.0
        self._pts: float | None = None
        self._since: float | None = None

    @property
    def running(self) -> bool:
        """Whether presentation time passes."""
        return self._since is not None

    def at(self, now: float) -> float | None:
        """The presentation time at `now`."""
        if self._pts is None or self._since is None:
            return self._pts
        return self._pts + (now - self._since) * self.rate

    def set(self, pts: float | None, now: float) -> None:
        """Let it be `pts` at `now`; running or stopped as before. None: nothing is known any more."""
        self._pts = pts
        if pts is None:
            self._since = None
        elif self._since is not None:
            self._since = now

    def start(self, now: float) -> None:
        """Let presentation time pass from `now` on; without effect where it is not known, or passes already."""
        if self._pts is not None and self._since is None:
            self._since = now

    def stop(self, now: float) -> None:
        """Let presentation time stand from `now` on."""
        self._pts, self._since = self.at(now), None

    def change_rate(self, rate: float, now: float) -> None:
        """Let presentation time pass faster or slower from `now` on."""
        self.set(self.at(now), now)
        self.rate = rate

    def correct(self, pts: float, now: float) -> None:
        """Lean towards a better clock that says `pts` at `now`: by a part of the difference each time."""
        mine = self.at(now)
        if mine is not None:
            self.set(mine + GAIN * (pts - mine), now)
