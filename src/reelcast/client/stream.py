"""A stream as it is received: coded frames of all tracks, in the order of their completion.

    async with await open_stream("rtsp://host/movie") as stream:
        async for received in stream:
            print(received.track.kind, received.pts, len(received.unit.data))

`open_stream` tries UDP and falls back to TCP where the server refuses it, or where nothing comes through. A
stream ends at the BYE of all its tracks; anything else that ends it (a lost connection, silence) is an error.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

from reelcast.client.dialogue import Dialogue, describe
from reelcast.client.intake import Intake, ReceivedUnit
from reelcast.client.lane import InterleavedLane, Lane, UdpLane
from reelcast.client.presentation import Presentation
from reelcast.client.queue import UnitQueue
from reelcast.errors import ProtocolError, ReelcastError, RemoteError
from reelcast.rtp.receiver import Statistics
from reelcast.rtsp.message import Response
from reelcast.rtsp.ranges import Range
from reelcast.track import Track

__all__ = ["Stream", "TrackStatistics", "Transport", "open_stream"]

log = logging.getLogger(__name__)

Transport = Literal["auto", "udp", "tcp"]

MAX_EARLY: Final = 1024
"""Packets kept that overtake the PLAY response, which says what their timestamps mean."""
TICK: Final = 0.05
"""Seconds between looks at what has waited long enough: half of what a packet may wait."""
UDP_SILENCE: Final = 3.0
"""Seconds after PLAY in which something must come over UDP, before TCP is tried."""
END_SILENCE: Final = 2.0
"""Seconds of silence after the end of the presentation that stand for a BYE that was lost."""
END_TOLERANCE: Final = 1.0
"""Seconds before its announced end at which a presentation may well be over."""
UNSUPPORTED_TRANSPORT: Final = 461


@dataclass(frozen=True, slots=True)
class TrackStatistics:
    """What was received of one track so far.

    units      access units that were complete; dropped: of them, for want of an application that takes them
    packets    what the receiver counts
    """

    track: Track
    units: int
    dropped: int
    packets: Statistics


async def open_stream(
    url: str, *, transport: Transport = "auto", timeout: float = 10.0, start: float | None = None
) -> Stream:
    """Receive all tracks of an RTSP URL whose codec is known.

    transport    "udp", "tcp" (interleaved), or "auto": UDP, and TCP where that fails
    timeout      seconds for the connection and for each answer; and of silence, later on
    start        seconds from the start of the presentation, where the server can seek

    Raises ReelcastError or one of its kind, with one line that says why.
    """
    if transport == "auto":
        try:
            return await _open(url, "udp", timeout, start, UDP_SILENCE)
        except (ProtocolError, RemoteError) as error:
            if error.status != UNSUPPORTED_TRANSPORT:
                raise
            log.info("%s; trying TCP", error)
        transport = "tcp"
    return await _open(url, transport, timeout, start, None)


async def _open(
    url: str, transport: Literal["udp", "tcp"], timeout: float, start: float | None, silence: float | None
) -> Stream:
    """One attempt, on a connection of its own: some servers (GStreamer) end it with the session."""
    dialogue, response = await describe(url, timeout)
    try:
        stream = Stream(dialogue, Presentation.of(response, dialogue.url), transport)
    except BaseException:
        dialogue.close()
        raise
    try:
        await stream._play(start, silence)
    except BaseException:
        await stream.close()
        raise
    return stream


class _Reception:
    """One track of a stream: its lane, its intake, and what is counted beside."""

    def __init__(self, intake: Intake, lane: Lane) -> None:
        self.intake = intake
        self.lane = lane
        self.units = 0
        self.dropped = 0


class Stream:
    """An asynchronous iterator of received units, and what is known of them; `open_stream` makes it.

    tracks       those that are received, in the order described
    duration     of the presentation in seconds, None for a live source
    transport    "udp" or "tcp"
    """

    def __init__(
        self, dialogue: Dialogue, presentation: Presentation, transport: Literal["udp", "tcp"]
    ) -> None:
        self.tracks = presentation.tracks
        self.duration = presentation.duration
        self.transport = transport
        self._dialogue = dialogue
        self._presentation = presentation
        self._loop = asyncio.get_running_loop()
        self._queue = UnitQueue(dialogue.hold_back if transport == "tcp" else None)
        ssrc, cname = secrets.randbits(32), secrets.token_hex(8)
        self._receptions = [self._reception(number, ssrc, cname) for number in range(len(self.tracks))]
        self._early: list[Callable[[], None]] | None = []
        self._heard = self._loop.time()
        self._first = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        dialogue.on_lost = self._lose

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ReceivedUnit:
        return await self._queue.get()

    @property
    def position(self) -> float:
        """The latest presentation time received, in seconds."""
        return max(reception.intake.position for reception in self._receptions)

    @property
    def statistics(self) -> tuple[TrackStatistics, ...]:
        """What was received so far, by track."""
        return tuple(
            TrackStatistics(each.intake.track, each.units, each.dropped, each.intake.statistics)
            for each in self._receptions
        )

    async def close(self) -> None:
        """Say goodbye and end the connection; closing twice is no error."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
            for reception in self._receptions:
                reception.lane.send_control(reception.intake.report(self._loop.time(), leaving=True))
        self._queue.end(None)
        self._dialogue.hold_back(False)
        try:
            await self._dialogue.teardown(self._presentation.uri)
        finally:
            self._dialogue.close()
            for reception in self._receptions:
                reception.lane.close()

    def _reception(self, number: int, ssrc: int, cname: str) -> _Reception:
        tcp = self.transport == "tcp"
        intake = Intake(self.tracks[number], ordered=tcp, ssrc=ssrc, cname=cname)

        def media(data: bytes) -> None:
            self._take(lambda: self._take_media(reception, data))

        def control(data: bytes) -> None:
            self._take(lambda: intake.control(data, self._loop.time()))

        lane: Lane
        if tcp:
            lane = InterleavedLane(self._dialogue, 2 * number, media, control)
        else:
            lane = UdpLane(self._dialogue, media, control)
        reception = _Reception(intake, lane)
        return reception

    async def _play(self, start: float | None, silence: float | None) -> None:
        """SETUP of each track, then PLAY; where `silence` is given, ProtocolError(461) if nothing comes."""
        for reception in self._receptions:
            spec = await reception.lane.open()
            uri = self._presentation.uri_of(reception.intake.track)
            response = await self._dialogue.demand("SETUP", uri, [("Transport", str(spec))])
            reception.lane.agree(response.headers.get("Transport"))
            # An empty report at once opens the way through a NAT.
            reception.lane.send_control(reception.intake.report(self._loop.time()))
        uri = self._presentation.uri
        response = await self._dialogue.demand("PLAY", uri, [("Range", str(Range(start=start or 0.0)))])
        self._dialogue.keep_alive(uri)
        self._begin(response, start)
        if silence is None:
            return
        try:
            async with asyncio.timeout(silence):
                await self._first.wait()
        except TimeoutError:
            message = f"{uri}: nothing came over UDP within {silence:g} s"
            raise ProtocolError(message, UNSUPPORTED_TRANSPORT) from None

    def _begin(self, response: Response, start: float | None) -> None:
        """The PLAY response: it says what timestamps mean, and what came before it can be taken."""
        try:
            span = Range.parse(response.headers.get("Range") or "")
        except ProtocolError:
            span = Range(start=start)
        zero = span.start if span.unit != "clock" and span.start is not None else 0.0
        rtptimes = self._presentation.rtptimes(response.headers.get("RTP-Info"))
        for reception, rtptime in zip(self._receptions, rtptimes, strict=True):
            reception.intake.play(zero, rtptime)
        early, self._early = self._early or [], None
        for take in early:
            take()
        self._heard = self._loop.time()
        self._watch = self._loop.create_task(self._keep_watch())

    def _take(self, take: Callable[[], None]) -> None:
        if self._early is None:
            take()
        elif len(self._early) < MAX_EARLY:
            self._early.append(take)

    def _take_media(self, reception: _Reception, data: bytes) -> None:
        self._heard = self._loop.time()
        self._first.set()
        self._deliver(reception, reception.intake.media(data, self._heard, time.time()))

    def _deliver(self, reception: _Reception, units: Sequence[ReceivedUnit]) -> None:
        for unit in units:
            reception.units += 1
            reception.dropped += not self._queue.put(unit)

    async def _keep_watch(self) -> None:
        """What is due by time alone: late packets, reports, and the end."""
        while True:
            await asyncio.sleep(TICK)
            now = self._loop.time()
            for reception in self._receptions:
                self._deliver(reception, reception.intake.flush(now, time.time()))
                report = reception.intake.report_due(now, random.random())
                if report is not None:
                    reception.lane.send_control(report)
            if self._queue.full:
                self._heard = now
            if self._is_over(now - self._heard):
                self._end(None)
                return
            if now - self._heard >= self._dialogue.timeout:
                self._end(ReelcastError(f"{self._presentation.uri}: silent for {self._dialogue.timeout:g} s"))
                return

    def _is_over(self, silence: float) -> bool:
        """Whether all has come: by BYE (which may overtake media), or nothing more at the announced end."""
        if all(reception.intake.ended for reception in self._receptions):
            return silence >= TICK
        at_end = self.duration is not None and self.position >= self.duration - END_TOLERANCE
        return at_end and silence >= END_SILENCE

    def _lose(self, error: ReelcastError) -> None:
        """The connection has ended; after the last BYE that is as it should be."""
        self._end(None if self._is_over(math.inf) else error)

    def _end(self, error: ReelcastError | None) -> None:
        for reception in self._receptions:
            self._deliver(reception, reception.intake.flush(math.inf, time.time()))
        self._queue.end(error)
