"""From units to frames: decoding in a thread of its own, a little ahead of who takes them.

PyAV lets go of the interpreter while it decodes, so the packets of all streams go on being received.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final, Self, get_args

from reelcast.client.queue import UnitQueue
from reelcast.errors import MediaError, ReelcastError
from reelcast.given import choice
from reelcast.track import Kind, Track

if TYPE_CHECKING:
    from reelcast.client.decoding import Decoding
    from reelcast.client.frame import Frame

__all__ = ["Frames", "check_kinds"]

AHEAD: Final = 4
"""Frames decoded before they are asked for: they are large."""


def check_kinds(kinds: tuple[Kind, ...], tracks: tuple[Track, ...], url: str) -> None:
    """ValueError for kinds that make no sense; MediaError where there are tracks, and none of these kinds."""
    if isinstance(kinds, str) or not kinds:
        raise ValueError(f"kinds must be a tuple such as ('video',), not {kinds!r}")
    for kind in kinds:
        choice("kinds", kind, get_args(Kind))
    if tracks and not any(track.kind in kinds for track in tracks):
        there = " and ".join(dict.fromkeys(track.kind for track in tracks))
        raise MediaError(f"there is no {' or '.join(kinds)} in it, but {there}", url=url)


class Frames:
    """An asynchronous iterator of what a queue's units decode to.

    kinds   of tracks to decode
    every   all frames, in order; else of each track the newest
    flag    corrupt pictures come too

    Waiting for a frame may be cancelled, and none is lost. Decoding begins with the first frame that is asked
    for, and ends with the queue, by `close`, or when nobody has this object any more.
    """

    def __init__(self, queue: UnitQueue, kinds: tuple[Kind, ...], *, every: bool, flag: bool) -> None:
        self._queue = queue
        self._shelf = _Shelf(every)
        self._load = partial(_load, kinds, flag)
        self._pump: asyncio.Task[None] | None = None
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame:
        if self._pump is None:
            if self._closed:
                raise StopAsyncIteration
            self._pump = asyncio.create_task(_pump(self._queue, self._shelf, self._load))
            self._pump.add_done_callback(_look_away)
            weakref.finalize(self, _cancel, self._pump, asyncio.get_running_loop())
        frame = await self._shelf.take()
        if frame is None:
            # How it ended: by StopAsyncIteration, or an error of the stream's.
            await asyncio.wait([self._pump])
            if not self._pump.cancelled():
                self._pump.result()
            raise StopAsyncIteration
        return frame

    def forget(self, segment: int) -> None:
        """Frames of this segment and of those before it are not wanted any more."""
        self._shelf.forget(segment)

    def close(self) -> None:
        """Stop decoding; whoever waits for a frame meets the end, also who begins to wait later."""
        self._closed = True
        self._shelf.close()
        if self._pump is not None:
            self._pump.cancel()


def _cancel(pump: asyncio.Task[None], loop: asyncio.AbstractEventLoop) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(pump.cancel)


def _look_away(pump: asyncio.Task[None]) -> None:
    """An error that nobody waits for is no news: the stream has told it."""
    if not pump.cancelled():
        pump.exception()


def _load(kinds: tuple[Kind, ...], flag: bool) -> Decoding:
    """Loads PyAV, which takes 0.2 s: in the thread that decodes, so that no packet waits for it."""
    from reelcast.client.decoding import Decoding

    return Decoding(kinds, flag)


async def _pump(queue: UnitQueue, shelf: _Shelf, load: Callable[[], Decoding]) -> None:
    """Decode unit after unit, until the queue ends, in whatever way."""
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1, "reelcast-decode")
    try:
        decoding = await loop.run_in_executor(thread, load)
        while True:
            received = await queue.get()
            if decoding.wants(received):
                await shelf.put(await loop.run_in_executor(thread, decoding.decode, received))
    except (StopAsyncIteration, ReelcastError) as end:
        # Whatever it ended with, what came before is shown.
        await shelf.put(await loop.run_in_executor(thread, decoding.flush))
        if isinstance(end, ReelcastError):
            raise
    except asyncio.CancelledError:
        pass
    finally:
        thread.shutdown(wait=False)
        shelf.close()


class _Shelf:
    """Where decoded frames wait to be taken: a few of them in order, or the newest of each track."""

    def __init__(self, every: bool) -> None:
        self._every = every
        self._frames: deque[Frame] = deque()
        self._past = -1
        self._closed = False
        self._changed = asyncio.Event()

    async def put(self, frames: list[Frame]) -> None:
        """Add frames; where every one is wanted, wait for room."""
        for frame in frames:
            if self._every:
                while len(self._frames) >= AHEAD and frame.segment > self._past:
                    await self._change()
            else:
                self._frames = deque(each for each in self._frames if each.track != frame.track)
            if frame.segment > self._past:
                self._frames.append(frame)
                self._changed.set()

    async def take(self) -> Frame | None:
        """The next frame; None when nothing follows."""
        while not self._frames:
            if self._closed:
                return None
            await self._change()
        frame = self._frames.popleft()
        self._changed.set()
        return frame

    def forget(self, segment: int) -> None:
        """Frames up to this segment are of the past."""
        self._past = segment
        self._frames = deque(each for each in self._frames if each.segment > segment)
        self._changed.set()

    def close(self) -> None:
        """Nothing follows what is there."""
        self._closed = True
        self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
