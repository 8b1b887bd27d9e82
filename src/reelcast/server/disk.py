"""Work with files, in threads of its own: what does not answer in one place holds up no other.

A network share that is gone keeps every thread that asks it for anything, at times for hours. So a folder may keep
only a few, in which those who ask wait for each other, and these are not the threads that names are looked up in.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Final, ParamSpec, TypeVar

__all__ = ["AT_ONCE", "Disk"]

AT_ONCE: Final = 4
"""Threads that one folder may keep: reading is faster with some than with one, and packetising is not."""
FAREWELL_SECONDS: Final = 1.0
"""What is being read when the process ends has so long; what hangs is left behind."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Disk:
    """Where the files of a folder are. Used in one event loop."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(AT_ONCE)

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """What `work` returns or raises, done in a thread when it is its turn.

        Whoever waits may leave: what has been begun goes on, and only behind it there is room for another.
        """
        await self._room.acquire()
        loop = asyncio.get_running_loop()

        def perform() -> _T:
            try:
                return work(*args, **kwargs)
            finally:
                # The loop may be over by then.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(self._room.release)

        return await loop.run_in_executor(_THREADS, perform)


class _Threads(Executor):
    """As many threads as are needed at once; none of them keeps the process from ending."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._busy = 0
        self._change = threading.Condition()

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """See `concurrent.futures.Executor`; what is submitted cannot be cancelled."""
        done: Future[_T] = Future()
        done.set_running_or_notify_cancel()

        def perform() -> None:
            try:
                done.set_result(fn(*args, **kwargs))
            except BaseException as error:
                done.set_exception(error)

        with self._change:
            self._busy += 1
        self._jobs.put(perform)
        if not self._idle.acquire(blocking=False):
            threading.Thread(target=self._work, name="reelcast-disk", daemon=True).start()
        return done

    def _work(self) -> None:
        while True:
            self._jobs.get()()
            with self._change:
                self._busy -= 1
                self._change.notify_all()
            self._idle.release()

    def farewell(self) -> None:
        """Let come to an end what does: a library that is unloaded in the middle of its work may crash."""
        with self._change:
            self._change.wait_for(lambda: not self._busy, FAREWELL_SECONDS)


_THREADS: Final = _Threads()
atexit.register(_THREADS.farewell)
