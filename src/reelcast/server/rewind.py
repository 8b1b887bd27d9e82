"""A live path that is recorded: who watches it may halt, go back, and come back to what is live.

A session is with one of three players at a time: with what all are sent (`Subscription`), with the recording
(`Replay`), or with what is live but under numbers of its own (`Follower`), since it has been elsewhere. Packets
go on from one to the next as if there were one: SSRC, sequence numbers and RTP time.

NPT is that of the recording. `npt=0-`, which players say of anything live, means now.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from reelcast.errors import MediaError, ProtocolError
from reelcast.media.groups import leading_track
from reelcast.net.carrier import Carrier
from reelcast.net.clock import unix_at
from reelcast.rtp.sender import Numbers
from reelcast.server.broadcast import Broadcast
from reelcast.server.follower import Follower
from reelcast.server.history import History, Past
from reelcast.server.pacer import Pacer
from reelcast.server.replay import Replay
from reelcast.server.source import Calendar, Pace, Playing
from reelcast.server.subscription import Subscription
from reelcast.track import Track

__all__ = ["Rewind", "Rewindable"]

log = logging.getLogger(__name__)

HOLD_SECONDS = 5.0
"""Of what is live, kept behind a pause: a recording has its last second when that is whole."""
SLACK = 5.0
"""Seconds into the future that mean now: a client's clock is not ours."""


class Rewindable:
    """See `reelcast.server.source.Source` and `Calendar`: a broadcast, and what was recorded of it."""

    def __init__(self, broadcast: Broadcast, history: History) -> None:
        self.tracks: tuple[Track, ...] = broadcast.tracks
        self.origin = broadcast.origin
        self.broadcast = broadcast
        self.history = history
        self.past: Past | None = None
        self._made = unix_at(time.monotonic())
        self.calendar: Calendar | None = self

    @property
    def duration(self) -> float | None:
        """It has no end."""
        return None

    def ssrc(self, track: int) -> int | None:
        """All sessions share these, also where their numbers are their own."""
        return self.broadcast.ssrc(track)

    def player(self, ssrcs: Mapping[int, int], carrier: Carrier, pacer: Pacer) -> Rewind:
        """A player for one session."""
        return Rewind(self, ssrcs, carrier, pacer)

    def hold(self) -> None:
        """A session has it."""
        self.broadcast.hold()

    def release(self) -> None:
        """A session no longer has it."""
        self.broadcast.release()

    def close(self) -> None:
        """Who made the broadcast and the recording closes them."""

    # When it was

    @property
    def span(self) -> tuple[float, float | None]:
        """See `Calendar`; before anything is recorded, from now on."""
        span = None if self.past is None else self.past.span
        return 0.0 if span is None else span[0], None

    async def refresh(self) -> None:
        """See `Calendar`; where the recording cannot be read, there is only now."""
        try:
            self.past = await self.history.past(self.tracks)
        except MediaError as error:
            log.warning("what was recorded cannot be played: %s", error)
            self.past = None

    def clock(self, npt: float) -> float:
        """See `Calendar`."""
        return self._made + npt if self.past is None else self.past.clock(npt)

    def npt(self, clock: float) -> float:
        """See `Calendar`."""
        return clock - self._made if self.past is None else self.past.npt(clock)

    def npt_of(self, media: float) -> float | None:
        """The NPT of a time of the broadcast; None where that is not recorded."""
        clock = self.history.clock(media)
        return None if clock is None or self.past is None else self.past.npt(clock)


