"""The writers of a server: live paths that the program itself feeds, from threads of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reelcast.server.live_writer import LiveWriter

__all__ = ["Writers"]


class Writers:
    """Tells writers whether the server runs; what they feed is mounted in the event loop alone."""

    def __init__(self) -> None:
        self._writers: list[LiveWriter] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: int | None = None

    def add(self, make: Callable[[], LiveWriter]) -> LiveWriter:
        """Have a writer made, and started if the server runs; for any thread."""
        if self._loop is None or threading.get_ident() == self._thread:
            return self._add(make)

        async def add() -> LiveWriter:
            return self._add(make)

        return asyncio.run_coroutine_threadsafe(add(), self._loop).result()

    def _add(self, make: Callable[[], LiveWriter]) -> LiveWriter:
        writer = make()
        self._writers.append(writer)
        if self._loop is not None:
            writer.start()
        return writer

    def start(self) -> None:
        """The server runs, in this event loop."""
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        for writer in self._writers:
            writer.start()

    def stop(self) -> None:
        """It stops: what is written from now on is an error."""
        self._loop = None
        for writer in self._writers:
            writer.stop()
        self._writers.clear()
