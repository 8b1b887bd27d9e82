"""What the player was told to do, and not yet done: in order, unless it is urgent."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

__all__ = ["Action", "Orders"]

Action = Callable[[], Awaitable[None]]


class Orders:
    """Carries out one action at a time, each by its name.

    Of two of one name in a row, the latter counts. An urgent one takes the place of all others, of that which is
    being carried out too; but for `kept`, which is always carried out to its end.

    kept     the name that stays
    failed   told of the exception that an action raised
    """

    def __init__(self, kept: str, failed: Callable[[Exception], None]) -> None:
        self._kept = kept
        self._failed = failed
        self._waiting: deque[tuple[str, Action]] = deque()
        self._come = asyncio.Event()
        self._name = ""
        self._current: asyncio.Task[None] | None = None
        self._over = False

    def take(self, name: str, action: Action, urgent: bool) -> None:
        """Have something done; called in the loop's thread."""
        if urgent:
            self._waiting = deque(each for each in self._waiting if each[0] == self._kept)
            if self._current is not None and self._name != self._kept:
                self._current.cancel()
        elif self._waiting and self._waiting[-1][0] == name:
            self._waiting.pop()
        self._waiting.append((name, action))
        self._come.set()

    def end(self) -> None:
        """Leave `obey` when the action that says so is done."""
        self._over = True

    async def obey(self) -> None:
        """Carry out what comes."""
        while not self._over:
            await self._come.wait()
            self._come.clear()
            while self._waiting:
                self._name, action = self._waiting.popleft()
                self._current = asyncio.ensure_future(self._attempt(action))
                await asyncio.wait((self._current,))
                self._current = None

    async def _attempt(self, action: Action) -> None:
        try:
            await action()
        except Exception as error:
            self._failed(error)
