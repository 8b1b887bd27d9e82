"""The queue between what arrives and the application that takes it: bounded, and with an end."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import Final, Self

from reelcast.errors import ReelcastError
from reelcast.rtp.intake import ReceivedUnit
from reelcast.track import Track

__all__ = ["MAX_LAG", "MAX_QUEUED_BYTES", "MAX_QUEUED_UNITS", "UnitQueue", "Units"]

MAX_QUEUED_UNITS: Final = 1024
"""Units that wait for the application: several seconds of video and audio."""
MAX_QUEUED_BYTES: Final = 64 << 20
"""Their bytes: as many seconds at any bit rate in use."""
MAX_LAG: Final = 1.0
"""Seconds that the oldest may wait where the newest is wanted: a hiccup of the application is made up for."""


class UnitQueue:
    """Received units on their way to one reader.

    hold_back   called with True when the queue is full and with False when it is half empty; nothing is
                dropped then. None where the sender cannot be held back: what does not fit is dropped, and of
                video all until the next keyframe, so that no torn picture comes out
    newest      what the reader wants (`want`): with True nobody is held back, and a reader that lags is brought
                to the last keyframe
    dropped     units that no reader took, by track
    """

    def __init__(self, hold_back: Callable[[bool], None] | None = None) -> None:
        self.full = False
        self.newest = False
        self.dropped: Counter[Track] = Counter()
        self._hold_back = hold_back
        self._units: deque[ReceivedUnit] = deque()
        self._bytes = 0
        self._torn: set[Track] = set()
        self._ended = False
        self._error: ReelcastError | None = None
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._units)

    def put(self, received: ReceivedUnit) -> None:
        """Append a unit, or drop it."""
        if self._ended or not self._fits(received):
            self.dropped[received.track] += 1
            return
        self._units.append(received)
        self._bytes += len(received.unit.data)
        if self.newest and received.arrival - self._units[0].arrival > MAX_LAG:
            self._skip()
        self._look()
        self._changed.set()

    def want(self, newest: bool) -> None:
        """Whether the reader wants the newest units, or every one."""
        self.newest = newest
        if self.full and self._hold_back is not None:
            self._hold_back(not newest)

    def connect(self, hold_back: Callable[[bool], None] | None) -> None:
        """From now on another sender fills the queue."""
        self._hold_back = hold_back
        if self.full and hold_back is not None:
            hold_back(True)

    def keep(self, segment: int | None) -> None:
        """Forget what waits of all other segments: a seek has made it the past."""
        self._units = deque(each for each in self._units if each.segment == segment)
        self._bytes = sum(len(each.unit.data) for each in self._units)
        self._torn.clear()
        self._look()

    def end(self, error: ReelcastError | None) -> None:
        """Nothing follows what is queued: the reader then meets the end, or the error. The first counts."""
        if not self._ended:
            self._ended = True
            self._error = error
            self._changed.set()

    def reopen(self) -> None:
        """What was over goes on: a presentation is played again."""
        self._ended, self._error = False, None

    async def get(self, reader: Units | None = None) -> ReceivedUnit:
        """The next unit; StopAsyncIteration or the error at the end, and the former for a closed reader."""
        while reader is None or not reader.closed:
            if self._units:
                return self._next()
            if self._ended:
                raise self._error or StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        raise StopAsyncIteration

    def _next(self) -> ReceivedUnit:
        received = self._units.popleft()
        self._bytes -= len(received.unit.data)
        self._look()
        return received

    def wake(self) -> None:
        """Let who waits look again."""
        self._changed.set()

    def _fits(self, received: ReceivedUnit) -> bool:
        if self._hold_back is not None and not self.newest:
            return True
        if self.full:
            self._torn.add(received.track)
        elif received.unit.keyframe and self._torn:
            self._torn.discard(received.track)
        return not self._torn or received.track not in self._torn

    def _skip(self) -> None:
        """Go on at the last keyframe of a picture; where none waits, at the next one that comes."""
        units = list(self._units)
        pictures = (place for place, each in enumerate(units) if each.track.kind == "video")
        start = max((place for place in pictures if units[place].unit.keyframe), default=0)
        kept = units[start:] if start else []
        gone = units[: len(units) - len(kept)]
        self.dropped.update(each.track for each in gone)
        if not kept:
            self._torn.update(each.track for each in gone if each.track.kind == "video")
        self._units = deque(kept)
        self._bytes = sum(len(each.unit.data) for each in kept)

    def _look(self) -> None:
        """Full from one of the bounds on, until both are down to a half."""
        units, size = len(self._units), self._bytes
        if self.full:
            full = units > MAX_QUEUED_UNITS // 2 or size > MAX_QUEUED_BYTES // 2
        else:
            full = units >= MAX_QUEUED_UNITS or size >= MAX_QUEUED_BYTES
        if full != self.full:
            self.full = full
            if self._hold_back is not None and (not self.newest or not full):
                self._hold_back(full)


class Units:
    """An asynchronous iterator of what a queue brings. Waiting may be cancelled, and no unit is lost.

    closed   True when another reader has taken its place
    """

    def __init__(self, queue: UnitQueue) -> None:
        self.closed = False
        self._queue = queue

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ReceivedUnit:
        return await self._queue.get(self)

    def close(self) -> None:
        """Leave the rest to another reader; whoever waits for a unit here meets the end."""
        self.closed = True
        self._queue.wake()
