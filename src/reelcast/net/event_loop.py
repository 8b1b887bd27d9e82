"""The event loop of a server: it wakes up to the microsecond, and not for what can wait until it is awake.

asyncio's own rounds up to the next millisecond, which would be seen on the wire. And with a frame each 40 ms no
cache keeps the interpreter between two wake-ups: one more, for the report of one reader, costs as much as sending
a frame to a dozen.
"""

from __future__ import annotations

import asyncio
import select
import selectors
from collections.abc import Coroutine, Iterator, Mapping
from itertools import chain
from typing import Any, Final

from reelcast.errors import ReelcastError

__all__ = ["PATIENCE", "PatientSelector", "defer", "run"]

PATIENCE: Final = 0.05
"""Seconds that input which may wait does at most, for a timer that is near: a frame's time, and some more."""
HIGHEST_DESCRIPTOR: Final = 1023
"""`select` knows no others (FD_SETSIZE)."""

_FileLike = Any
"""What asyncio registers: descriptors, and objects that have one."""


class PatientSelector(selectors.BaseSelector):
    """Two selectors: one that is waited for, and one that is looked at before, while the loop is awake.

    Both are waited for where no timer is near.
    """

    def __init__(self) -> None:
        self._prompt = selectors.EpollSelector()
        self._patient = selectors.EpollSelector()
        self._deferred: set[int] = set()
        self._keys = _Keys(self._prompt.get_map(), self._patient.get_map())
        self._first = [self._prompt.fileno()]
        self._both = [self._prompt.fileno(), self._patient.fileno()]

    @property
    def usable(self) -> bool:
        """Whether its own descriptors are low enough: in a program with very many files they are not."""
        return max(self._both) <= HIGHEST_DESCRIPTOR

    def defer(self, descriptor: int) -> None:
        """Let what comes there wait, until it is unregistered; nothing where it is not registered."""
        key = self._keys.get(descriptor)
        if key is not None:
            self._deferred.add(descriptor)
            self.modify(descriptor, key.events, key.data)

    def register(self, fileobj: _FileLike, events: int, data: Any = None) -> selectors.SelectorKey:
        """See `selectors.BaseSelector`."""
        return self._prompt.register(fileobj, events, data)

    def unregister(self, fileobj: _FileLike) -> selectors.SelectorKey:
        """See `selectors.BaseSelector`."""
        key = self.get_key(fileobj)
        self._deferred.discard(key.fd)
        return self._home(key).unregister(fileobj)

    def modify(self, fileobj: _FileLike, events: int, data: Any = None) -> selectors.SelectorKey:
        """See `selectors.BaseSelector`. Who waits to write does not wait longer than it has to."""
        key = self.get_key(fileobj)
        former = self._home(key)
        patient = events == selectors.EVENT_READ and key.fd in self._deferred
        home = self._patient if patient else self._prompt
        if home is former:
            return home.modify(fileobj, events, data)
        former.unregister(fileobj)
        return home.register(key.fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See `selectors.BaseSelector`."""
        # Behind the work, not before it: media is sent first.
        ready = self._patient.select(0)
        if not ready and (timeout is None or timeout > 0):
            watched = self._both if timeout is None or timeout > PATIENCE else self._first
            if not select.select(watched, (), (), timeout)[0]:
                return []
            if watched is self._both:
                ready = self._patient.select(0)
        return ready + self._prompt.select(0)

    def get_map(self) -> Mapping[_FileLike, selectors.SelectorKey]:
        """See `selectors.BaseSelector`."""
        return self._keys

    def close(self) -> None:
        """See `selectors.BaseSelector`."""
        self._prompt.close()
        self._patient.close()

    def _home(self, key: selectors.SelectorKey) -> selectors.EpollSelector:
        return self._patient if key.fd in self._patient.get_map() else self._prompt


class _Keys(Mapping[_FileLike, selectors.SelectorKey]):
    """What both have registered."""

    def __init__(self, *maps: Mapping[_FileLike, selectors.SelectorKey]) -> None:
        self._maps = maps

    def __getitem__(self, fileobj: _FileLike) -> selectors.SelectorKey:
        for keys in self._maps:
            if fileobj in keys:
                return keys[fileobj]
        raise KeyError(fileobj)

    def __iter__(self) -> Iterator[_FileLike]:
        return chain(*self._maps)

    def __len__(self) -> int:
        return sum(map(len, self._maps))


class _PatientLoop(asyncio.SelectorEventLoop):
    def __init__(self, selector: PatientSelector) -> None:
        super().__init__(selector)
        self.defer = selector.defer


def run(main: Coroutine[Any, Any, None]) -> None:
    """As `asyncio.run`, in such a loop where there is epoll (Linux), else in asyncio's own.

    ReelcastError where a loop runs in this thread already.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        main.close()
        raise ReelcastError(
            "an event loop runs here already", advice="use `async with` or `await` in it instead"
        )
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(main)


def defer(descriptor: int) -> None:
    """Let what comes there wait until the running loop is awake anyway; nothing in a loop that cannot do that."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, _PatientLoop):
        loop.defer(descriptor)


def _new_loop() -> asyncio.AbstractEventLoop:
    if hasattr(select, "epoll"):
        selector = PatientSelector()
        if selector.usable:
            return _PatientLoop(selector)
        selector.close()
    return asyncio.new_event_loop()
