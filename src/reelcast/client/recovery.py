"""Finds again what was lost: attempt after attempt, until one succeeds or it is given up."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from reelcast.client import events
from reelcast.client.options import Options
from reelcast.errors import AuthenticationError, ReelcastError

__all__ = ["Recovery", "Steps"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Steps:
    """What a recovery consists of, for who is recovered.

    drop       end what there is of a session, which is never used again
    bring_up   make another; ReelcastError where that fails
    found      called when there is one that was not lost again at once
    give_up    called where it is lost for good, with the reason
    """

    drop: Callable[[], Awaitable[None]]
    bring_up: Callable[[], Awaitable[None]]
    found: Callable[[], None]
    give_up: Callable[[ReelcastError], None]


class Recovery:
    """Of one stream; its sessions are dropped and made with its lock held.

    lost   why the last session was lost while it was being made; None where it was not
    """

    def __init__(self, url: str, options: Options, lock: asyncio.Lock, steps: Steps) -> None:
        self.lost: ReelcastError | None = None
        self._url = url
        self._options = options
        self._lock = lock
        self._steps = steps
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether a session was lost, and another is looked for."""
        return self._task is not None

    def lose(self, error: ReelcastError) -> None:
        """A session was lost: look for another."""
        if self._task is None:
            self._options.tell(events.Disconnected(error))
            self._task = asyncio.get_running_loop().create_task(self._recover(error))
        else:
            self.lost = error

    async def stop(self) -> bool:
        """Look no more; whether it did."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        return task is not None

    async def _recover(self, error: ReelcastError) -> None:
        attempt = 1
        while self._options.reconnect.allows(attempt):
            delay = self._options.reconnect.delay(attempt, random.random())
            log.info("%s; connecting again in %.1f s", error, delay)
            self._options.tell(events.Waiting(delay, attempt, error))
            async with self._lock:
                await self._steps.drop()
            await asyncio.sleep(delay)
            failure = await self._try_again()
            if failure is None:
                self._task = None
                self._steps.found()
                return
            error = failure
            if isinstance(error, AuthenticationError):
                break  # trying on would lock the account
            attempt += 1
        self._task = None
        self._steps.give_up(error)

    async def _try_again(self) -> ReelcastError | None:
        """One attempt; why it failed, or why what it brought was lost again at once."""
        self.lost = None
        try:
            async with self._lock:
                await self._steps.bring_up()
        except ReelcastError as failure:
            return failure
        except Exception as fault:
            log.exception("! a fault while connecting again")
            return ReelcastError(f"a fault while connecting: {fault!r}", url=self._url)
        return self.lost
