"""One reader of a live stream: it catches up with the others, faster than life, and joins them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Protocol

from reelcast.errors import ProtocolError
from reelcast.net.carrier import Carrier
from reelcast.net.fanout import FanOut
from reelcast.net.flight import Aired
from reelcast.rtp.sender import Numbers, Sender
from reelcast.server.pacer import Pacer
from reelcast.server.reports import Reporter, Wall
from reelcast.server.source import Pace, Playing

__all__ = ["OnAir", "Place", "Subscription"]

CATCH_UP_SPEED = 5.0
"""Over UDP, what a new reader has missed is sent so many times faster than life: its buffer must hold it."""
LEAST = 0.01
"""Seconds of the session's time from what was sent last to what another player sends."""
RETRY = 0.01
"""Seconds until a connection that had no room is looked at again."""

Place = tuple[int, int]
"""The number of a group on the air, and of a run in it."""


class OnAir(Protocol):
    """What a reader needs of its broadcast.

    senders   of all tracks
    rests     how often it came to rest: what was on the air before is not there any more
    fan_out   what all readers are sent
    over      nothing more will come
    wall      whose time the media has, None for ours
    """

    senders: dict[int, Sender]
    fan_out: FanOut
    over: bool
    rests: int
    wall: Wall | None

    @property
    def elapsed(self) -> float:
        """Seconds into the stream."""

    @property
    def edge(self) -> Place:
        """What will be sent next."""

    async def enter(self, reader: Subscription, pacer: Pacer) -> None:
        """Be on the air for a reader; returns when there is something to send."""

    def exit(self, reader: Subscription) -> None:
        """A reader has gone."""

    def beginning(self) -> Place:
        """Where a new reader begins."""

    def at(self, place: Place) -> Aired | None:
        """The group of a place; None where it is no longer kept, or not yet there."""

    def first_packets(self, place: Place) -> dict[int, tuple[int, int]]:
        """Of each track: the sequence number of its first packet from a place on, the RTP time of the place."""

    def last_units(self, place: Place) -> dict[int, float]:
        """Of each track: when the last unit before a place is shown, of those that are still kept; seconds."""

    def count(self) -> None:
        """Bring the senders' counts up to date, for a report."""


