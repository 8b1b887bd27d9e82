"""A live path: whatever feeds it, publishers, relays or the application, its readers see one stream.

Publishers come and go; sequence numbers, timestamps and SSRCs are the path's own and go on. Readers wait for a
publisher who is gone, for as long as the policy says; where the next one brings other codecs, they ask anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from reelcast.errors import ProtocolError
from reelcast.media.parameters import NAL_SYNTAXES, parameter_sets
from reelcast.net.clock import unix_at
from reelcast.rtp.alignment import Alignment
from reelcast.rtp.intake import ReceivedUnit
from reelcast.server.axis import Axis
from reelcast.server.broadcast import Broadcast
from reelcast.server.feed import Era
from reelcast.server.history import History
from reelcast.server.live_feed import CROWD, SPREAD_SECONDS, LiveFeed, Sample
from reelcast.server.offer import as_told, same_kind
from reelcast.server.wall import MAX_SKEW, WallClock
from reelcast.track import AccessUnit, Track

__all__ = ["Feeding", "Live", "LivePolicy", "LiveStatistics", "Origin"]

log = logging.getLogger(__name__)

OPENING_SECONDS: Final = 20.0
"""How long a reader waits for a source that is fetched for it; players give up after some thirty."""

Tap = Callable[[ReceivedUnit], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePolicy:
    """What becomes of a live path in doubtful cases.

    take_over   whether a publisher may take the place of another, who is disconnected; else it is refused
    patience    seconds for which readers wait for a source to come back, before they are told goodbye
    linger      seconds for which a source that was fetched on demand is kept without readers
    """

    take_over: bool = False
    patience: float = 10.0
    linger: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStatistics:
    """What a live path has seen.

    by         who feeds it, "" where nobody does
    since      when that began, in Unix seconds; None where nobody does
    feedings   so far: publishers, or connections of one
    leaps      of publishers' timestamps that were smoothed over
    units      access units that came; bytes of them; corrupt: behind a loss
    refused    units that no packet could carry
    readers    that are sent something, or wait for it
    shed       readers that were left out for a while, since they were too slow
    """

    by: str
    since: float | None
    feedings: int
    leaps: int
    units: int
    bytes: int
    corrupt: int
    refused: int
    readers: int
    shed: int


class Origin(Protocol):
    """What feeds a path while somebody wants it: a relay.

    on_demand   whether it is started for the first reader, and stopped behind the last; else it goes on always
    trouble     why nothing has come since it was started, "" where that is not known
    """

    on_demand: bool

    @property
    def trouble(self) -> str:
        """See above."""

    def start(self, live: Live) -> None:
        """Begin to fetch; it feeds when there is something. Called in the event loop."""

    def stop(self) -> None:
        """Stop fetching, and end what it feeds."""


class Feeding:
    """One publisher's turn at a live path; made by `Live.feed`.

    forsaken   its publisher seems to be gone: whoever comes may take its place
    """

    def __init__(
        self, live: Live, tracks: Sequence[Track], by: str, on_displaced: Callable[[], None]
    ) -> None:
        self.by = by
        self.since = time.time()
        self.forsaken = False
        self._live = live
        self._tracks = tuple(tracks)
        self._on_displaced = on_displaced

    def put(self, received: ReceivedUnit) -> None:
        """Take the next unit of one of the tracks that it was begun with; behind `end`, nothing becomes of it."""
        if self._live.feeding is not self:
            return
        for number, track in enumerate(self._tracks):
            if track is received.track or track == received.track:
                self._live._take(number, received)
                return

    def end(self, reason: str = "") -> None:
        """Nothing more comes; readers wait for another. Ending twice does nothing."""
        if self._live.feeding is self:
            self._live._ended(reason)

    def displace(self) -> None:
        """Another takes over."""
        self.end("another publisher took over")
        self._on_displaced()


class Live:
    """One live path; used in the event loop of its server.

    name      its path
    policy    may be replaced at any time
    feeding   whose turn it is, None where nobody feeds it
    on_over   called when nobody feeds it and nobody has come back in time
    history   what is recorded of it, None where nothing is
    """

    def __init__(
        self,
        name: str,
        policy: LivePolicy | None = None,
        *,
        origin: Origin | None = None,
        era: Era | None = None,
    ) -> None:
        self.name = name
        self.policy = policy or LivePolicy()
        self.feeding: Feeding | None = None
        self.on_over: Callable[[], None] | None = None
        self.history: History | None = None
        self._origin = origin
        self._fetching = False
        self._era = era or Era.now()
        self._broadcast: Broadcast | None = None
        self._feed = LiveFeed(())
        self._axis = Axis(())
        self._wall = WallClock(0)
        self._alignment = Alignment(MAX_SKEW)
        self._taps: list[Tap] = []
        self._there = asyncio.Event()
        self._wanted = 0
        self._timer: asyncio.TimerHandle | None = None
        self._lingering: asyncio.TimerHandle | None = None
        self._feedings = self._units = self._bytes = self._corrupt = 0

    @property
    def tracks(self) -> tuple[Track, ...]:
        """As readers are told of them; none before anybody has fed it."""
        return () if self._broadcast is None else self._broadcast.tracks

    def start(self) -> None:
        """Fetch what is fetched whether somebody wants it or not."""
        if self._origin is not None and not self._origin.on_demand:
            self._fetch(self._origin)

    def feed(self, tracks: Sequence[Track], by: str, on_displaced: Callable[[], None]) -> Feeding:
        """Begin to feed it. `by` names the publisher, in the log; `on_displaced` is called if another takes over.

        Raises ProtocolError 403 where another publisher is at it and may not be displaced.
        """
        self.check_free()
        if self.feeding is not None:
            log.info("%s: %s takes over from %s", self.name, by, self.feeding.by)
            self.feeding.displace()
        self._stop_waiting()
        told = as_told(tracks)
        broadcast = self._broadcast
        if broadcast is not None and same_kind(broadcast.tracks, told):
            broadcast.tracks = told
            self._feed.begin(told)
            self._axis.begin()
            self._wall.restart()
            broadcast.reporter.restart()
            log.info("%s: %s goes on with it", self.name, by)
        else:
            if broadcast is not None:
                log.info("%s: %s brings other tracks: readers have to ask anew", self.name, by)
                broadcast.end()
            self._open(told)
            log.info("%s: fed by %s: %s", self.name, by, ", ".join(track.codec for track in told))
        self._feedings += 1
        self.feeding = Feeding(self, tracks, by, on_displaced)
        self._there.set()
        return self.feeding

    def check_free(self) -> None:
        """ProtocolError 403 where another publisher is at it and may not be displaced."""
        if self.feeding is not None and not (self.policy.take_over or self.feeding.forsaken):
            raise ProtocolError(f"{self.name} is being published by {self.feeding.by}", 403)

    def tap(self, take: Tap) -> Callable[[], None]:
        """Have every unit given to `take`, before readers get it; returns what ends that.

        Of these units, `pts` is on the path's own axis, in seconds that never leap; gaps are as long as they were.
        Sound that its publisher's reports put elsewhere than it came is moved there, once they have.
        `track` is one of `tracks`, `segment` the number of the feeding, `time` always known.
        """
        self._taps.append(take)

        def end() -> None:
            with contextlib.suppress(ValueError):
                self._taps.remove(take)

        return end

    async def source(self) -> Broadcast:
        """What readers play; it is fetched where that is done on demand.

        Raises ProtocolError 404 where nobody publishes, 504 where what is fetched does not come.
        """
        if self._broadcast is None and self._origin is not None:
            self._wanted += 1
            try:
                self._fetch(self._origin)
                async with asyncio.timeout(OPENING_SECONDS):
                    await self._there.wait()
            except TimeoutError:
                reason = f"{self.name}: its source did not come within {OPENING_SECONDS:g} s"
                trouble = self._origin.trouble
                raise ProtocolError(f"{reason}: {trouble}" if trouble else reason, 504) from None
            finally:
                self._wanted -= 1
                self._linger()
        if self._broadcast is None:
            raise ProtocolError(f"nobody publishes {self.name} now", 404)
        return self._broadcast

    def statistics(self) -> LiveStatistics:
        """What it has seen so far."""
        feeding, broadcast = self.feeding, self._broadcast
        return LiveStatistics(
            by="" if feeding is None else feeding.by,
            since=None if feeding is None else feeding.since,
            feedings=self._feedings,
            leaps=self._axis.leaps,
            units=self._units,
            bytes=self._bytes,
            corrupt=self._corrupt,
            refused=self._feed.refused,
            readers=0 if broadcast is None else broadcast.readers,
            shed=0 if broadcast is None else broadcast.fan_out.shed,
        )

    def close(self) -> None:
        """End it for good: goodbye to all readers."""
        if self._origin is not None and self._fetching:
            self._fetching = False
            self._origin.stop()
        if self.feeding is not None:
            self.feeding.displace()
        self._stop_waiting()
        if self._lingering is not None:
            self._lingering.cancel()
        self._say_goodbye()

    # What a feeding says

    def _take(self, number: int, received: ReceivedUnit) -> None:
        broadcast = self._broadcast
        assert broadcast is not None
        unit, track = received.unit, broadcast.tracks[number]
        now = broadcast.elapsed
        arrival = unix_at(received.arrival)
        wall = arrival if received.time is None else received.time
        pts = self._axis.place(number, unit.pts, wall, now)
        media = pts / track.clock_rate
        told = wall if received.clock != "estimated" and received.time is not None else None
        self._wall.observe(number, media, told, arrival)
        self._units += 1
        self._bytes += len(unit.data)
        self._corrupt += received.corrupt
        if unit.keyframe and track.codec in NAL_SYNTAXES:
            track = self._renewed(broadcast, number, unit)
        if self._taps:
            heard = replace(received, track=track, pts=media, time=wall, segment=self._feedings)
            heard = replace(heard, pts=self._alignment.place(heard))
            for tap in tuple(self._taps):
                tap(heard)
        due = round(now * track.clock_rate)
        spread = round(SPREAD_SECONDS * track.clock_rate) if track.kind == "video" else unit.duration
        placed = AccessUnit(unit.data, pts, due, unit.keyframe, spread)
        self._feed.crowded = broadcast.readers >= CROWD
        self._feed.put(Sample(number, placed, received.hole), now)

    def _renewed(self, broadcast: Broadcast, number: int, unit: AccessUnit) -> Track:
        """The track with the parameter sets of a keyframe: descriptions follow what is sent."""
        track = broadcast.tracks[number]
        sets = parameter_sets(track, unit.data)
        if sets and sets != track.parameter_sets:
            track = replace(track, parameter_sets=sets)
            tracks = (*broadcast.tracks[:number], track, *broadcast.tracks[number + 1 :])
            broadcast.describe_anew(tracks)
        return track

    def _ended(self, reason: str) -> None:
        assert self.feeding is not None
        patience = self.policy.patience
        log.info(
            "%s: %s has ended%s; readers wait for up to %g s",
            self.name,
            self.feeding.by,
            f" ({reason})" if reason else "",
            patience,
        )
        self.feeding = None
        self._timer = asyncio.get_running_loop().call_later(patience, self._give_up)

    # Time

    def _give_up(self) -> None:
        """Nobody has come back."""
        log.info(
            "%s: nobody has fed it for %g s: its readers are told goodbye", self.name, self.policy.patience
        )
        self._say_goodbye()
        if self.on_over is not None:
            self.on_over()

    def _say_goodbye(self) -> None:
        self._there.clear()
        broadcast, self._broadcast = self._broadcast, None
        if broadcast is not None:
            broadcast.end()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _open(self, tracks: tuple[Track, ...]) -> None:
        self._feed = LiveFeed(tracks)
        self._axis = Axis(tracks)
        self._wall = WallClock(self._feed.leading)
        name = f"{self.name} {self._feedings}"
        self._broadcast = Broadcast(self._feed, self._era, name, wall=self._wall)
        self._broadcast.on_unused = self._linger

    # Demand

    def _fetch(self, origin: Origin) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        if not self._fetching:
            self._fetching = True
            origin.start(self)

    def _linger(self) -> None:
        """No session has it any more: a source on demand is let go after a while."""
        if self._origin is None or not self._origin.on_demand or not self._fetching:
            return
        if self._lingering is not None:
            self._lingering.cancel()
        self._lingering = asyncio.get_running_loop().call_later(self.policy.linger, self._let_go)

    def _let_go(self) -> None:
        self._lingering = None
        if self._origin is None or not self._fetching:
            return
        if self._wanted or (self._broadcast is not None and self._broadcast.used):
            return
        log.info("%s: nobody watches: its source is let go", self.name)
        self._fetching = False
        self._origin.stop()
        self._stop_waiting()
        self._say_goodbye()
