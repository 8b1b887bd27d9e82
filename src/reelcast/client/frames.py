"""From units to frames: decoding in a thread of its own, a little ahead of who takes them.

PyAV lets go of the interpreter while it decodes, so the packets of all streams go on being received.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final, Self, get_args

from reelcast.client.frame import Frame
from reelcast.client.queue import UnitQueue
from reelcast.errors import MediaError, ReelcastError
from reelcast.given import choice
from reelcast.media.decode import AudioDecoder, Picture, Samples, VideoDecoder, decoder_for
from reelcast.rtp.intake import ReceivedUnit
from reelcast.track import Kind, Track

__all__ = ["Frames", "check_kinds"]

AHEAD: Final = 4
"""Frames decoded before they are asked for: they are large."""
MAX_UNDECODED: Final = 64
"""Units remembered until their frames come: the deepest reordering that a codec has is 16 pictures."""


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
        self._decoding = _Decoding(kinds, flag)
        self._pump: asyncio.Task[None] | None = None
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame:
        if self._pump is None:
            if self._closed:
                raise StopAsyncIteration
            self._pump = asyncio.create_task(_pump(self._queue, self._shelf, self._decoding))
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


async def _pump(queue: UnitQueue, shelf: _Shelf, decoding: _Decoding) -> None:
    """Decode unit after unit, until the queue ends, in whatever way."""
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1, "reelcast-decode")
    try:
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


class _Decoding:
    """The decoders of one stream's tracks, and the units whose frames are still to come. Used by one thread."""

    def __init__(self, kinds: tuple[Kind, ...], flag: bool) -> None:
        self._kinds = kinds
        self._flag = flag
        self._segment: int | None = None
        self._decoders: dict[Track, VideoDecoder | AudioDecoder] = {}
        self._units: dict[tuple[Track, int], ReceivedUnit] = {}
        self._latest: dict[Track, int] = {}

    def wants(self, received: ReceivedUnit) -> bool:
        """Whether a unit is to be decoded at all."""
        return received.track.kind in self._kinds

    def decode(self, received: ReceivedUnit) -> list[Frame]:
        """What one more unit yields: usually one frame."""
        if received.segment == self._segment:
            return self._decode(received)
        rest = self.flush()
        self._segment = received.segment
        self._decoders.clear()
        self._units.clear()
        self._latest.clear()
        return rest + self._decode(received)

    def _decode(self, received: ReceivedUnit) -> list[Frame]:
        track = received.track
        decoder = self._decoders.get(track)
        if decoder is None:
            decoder = self._decoders[track] = self._decoder(track)
        if received.corrupt and not self._flag:
            # Nothing is decoded until the next keyframe; what was decoded before is still shown.
            return self._frames(track, decoder.flush())
        ticks = round(received.pts * track.clock_rate)
        while (track, ticks) in self._units:  # a camera's times may stand still
            ticks += 1
        if len(self._units) >= MAX_UNDECODED:
            del self._units[next(iter(self._units))]
        self._units[track, ticks] = received
        return self._frames(track, decoder.decode(replace(received.unit, pts=ticks)))

    def flush(self) -> list[Frame]:
        """What the decoders still hold back."""
        return [
            frame
            for track, decoder in self._decoders.items()
            for frame in self._frames(track, decoder.flush())
        ]

    def _decoder(self, track: Track) -> VideoDecoder | AudioDecoder:
        decoder = decoder_for(track)
        if isinstance(decoder, VideoDecoder):
            decoder.keep_corrupt = self._flag
        return decoder

    def _frames(self, track: Track, pictures: Iterable[Picture | Samples]) -> list[Frame]:
        frames: list[Frame] = []
        for picture in pictures:
            received = self._units.pop((track, picture.pts), None)
            if received is not None:
                frame = _frame(received, picture)
                if self._in_order(frame, picture.pts):
                    frames.append(frame)
        return frames

    def _in_order(self, frame: Frame, ticks: int) -> bool:
        """Whether it follows what came last: where references are lost, FFmpeg shows some pictures too late."""
        if frame.corrupt and not frame.key and ticks < self._latest.get(frame.track, ticks):
            return False
        self._latest[frame.track] = ticks
        return True


def _frame(received: ReceivedUnit, picture: Picture | Samples) -> Frame:
    torn = isinstance(picture, Picture) and picture.corrupt
    return Frame(
        received.track,
        received.pts,
        received.time,
        received.clock,
        received.unit.keyframe,
        received.corrupt or torn,
        received.arrival,
        received.segment,
        picture,
    )
