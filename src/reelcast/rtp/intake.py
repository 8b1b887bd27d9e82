"""One track as it is received: datagrams in; access units with their times, and reports, out.

No I/O: whoever receives (a client, or a server that is published to) brings what arrives and the time, and sends
what is to be sent.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from reelcast.rtp.clock import RtpClock, TimestampUnwrapper
from reelcast.rtp.onvif import CameraClock
from reelcast.rtp.packet import Packet, Run
from reelcast.rtp.payload import depacketizer_for
from reelcast.rtp.receiver import MAX_DELAY, Receiver, Statistics
from reelcast.rtp.rtcp import (
    Bye,
    ReceiverReport,
    Report,
    SenderReport,
    SourceDescription,
    compound,
    next_interval,
    parse,
)
from reelcast.track import AccessUnit, Track

__all__ = ["Clock", "Intake", "Place", "ReceivedUnit"]

MAX_RTPTIME_OFFSET = 10.0
"""Seconds from RTP-Info's rtptime to the first packet; cameras that answer a constant are further off."""
MAX_STALE = 512
"""Packets from before a seek that are passed over: what is on its way then; cameras that answer any constant as
the first sequence number lose no more."""
REFRESH = 10.0
"""Seconds after which a stream without keyframes is taken to be one that refreshes its pictures bit by bit."""

Clock = Literal["estimated", "sender", "camera"]
"""Whose a wall-clock time is: by arrival here; by the sender's reports; by the camera, frame by frame."""


