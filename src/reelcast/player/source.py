"""What the player plays, and what it asks of the client: the seam where tests put another stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from reelcast.client.events import Event
from reelcast.client.options import Dialect, Moment, Transport
from reelcast.client.stream import TrackStatistics
from reelcast.client.transcript import Utterance
from reelcast.rtsp.url import without_userinfo
from reelcast.track import Kind, Track

if TYPE_CHECKING:
    from reelcast.client.frame import Frame

__all__ = ["Connect", "Source", "Stream"]


@dataclass(frozen=True, slots=True)
class Source:
    """What is to be played.

    rtp_port   receive RTP on this port and RTCP on the next; None for any free ones
    dialect    "auto" also plays servers of the classroom exercise
    timeout    seconds for the opening, and of silence later on
    trust      by what a server of rtsps:// is believed; see `reelcast.connect`
    at         where to begin; None for the beginning, or for what is live
    duration   seconds of it that are to be played; None for all
    """

    url: str
    transport: Transport = "auto"
    rtp_port: int | None = None
    dialect: Dialect = "rtsp"
    timeout: float = 10.0
    trust: str | None = None
    at: Moment | None = None
    duration: float | None = None

    @property
    def shown(self) -> str:
        """The URL for everyone to see: without user and password."""
        return without_userinfo(self.url)


class Stream(Protocol):
    """An RTSP stream, as `reelcast.client.stream.Stream` is one; there is more on each method."""

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Those that are received."""

    @property
    def duration(self) -> float | None:
        """In seconds, None for a live source."""

    @property
    def transport(self) -> str:
        """How media comes."""

    @property
    def scale(self) -> float:
        """Presentation seconds in a second."""

    async def open(self) -> None:
        """Connect and set up."""

    async def play(self, at: Moment | None = None, scale: float | None = None) -> None:
        """Play on, or from a place."""

    async def pause(self) -> None:
        """Halt."""

    async def close(self) -> None:
        """End the session."""

    def statistics(self) -> tuple[TrackStatistics, ...]:
        """What was received."""

    def frames(
        self,
        kinds: tuple[Kind, ...] = ("video",),
        *,
        every: bool = False,
        corrupt: Literal["drop", "flag"] = "drop",
    ) -> AsyncIterator[Frame]:
        """Decoded frames."""


Connect = Callable[[Source, Callable[[Event], None], Callable[[Utterance], None]], Stream]
"""Makes a stream of a source; the two are told of events and of messages, in the event loop's thread."""
