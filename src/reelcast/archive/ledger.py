"""What the index is still to be told: an index that cannot be written stops no recording."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from reelcast.archive.index import Gap, Index, Segment
from reelcast.errors import MediaError

__all__ = ["Ledger"]

log = logging.getLogger(__name__)


class Ledger:
    """Changes of one live path's rows on their way to the index, in order; of one row the last counts.

    failure   why the index could not be written the last time; None where it could
    """

    def __init__(self, index: Index) -> None:
        self.failure: MediaError | None = None
        self._index = index
        self._waiting: dict[tuple[str, Path | float], Callable[[], None]] = {}

    def put(self, segment: Segment) -> None:
        """A segment as it is now."""
        self._waiting["segment", segment.path] = partial(self._index.put, segment)

    def drop(self, segment: Segment) -> None:
        """A segment that is no more."""
        self._waiting["segment", segment.path] = partial(self._index.drop, segment)

    def note(self, gap: Gap) -> None:
        """A gap as it is now."""
        self._waiting["gap", gap.start] = partial(self._index.note, gap)

    def resume(self, name: str, start: float) -> None:
        """The end of a gap."""
        self._waiting["end of a gap", start] = partial(self._index.resume, name, start)

    def flush(self) -> None:
        """Tell the index; what it cannot be told now waits for the next time."""
        try:
            for key in list(self._waiting):
                self._waiting[key]()
                del self._waiting[key]
        except MediaError as error:
            if self.failure is None:
                log.error("%s; recording goes on", error)
            self.failure = error
        else:
            self.failure = None
