"""What is recorded of a live path, for those who watch it live: see `reelcast.server.history.History`."""

from __future__ import annotations

from typing import Protocol

from reelcast.archive.footage import Footage
from reelcast.archive.index import Index
from reelcast.media.cache import GroupCache
from reelcast.server.offer import same_kind
from reelcast.track import Track

__all__ = ["Memory", "Recorded"]


class Recorded(Protocol):
    """What records the path: a `Recording`."""

    def clock(self, media: float) -> float | None:
        """See `History.clock`."""


class Memory:
    """The memory of one live path."""

    def __init__(self, index: Index, name: str, recording: Recorded, cache: GroupCache) -> None:
        self._index = index
        self._name = name
        self._recording = recording
        self._cache = cache
        # The last is of the tracks as they are now; who watches one of those before goes on with it.
        self._footages: list[Footage] = []
        self._tracks: tuple[Track, ...] = ()

    async def past(self, tracks: tuple[Track, ...]) -> Footage | None:
        """See `History`."""
        if self._footages and same_kind(self._tracks, tracks):
            await self._footages[-1].refresh()
        elif self._index.beginning(self._name) is None:
            return None
        else:
            footage = await Footage.develop(self._index, self._name, self._cache, tracks)
            self._footages.append(footage)
            self._tracks = tracks
        return self._footages[-1]

    def clock(self, media: float) -> float | None:
        """See `History`."""
        return self._recording.clock(media)

    def close(self) -> None:
        """Close all files."""
        for footage in self._footages:
            footage.close()
        self._footages.clear()
