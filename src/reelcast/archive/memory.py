"""What is recorded of a live path, for those who watch it live: see `reelcast.server.history.History`."""

from __future__ import annotations

from typing import Protocol

from reelcast.archive.footage import Footage
from reelcast.archive.index import Index
from reelcast.media.cache import GroupCache
from reelcast.server.disk import Disk
from reelcast.server.offer import same_kind
from reelcast.track import Track

__all__ = ["Memory", "Recorded"]


class Recorded(Protocol):
    """What records the path: a `Recording`."""

    def clock(self, media: float) -> float | None:
        """See `History.clock`."""


class Memory:
    """The memory of one live path."""

    def __init__(self, index: Index, name: str, recording: Recorded, cache: GroupCache, disk: Disk) -> None:
        self._index = index
        self._disk = disk
        self._name = name
        self._recording = recording
        self._cache = cache
        # One a kind of tracks that the path has had: who watches one of those before goes on with it.
        self._footages: list[Footage] = []

    async def past(self, tracks: tuple[Track, ...]) -> Footage | None:
        """See `History`."""
        known = self._known(tracks)
        if known is not None:
            await known.refresh()
            return known
        if await self._disk.run(self._index.beginning, self._name) is None:
            return None
        footage = await Footage.develop(self._index, self._name, self._cache, self._disk, tracks)
        known = self._known(tracks)
        if known is not None:
            # Another has asked meanwhile.
            footage.close()
            return known
        self._footages.append(footage)
        return footage

    def _known(self, tracks: tuple[Track, ...]) -> Footage | None:
        return next((each for each in self._footages if same_kind(each.tracks, tracks)), None)

    def clock(self, media: float) -> float | None:
        """See `History`."""
        return self._recording.clock(media)

    def close(self) -> None:
        """Close all files."""
        for footage in self._footages:
            footage.close()
        self._footages.clear()
