"""A live stream: one timeline for all its readers, sent to all of them at once.

A new reader does not wait for the next keyframe: it is sent what has been on the air since the last one, by
itself and faster than life, and joins the others when it has caught up.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from reelcast.errors import ProtocolError, ReelcastError
from reelcast.net.carrier import Carrier
from reelcast.net.fanout import FanOut
from reelcast.net.flight import Aired
from reelcast.rtp.group import Group, Run
from reelcast.rtp.sender import Sender, stamp, tally
from reelcast.server.pacer import Pacer
from reelcast.server.reports import Reporter
from reelcast.server.source import Playing
from reelcast.track import Track

__all__ = ["Broadcast", "Era", "Feed"]

log = logging.getLogger(__name__)

AHEAD = 2
"""Groups prepared before they are due."""
MAX_KEPT_BYTES = 32 << 20
"""Kept for new readers; where more has been sent since the last keyframe, they wait for the next."""
MAX_LATE = 0.5
"""Seconds by which late media is caught up on; what is later moves the whole timeline."""
CATCH_UP_SPEED = 5.0
"""Over UDP, what a new reader has missed is sent so many times faster than life: its buffer must hold it."""
RETRY = 0.01
"""Seconds until a connection that had no room is looked at again."""

Place = tuple[int, int]
"""The number of a group on the air, and of a run in it."""


class Feed(Protocol):
    """Where a live stream's media comes from.

    tracks    what it consists of
    leading   the index of the track whose keyframes are places to begin at
    """

    tracks: tuple[Track, ...]
    leading: int

    def groups(self, elapsed: float) -> AsyncIterator[tuple[Group, float]]:
        """Groups in order, the first from before `elapsed` seconds into the stream, each with its shift.

        The shift, in seconds, leads from the group's time axis to the stream's. Ends, or raises ReelcastError,
        where no more comes.
        """

    def close(self) -> None:
        """Free what it holds."""


@dataclass(frozen=True, slots=True)
class Era:
    """What several processes that send the same live streams agree on.

    began   when the streams began (monotonic seconds, the same clock for all processes of a machine)
    seed    where their SSRCs and first timestamps come from: a secret
    """

    began: float
    seed: int

    @classmethod
    def now(cls) -> Era:
        """One that begins now."""
        return cls(time.monotonic(), secrets.randbits(128))


class Broadcast:
    """See `reelcast.server.source.Source`. A stream without readers rests; its time goes on.

    over   the feed has ended, and all that came of it has been sent
    """

    def __init__(self, feed: Feed, era: Era | None = None, name: str = "") -> None:
        """`name` tells the streams of one era apart."""
        era = era or Era.now()
        dice = random.Random(f"{era.seed} {name}")
        self.tracks: tuple[Track, ...] = feed.tracks
        self.duration: float | None = None
        self.origin = dice.getrandbits(62)
        self.fan_out = FanOut()
        self.senders = {
            track: Sender(dice.getrandbits(32), dice.getrandbits(16), dice.getrandbits(32), item.clock_rate)
            for track, item in enumerate(feed.tracks)
        }
        self.reporter = Reporter(self.senders, self.fan_out)
        self._feed = feed
        self._epoch = era.began
        self._pacer: Pacer | None = None
        self._producer: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._on_air = asyncio.Event()
        self._readers: set[Subscription] = set()
        # Oldest first: kept for new readers, being sent, prepared.
        self._aired: deque[Aired] = deque()
        self._numbers = 0
        self._edge: Place = (0, 0)
        self._start: Place | None = None
        self._counted = 0
        self._starved = True
        self.over = False

    @property
    def elapsed(self) -> float:
        """Seconds into the stream."""
        return time.monotonic() - self._epoch

    @property
    def edge(self) -> Place:
        """What will be sent next."""
        return self._edge

    def ssrc(self, track: int) -> int | None:
        """All readers are sent the same packets."""
        return self.senders[track].ssrc

    def player(self, ssrcs: Mapping[int, int], carrier: Carrier, pacer: Pacer) -> Subscription:
        """A player for one session."""
        return Subscription(self, tuple(ssrcs), carrier, pacer)

    def close(self) -> None:
        """End the stream."""
        self._rest()
        self._feed.close()

    # What its readers ask for

    async def enter(self, reader: Subscription, pacer: Pacer) -> None:
        """Be on the air for a reader; returns when there is something to send."""
        self._readers.add(reader)
        if self._producer is None:
            self._pacer = pacer
            self._producer = asyncio.get_running_loop().create_task(self._produce(pacer))
        await self._on_air.wait()

    def exit(self, reader: Subscription) -> None:
        """A reader has gone."""
        self._readers.discard(reader)
        if not self._readers:
            self._rest()

    def beginning(self) -> Place:
        """Where a new reader begins: at the last keyframe, or, where that is long ago, with what comes next."""
        return self._edge if self._start is None else self._start

    def at(self, place: Place) -> Aired | None:
        """The group of a place; None where it is no longer kept, or not yet there."""
        index = place[0] - self._aired[0].number if self._aired else -1
        return self._aired[index] if 0 <= index < len(self._aired) else None

    def first_packets(self, place: Place) -> dict[int, tuple[int, int]]:
        """Of each track: the sequence number of its first packet from a place on, the RTP time of the place."""
        sequences = {track: sender.sequence for track, sender in self.senders.items()}
        found: set[int] = set()
        media_time = self.elapsed
        for aired in self._aired:
            if aired.number < place[0]:
                continue
            runs = aired.group.runs[place[1] if aired.number == place[0] else 0 :]
            for run in runs:
                if not found:
                    media_time = run.pts + aired.shift
                if run.track not in found:
                    found.add(run.track)
                    sequences[run.track] = aired.flight().sequence(run.first)
        return {
            track: (sequences[track], sender.timestamp(media_time)) for track, sender in self.senders.items()
        }

    # What the pacer asks for

    def advance(self, now: float) -> float | None:
        """Send to all what is due by `now`."""
        while True:
            aired = self.at(self._edge)
            if aired is None:
                self._starved = True
                return None
            self._on_air.set()
            number, first = self._edge
            dues, shift = aired.group.spread, self._epoch + aired.shift
            late = now - shift - dues[first] if first < len(dues) else 0.0
            if late > MAX_LATE and len(self.fan_out):
                # Too much to catch up on at once: the rest of the timeline moves instead.
                self._epoch += late
                self.reporter.restart()
                continue
            stop = first
            while stop < len(dues) and shift + dues[stop] <= now:
                stop += 1
            self._send(aired, first, stop)
            if stop < len(dues):
                self._edge = number, stop
                break
            tally(aired.group, self.senders, self._counted, len(aired.group))
            self._counted = 0
            self._edge = number + 1, 0
            self._let_go()
        if self.reporter.due <= now and len(self.fan_out) and self._pacer is not None:
            self._pacer.after_flush(self.report)
        return shift + dues[stop]

    def report(self) -> None:
        """Send all readers a sender report."""
        self.count()
        self.reporter.report(time.monotonic(), self.elapsed)

    def count(self) -> None:
        """Bring the senders' counts up to date, for a report."""
        aired = self.at(self._edge)
        if aired is not None and self._edge[1]:
            last = aired.group.runs[self._edge[1] - 1]
            sent = last.first + last.count
            tally(aired.group, self.senders, self._counted, sent)
            self._counted = sent

    def _send(self, aired: Aired, first: int, stop: int) -> None:
        """Send runs; a keyframe begins a piece of its own, since readers may be let in there."""
        runs = aired.group.runs
        begun, entry = first, False
        for number in range(first, stop):
            run = runs[number]
            if run.keyframe and run.track == self._feed.leading and _begins(runs, number):
                if number > begun:
                    self.fan_out.send(aired, begun, number, entry=entry)
                begun, entry = number, True
                self._start = aired.number, number
        if stop > begun:
            self.fan_out.send(aired, begun, stop, entry=entry)

    def _let_go(self) -> None:
        """Drop what no reader will be sent by itself, and have more prepared."""
        wanted = [reader.wanted for reader in self._readers if reader.wanted is not None]
        if self._start is not None:
            wanted.append(self._start[0])
        if wanted and sum(aired.group.nbytes for aired in self._aired) > MAX_KEPT_BYTES:
            self._start, wanted = None, []
        oldest = min([*wanted, self._edge[0]])
        while self._aired and self._aired[0].number < oldest:
            self._aired.popleft()
        self._room.set()

    # What comes in

    async def _produce(self, pacer: Pacer) -> None:
        try:
            async for group, shift in self._feed.groups(self.elapsed):
                headers = stamp(group, self.senders, shift=shift)
                self._aired.append(Aired(self._numbers, group, headers, shift))
                self._numbers += 1
                if self._starved:
                    self._starved = False
                    pacer.add(self, time.monotonic())
                await self._sent_but(AHEAD)
        except ReelcastError as error:
            log.error("a live stream has ended: %s", error)
        await self._sent_but(0)
        self.over = True
        self._on_air.set()
        for reader in [reader for reader in self._readers if reader.joined]:
            reader.finish()

    async def _sent_but(self, groups: int) -> None:
        """Wait until no more than so many groups are left to be sent."""
        while self._numbers - self._edge[0] > groups:
            self._room.clear()
            await self._room.wait()

    def _rest(self) -> None:
        """Stop sending: nobody is there."""
        self.count()
        if self._producer is not None:
            self._producer.cancel()
            self._producer = None
        if self._pacer is not None:
            self._pacer.discard(self)
        unsent = self.first_packets(self._edge)
        for track, sender in self.senders.items():
            sender.sequence = unsent[track][0]
        self._aired.clear()
        # One whose session has ended meanwhile must not wait for ever.
        self._on_air.set()
        self._on_air.clear()
        self._edge, self._start, self._counted = (self._numbers, 0), None, 0
        self._starved, self.over = True, False


