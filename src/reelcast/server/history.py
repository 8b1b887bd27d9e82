"""What a live path was: what a recording offers to those who rewind it."""

from __future__ import annotations

from typing import Protocol

from reelcast.server.reel import Groups
from reelcast.server.source import Calendar
from reelcast.track import Track

__all__ = ["History", "Past"]


class Past(Groups, Calendar, Protocol):
    """All that is recorded of a path: what a playhead plays, and when it was."""


class History(Protocol):
    """The recording of a live path; used in the event loop."""

    async def past(self, tracks: tuple[Track, ...]) -> Past | None:
        """What is recorded by now, with these tracks; None for nothing. Raises MediaError.

        One for all who ask, as long as the tracks are the same.
        """

    def clock(self, media: float) -> float | None:
        """The clock time under which a time of the path's own axis is recorded, in seconds; None for none."""
