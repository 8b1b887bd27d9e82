"""A reader of a live stream with numbers of its own: one that has been elsewhere, and whose packets go on.

What all readers are sent has one sequence of numbers. Who rewinds is sent other packets meanwhile; to receivers,
the common numbers would then be far ahead, or in the past, which they drop. So headers are made for it alone, as
they are for a playhead.
"""

from __future__ import annotations

import secrets
from bisect import bisect_left
from collections.abc import Mapping

from reelcast.net.carrier import Carrier
from reelcast.net.flight import Aired, Flight
from reelcast.rtp.sender import Numbers, Sender, stamp, tally
from reelcast.server.pacer import TICK, Pacer
from reelcast.server.source import Pace, Playing
from reelcast.server.subscription import OnAir, Subscription

__all__ = ["Follower"]


class Follower(Subscription):
    """See `Subscription`. It never joins the others, but looks in each tick what has come."""

    def __init__(self, broadcast: OnAir, numbers: Numbers, carrier: Carrier, pacer: Pacer) -> None:
        super().__init__(broadcast, (), carrier, pacer, numbers.senders)
        self._bases = numbers.bases
        self._reached = numbers.reached
        self._heard: dict[int, float] = {}
        # Of the group on the air that is being sent: its number, and which of its runs are in the flight.
        self._number = -1
        self._chosen: list[int] = []
        self._flight: Flight | None = None
        self._next = 0

    async def play(self, start: float | None, end: float | None, pace: Pace | None = None) -> Playing:
        """Prepare to play what is on now."""
        goes_on = self.can_go_on
        await super().play(start, end, pace)
        begin = self.upcoming
        if not self._playing and not goes_on:
            self.shift = self._reached - begin
            for track, sender in self._senders.items():
                sender.offset = self._bases[track] + round(self.shift * sender.clock_rate) & 0xFFFFFFFF
        first = {track: (sender.sequence, sender.timestamp(begin)) for track, sender in self._senders.items()}
        return Playing(None, None, first)

    def heard(self) -> dict[int, float]:
        """See `Subscription`."""
        return dict(self._heard)

    def numbers(self) -> Numbers:
        """See `Subscription`; they are its own."""
        self._give_back()
        return Numbers(self._senders, self._bases, self._reached)

    def rewire(self, ssrcs: Mapping[int, int], carrier: Carrier) -> None:
        """See `Player.rewire`."""
        self._give_back()
        super().rewire(ssrcs, carrier)

    def _sender(self, track: int, ssrc: int) -> Sender:
        known = self._senders.get(track)
        if known is not None:
            return known
        common = self._broadcast.senders[track]
        self._bases[track] = secrets.randbits(32)
        offset = self._bases[track] + round(self.shift * common.clock_rate)
        return Sender(ssrc, secrets.randbits(16), offset, common.clock_rate)

    def _send(self, aired: Aired, first: int, stop: int) -> None:
        if aired.number != self._number or self._flight is None:
            self._give_back()
            runs = aired.group.runs
            self._chosen = [at for at in range(first, len(runs)) if runs[at].track in self._senders]
            group = aired.group.select([runs[at] for at in self._chosen])
            headers = stamp(group, self._senders, self._carrier.channels, aired.shift)
            self._number, self._flight, self._next = aired.number, Flight(group, headers), 0
        begin, end = bisect_left(self._chosen, first), bisect_left(self._chosen, stop)
        if begin == end:
            return
        self._carrier.send(self._flight, begin, end)
        self._next = end
        sent = self._flight.group.runs[begin:end]
        tally(sent, self._senders)
        for run in sent:
            self._heard[run.track] = run.pts + aired.shift
            self._reached = max(self._reached, run.end + aired.shift + self.shift)

    def _at_edge(self, now: float) -> float | None:
        return now + TICK

    def _give_back(self) -> None:
        """What was not sent of a group gives its numbers back."""
        if self._flight is not None:
            for run in reversed(self._flight.group.runs[self._next :]):
                self._senders[run.track].sequence = self._flight.sequence(run.first)
        self._flight = None
