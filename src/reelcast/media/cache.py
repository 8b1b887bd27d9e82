"""Packetised groups, shared by all sessions and bounded in memory: the least recently used go first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from reelcast.rtp.group import Group

__all__ = ["DEFAULT_CACHE_BYTES", "GroupCache"]

DEFAULT_CACHE_BYTES = 256 << 20
"""About a quarter of an hour of 2 Mbit/s video, or many short movies whole."""


class GroupCache:
    """Groups by (source, index). One for a server; used by its event loop alone.

    A session holds the group it is playing, so what is dropped here is freed when none plays it.
    """

    def __init__(self, max_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self.max_bytes = max_bytes
        self.nbytes = 0
        self._groups: OrderedDict[tuple[Hashable, int], Group] = OrderedDict()

    def get(self, source: Hashable, index: int) -> Group | None:
        """The group, or None where it is not here."""
        group = self._groups.get((source, index))
        if group is not None:
            self._groups.move_to_end((source, index))
        return group

    def put(self, source: Hashable, group: Group) -> None:
        """Keep a group; drops others until all fit. The newest stays even where it alone is too large."""
        key = source, group.index
        old = self._groups.pop(key, None)
        if old is not None:
            self.nbytes -= old.nbytes
        self._groups[key] = group
        self.nbytes += group.nbytes
        while self.nbytes > self.max_bytes and len(self._groups) > 1:
            _, dropped = self._groups.popitem(last=False)
            self.nbytes -= dropped.nbytes

    def forget(self, source: Hashable) -> None:
        """Drop all groups of a source."""
        for key in [key for key in self._groups if key[0] == source]:
            self.nbytes -= self._groups.pop(key).nbytes
