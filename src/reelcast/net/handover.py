"""From a thread that makes things to the event loop that takes them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Final

__all__ = ["MAX_IN_FLIGHT", "Handover"]

MAX_IN_FLIGHT: Final = 64
"""Things on their way: where the loop is busy, who makes them waits."""
PATIENCE: Final = 1.0
"""Seconds after which a thread that waits looks whether there still is a loop."""


class Handover:
    """Has work done in the event loop that made it, in the order of the calls; its methods are for any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._room = threading.Semaphore(MAX_IN_FLIGHT)
        self._open = True

    def __call__(self, work: Callable[[], None]) -> None:
        """Have it done, once there is room; nothing happens where the loop has ended."""
        while not self._room.acquire(timeout=PATIENCE):
            if self._loop.is_closed():
                return
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._do, work)

    def close(self) -> None:
        """Do no more of it."""
        self._open = False

    def _do(self, work: Callable[[], None]) -> None:
        self._room.release()
        if self._open:
            work()
