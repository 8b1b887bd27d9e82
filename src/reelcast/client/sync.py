"""The same stream for programs that do not use asyncio.

    with reelcast.open("rtsp://camera/stream") as stream:
        for frame in stream:
            show(frame.to_ndarray("bgr24"))

All streams of a process share one event loop in one thread, which is started with the first of them. Nothing is
done twice here: each call is handed to the `Stream` beneath and waited for. Several threads may use one stream;
a process that was forked off may not use those of its parent.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar

from reelcast.client.loop import shared, with_options_of
from reelcast.client.options import Moment
from reelcast.client.stream import Stream, TrackStatistics, connect
from reelcast.errors import DeadlineError
from reelcast.rtp.intake import ReceivedUnit
from reelcast.rtsp.states import State
from reelcast.track import Kind, Track

if TYPE_CHECKING:
    from reelcast.client.frame import Frame

__all__ = ["SyncStream", "open"]

T = TypeVar("T")


@with_options_of(connect)
def open(*arguments: Any, **options: Any) -> SyncStream:
    """Connect to an RTSP URL and play it; takes the options of `reelcast.connect` and raises as `Stream.open`.

    Returns when the first packet has come. What watches it (`on_event`, `on_message`) is called in another thread,
    and must not wait for the stream there.
    """
    return SyncStream(connect(*arguments, **options))


class SyncStream:
    """A `Stream` whose methods wait; `open` makes it. It iterates over the newest frames of video.

    One that nobody has any more, nor what reads it, is closed.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._loop = shared()
        self._frames: _Frames[Frame] | None = None
        self._loop.run(stream.open)
        weakref.finalize(self, self._loop.start, stream.close).atexit = False

    def __repr__(self) -> str:
        return f"<Sync{repr(self._stream)[1:]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        return self.frames()

    @property
    def url(self) -> str:
        """What it was opened with, without user and password."""
        return self._stream.url

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
        """Ready, Playing or Paused; Init while it is lost, and when it is closed."""
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

    def play(self, at: Moment | None = None, scale: float | None = None) -> None:
        """See `Stream.play`."""
        self._loop.run(lambda: self._stream.play(at, scale))

    def pause(self) -> None:
        """See `Stream.pause`."""
        self._loop.run(self._stream.pause)

    def seek(self, at: Moment) -> None:
        """See `Stream.seek`."""
        self._loop.run(lambda: self._stream.seek(at))

    def read(self, timeout: float | None = None) -> Frame | None:
        """The next frame of video, the newest there is; None at the end.

        Raises DeadlineError where none comes within `timeout` seconds; the stream goes on.
        """
        return self._loop.run(lambda: self._read(timeout))

    async def _read(self, timeout: float | None) -> Frame | None:
        if self._frames is None:
            self._frames = _Frames(self, self._stream.frames())
        return await self._frames.get(timeout)

    def frames(
        self,
        kinds: tuple[Kind, ...] = ("video",),
        *,
        every: bool = False,
        corrupt: Literal["drop", "flag"] = "drop",
    ) -> _Frames[Frame]:
        """See `Stream.frames`."""
        return self._reader(lambda: self._stream.frames(kinds, every=every, corrupt=corrupt))

    def units(self) -> _Frames[ReceivedUnit]:
        """See `Stream.units`."""
        return self._reader(self._stream.units)

    def _reader(self, make: Callable[[], AsyncIterator[T]]) -> _Frames[T]:
        """A reader in the place of another; nothing of the stream is touched in this thread."""

        async def replace() -> _Frames[T]:
            self._frames = None
            return _Frames(self, make())

        return self._loop.run(replace)

    def close(self) -> None:
        """TEARDOWN, and the end of the connection. Closing twice is no error."""
        self._loop.run(self._stream.close)


class _Frames(Generic[T]):
    """An asynchronous iterator, waited for; it has its stream, so that nobody else need have it."""

    def __init__(self, stream: SyncStream, source: AsyncIterator[T]) -> None:
        self._stream = stream
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
        return self._stream._loop.run(lambda: self.get(timeout))

    async def get(self, timeout: float | None) -> T | None:
        """The same, in the event loop."""
        try:
            async with asyncio.timeout(timeout):
                return await anext(self._source, None)
        except DeadlineError:
            raise
        except TimeoutError:
            if timeout is None:
                raise
            raise DeadlineError("frame", timeout, url=self._stream.url) from None
