"""One RTSP session, from DESCRIBE to TEARDOWN, over one transport: what comes of it is handed on.

A session does not survive its connection, and does not change its transport: the stream makes another.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final, Literal

from reelcast.client.dialogue import Dialogue
from reelcast.client.failures import peer_of
from reelcast.client.lane import InterleavedLane, Lane, UdpLane
from reelcast.client.options import Moment, Options
from reelcast.client.presentation import Presentation
from reelcast.client.redirection import describe
from reelcast.client.timeouts import Timeouts
from reelcast.errors import DeadlineError, ProtocolError, ReelcastError, RemoteError
from reelcast.rtp.intake import Clock, Intake, Place, ReceivedUnit
from reelcast.rtp.receiver import Statistics
from reelcast.rtsp.headers import format_decimal, parse_scale
from reelcast.rtsp.message import Response
from reelcast.rtsp.ranges import Range
from reelcast.rtsp.states import State, after
from reelcast.track import Track

__all__ = ["Reception", "Session"]

log = logging.getLogger(__name__)

MAX_EARLY: Final = 1024
"""Packets kept that overtake the PLAY response, which says what their timestamps mean."""
DECISIVE: Final = frozenset({401, 403, 453, 454, 461, 503})
"""Refusals of a SETUP that are not about its track alone."""
TICK: Final = 0.05
"""Seconds between looks at what has waited long enough, while anything waits: half of what a packet may wait."""
LEISURE: Final = 0.25
"""Seconds between looks otherwise: each wakes the process up, and is late for no more than a report or silence."""
LIVE_BYE: Final = 0.5
"""Seconds behind the BYE of a live source: a server that stops says it too, and then ends the connection."""
PROBE: Final = 1.5
"""Seconds for an answer from who may not speak RTSP at all, and then never answers."""
END_SILENCE: Final = 2.0
"""Seconds of silence after the end of the presentation that stand for a BYE that was lost."""
END_TOLERANCE: Final = 1.0
"""Seconds before its announced end at which a presentation may well be over."""


class Reception:
    """One track of a session: its lane, its intake, and what is counted beside.

    units      that were complete; corrupt: of them, those behind a loss
    latency    seconds from the sender's clock to ours, of the last unit; None while that clock is not known
    """

    def __init__(self, intake: Intake, lane: Lane) -> None:
        self.intake = intake
        self.lane = lane
        self.units = 0
        self.corrupt = 0
        self.latency: float | None = None
        self.clock: Clock = "estimated"

    @property
    def track(self) -> Track:
        """What it receives."""
        return self.intake.track

    @property
    def packets(self) -> Statistics:
        """What the receiver counts."""
        return self.intake.statistics

    def count(self, received: ReceivedUnit, wall: float) -> None:
        """A unit has come, at a Unix time."""
        self.units += 1
        self.corrupt += received.corrupt
        self.clock = received.clock
        known = received.clock != "estimated" and received.time is not None
        self.latency = wall - received.time if known and received.time is not None else None


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where what comes of a session goes.

    unit   each received unit, in the order of their completion
    end    when nothing more comes: with None at the end of the presentation, else with the reason; not for
           what fails before media has come (see `Session.first`), and not after `close`
    """

    unit: Callable[[ReceivedUnit], None]
    end: Callable[[ReelcastError | None], None]


