"""What can be mounted at a path: a Source, and the Player it gives to each session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from reelcast.net.carrier import Carrier
from reelcast.server.pacer import Pacer
from reelcast.track import Track

__all__ = ["Calendar", "Pace", "Player", "Playing", "Recordings", "Source"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a presentation is played, and sent.

    scale   seconds of NPT in a second of RTP time; negative is backwards (RFC 2326 section 12.34)
    speed   seconds of RTP time that are sent in a second (section 12.35)
    """

    scale: float = 1.0
    speed: float = 1.0


@dataclass(frozen=True, slots=True)
class Playing:
    """What a PLAY response says (RFC 2326 sections 12.29 and 12.33).

    start    NPT of the first frame that is sent, seconds; None is now, of a live source
    end      NPT where playing ends, None for a live source
    first    of each track: the sequence number of the packet sent next, the RTP timestamp of `start`
    pace     as it was chosen: the nearest to what was asked for
    """

    start: float | None
    end: float | None
    first: Mapping[int, tuple[int, int]]
    pace: Pace = Pace()


class Player(Protocol):
    """Sends the tracks of one source to one session."""

    @property
    def ended(self) -> bool:
        """Nothing more will be sent before the next `play`: the range, or the media, has come to its end."""

    @property
    def position(self) -> float:
        """The NPT that is being played, or was when playing stopped; seconds."""

    async def play(self, start: float | None, end: float | None, pace: Pace | None = None) -> Playing:
        """Prepare to play from `start` (seconds; None: from where it is) to `end` (None: to the end).

        Of what is live, an infinite `start` is now, and so is 0, which players say of anything.
        `pace` is what is wanted, None for what it was.
        Raises ProtocolError 457 where the range lies outside the media, MediaError where that went bad.
        """

    def begin(self) -> None:
        """Send what `play` prepared: called when its response is on its way (RFC 2326 section 10.5)."""

    def pause(self) -> float:
        """Stop sending, keep the place; its NPT in seconds."""

    def rewire(self, ssrcs: Mapping[int, int], carrier: Carrier) -> None:
        """Send these tracks from now on, by this carrier, and say goodbye for those that are left out.

        What goes on goes on without a jump.
        """

    def stop(self) -> None:
        """Stop for good: say goodbye where anything was sent (RFC 3550 section 6.6)."""


class Recordings(Protocol):
    """What was recorded of live paths, and can be played though they are no longer there."""

    async def find(self, name: str) -> Source | None:
        """The recordings of a live path ("/cam") as one presentation; None where there are none.

        Raises MediaError where they cannot be read.
        """


class Calendar(Protocol):
    """When it was what a presentation shows: NPT and clock time (RFC 2326 section 3.7), one as the other."""

    @property
    def span(self) -> tuple[float, float | None] | None:
        """The NPTs from which, and up to which, there is something; no end where that is now, None for nothing."""

    async def refresh(self) -> None:
        """Learn what has come since, and what has gone. Raises MediaError."""

    def clock(self, npt: float) -> float:
        """The clock time of an NPT, in Unix seconds."""

    def npt(self, clock: float) -> float:
        """The NPT of a clock time in Unix seconds; outside the presentation where that is."""


class Source(Protocol):
    """Something that can be described and played.

    tracks     what is offered
    origin     identifies the description (RFC 8866 section 5.2), the same as long as that is the same
    calendar   when it was what it shows, None where that is not known
    """

    tracks: tuple[Track, ...]
    origin: int
    calendar: Calendar | None

    @property
    def duration(self) -> float | None:
        """Seconds; None where it has no end."""

    def ssrc(self, track: int) -> int | None:
        """The SSRC that all sessions share, None where each is to have its own."""

    def player(self, ssrcs: Mapping[int, int], carrier: Carrier, pacer: Pacer) -> Player:
        """A player for the tracks in `ssrcs`, which gives each its SSRC."""

    def close(self) -> None:
        """Free what it holds; players must be stopped before."""
