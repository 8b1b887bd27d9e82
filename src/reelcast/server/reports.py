"""Sender reports and goodbyes of one session (RFC 3550 sections 6.3, 6.4.1 and 6.6)."""

from __future__ import annotations

import random
import secrets
import socket
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from reelcast.net.clock import unix_at
from reelcast.rtp.clock import unix_to_ntp
from reelcast.rtp.rtcp import Bye, SourceDescription, compound, next_interval
from reelcast.rtp.sender import Sender

__all__ = ["Reporter", "Reports", "Wall", "ntp_at"]

_CNAME = f"{secrets.token_hex(6)}@{socket.gethostname()}"
"""One name for all tracks of this server: what receivers know tracks to synchronise by (section 6.5.1)."""
FIRST_REPORT_WAIT = 0.02
"""Seconds after which it is looked again whether a track has begun: receivers cannot synchronise it before."""


def ntp_at(now: float) -> int:
    """A time of the event loop's clock as a 64-bit NTP timestamp."""
    return unix_to_ntp(unix_at(now))


class Reports(Protocol):
    """Takes reports: the carrier of one session, or all readers of a live stream."""

    def report(self, track: int, data: bytes) -> None:
        """Send a compound RTCP packet beside a track."""


class Wall(Protocol):
    """Knows another clock than ours, and where each track stands by it."""

    def at(self, now: float, media: float) -> tuple[int, Mapping[int, float]]:
        """The NTP time of the media time `media`, which is now (Unix seconds), and each track's media time then.

        Tracks that are not named stand at `media`.
        """


class Reporter:
    """Tells the reader how the tracks' RTP timestamps relate to the clock.

    due     when the next report is to be sent, on the pacer's time axis; at once in the beginning
    muted   tracks of which nothing is sent for now, but whose time goes on
    """

    __slots__ = ("_carrier", "_initial", "_regular", "_senders", "_silent", "_wall", "due", "muted")

    def __init__(self, senders: Mapping[int, Sender], carrier: Reports, wall: Wall | None = None) -> None:
        """`wall` is whose time the media has, None for ours."""
        self.due = self._regular = 0.0
        self.muted: Collection[int] = ()
        self._initial = True
        self._silent = set(senders)
        self._senders = senders
        self._carrier = carrier
        self._wall = wall

    def restart(self) -> None:
        """Report at once: the relation of the two clocks has changed."""
        self.due = self._regular = 0.0

    def report(self, now: float, media_time: float) -> None:
        """Send a report for each track that has sent anything or is muted; `media_time` (seconds) is played now.

        Between two regular times, only for tracks that had not begun before.
        """
        regular = self._regular <= now
        if regular:
            self._regular = now + next_interval(random.random(), initial=self._initial)
            self._initial = False
        ntp, places = self._moment(now, media_time)
        for track, sender in self._senders.items():
            begun = sender.packets or track in self.muted
            if begun and (regular or track in self._silent):
                self._silent.discard(track)
                description = SourceDescription(sender.ssrc, _CNAME)
                report = sender.report(ntp, places.get(track, media_time))
                self._carrier.report(track, compound(report, description))
        self.due = min(self._regular, now + FIRST_REPORT_WAIT) if self._silent else self._regular

    def rewire(self, carrier: Reports) -> None:
        """Send by this carrier from now on; tracks may have come and gone."""
        self._carrier = carrier
        self._silent = {track for track, sender in self._senders.items() if not sender.packets}
        self.restart()

    def goodbye(self, now: float, media_time: float, tracks: Iterable[int] | None = None) -> None:
        """Say that nothing follows, of some tracks or all; not where nothing was ever sent (section 6.3.7).

        Readers wait for the goodbyes of all tracks: where all end, one that stayed silent is reported on and ends.
        """
        senders = self._senders.items()
        begun = {track for track, sender in senders if sender.packets or track not in self._silent}
        ending = begun.intersection(tracks) if tracks is not None else self._senders if begun else ()
        ntp, places = self._moment(now, media_time)
        for track in ending:
            sender = self._senders[track]
            description = SourceDescription(sender.ssrc, _CNAME)
            report = sender.report(ntp, places.get(track, media_time))
            self._carrier.report(track, compound(report, description, Bye((sender.ssrc,))))

    def _moment(self, now: float, media_time: float) -> tuple[int, Mapping[int, float]]:
        if self._wall is None:
            return ntp_at(now), {}
        return self._wall.at(unix_at(now), media_time)