@dataclass(frozen=True, slots=True)
class ReceivedUnit:
    """An access unit with its times.

    pts       in seconds of the presentation: the start of the PLAY response's Range is where it begins
    time      its wall-clock time, in seconds since the Unix epoch
    clock     whose time that is
    arrival   of its last packet, in seconds of time.monotonic
    corrupt   True where packets were lost since the last keyframe: what it decodes to may be torn
    segment   number of the PLAY it came by, or of the reconnection: decoders begin anew where it changes
    hole      True where packets were lost since the unit before it; of sound too, which refers to nothing
    """

    track: Track
    unit: AccessUnit
    pts: float
    time: float | None
    clock: Clock
    arrival: float
    corrupt: bool = False
    segment: int = 0
    hole: bool = False

    def __repr__(self) -> str:
        marks = " key" * self.unit.keyframe + " corrupt" * self.corrupt
        size = len(self.unit.data)
        return f"<ReceivedUnit of {self.track.codec} at {self.pts:.3f} s, {size} bytes{marks}>"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a PLAY begins, by its response.

    start      presentation time in seconds
    rtptime    the RTP timestamp of `start`, None if not said
    sequence   of the first packet, None if not said or not to be relied on
    scale      presentation seconds in a second of RTP time (RFC 2326 section 12.34)
    segment    number of this PLAY
    goes_on    it goes on where a PAUSE was, on the same axis: RTP time tells all, `start` and `rtptime` nothing
    clock      when `start` was, in Unix seconds; None where the source tells by its reports
    """

    start: float = 0.0
    rtptime: int | None = None
    sequence: int | None = None
    scale: float = 1.0
    segment: int = 0
    goes_on: bool = False
    clock: float | None = None


class Intake:
    """Receiver, depacketizer and clock of one track.

    track      as described
    ordered    True where the transport keeps order (TCP): nothing waits for a missing packet
    ssrc       our own, for reports; cname: our own too, the same on all tracks (RFC 3550 section 6.5.1)
    stand_ins  payload types that may come in place of the described one (see `Receiver`)
    """

    def __init__(
        self, track: Track, *, ordered: bool, ssrc: int, cname: str, stand_ins: Container[int] = ()
    ) -> None:
        self.track = track
        self._ssrc = ssrc
        self._cname = cname
        self._receiver = Receiver(
            track.clock_rate,
            track.payload_type,
            max_delay=0.0 if ordered else MAX_DELAY,
            stand_ins=stand_ins,
        )
        self._source: int | None = None
        self._clock = RtpClock(track.clock_rate)
        self._report_due: float | None = None
        self._zero = 0
        self._begun: float | None = None
        # Of the last unit: its time, its wall-clock time, and whose that is.
        self._latest: tuple[float, float, Clock] | None = None
        self._told: Clock = "sender"
        self._place = Place()
        self.play(self._place)

    def play(self, place: Place) -> None:
        """A PLAY was answered: timestamps may mean something else from here on.

        With the segment of the one before it goes on where a PAUSE was; with another it begins elsewhere, and
        what waits is of the past. Either way the wall clock went on meanwhile, so reports do not hold.
        """
        self._clock.reset()
        self.ended = False
        if place.goes_on and self._begun is not None:
            # From now on reports speak of a time that is later than what is shown.
            if self._place.clock is None and self._latest is not None:
                pts, wall, self._told = self._latest
                self._place = replace(self._place, clock=wall - (pts - self._place.start))
            return
        self._begun, self._latest, self._told = None, None, "sender"
        self._unwrapper = TimestampUnwrapper()
        before, self._place = self._place, place
        if self._source is None or place.segment != before.segment:
            self._receiver.flush(math.inf)
            self._start_afresh()

    def _start_afresh(self) -> None:
        self._depacketizer = depacketizer_for(self.track)
        self._camera = CameraClock(self.track.clock_rate)
        self._position = self._place.start
        self._stale = MAX_STALE
        self._next: int | None = None
        # Until a keyframe has come there is nothing to refer to.
        self._broken = True
        self._saw_keyframe = self._hole = False

    @property
    def position(self) -> float:
        """The latest presentation time received, in seconds."""
        return self._position

    @property
    def statistics(self) -> Statistics:
        """What arrived so far."""
        return self._receiver.statistics

    @property
    def instead(self) -> int | None:
        """The payload type that came last, where none has come of the described one."""
        return self._receiver.instead

    @property
    def pending(self) -> bool:
        """Whether anything waits for packets that are missing, and will be had from `flush`."""
        return self._receiver.deadline is not None

    def take(self, datagrams: Sequence[bytes], now: float, wall: float) -> list[ReceivedUnit]:
        """Take RTP datagrams that came at once.

        `now` is by a monotonic clock, `wall` by the Unix clock, both in seconds. Never raises on any bytes.
        """
        units: list[ReceivedUnit] = []
        place = 0
        while place < len(datagrams):
            run = self._receiver.straight(datagrams, place, now)
            if run is None:
                units += self._units(self._receiver.receive(datagrams[place], now), now, wall)
                place += 1
            else:
                units += self._units_of(run, now, wall)
                place += len(run.payloads)
        return units

    def flush(self, now: float, arrival: float, wall: float) -> list[ReceivedUnit]:
        """What has waited long enough for missing packets; with `now` infinite, all that waits."""
        return self._units(self._receiver.flush(now), arrival, wall)

    def control(self, data: bytes, now: float) -> None:
        """Take an RTCP datagram; a BYE of the source sets `ended`."""
        for report in parse(data):
            if isinstance(report, SenderReport):
                self._receiver.sender_report(report, now)
                self._clock.sender_report(report)
            elif isinstance(report, Bye) and (
                not report.ssrcs or self._receiver.ssrc in (None, *report.ssrcs)
            ):
                self.ended = True

    def report_due(self, now: float, random: float) -> bytes | None:
        """A compound to send now, or None; `random` is uniform in [0, 1) (RFC 3550 section 6.3)."""
        if self._report_due is None:
            self._report_due = now + next_interval(random, initial=True)
        if now < self._report_due:
            return None
        self._report_due = now + next_interval(random)
        return self.report(now)

    def report(self, now: float, *, leaving: bool = False) -> bytes:
        """RR and SDES, with a BYE where we leave; before the first packet the RR is empty."""
        block = self._receiver.report_block(now)
        reports: list[Report] = [
            ReceiverReport(self._ssrc, (block,) if block else ()),
            SourceDescription(self._ssrc, self._cname),
        ]
        if leaving:
            reports.append(Bye((self._ssrc,)))
        return compound(*reports)

    def _units_of(self, run: Run, arrival: float, wall: float) -> list[ReceivedUnit]:
        if self._begun is None or run.ssrc != self._source or run.sequence != self._next:
            return self._units(run.packets(), arrival, wall)
        self._next = (run.sequence + len(run.payloads)) & 0xFFFF
        self._clock.estimate(run.timestamp, wall)
        return [self._received(unit, arrival) for unit in self._depacketizer.receive_run(run)]

    def _units(self, packets: Iterable[Packet], arrival: float, wall: float) -> list[ReceivedUnit]:
        units: list[ReceivedUnit] = []
        for packet in packets:
            if self._begun is None and self._is_stale(packet):
                continue
            if packet.ssrc != self._source or self._begun is None:
                self._begin(packet, arrival)
            if packet.sequence != self._next:
                self._broken, self._hole = True, self._next is not None
            self._next = (packet.sequence + 1) & 0xFFFF
            self._camera.take(packet)
            self._clock.estimate(packet.timestamp, wall)
            units.extend(self._received(unit, arrival) for unit in self._depacketizer.receive(packet))
        return units

    def _time_of(self, unit: AccessUnit, pts: float) -> tuple[float | None, Clock]:
        told = self._camera.unix(unit.pts)
        if told is not None:
            return told, "camera"
        if self._place.clock is not None:
            return self._place.clock + pts - self._place.start, self._told
        return self._clock.unix(unit.pts), "sender" if self._clock.synchronized else "estimated"

    def _is_stale(self, packet: Packet) -> bool:
        """Whether a packet was sent before the PLAY that it comes behind."""
        first = self._place.sequence
        if first is None or packet.ssrc != self._source or self._next is not None or not self._stale:
            return False
        self._stale -= 1
        return 0 < (first - packet.sequence) & 0xFFFF <= MAX_STALE

    def _begin(self, packet: Packet, arrival: float) -> None:
        """The first packet of a PLAY, or of another source, whose timestamps mean something else."""
        if self._source is not None and packet.ssrc != self._source:
            self._clock.reset()
            # Who said goodbye before is not who speaks now.
            self.ended = False
        if self._begun is not None:
            self._unwrapper = TimestampUnwrapper()
            self._place = replace(self._place, start=self._position, rtptime=None)
        self._begun = arrival
        self._source = packet.ssrc
        self._zero = self._unwrapper.unwrap(packet.timestamp)
        if self._place.rtptime is not None:
            said = self._unwrapper.nearest(self._place.rtptime)
            if abs(said - self._zero) <= MAX_RTPTIME_OFFSET * self.track.clock_rate:
                self._zero = said

    def _received(self, unit: AccessUnit, arrival: float) -> ReceivedUnit:
        place = self._place
        ticks = self._unwrapper.unwrap(unit.pts) - self._zero
        pts = place.start + ticks * place.scale / self.track.clock_rate
        self._position = max(self._position, pts) if place.scale > 0 else min(self._position, pts)
        if unit.keyframe:
            self._broken, self._saw_keyframe = False, True
        elif not self._saw_keyframe and self._begun is not None and arrival - self._begun > REFRESH:
            self._broken = False
        wall, clock = self._time_of(unit, pts)
        self._latest = self._latest if wall is None else (pts, wall, clock)
        hole, self._hole = self._hole, False
        return ReceivedUnit(self.track, unit, pts, wall, clock, arrival, self._broken, place.segment, hole)
