"""How long it takes to send to all readers of a live stream: learned from what it took, to begin in time."""

from __future__ import annotations

from typing import Final

__all__ = ["Tempo"]

GO_SECONDS: Final = 0.005
"""What takes no longer goes out in one go, some of it early and some of it late."""
PART_SECONDS: Final = 0.003
"""What takes longer goes out in parts of so much work."""
EARLY: Final = 0.8
"""The part of what a go takes that is before its time: most of it, for what goes wrong takes longer."""
FIRST_RATE: Final = 1.2e-9
"""Seconds that a byte for a reader takes, until more is known;"""
FIRST_WEIGHT: Final = 1 << 20
"""this counts for as much as so many bytes that were sent."""
MEMORY: Final = 0.95
"""What was before counts for, beside the latest: what is older than a second for a quarter."""


class Tempo:
    """The weight of what is sent is its bytes for all readers together."""

    __slots__ = ("_seconds", "_weight")

    def __init__(self) -> None:
        self._seconds, self._weight = FIRST_WEIGHT * FIRST_RATE, float(FIRST_WEIGHT)

    def note(self, weight: int, seconds: float) -> None:
        """So much has been sent."""
        self._seconds = self._seconds * MEMORY + seconds
        self._weight = self._weight * MEMORY + weight

    def portion(self, weight: int) -> int:
        """What of this is to be sent in one go."""
        if weight * self._seconds <= GO_SECONDS * self._weight:
            return weight
        return int(PART_SECONDS * self._weight / self._seconds)

    def lead(self, weight: int) -> float:
        """Seconds before its time at which the first go of this is to be begun, so that it is in time."""
        return EARLY * self.portion(weight) * self._seconds / self._weight
