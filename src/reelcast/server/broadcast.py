"""A live stream: one timeline for all its readers, sent to all of them at once.

What has been on the air since the last keyframe is kept for new readers (see `subscription`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Mapping

from reelcast.errors import ReelcastError
from reelcast.net.carrier import Carrier
from reelcast.net.clock import unix_at
from reelcast.net.fanout import FanOut
from reelcast.net.flight import Aired
from reelcast.rtp.group import Run
from reelcast.rtp.sender import Sender, tally
from reelcast.server.feed import Era, Feed
from reelcast.server.pacer import STEP, Pacer
from reelcast.server.reports import Reporter, Wall
from reelcast.server.source import Calendar
from reelcast.server.subscription import Place, Subscription
from reelcast.server.tempo import Tempo
from reelcast.track import Track

__all__ = ["Broadcast"]

log = logging.getLogger(__name__)

AHEAD = 2
"""Groups prepared before they are due."""
PART_APART = 0.004
"""Seconds from part to part of what takes long to send to all: a little more than each takes."""
SETTLED = 2
"""Groups behind what is being sent that all have been sent, however long that takes."""
ALONE = 32
"""Readers from which on their media is sent when it is due, not when that of other streams is too."""
MAX_KEPT_BYTES = 32 << 20
"""Kept for new readers; where more has been sent since the last keyframe, they wait for the next."""
MAX_LATE = 0.5
"""Seconds by which late media is caught up on; what is later moves the whole timeline."""
KEYFRAME_SECONDS = 10.0
"""How long a new reader waits for something, and for a keyframe, where the last one is no longer kept."""


class Broadcast:
    """See `reelcast.server.source.Source`. A stream without readers rests; its time goes on.

    over   the feed has ended, and all that came of it has been sent
    wall   whose time the media has, None for ours
    rests       how often it came to rest: what was on the air before is not there any more
    on_unused   called when no session has it any more
    """

    def __init__(
        self, feed: Feed, era: Era | None = None, name: str = "", *, wall: Wall | None = None
    ) -> None:
        """`name` tells the streams of one era apart."""
        era = era or Era.now()
        dice = random.Random(f"{era.seed} {name}")
        self.tracks: tuple[Track, ...] = feed.tracks
        self.duration: float | None = None
        self.calendar: Calendar | None = None
        self.origin = dice.getrandbits(62)
        self.fan_out = FanOut()
        self.senders = {
            track: Sender(dice.getrandbits(32), dice.getrandbits(16), dice.getrandbits(32), item.clock_rate)
            for track, item in enumerate(feed.tracks)
        }
        self.wall = wall
        self.reporter = Reporter(self.senders, self.fan_out, wall)
        self._feed = feed
        self._epoch = era.began
        self._pacer: Pacer | None = None
        self._producer: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._on_air = asyncio.Event()
        self._begun = asyncio.Event()
        self._readers: set[Subscription] = set()
        # Oldest first: kept for new readers, being sent, prepared.
        self._aired: deque[Aired] = deque()
        self._kept_bytes = 0
        self._numbers = 0
        self._edge: Place = (0, 0)
        self._start: Place | None = None
        self._counted = 0
        # When the part is due that is sent next, of what was begun; how long before what comes next it is called.
        self._part = self._lead = 0.0
        self._tempo = Tempo()
        self._starved = True
        self.over = False
        self.rests = 0
        self.on_unused: Callable[[], None] = _nothing
        self._users = 0

    @property
    def elapsed(self) -> float:
        """Seconds into the stream."""
        return time.monotonic() - self._epoch

    @property
    def readers(self) -> int:
        """Those that are sent something, or wait for it."""
        return len(self._readers)

    @property
    def used(self) -> bool:
        """Whether any session has it."""
        return self._users > 0

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

    def describe_anew(self, tracks: tuple[Track, ...]) -> None:
        """The tracks have other parameters now: who asks from now on is told so."""
        self.tracks = tracks
        self.origin += 1

    def hold(self) -> None:
        """A session has it."""
        self._users += 1

    def release(self) -> None:
        """A session no longer has it; behind the last, `on_unused` is called."""
        self._users -= 1
        if not self._users:
            self.on_unused()

    def end(self) -> None:
        """Nothing more comes: readers are told goodbye when all has been sent."""
        self._feed.close()

    def close(self) -> None:
        """End the stream at once."""
        self._rest()
        self._feed.close()

    # What its readers ask for

    async def enter(self, reader: Subscription, pacer: Pacer) -> None:
        """Be on the air for a reader; returns when there is something to send, or does not come."""
        self._readers.add(reader)
        if self._producer is None:
            self._pacer = pacer
            self._producer = asyncio.get_running_loop().create_task(self._produce(pacer))
        # A feed may bring nothing, or no keyframe, for longer than that: then it begins anywhere.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KEYFRAME_SECONDS):
                await self._on_air.wait()
                await self._begun.wait()

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
            runs = aired.group.runs
            for number in range(place[1] if aired.number == place[0] else 0, len(runs)):
                track = runs[number].track
                if not found:
                    media_time = runs[number].pts + aired.shift
                if track not in found:
                    found.add(track)
                    sequences[track] = aired.sequence(number)
        places = {} if self.wall is None else self.wall.at(unix_at(time.monotonic()), media_time)[1]
        return {
            track: (sequences[track], sender.timestamp(places.get(track, media_time)))
            for track, sender in self.senders.items()
        }

    def last_units(self, place: Place) -> dict[int, float]:
        """Of each track: when the last unit before a place is shown, of those that are still kept; seconds."""
        last: dict[int, float] = {}
        for aired in self._aired:
            if aired.number > place[0]:
                break
            for run in aired.group.runs[: place[1] if aired.number == place[0] else None]:
                last[run.track] = run.pts + aired.shift
        return last

    # What the pacer asks for

    @property
    def lead(self) -> float | None:
        """See `Paced`: what comes as it happens does not wait for a tick."""
        return self._lead if len(self.fan_out) >= ALONE or not self._feed.paced else None

    def advance(self, now: float) -> float | None:
        """Send to all what is due by `now`, or a part of it where that is much."""
        due = self._begin_due(now)
        fan_out = self.fan_out
        if fan_out.left:
            whole, began = fan_out.left, time.monotonic()
            fan_out.proceed(self._tempo.portion(whole))
            self._tempo.note(whole - fan_out.left, time.monotonic() - began)
        if fan_out.left:
            # What is due before the rest of this has gone makes it hurry; what comes as it happens is late already.
            self._part += PART_APART if self._feed.paced else 0.0
            self._lead = self._tempo.lead(fan_out.left)
            return self._part if due is None else min(self._part, due)
        if self.reporter.due <= now and len(fan_out) and self._pacer is not None:
            self._pacer.after_flush(self.report)
        self._part, self._starved = 0.0, due is None
        if due is not None and len(fan_out) >= ALONE:
            self._lead = self._tempo.lead(fan_out.weight(self._due_next()))
        return due

    def _due_next(self) -> tuple[Run, ...]:
        """Runs that come next and are called together: parameter sets alone would have no lead to speak of."""
        aired = self.at(self._edge)
        assert aired is not None
        runs, first = aired.group.runs, self._edge[1]
        stop, last = first + 1, runs[first].spread + STEP
        while stop < len(runs) and runs[stop].spread <= last:
            stop += 1
        return runs[first:stop]

    def _begin_due(self, now: float) -> float | None:
        """Begin what is due by `now`; the time of what comes next, None where that is not there yet."""
        while True:
            aired = self.at(self._edge)
            if aired is None:
                return None
            self._on_air.set()
            number, first = self._edge
            dues, shift = aired.group.spread, self._epoch + aired.shift
            late = now - shift - dues[first] if first < len(dues) else 0.0
            if late > MAX_LATE and self._feed.paced and len(self.fan_out):
                # Too much to catch up on at once: the rest of the timeline moves instead.
                self._epoch += late
                self.reporter.restart()
                continue
            stop = first
            while stop < len(dues) and shift + dues[stop] <= now:
                stop += 1
            if stop > first:
                self._part = self._part or shift + dues[first]
                self._begin(aired, first, stop)
            if stop < len(dues):
                self._edge = number, stop
                return shift + dues[stop]
            tally(aired.group.runs[self._counted :], self.senders)
            self._counted = 0
            self._edge = number + 1, 0
            self._let_go()

    def report(self) -> None:
        """Send all readers a sender report."""
        self.count()
        now = time.monotonic()
        self.reporter.report(now, now - self._epoch)

    def count(self) -> None:
        """Bring the senders' counts up to date, for a report."""
        aired = self.at(self._edge)
        if aired is not None and self._edge[1]:
            tally(aired.group.runs[self._counted : self._edge[1]], self.senders)
            self._counted = self._edge[1]

    def _begin(self, aired: Aired, first: int, stop: int) -> None:
        """Begin to send runs; a keyframe begins a piece of its own, since readers may be let in there."""
        runs = aired.group.runs
        begun, entry = first, False
        for number in range(first, stop):
            run = runs[number]
            if run.keyframe and run.track == self._feed.leading and _begins(runs, number):
                if number > begun:
                    self.fan_out.begin(aired, begun, number, entry=entry)
                begun, entry = number, True
                self._start = aired.number, number
                self._begun.set()
        if stop > begun:
            self.fan_out.begin(aired, begun, stop, entry=entry)

    def _let_go(self) -> None:
        """Drop what no reader will be sent by itself, and have more prepared."""
        self._room.set()
        sent = self.at((self._edge[0] - SETTLED, 0))
        if sent is not None:
            sent.settle()
        start = self._edge[0] if self._start is None else self._start[0]
        if self._kept_bytes <= MAX_KEPT_BYTES and self._aired and self._aired[0].number >= start:
            return  # all of it is kept for who comes next: what is live comes frame by frame, and readers are many
        wanted = [place for reader in self._readers if (place := reader.wanted) is not None]
        if self._start is not None:
            wanted.append(self._start[0])
        if wanted and self._kept_bytes > MAX_KEPT_BYTES:
            self._start, wanted = None, []
            self._begun.clear()
        oldest = min([*wanted, self._edge[0]])
        while self._aired and self._aired[0].number < oldest:
            self._kept_bytes -= self._aired.popleft().group.nbytes

    # What comes in

    async def _produce(self, pacer: Pacer) -> None:
        try:
            async for group, shift, holes in self._feed.portions(self.elapsed):
                for track in holes:
                    self.senders[track].sequence = (self.senders[track].sequence + 1) & 0xFFFF
                self._aired.append(Aired(self._numbers, group, self.senders, shift))
                self._kept_bytes += group.nbytes
                self._numbers += 1
                if self._starved:
                    self._starved = False
                    if self._feed.paced:
                        pacer.add(self, time.monotonic())
                    else:
                        pacer.call_now(self)
                await self._sent_but(AHEAD)
        except ReelcastError as error:
            log.error("a live stream has ended: %s", error)
        except Exception:
            log.exception("a live stream has failed")
        await self._sent_but(0)
        self.over = True
        self._on_air.set()
        self._begun.set()
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
        self._kept_bytes = 0
        # One whose session has ended meanwhile must not wait for ever.
        for event in (self._on_air, self._begun):
            event.set()
            event.clear()
        self._edge, self._start, self._counted = (self._numbers, 0), None, 0
        self._part, self._starved, self.over = 0.0, True, False
        self.rests += 1


def _nothing() -> None:
    """Nobody asked to be told."""


def _begins(runs: tuple[Run, ...], number: int) -> bool:
    """Whether a run is the first of its burst."""
    return number == 0 or runs[number - 1].burst != runs[number].burst