class Rewind:
    """See `Player`: one session's way through a live path and its recording."""

    def __init__(self, source: Rewindable, ssrcs: Mapping[int, int], carrier: Carrier, pacer: Pacer) -> None:
        self._source = source
        self._ssrcs = dict(ssrcs)
        self._carrier = carrier
        self._pacer = pacer
        self._player: Subscription | Replay = Subscription(source.broadcast, tuple(ssrcs), carrier, pacer)
        self._halt: _Halt | None = None
        self._letting_go: asyncio.TimerHandle | None = None

    @property
    def ended(self) -> bool:
        """See `Player`."""
        return self._player.ended

    @property
    def position(self) -> float:
        """The NPT of what is being played; where nothing is recorded, seconds into the stream."""
        position = self._player.position
        if isinstance(self._player, Replay):
            return position
        npt = self._source.npt_of(position)
        return position if npt is None else npt

    async def play(self, start: float | None, end: float | None, pace: Pace | None = None) -> Playing:
        """See `Player.play`; an infinite `start` is now."""
        self._keep()
        former = self._player
        try:
            return await self._turn(start, end, pace)
        except BaseException:
            if isinstance(former, Subscription) and isinstance(self._player, Replay):
                # What is recorded cannot be read: it stands where it was halted.
                self._player = former
            if isinstance(self._player, Subscription) and not self._player.playing:
                self._player.pause()
            raise

    async def _turn(self, start: float | None, end: float | None, pace: Pace | None) -> Playing:
        """Find out which player it is now."""
        await self._source.refresh()
        past = self._source.past
        if past is None or past.span is None:
            if start is not None and 0 < start < math.inf:
                raise ProtocolError("nothing is recorded of this path: there is only now", 457)
            return await self._play_live()
        backwards = pace is not None and pace.scale < 0
        if start is None and end is None and not backwards:
            return await self._go_on(past, pace)
        if start == 0 and not backwards:
            start = math.inf
        latest = past.duration or 0.0
        if start is not None and start >= latest and not backwards:
            now = self._source.npt_of(self._source.broadcast.elapsed)
            if start < math.inf and start > (latest if now is None else now) + SLACK:
                raise ProtocolError("that is in the future", 457)
            return await self._play_live()
        if start is None or start > latest:
            start = self.position if start is None else latest
        return await self._play_past(past, min(start, latest), end, pace)

    def begin(self) -> None:
        """See `Player`."""
        self._player.begin()

    def pause(self) -> float:
        """Stop sending, keep the place; its NPT in seconds."""
        player = self._player
        if isinstance(player, Subscription) and player.playing:
            self._halt = self._halted(player)
            # The recording is a little behind: what comes now is kept until it has it.
            player.hold()
            self._letting_go = asyncio.get_running_loop().call_later(HOLD_SECONDS, player.pause)
        else:
            player.pause()
        return self.position

    def rewire(self, ssrcs: Mapping[int, int], carrier: Carrier) -> None:
        """See `Player`."""
        self._ssrcs, self._carrier = dict(ssrcs), carrier
        self._player.rewire(ssrcs, carrier)

    def stop(self) -> None:
        """See `Player`."""
        self._keep()
        self._player.stop()

    def _keep(self) -> None:
        """What is kept behind a pause is wanted, or not any more: not to be let go by itself."""
        if self._letting_go is not None:
            self._letting_go.cancel()
            self._letting_go = None

    # From one player to another

    async def _go_on(self, past: Past, pace: Pace | None) -> Playing:
        """PLAY without a range: on from where it was halted; from now where it never began, or is over."""
        player = self._player
        if isinstance(player, Replay):
            return await self._play_live() if player.ended else _open(await player.play(None, None, pace))
        halt = self._halt
        if player.playing or halt is None:
            return await self._play_live()
        if player.can_go_on:
            # Also where nothing that it has heard is kept: it was halted again while it caught up.
            live = await self._play_live()
            return replace(live, start=self._source.npt_of(player.upcoming))
        if not halt.heard:
            return await self._play_live()
        heard = {track: past.npt(clock) for track, clock in halt.heard.items()}
        if past.span is None or min(heard.values()) < past.span[0]:
            return await self._play_live()
        head = self._head(past)
        playing = await head.resume(heard, halt.reached)
        return _open(playing or await head.play(min(heard.values()), None))

    async def _play_past(self, past: Past, start: float, end: float | None, pace: Pace | None) -> Playing:
        if not isinstance(self._player, Replay):
            # What is live goes on until it is found, and where that cannot be read.
            await past.start_before(start)
        playing = await self._head(past).play(start, end, pace)
        return playing if end is not None else _open(playing)

    async def _play_live(self) -> Playing:
        player = self._player
        if isinstance(player, Replay):
            numbers = player.hand_over()
            # Who does not begin with it goes on from here, wherever it goes.
            self._halt = _Halt(numbers, {}, numbers.reached)
            player = self._player = Follower(self._source.broadcast, numbers, self._carrier, self._pacer)
        return await player.play(None, None)

    def _head(self, past: Past) -> Replay:
        """The playhead in the recording, which has the numbers from now on."""
        player = self._player
        if isinstance(player, Replay):
            return player
        if player.playing:
            self._halt = self._halted(player)
        player.pause()
        head = self._player = Replay(past, self._ssrcs, self._carrier, self._pacer)
        if self._halt is not None:
            head.take_over(self._halt.numbers)
        return head

    def _halted(self, player: Subscription) -> _Halt:
        """Where what is live stands, which is being halted."""
        units = player.heard()
        clocks = {track: self._source.history.clock(time) for track, time in units.items()}
        heard = {track: clock for track, clock in clocks.items() if clock is not None}
        leading = leading_track(self._source.tracks)
        last = units.get(leading if leading in heard else min(heard, default=leading), 0.0)
        return _Halt(player.numbers(), heard, last + player.shift)


@dataclass(frozen=True, slots=True)
class _Halt:
    """Where what is live was halted.

    numbers   with which its packets go on
    heard     of each track: the clock time of the last unit that was sent
    reached   the session's time of the leading track's, in seconds
    """

    numbers: Numbers
    heard: dict[int, float]
    reached: float


def _open(playing: Playing) -> Playing:
    """What is recorded goes on being so: there is no end."""
    return replace(playing, end=None)
