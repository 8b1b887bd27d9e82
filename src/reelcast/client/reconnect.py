"""When to try again after a stream was lost."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NEVER", "Reconnect"]


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Exponential backoff with jitter.

    attempts   in a row without success before giving up; None for ever, 0 for not at all
    first      seconds before the first attempt
    longest    seconds between two attempts at most: a camera that was away for a night is back within them
    """

    attempts: int | None = None
    first: float = 0.5
    longest: float = 30.0

    @classmethod
    def of(cls, value: bool | Reconnect) -> Reconnect:
        """For ever where it is True, not at all where it is False; ValueError for what says neither."""
        if isinstance(value, Reconnect):
            return value
        if not isinstance(value, bool):
            raise ValueError(f"reconnect must be True, False or a reelcast.Reconnect, not {value!r}")
        return cls() if value else NEVER

    def delay(self, attempt: int, random: float) -> float:
        """Seconds to wait before an attempt (from 1 on); `random` is uniform in [0, 1).

        Up to a quarter less by chance, so that the clients of a server that restarts do not come all at once.
        """
        doubled = self.first * 2.0 ** min(attempt - 1, 30)
        return min(doubled, self.longest) * (1.0 - random / 4)

    def allows(self, attempt: int) -> bool:
        """Whether there is an attempt with this number."""
        return self.attempts is None or attempt <= self.attempts


NEVER = Reconnect(attempts=0)
"""A stream that is lost is over."""
