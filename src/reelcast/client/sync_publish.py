"""The same publisher for programs that do not use asyncio.

    with reelcast.publish("rtsp://server/studio", fps=25) as out:
        while True:
            out.write(picture)

It lives in the event loop that the streams of `reelcast.client.sync` live in too; what is written goes to the
encoder from the thread that writes.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Self

from reelcast.client.departure import PublishedTrack
from reelcast.client.loop import shared, with_options_of
from reelcast.client.publish import Publisher, publishing
from reelcast.media.encode import AnyPicture
from reelcast.rtsp.states import State
from reelcast.track import Track

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SyncPublisher", "publish"]


@with_options_of(publishing)
def publish(*arguments: Any, **options: Any) -> SyncPublisher:
    """Publish what this program makes; takes the options of `reelcast.publishing` and raises as `Publisher.open`.

    Returns when the server is connected. What watches it (`on_event`, `on_message`) is called in another thread,
    and must not wait for the publisher there.
    """
    return SyncPublisher(publishing(*arguments, **options))


class SyncPublisher:
    """A `Publisher` whose methods wait; `publish` makes it. Any thread may write."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._loop = shared()
        self._loop.run(publisher.open)
        weakref.finalize(self, self._loop.start, publisher.close).atexit = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *of_block: Any) -> None:
        self._loop.run(lambda: self._publisher.__aexit__(*of_block))

    def __repr__(self) -> str:
        return f"<Sync{repr(self._publisher)[1:]}"

    @property
    def url(self) -> str:
        """What it was made for, without user and password."""
        return self._publisher.url

    @property
    def tracks(self) -> tuple[Track, ...]:
        """See `Publisher.tracks`."""
        return self._publisher.tracks

    @property
    def transport(self) -> str:
        """How media goes: "udp" or "tcp"."""
        return self._publisher.transport

    @property
    def state(self) -> State:
        """See `Publisher.state`."""
        return self._publisher.state

    @property
    def dropped(self) -> int:
        """See `Publisher.dropped`."""
        return self._publisher.dropped

    def statistics(self) -> tuple[PublishedTrack, ...]:
        """What was sent so far, by track, and what the server says of it."""
        return self._publisher.statistics()

    def write(
        self,
        picture: AnyPicture,
        *,
        time: float | None = None,
        pts: float | None = None,
        wait: bool = False,
    ) -> None:
        """See `Publisher.write`."""
        self._publisher.hand_in(lambda studio: studio.write(picture, time=time, pts=pts, wait=wait))

    def write_audio(
        self,
        samples: NDArray[Any],
        *,
        time: float | None = None,
        pts: float | None = None,
        wait: bool = False,
    ) -> None:
        """See `Publisher.write_audio`."""
        self._publisher.hand_in(lambda studio: studio.write_audio(samples, time=time, pts=pts, wait=wait))

    def close(self) -> None:
        """See `Publisher.close`."""
        self._loop.run(self._publisher.close)
