"""Units that are recorded but not yet for certain on disk: should the disk fail, they are recorded again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from reelcast.archive.spool import OVERHEAD_BYTES, Taken

__all__ = ["Entry", "Held"]

MAX_BYTES: Final = 32 << 20
"""Of a group of pictures and of what follows it: more is not held, and a failure costs it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A unit, when it is shown (in Unix seconds), and whether a file can begin with it."""

    taken: Taken
    wall: float
    opens: bool


class Held:
    """Whole groups of pictures with their sound, oldest first."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._groups: deque[list[Entry]] = deque()

    def __bool__(self) -> bool:
        return bool(self._groups)

    def __iter__(self) -> Iterator[Entry]:
        return (entry for group in self._groups for entry in group)

    def add(self, entry: Entry) -> bool:
        """Hold a unit; False where it belongs to no group that is held from its beginning."""
        if entry.opens:
            self._groups.append([])
        elif not self._groups:
            return False
        self._groups[-1].append(entry)
        self._bytes += _size(entry)
        if self._bytes > self._max_bytes:
            self.clear()
        return bool(self._groups)

    def release(self, wall: float) -> None:
        """What is shown before `wall` is on disk: groups before the last that begins there need not be held."""
        while len(self._groups) > 1 and self._groups[1][0].wall <= wall:
            self._bytes -= sum(map(_size, self._groups.popleft()))

    def clear(self) -> None:
        """Hold nothing."""
        self._groups.clear()
        self._bytes = 0


def _size(entry: Entry) -> int:
    return len(entry.taken.received.unit.data) + OVERHEAD_BYTES
