"""Requests take turns: a few in each turn of the event loop, in the order in which they came.

Hundreds of clients that join at once would else be answered in a row, a tenth of a second in which nobody is sent
anything. So media that is due waits for a few answers at most; and where there is too much to do for both, media
is in time, and answers wait.
"""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["AT_ONCE", "Turns"]

AT_ONCE = 12
"""Requests answered before the event loop gets its turn: 3 ms of work. Fewer would find the caches full of the
media between them, and take so much longer that joining does ten times."""


class Turns:
    """To be used in one event loop."""

    def __init__(self) -> None:
        self._left = AT_ONCE
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Wait until it is the caller's turn."""
        loop = asyncio.get_running_loop()
        if self._left == AT_ONCE:
            loop.call_soon(self._begin)
        if self._left:
            self._left -= 1
        else:
            turn: asyncio.Future[None] = loop.create_future()
            self._waiting.append(turn)
            await turn

    def _begin(self) -> None:
        """A turn of the event loop: those who have waited longest are the first, if they are still there."""
        self._left = AT_ONCE
        while self._left and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                if self._left == AT_ONCE:
                    turn.get_loop().call_soon(self._begin)
                self._left -= 1
