"""Units that are recorded but not yet for certain on disk: should the disk fail, they are recorded again."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from reelcast.archive.spool import OVERHEAD_BYTES, Taken
from reelcast.media.plain_samples import cut

__all__ = ["Entry", "Held"]

MAX_BYTES: Final = 32 << 20
"""Of a group of pictures and of what follows it: more is not held, and a failure costs it."""
MAX_EARLY: Final = 100
"""Units of sound that wait for the first picture: one or two seconds."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A unit, when it is shown (in Unix seconds), and whether a file can begin with it."""

    taken: Taken
    wall: float
    opens: bool

    def since(self, wall: float) -> Entry | None:
        """What of it is shown at a time or later: all, nothing, or some of its samples."""
        if self.wall >= wall:
            return self
        received = self.taken.received
        parts = cut(received.track, received.unit, round((wall - self.wall) * received.track.clock_rate))
        if parts is None:
            return None
        return replace(self, taken=replace(self.taken, received=replace(received, unit=parts[1])), wall=wall)


class Held:
    """Whole groups of pictures with their sound, oldest first."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._groups: deque[list[Entry]] = deque()
        # Sound that came before the first picture, and may be heard with it.
        self._early: deque[Entry] = deque(maxlen=MAX_EARLY)

    def __bool__(self) -> bool:
        return bool(self._groups)

    def __iter__(self) -> Iterator[Entry]:
        return (entry for group in self._groups for entry in group)

    def add(self, entry: Entry) -> bool:
        """Hold a unit; False where it belongs to no group that is held from its beginning."""
        if entry.opens:
            early = _since(entry.wall, self._early)
            self._early.clear()
            self._groups.append([entry, *early])
            self._bytes += sum(map(_size, self._groups[-1]))
        elif self._groups:
            self._groups[-1].append(entry)
            self._bytes += _size(entry)
        elif entry.taken.received.track.kind == "audio":
            self._early.append(entry)
        if self._bytes > self._max_bytes:
            self.clear()
        return bool(self._groups)

    def release(self, wall: float) -> None:
        """What is shown before `wall` is on disk: groups before the last that begins there need not be held.

        Sound that came before its pictures goes to the group that it is heard with.
        """
        while len(self._groups) > 1 and self._groups[1][0].wall <= wall:
            gone, kept = self._groups.popleft(), self._groups[0]
            kept[1:1] = early = _since(kept[0].wall, gone)
            self._bytes -= sum(map(_size, gone)) - sum(map(_size, early))

    def before(self, opening: Entry) -> list[Entry]:
        """What came before the unit that a group begins with, and is shown with it or later."""
        came = itertools.takewhile(lambda entry: entry is not opening, self)
        return _since(opening.wall, came)

    def clear(self) -> None:
        """Hold nothing."""
        self._groups.clear()
        self._early.clear()
        self._bytes = 0


def _since(wall: float, entries: Iterable[Entry]) -> list[Entry]:
    return [part for entry in entries if (part := entry.since(wall)) is not None]


def _size(entry: Entry) -> int:
    return len(entry.taken.received.unit.data) + OVERHEAD_BYTES