class Subscription:
    """See `reelcast.server.source.Player`: one reader of a broadcast.

    joined   it has caught up, and is sent what all are sent
    shift    seconds from the stream's time to the session's, in which its RTP time counts
    """

    lead = None
    shift = 0.0

    def __init__(
        self,
        broadcast: OnAir,
        tracks: tuple[int, ...],
        carrier: Carrier,
        pacer: Pacer,
        senders: dict[int, Sender] | None = None,
    ) -> None:
        """`senders` are those of the broadcast, unless others are given."""
        self.ended = False
        self._broadcast = broadcast
        self._carrier = carrier
        self._pacer = pacer
        self._senders = senders or {track: broadcast.senders[track] for track in tracks}
        self._reporter = Reporter(self._senders, carrier, broadcast.wall)
        self._place: Place = (0, 0)
        # When catching up began, and the stream's time then.
        self._clock: tuple[float, float] | None = None
        self._rests = -1
        self._playing = self.joined = self._stopped = self._held = False

    @property
    def position(self) -> float:
        """Seconds into the stream."""
        return self._broadcast.elapsed

    @property
    def playing(self) -> bool:
        """Whether it is being sent anything."""
        return self._playing

    @property
    def wanted(self) -> int | None:
        """The number of the group to be kept for it while it catches up; none where it may be slow."""
        catching_up = self._playing and not self.joined and not self._carrier.eager
        return self._place[0] if catching_up or self._held else None

    async def play(self, start: float | None, end: float | None, pace: Pace | None = None) -> Playing:
        """Prepare to play what is on now: `start` may be 0 or None, which mean that too."""
        if start:
            raise ProtocolError("this stream is live: there is only now", 457)
        if not self._playing:
            await self._broadcast.enter(self, self._pacer)
            if not self.can_go_on:
                # Numbers that went back would look like a new sender.
                self._place = max(self._place, self._broadcast.beginning())
        first = self._broadcast.first_packets(self._broadcast.edge if self.joined else self._place)
        return Playing(None, None, {track: first[track] for track in self._senders})

    def begin(self) -> None:
        """Catch up with the others."""
        if self._playing or self._stopped:
            return
        self._playing, self._clock, self.ended = True, None, False
        self._pacer.add(self, time.monotonic())

    def pause(self) -> float:
        """Stop sending."""
        self.hold()
        self._held = False
        self._broadcast.exit(self)
        return self.position

    def hold(self) -> None:
        """Stop sending, but have kept what comes, until it has gone on or is paused."""
        if self._playing:
            self._playing, self._held = False, True
            self._pacer.discard(self)
            if self.joined:
                self.joined, self._place = False, self._broadcast.edge
                self._carrier.leave(self._broadcast.fan_out)
            self._rests = self._broadcast.rests

    def heard(self) -> dict[int, float]:
        """Of each track, while it plays: when the last unit sent is shown, on the stream's axis; seconds."""
        return self._broadcast.last_units(self._here)

    def numbers(self) -> Numbers:
        """Where its packets stand, while it plays: copies, for another player to go on with."""
        self._broadcast.count()
        first = self._broadcast.first_packets(self._here)
        senders: dict[int, Sender] = {}
        for track, sender in self._senders.items():
            own = senders[track] = Sender(sender.ssrc, first[track][0], sender.offset, sender.clock_rate)
            own.count(sender.packets, sender.octets)
        reached = max(self.heard().values(), default=self._broadcast.elapsed) + LEAST
        return Numbers(senders, {track: sender.offset for track, sender in senders.items()}, reached)

    @property
    def _here(self) -> Place:
        return self._broadcast.edge if self.joined else self._place

    @property
    def can_go_on(self) -> bool:
        """Whether, behind a pause, all that came meanwhile is still kept."""
        kept = self._place >= self._broadcast.beginning() or self._broadcast.at(self._place) is not None
        return self._rests == self._broadcast.rests and kept

    @property
    def upcoming(self) -> float:
        """When what is sent next is shown, on the stream's axis; seconds."""
        aired = self._broadcast.at(self._here)
        if aired is None or self._here[1] >= len(aired.group.runs):
            return self._broadcast.elapsed
        return aired.shift + aired.group.runs[self._here[1]].pts

    def rewire(self, ssrcs: Mapping[int, int], carrier: Carrier) -> None:
        """Send these tracks from now on; see `Player.rewire`."""
        gone = [track for track in self._senders if track not in ssrcs]
        self._say_goodbye(gone)
        for track in gone:
            del self._senders[track]
        if not self._playing and ssrcs.keys() - self._senders.keys():
            # A track that is new begins at a keyframe.
            self._place = (0, 0)
        self._senders.update({track: self._sender(track, ssrc) for track, ssrc in ssrcs.items()})
        if self.joined:
            self._carrier.leave(self._broadcast.fan_out)
            carrier.join(self._broadcast.fan_out)
        self._carrier = carrier
        self._reporter.rewire(carrier)
        self._report_soon(time.monotonic())

    def finish(self) -> None:
        """The stream has ended: say goodbye. Another `play` asks whether there is more."""
        self.pause()
        self.ended = True
        self._say_goodbye(self._senders)

    def stop(self) -> None:
        """Stop for good, and say goodbye."""
        self._stopped = True
        if self.ended:
            self.pause()
        else:
            self.finish()

    def advance(self, now: float) -> float | None:
        """Send what has been on the air, a piece each tick, until there is no more of it; then join."""
        # Until now what it goes on with was kept for it, however slow it may turn out to be.
        self._held = False
        if not self._carrier.ready:
            return now + RETRY
        broadcast = self._broadcast
        while True:
            aired = broadcast.at(self._place)
            if aired is None and self._place < broadcast.edge:
                # Too slow for what is kept.
                self._place = broadcast.beginning()
                aired = broadcast.at(self._place)
            if aired is None or self._place >= broadcast.edge:
                if broadcast.over:
                    self._pacer.flush()
                    self.finish()
                    return None
                return self._at_edge(now)
            number, first = self._place
            stop = broadcast.edge[1] if number == broadcast.edge[0] else len(aired.group.runs)
            if not self._carrier.eager and first < stop:
                due = aired.shift + aired.group.spread[first]
                if self._clock is None:
                    self._clock = now, due
                wait = (due - self._clock[1]) / CATCH_UP_SPEED - (now - self._clock[0])
                if wait > 0:
                    return now + wait
                stop = first + 1
            if stop > first:
                if self._reporter.due <= now:
                    # Before what is sent faster than life: its arrival does not say when it was.
                    self._report()
                self._send(aired, first, stop)
            self._place = (number, stop) if stop < len(aired.group.runs) else (number + 1, 0)
            if not self._carrier.ready:
                return now + RETRY

    def _sender(self, track: int, ssrc: int) -> Sender:
        """Whose numbers the packets of a track have."""
        return self._broadcast.senders[track]

    def _send(self, aired: Aired, first: int, stop: int) -> None:
        """Send runs of what is, or was, on the air."""
        self._carrier.send(self._carrier.flight(aired), first, stop)

    def _at_edge(self, now: float) -> float | None:
        """All is sent that there is: join the others. The time of the next look, None where that is not needed."""
        # What was just collected for this reader must leave before anything that comes to all.
        self._pacer.flush()
        self._carrier.join(self._broadcast.fan_out)
        self.joined = True
        self._report_soon(now)
        return None

    def _say_goodbye(self, tracks: Iterable[int]) -> None:
        self._broadcast.count()
        self._reporter.goodbye(time.monotonic(), self.position, tracks)

    def _report_soon(self, now: float) -> None:
        if self._reporter.due <= now:
            self._pacer.after_flush(self._report)

    def _report(self) -> None:
        if self._playing:
            self._broadcast.count()
            self._reporter.report(time.monotonic(), self._broadcast.elapsed)
