"""The queue between what arrives and the application that takes it: bounded, and with an end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from reelcast.client.intake import ReceivedUnit
from reelcast.errors import ReelcastError
from reelcast.track import Track

__all__ = ["MAX_QUEUED_BYTES", "MAX_QUEUED_UNITS", "UnitQueue"]

MAX_QUEUED_UNITS: Final = 1024
"""Units that wait for the application: several seconds of video and audio."""
MAX_QUEUED_BYTES: Final = 64 << 20
"""Their bytes: as many seconds at any bit rate in use."""


class UnitQueue:
    """Received units on their way to one reader.

    hold_back    called with True when the queue is full and with False when it is half empty; nothing is
                 dropped then. None where the sender cannot be held back: what does not fit is dropped, and of
                 video all until the next keyframe, so that no torn picture comes out
    """

    def __init__(self, hold_back: Callable[[bool], None] | None = None) -> None:
        self.full = False
        self._hold_back = hold_back
        self._units: deque[ReceivedUnit] = deque()
        self._bytes = 0
        self._torn: set[Track] = set()
        self._ended = False
        self._error: ReelcastError | None = None
        self._changed = asyncio.Event()

    def put(self, received: ReceivedUnit) -> bool:
        """Append a unit; whether it was taken."""
        if self._ended or (self._hold_back is None and not self._fits(received)):
            return False
        self._units.append(received)
        self._bytes += len(received.unit.data)
        self._look()
        self._changed.set()
        return True

    def end(self, error: ReelcastError | None) -> None:
        """Nothing follows what is queued: the reader then meets the end, or the error. The first counts."""
        if not self._ended:
            self._ended = True
            self._error = error
            self._changed.set()

    async def get(self) -> ReceivedUnit:
        """The next unit; at the end, StopAsyncIteration or the error."""
        while not self._units:
            if self._ended:
                raise self._error or StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        received = self._units.popleft()
        self._bytes -= len(received.unit.data)
        self._look()
        return received

    def _fits(self, received: ReceivedUnit) -> bool:
        if self.full:
            self._torn.add(received.track)
        elif received.unit.keyframe:
            self._torn.discard(received.track)
        return received.track not in self._torn

    def _look(self) -> None:
        """Full from one of the bounds on, until both are down to a half."""
        units, size = len(self._units), self._bytes
        if self.full:
            full = units > MAX_QUEUED_UNITS // 2 or size > MAX_QUEUED_BYTES // 2
        else:
            full = units >= MAX_QUEUED_UNITS or size >= MAX_QUEUED_BYTES
        if full != self.full:
            self.full = full
            if self._hold_back is not None:
                self._hold_back(full)