class Subscription:
    """See `reelcast.server.source.Player`: one reader of a broadcast.

    joined   it has caught up, and is sent what all are sent
    """

    def __init__(self, broadcast: Broadcast, tracks: tuple[int, ...], carrier: Carrier, pacer: Pacer) -> None:
        self.ended = False
        self._broadcast = broadcast
        self._carrier = carrier
        self._pacer = pacer
        self._senders = {track: broadcast.senders[track] for track in tracks}
        self._reporter = Reporter(self._senders, carrier)
        self._place: Place = (0, 0)
        # When catching up began, and the stream's time then.
        self._clock: tuple[float, float] | None = None
        self._playing = self.joined = self._stopped = False

    @property
    def position(self) -> float:
        """Seconds into the stream."""
        return self._broadcast.elapsed

    @property
    def wanted(self) -> int | None:
        """The number of the group to be kept for it while it catches up; none where it may be slow."""
        catching_up = self._playing and not self.joined and not self._carrier.eager
        return self._place[0] if catching_up else None

    async def play(self, start: float | None, end: float | None) -> Playing:
        """Prepare to play what is on now: `start` may be 0 or None, which mean that too."""
        if start:
            raise ProtocolError("this stream is live: there is only now", 457)
        if not self._playing:
            await self._broadcast.enter(self, self._pacer)
            # After a short pause it goes on where it was: numbers that went back would look like a new sender.
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
        if self._playing:
            self._playing = False
            self._pacer.discard(self)
            if self.joined:
                self.joined, self._place = False, self._broadcast.edge
                self._carrier.leave(self._broadcast.fan_out)
        self._broadcast.exit(self)
        return self.position

    def rewire(self, ssrcs: Mapping[int, int], carrier: Carrier) -> None:
        """Send these tracks from now on; see `Player.rewire`."""
        gone = [track for track in self._senders if track not in ssrcs]
        self._say_goodbye(gone)
        for track in gone:
            del self._senders[track]
        if not self._playing and ssrcs.keys() - self._senders.keys():
            # A track that is new begins at a keyframe.
            self._place = (0, 0)
        self._senders.update({track: self._broadcast.senders[track] for track in ssrcs})
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
                else:
                    self._join(now)
                return None
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
                self._carrier.send(self._carrier.flight(aired), first, stop)
                self._report_soon(now)
            self._place = (number, stop) if stop < len(aired.group.runs) else (number + 1, 0)
            if not self._carrier.ready:
                return now + RETRY

    def _join(self, now: float) -> None:
        # What was just collected for this reader must leave before anything that comes to all.
        self._pacer.flush()
        self._carrier.join(self._broadcast.fan_out)
        self.joined = True
        self._report_soon(now)

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


def _begins(runs: tuple[Run, ...], number: int) -> bool:
    """Whether a run is the first of its burst."""
    return number == 0 or runs[number - 1].burst != runs[number].burst
