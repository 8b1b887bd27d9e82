"""The recordings in a folder, as a server plays them: one footage a live path, shared by all who watch it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from reelcast.archive.footage import Footage
from reelcast.archive.index import Index
from reelcast.archive.memory import Memory, Recorded
from reelcast.media.cache import GroupCache
from reelcast.server.disk import Disk

__all__ = ["Shelf"]

MAX_KEPT: Final = 32
"""Live paths whose footage is kept for the next who asks; one that is being played stays open anyway."""
CACHE_BYTES: Final = 64 << 20
"""For seconds of recordings, packetised: recordings are watched by few at a time."""


class Shelf:
    """See `reelcast.server.source.Recordings`. Used in the event loop of its server."""

    def __init__(self, index: Index, disk: Disk | None = None, cache_bytes: int = CACHE_BYTES) -> None:
        """`disk` is where the folder is; None for one that nothing else is on."""
        self._index = index
        self._disk = disk or Disk()
        self._cache = GroupCache(cache_bytes)
        self._kept: OrderedDict[str, Footage] = OrderedDict()

    async def find(self, name: str) -> Footage | None:
        """The recordings of a live path ("/cam"); None where there are none. Raises MediaError."""
        known = self._known(name)
        if known is not None:
            await known.refresh()
            return known
        if await self._disk.run(self._index.beginning, name) is None:
            return None
        footage = await Footage.develop(self._index, name, self._cache, self._disk)
        known = self._known(name)
        if known is not None:
            # Another has asked meanwhile.
            footage.close()
            return known
        self._kept[name] = footage
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return footage

    def _known(self, name: str) -> Footage | None:
        known = self._kept.get(name)
        if known is None or known.closed:
            return None
        self._kept.move_to_end(name)
        return known

    def memory(self, name: str, recording: Recorded) -> Memory:
        """What a live path is given as its `history` while it is recorded: with it, it can be rewound."""
        return Memory(self._index, name, recording, self._cache, self._disk)

    def close(self) -> None:
        """Close all files."""
        for footage in self._kept.values():
            footage.close()
        self._kept.clear()
