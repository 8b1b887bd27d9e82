"""The same stream for programs that do not use asyncio.

    with reelcast.open("rtsp://camera/stream") as stream:
        for frame in stream:
            show(frame.to_ndarray("bgr24"))

All streams of a process share one event loop in one thread, which is started with the first of them. Nothing is
done twice here: each call is handed to the `Stream` beneath and waited for.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, Generic, Literal, Self, TypeVar

from reelcast.client.frame import Frame
from reelcast.client.intake import ReceivedUnit
from reelcast.client.stream import Stream, TrackStatistics, connect
from reelcast.errors import DeadlineError
from reelcast.rtsp.states import State
from reelcast.track import Kind, Track

__all__ = ["SyncStream", "open"]

T = TypeVar("T")


def open(url: str, **options: Any) -> SyncStream:
    """Connect to an RTSP URL and play it; takes the options of `reelcast.connect` and raises as `Stream.open`.

    Returns when the first packet has come.
    """
    return SyncStream(connect(url, **options))


class _Loop:
    """The event loop of all streams, in a thread that does not keep the program from ending."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._guard = threading.Lock()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it there, and wait for it; Ctrl-C cancels it."""
        with self._guard:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="reelcast", daemon=True).start()
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


_LOOP = _Loop()


class SyncStream:
    """A `Stream` whose methods wait; `open` makes it. It iterates over the newest frames of video."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._frames: _Frames[Frame] | None = None
        _LOOP.run(stream.open())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        return self.frames()

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Those that are received, in the order described."""
        return self._stream.tracks

    @property
    def duration(self) -> float | None:
        """Of the presentation in seconds; None for a live source."""
        return self._stream.duration

    @property
    def transport(self) -> str:
        """How media comes: "udp" or "tcp"."""
        return self._stream.transport

    @property
    def state(self) -> State:
        """Ready, Playing or Paused; Init when it is over or lost."""
        return self._stream.state

    @property
    def position(self) -> float:
        """The latest presentation time received, in seconds."""
        return self._stream.position

    @property
    def scale(self) -> float:
        """Presentation seconds in a second, as the server chose."""
        return self._stream.scale

    def statistics(self) -> tuple[TrackStatistics, ...]:
        """What was received so far, by track."""
        return self._stream.statistics()

    def play(self, at: float | None = None, scale: float | None = None) -> None:
        """See `Stream.play`."""
        _LOOP.run(self._stream.play(at, scale))

    def pause(self) -> None:
        """See `Stream.pause`."""
        _LOOP.run(self._stream.pause())

    def seek(self, at: float) -> None:
        """See `Stream.seek`."""
        _LOOP.run(self._stream.seek(at))

    def read(self, timeout: float | None = None) -> Frame | None:
        """The next frame of video, the newest there is; None at the end.

        Raises DeadlineError where none comes within `timeout` seconds; the stream goes on.
        """
        if self._frames is None:
            self._frames = self.frames()
        return self._frames.next(timeout)

    def frames(
        self,
        kinds: tuple[Kind, ...] = ("video",),
        *,
        every: bool = False,
        corrupt: Literal["drop", "flag"] = "drop",
    ) -> _Frames[Frame]:
        """See `Stream.frames`."""
        return _Frames(self._stream.frames(kinds, every=every, corrupt=corrupt))

    def units(self) -> _Frames[ReceivedUnit]:
        """See `Stream.units`."""
        return _Frames(self._stream.units())

    def close(self) -> None:
        """TEARDOWN, and the end of the connection. Closing twice is no error."""
        _LOOP.run(self._stream.close())


class _Frames(Generic[T]):
    """An asynchronous iterator, waited for."""

    def __init__(self, source: AsyncIterator[T]) -> None:
        self._source = source

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        item = self.next(None)
        if item is None:
            raise StopIteration
        return item

    def next(self, timeout: float | None) -> T | None:
        """The next item; None at the end, DeadlineError where it does not come in time."""
        return _LOOP.run(self._next(timeout))

    async def _next(self, timeout: float | None) -> T | None:
        try:
            async with asyncio.timeout(timeout):
                return await anext(self._source, None)
        except DeadlineError:
            raise
        except TimeoutError:
            if timeout is None:
                raise
            raise DeadlineError("frame", timeout) from None
