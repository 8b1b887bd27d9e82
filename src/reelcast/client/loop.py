"""Streams for programs without an event loop: theirs runs in a thread, and is waited for."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar, cast

from reelcast.errors import ReelcastError

__all__ = ["Loop", "shared", "with_options_of"]

log = logging.getLogger(__name__)

T = TypeVar("T")
P = ParamSpec("P")


def with_options_of(model: Callable[P, object]) -> Callable[[Callable[..., T]], Callable[P, T]]:
    """Give a function the parameters of another, for type checkers, editors and `help`."""

    def give(function: Callable[..., T]) -> Callable[P, T]:
        own = inspect.signature(function).return_annotation
        cast(Any, function).__signature__ = inspect.signature(model).replace(return_annotation=own)
        return function

    return give


class Loop:
    """One event loop for all of a process, in a thread that does not keep the program from ending."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do it there, and wait for it; Ctrl-C cancels it."""
        loop = self._started()
        future = asyncio.run_coroutine_threadsafe(work(), loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def start(self, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Do it there some time, if that is still possible."""
        loop = self._loop
        if loop is not None and self._process == os.getpid():
            loop.call_soon_threadsafe(lambda: loop.create_task(work()))

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._process != os.getpid():
            raise ReelcastError(
                "the stream belongs to the process that opened it", advice="open it behind the fork"
            )
        if self._thread is threading.current_thread():
            raise ReelcastError(
                "what watches a stream cannot wait for it", advice="let another thread do what is to be done"
            )
        with self._guard:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop,), name="reelcast", daemon=True
                )
                self._thread.start()
            return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run for ever: what ends a program where it is called in an event loop must not end this one alone."""
    while True:
        try:
            loop.run_forever()
            return
        except SystemExit:
            log.warning("! sys.exit was called by what watches a stream, and ends nothing there")


_loop = Loop()


def shared() -> Loop:
    """The one of this process."""
    return _loop


def _forked() -> None:
    """Threads do not live on in a forked process: it gets a loop of its own."""
    global _loop
    _loop = Loop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
