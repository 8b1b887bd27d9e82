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
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Literal

from reelcast.client.dialogue import Dialogue
from reelcast.client.failures import peer_of
from reelcast.client.lane import InterleavedLane, Lane, UdpLane
from reelcast.client.lifetime import TICK, Lifetime, Outlets
from reelcast.client.options import Moment, Options
from reelcast.client.playing import agreed_place, agreed_scale, play_headers
from reelcast.client.presentation import Presentation
from reelcast.client.reception import Early, Reception
from reelcast.client.redirection import describe
from reelcast.client.timeouts import Timeouts
from reelcast.errors import DeadlineError, ReelcastError, RemoteError, TransportError
from reelcast.rtp.intake import Intake
from reelcast.rtsp.message import Response
from reelcast.rtsp.states import State, after
from reelcast.track import Track

__all__ = ["Session"]

log = logging.getLogger(__name__)

DECISIVE: Final = frozenset({401, 403, 453, 454, 461, 503})
"""Refusals of a SETUP that are not about its track alone."""
LIVE_BYE: Final = 0.5
"""Seconds behind the BYE of a live source: a server that stops says it too, and then ends the connection."""
PROBE: Final = 1.5
"""Seconds for an answer from who may not speak RTSP at all, and then never answers."""
END_SILENCE: Final = 2.0
"""Seconds of silence after the end of the presentation that stand for a BYE that was lost."""
END_TOLERANCE: Final = 1.0
"""Seconds before its announced end at which a presentation may well be over."""
CUT_SECONDS: Final = 10.0
CUT_SHARE: Final = 0.1
"""So much is left, and of the whole, where a goodbye is not the end but a server's that stops: announced ends are
guesses at times, yet not that bad ones."""


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
        self._early = Early()
        self._held = False
        # Presentation time that the last PLAY began from.
        self._from = 0.0
        self._lifetime = Lifetime(self._look, self._finish, outlets.end)
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
        return not self.live or self._presentation.began is not None

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
        begin = at
        if begin is None and self.state is not State.PAUSED:
            begin = (self.duration or 0.0) if scale < 0 else 0.0
        self._early.wait()
        self._lifetime.resume()
        response = await self._demand("PLAY", play_headers(begin, scale, self.scale))
        self.state = after(self.state, "PLAY")
        self._begin(response, at, segment)

    async def first(self, seconds: float) -> None:
        """Wait for media; DeadlineError where none has come within some seconds, or why the session ended."""
        # Who holds the server back before it has begun would never hear it begin.
        self._dialogue.hold_back(False)
        try:
            peer = peer_of(self._dialogue.url)
            await self._lifetime.first(seconds, url=self.url, peer=peer, advice=self._what_came)
        finally:
            self._dialogue.hold_back(self._held)
        self._dialogue.deadline = None

    def _what_came(self) -> str:
        """Where there is no media: what came in its place, or what to do."""
        for reception in self.receptions:
            track, stranger, instead = reception.track, reception.lane.stranger, reception.intake.instead
            if instead is not None:
                described = f"{track.payload_type} was described for {track.kind}"
                return f"packets of payload type {instead} came, and {described}"
            if stranger:
                return f"packets came from {stranger}, which the server did not name as its address"
        return f"it answers but sends nothing over {self.transport.upper()}; try the other transport"

    async def pause(self) -> None:
        """PAUSE; RemoteError where the server cannot."""
        await self._demand("PAUSE")
        self.state = after(self.state, "PAUSE")
        self._lifetime.rest()

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
        self._lifetime.close()
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
        stand_ins = self._presentation.stand_ins(track)
        intake = Intake(track, ordered=tcp, ssrc=ssrc, cname=cname, stand_ins=stand_ins)

        def media(datagrams: Sequence[bytes]) -> None:
            if not self._early.waits:
                self._take(reception, datagrams)
            else:
                for data in datagrams:
                    self._early.keep(partial(self._take, reception, (data,)))

        def control(data: bytes) -> None:
            if not self._early.waits:
                self._take_report(reception, data)
            else:
                self._early.keep(partial(self._take_report, reception, data))

        lane: Lane
        if tcp:
            lane = InterleavedLane(self._dialogue, 2 * number, media, control)
        else:
            lane = UdpLane(self._dialogue, media, control)
        reception = Reception(intake, lane, self._outlets.unit)
        return reception

    def _begin(self, response: Response, at: Moment | None, segment: int) -> None:
        """The PLAY response: it says what timestamps mean, and what came before it can be taken."""
        headers = response.headers
        self.scale = agreed_scale(headers, self.scale)
        here = at if isinstance(at, int | float) else self.position
        goes_on = self.live and segment == self.segment
        place = agreed_place(
            headers, here, self.scale, segment, goes_on=goes_on, began=self._presentation.began
        )
        self.segment = place.segment
        self._from = place.start
        entries = self._presentation.rtp_info(headers.get("RTP-Info"))
        for reception, entry in zip(self.receptions, entries, strict=True):
            known = place if entry is None else replace(place, rtptime=entry.rtptime, sequence=entry.seq)
            reception.intake.play(known)
        self._lifetime.heard = self._loop.time()
        self._early.release()
        self._lifetime.look_soon()

    def _take(self, reception: Reception, datagrams: Sequence[bytes]) -> None:
        lifetime = self._lifetime
        lifetime.heard = self._loop.time()
        reception.take(datagrams, lifetime.heard, time.time())
        if not lifetime.began and reception.packets.received:
            lifetime.begin()
        if reception.intake.pending:
            lifetime.press()

    def _take_report(self, reception: Reception, data: bytes) -> None:
        reception.intake.control(data, self._loop.time())
        if reception.intake.ended:
            self._lifetime.press()

    # What is due by time alone.

    def _look(self) -> None:
        now, wall = self._loop.time(), time.time()
        for reception in self.receptions:
            reception.flush(now, now, wall)
            report = reception.intake.report_due(now, random.random())
            if report is not None:
                reception.lane.send_control(report)
        if self._held:
            self._lifetime.heard = now
        silence = now - self._lifetime.heard
        if self._is_over(silence):
            self._lifetime.end(self._cut_short())
        elif silence >= self._timeouts.silence:
            peer = peer_of(self._dialogue.url)
            self._lifetime.end(DeadlineError("silence", self._timeouts.silence, url=self.url, peer=peer))
        elif any(each.intake.pending or each.intake.ended for each in self.receptions):
            self._lifetime.look_soon()
        else:
            self._lifetime.look_later()

    def _is_over(self, silence: float) -> bool:
        """Whether all has come: by BYE (which may overtake media), or nothing more at the announced end."""
        if self.receptions and all(reception.intake.ended for reception in self.receptions):
            return silence >= (LIVE_BYE if self.live else TICK)
        if self.duration is None:
            return False
        return self._left(self.duration) <= END_TOLERANCE and silence >= END_SILENCE

    def _left(self, duration: float) -> float:
        """Seconds of the presentation that have not come."""
        return duration - self.position if self.scale > 0 else self.position

    def _cut_short(self) -> ReelcastError | None:
        """Why what is over has not come to its end; None where it has.

        Where next to nothing came of this session either, there is no more: asking on would never end.
        """
        duration = self.duration
        if duration is None or self._left(duration) <= max(CUT_SECONDS, CUT_SHARE * duration):
            return None
        if abs(self.position - self._from) <= END_TOLERANCE:
            return None
        said = f"the server said goodbye at {self.position:.1f} s of {duration:.1f} s"
        return TransportError(said, url=self.url, peer=peer_of(self._dialogue.url))

    def _lose(self, error: ReelcastError) -> None:
        """The connection has ended; after the last BYE that is as it should be, for what has an end."""
        over = self.duration is not None and self._is_over(math.inf)
        self._lifetime.end(self._cut_short() if over else error)

    def _finish(self) -> None:
        now, wall = self._loop.time(), time.time()
        for reception in self.receptions:
            reception.flush(math.inf, now, wall)
