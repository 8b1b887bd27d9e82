"""What is to be recorded, on its way from the event loop to the disk: nothing waits for the disk, nothing is lost.

Only where the disk is slower than the stream for so long that the bound is reached, whole groups of pictures are
left out, and it is known which.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Final

from reelcast.rtp.intake import ReceivedUnit
from reelcast.track import Track

__all__ = ["Spool", "Taken", "opens"]

OVERHEAD_BYTES: Final = 600
"""Memory of a unit beside its data."""
RESUME: Final = 2
"""From a bound reached, this part of it must be free before anything is taken again: gaps are few and long."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A unit to record.

    tracks     all of the stream as they were then
    now        our own clock's time when it came, in Unix seconds
    after      units that were left out just before it
    """

    received: ReceivedUnit
    tracks: tuple[Track, ...]
    now: float
    after: int = 0


def opens(received: ReceivedUnit, tracks: tuple[Track, ...]) -> bool:
    """Whether a recording can begin with a unit: a keyframe of the first video track, or any sound alone."""
    leading = next((track for track in tracks if track.kind == "video"), None)
    if leading is None:
        return True
    return (
        received.unit.keyframe
        and received.track.control == leading.control
        and received.track.kind == "video"
    )


class Spool:
    """A queue of units, bounded in bytes; `put` and `take` by different threads, and neither ever waits.

    max_bytes   of the units that wait, with what they cost beside their data
    size        bytes that wait
    dropped     units left out so far
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.size = 0
        self.dropped = 0
        self._lock = threading.Lock()
        self._units: deque[Taken] = deque()
        self._left_out = 0

    def __len__(self) -> int:
        return len(self._units)

    def put(self, received: ReceivedUnit, tracks: tuple[Track, ...], now: float) -> bool:
        """Append a unit, or leave it out; whether this is where the leaving out begins."""
        size = len(received.unit.data) + OVERHEAD_BYTES
        with self._lock:
            bound = self.max_bytes
            if self._left_out and self._units:
                bound //= RESUME
            fits = self.size + size <= bound and (not self._left_out or opens(received, tracks))
            if not fits:
                self._left_out += 1
                self.dropped += 1
                return self._left_out == 1
            self._units.append(Taken(received, tracks, now, self._left_out))
            self._left_out = 0
            self.size += size
            return False

    def take(self) -> Taken | None:
        """The oldest unit; None where none waits."""
        with self._lock:
            if not self._units:
                return None
            taken = self._units.popleft()
            self.size -= len(taken.received.unit.data) + OVERHEAD_BYTES
            return taken

    def clear(self) -> None:
        """Leave out all that waits."""
        while self.take() is not None:
            self.dropped += 1