class Session:
    """The tracks of one presentation, received over one transport.

    tracks       those whose codec is known, in the order described
    duration     of the presentation in seconds, None for a live source
    transport    "udp" or "tcp"
    state        Ready behind `set_up`, Playing, Paused; Init when it is over
    scale        presentation seconds in a second, as the server chose
    segment      number of what comes since the last PLAY
    receptions   of each track what has come, in the order of `tracks`
    """

    def __init__(
        self,
        dialogue: Dialogue,
        presentation: Presentation,
        transport: Literal["udp", "tcp"],
        timeouts: Timeouts,
        outlets: Outlets,
    ) -> None:
        self.tracks = presentation.tracks
        self.duration = presentation.duration
        self.transport = transport
        self.state = State.INIT
        self.scale = 1.0
        self.segment = 0
        self._dialogue = dialogue
        self._presentation = presentation
        self._timeouts = timeouts
        self._outlets = outlets
        self._loop = asyncio.get_running_loop()
        self.receptions: Sequence[Reception] = ()
        self._early: list[Callable[[], None]] | None = []
        self._held = False
        self._heard = self._loop.time()
        self._first = asyncio.Event()
        self._failure: ReelcastError | None = None
        self._over = False
        self._tick: asyncio.TimerHandle | None = None
        self._pressing = False
        dialogue.on_lost = self._lose

    @classmethod
    async def open(
        cls,
        url: str,
        transport: Literal["udp", "tcp"],
        options: Options,
        outlets: Outlets,
        deadline: float | None = None,
    ) -> Session:
        """Connect and DESCRIBE; raises as `describe`, and ReelcastError where nothing can be received.

        `deadline` bounds, by the event loop's clock, all that is said until media comes.
        """
        timeouts = options.timeouts
        if options.dialect == "auto":
            timeouts = replace(timeouts, reply=min(timeouts.reply, PROBE))
        dialogue, response = await describe(
            url,
            timeouts,
            deadline=deadline,
            credentials=options.credentials,
            trust=options.trust,
            on_message=options.on_message,
        )
        try:
            presentation = Presentation.of(response, dialogue.url)
            return cls(dialogue, presentation, transport, timeouts, outlets)
        except BaseException:
            dialogue.close()
            raise

    @property
    def url(self) -> str:
        """Its aggregate control URI."""
        return self._presentation.uri

    @property
    def live(self) -> bool:
        """Whether its times mean nothing outside this session: those of the next begin anew."""
        return self.duration is None

    @property
    def resumable(self) -> bool:
        """Whether a PAUSE may be gone on from: of what is live, where that is recorded."""
        return not self.live or self._presentation.recorded

    @property
    def lost(self) -> bool:
        """Whether its connection has ended: nothing can be asked of it any more."""
        return self._dialogue.lost

    @property
    def position(self) -> float:
        """The latest presentation time received, in seconds."""
        latest = max if self.scale > 0 else min
        return latest((each.intake.position for each in self.receptions), default=0.0)

    def hold_back(self, held: bool) -> None:
        """Let the server wait, where the transport can; no silence is counted meanwhile."""
        self._held = held
        self._dialogue.hold_back(held)

    async def set_up(self, rtp_port: int | None = None) -> None:
        """SETUP of every track; over UDP from `rtp_port` on, two ports a track, where one is given.

        Raises RemoteError for a refusal, ProtocolError(461) where the server insists on another transport,
        TransportError where the ports cannot be had.
        """
        ssrc, cname = secrets.randbits(32), secrets.token_hex(8)
        receptions: list[Reception] = []
        self.receptions = receptions
        for number, track in enumerate(self.tracks):
            reception = self._reception(number, track, ssrc, cname)
            receptions.append(reception)
            try:
                await self._agree(reception, rtp_port + 2 * number if rtp_port else 0)
            except RemoteError as error:
                if len(receptions) == 1 or error.status in DECISIVE:
                    raise
                receptions.pop().lane.close()
                # ExoPlayer users met cameras that offer a track and then answer 500 for it.
                log.warning("%s; the other tracks are played without it", error)
        self._presentation = replace(self._presentation, tracks=tuple(each.track for each in receptions))
        self.tracks = self._presentation.tracks
        self.state = after(self.state, "SETUP")
        self._dialogue.keep_alive(self.url)

    async def _agree(self, reception: Reception, port: int) -> None:
        """SETUP of one track."""
        spec = await reception.lane.open(port)
        uri = self._presentation.uri_of(reception.track)
        response = await self._dialogue.demand("SETUP", uri, [("Transport", str(spec))])
        reception.lane.agree(response.headers.get("Transport"))
        # A first report at once opens the way through a NAT.
        reception.lane.punch(reception.intake.report(self._loop.time()))

    async def play(
        self, at: Moment | None, scale: float | None, segment: int, deadline: float | None = None
    ) -> None:
        """PLAY from a moment; without one, on from where it stands.

        `scale` asks for a speed, and stays what it was where none is given. `segment` numbers what comes: the
        number of the last PLAY where this one is to go on behind a PAUSE as if nothing had been; where the server
        does not, it becomes the next number. `deadline` is that of `open`, anew: it may be long since then.
        """
        self._dialogue.deadline = deadline
        if self.state is State.PLAYING:
            # Not every server can seek while it plays, but all can behind a PAUSE.
            await self.pause()
        scale = self.scale if scale is None else scale
        headers: list[tuple[str, str]] = []
        if at is not None or self.state is not State.PAUSED:
            first = (self.duration or 0.0) if scale < 0 else 0.0
            headers.append(("Range", str(_from(first if at is None else at))))
        if scale != 1.0 or self.scale != 1.0:
            headers.append(("Scale", format_decimal(scale, 3)))
        self._early, self._over = [], False
        self._stop_ticking()
        response = await self._demand("PLAY", headers)
        self.state = after(self.state, "PLAY")
        self._begin(response, at, segment)

    async def first(self, seconds: float) -> None:
        """Wait for media; DeadlineError where none has come within some seconds, or why the session ended."""
        # Who holds the server back before it has begun would never hear it begin.
        self._dialogue.hold_back(False)
        try:
            async with asyncio.timeout(seconds):
                await self._first.wait()
        except TimeoutError:
            advice = f"it answers but sends nothing over {self.transport.upper()}; try the other transport"
            peer = peer_of(self._dialogue.url)
            raise DeadlineError("first packet", seconds, url=self.url, peer=peer, advice=advice) from None
        finally:
            self._dialogue.hold_back(self._held)
        if self._failure is not None:
            raise self._failure
        self._dialogue.deadline = None

    async def pause(self) -> None:
        """PAUSE; RemoteError where the server cannot."""
        await self._demand("PAUSE")
        self.state = after(self.state, "PAUSE")
        self._stop_ticking()

    async def _demand(self, method: str, headers: Sequence[tuple[str, str]] = ()) -> Response:
        """Ask something of the whole session; who is held back could not be heard to answer."""
        if self._held:
            self._dialogue.hold_back(False)
        try:
            return await self._dialogue.demand(method, self.url, headers)
        finally:
            if self._held:
                self._dialogue.hold_back(True)

    async def close(self) -> None:
        """Say goodbye and end the connection; closing twice is no error."""
        self._over = True
        self._stop_ticking()
        if self.state is State.PLAYING:
            for reception in self.receptions:
                reception.lane.send_control(reception.intake.report(self._loop.time(), leaving=True))
        self.state = State.INIT
        self._dialogue.hold_back(False)
        try:
            await self._dialogue.teardown(self.url)
        finally:
            self._dialogue.close()
            for reception in self.receptions:
                reception.lane.close()

    # What comes.

    def _reception(self, number: int, track: Track, ssrc: int, cname: str) -> Reception:
        tcp = self.transport == "tcp"
        intake = Intake(track, ordered=tcp, ssrc=ssrc, cname=cname)

        def media(datagrams: Sequence[bytes]) -> None:
            if self._early is None:
                self._take(reception, datagrams)
            else:
                for data in datagrams:
                    self._keep(partial(self._take, reception, (data,)))

        def control(data: bytes) -> None:
            if self._early is None:
                self._take_report(reception, data)
            else:
                self._keep(partial(self._take_report, reception, data))

        lane: Lane
        if tcp:
            lane = InterleavedLane(self._dialogue, 2 * number, media, control)
        else:
            lane = UdpLane(self._dialogue, media, control)
        reception = Reception(intake, lane)
        return reception

    def _keep(self, take: Callable[[], None]) -> None:
        """Behind the request to PLAY, what comes may be early."""
        if self._early is not None and len(self._early) < MAX_EARLY:
            self._early.append(take)

    def _begin(self, response: Response, at: Moment | None, segment: int) -> None:
        """The PLAY response: it says what timestamps mean, and what came before it can be taken."""
        headers = response.headers
        if headers.get("Scale") is not None:
            self.scale = _scale(headers.get("Scale") or "")
        try:
            span = Range.parse(headers.get("Range") or "", backwards=self.scale < 0)
        except ProtocolError:
            span = Range(start=at if isinstance(at, int | float) else self.position)
        goes_on = self.live and segment == self.segment
        if goes_on and (span.now or span.start is None):
            goes_on, segment = False, segment + 1
        self.segment = segment
        clock = span.start if span.unit == "clock" else None
        start = span.start if clock is None and span.start is not None else 0.0
        entries = self._presentation.rtp_info(headers.get("RTP-Info"))
        for reception, entry in zip(self.receptions, entries, strict=True):
            place = Place(start, scale=self.scale, segment=segment, goes_on=goes_on, clock=clock)
            if entry is not None:
                place = replace(place, rtptime=entry.rtptime, sequence=entry.seq)
            reception.intake.play(place)
        early, self._early = self._early or [], None
        self._heard = self._loop.time()
        for take in early:
            take()
        self._look_after(TICK)

    def _take(self, reception: Reception, datagrams: Sequence[bytes]) -> None:
        self._heard = self._loop.time()
        wall = time.time()
        units = reception.intake.take(datagrams, self._heard, wall)
        if units:
            self._deliver(reception, units, wall)
        if not self._first.is_set() and reception.packets.received:
            self._first.set()
        if reception.intake.pending:
            self._press()

    def _take_report(self, reception: Reception, data: bytes) -> None:
        reception.intake.control(data, self._loop.time())
        if reception.intake.ended:
            self._press()

    def _deliver(self, reception: Reception, units: Sequence[ReceivedUnit], wall: float) -> None:
        for received in units:
            reception.count(received, wall)
            self._outlets.unit(received)

    # What is due by time alone.

    def _look(self) -> None:
        now, wall = self._loop.time(), time.time()
        for reception in self.receptions:
            self._deliver(reception, reception.intake.flush(now, now, wall), wall)
            report = reception.intake.report_due(now, random.random())
            if report is not None:
                reception.lane.send_control(report)
        if self._held:
            self._heard = now
        silence = now - self._heard
        if self._is_over(silence):
            self._end(None)
        elif silence >= self._timeouts.silence:
            peer = peer_of(self._dialogue.url)
            self._end(DeadlineError("silence", self._timeouts.silence, url=self.url, peer=peer))
        else:
            pressing = any(each.intake.pending or each.intake.ended for each in self.receptions)
            self._look_after(TICK if pressing else LEISURE)

    def _press(self) -> None:
        """Something waits, or may be over: look soon."""
        if not self._pressing and self._tick is not None:
            self._look_after(TICK)

    def _look_after(self, seconds: float) -> None:
        self._stop_ticking()
        self._pressing = seconds == TICK
        self._tick = self._loop.call_later(seconds, self._look)

    def _stop_ticking(self) -> None:
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def _is_over(self, silence: float) -> bool:
        """Whether all has come: by BYE (which may overtake media), or nothing more at the announced end."""
        if self.receptions and all(reception.intake.ended for reception in self.receptions):
            return silence >= (LIVE_BYE if self.live else TICK)
        if self.duration is None:
            return False
        left = self.duration - self.position if self.scale > 0 else self.position
        at_end = left <= END_TOLERANCE
        return at_end and silence >= END_SILENCE

    def _lose(self, error: ReelcastError) -> None:
        """The connection has ended; after the last BYE that is as it should be, for what has an end."""
        self._end(None if self.duration is not None and self._is_over(math.inf) else error)

    def _end(self, error: ReelcastError | None) -> None:
        if self._over:
            return
        self._over = True
        self._stop_ticking()
        now, wall = self._loop.time(), time.time()
        for reception in self.receptions:
            self._deliver(reception, reception.intake.flush(math.inf, now, wall), wall)
        if error is None or self._first.is_set():
            self._outlets.end(error)
        else:
            # It never began: whoever opens it hears why.
            self._failure = error
        self._first.set()


def _from(at: Moment) -> Range:
    """The range that begins at a moment."""
    if at == "now":
        return Range(now=True)
    return Range("clock", at.timestamp()) if isinstance(at, datetime) else Range(start=at)


def _scale(value: str) -> float:
    try:
        return parse_scale(value)
    except ProtocolError:
        return 1.0
