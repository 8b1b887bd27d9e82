"""One track as it is received: datagrams in; access units with their times, and reports, out.

No I/O: the stream brings what arrives and the time, and sends what is to be sent.
"""

from __future__ import annotations

from dataclasses import dataclass

from reelcast.rtp.clock import RtpClock, TimestampUnwrapper
from reelcast.rtp.packet import Packet
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

__all__ = ["Intake", "ReceivedUnit"]

MAX_RTPTIME_OFFSET = 10.0
"""Seconds from RTP-Info's rtptime to the first packet; cameras that answer a constant are further off."""


@dataclass(frozen=True, slots=True)
class ReceivedUnit:
    """An access unit with its times.

    pts            in seconds of the presentation: the start of the PLAY response's Range is where it begins
    time           its wall-clock time, in seconds since the Unix epoch
    synchronized   True where `time` is the sender's own clock, by its reports; else it is our estimate
    """

    track: Track
    unit: AccessUnit
    pts: float
    time: float | None
    synchronized: bool


class Intake:
    """Receiver, depacketizer and clock of one track.

    track      as described
    ordered    True where the transport keeps order (TCP): nothing waits for a missing packet
    ssrc       our own, for reports; cname: our own too, the same on all tracks (RFC 3550 section 6.5.1)
    """

    def __init__(self, track: Track, *, ordered: bool, ssrc: int, cname: str) -> None:
        self.track = track
        self.ended = False
        self._ssrc = ssrc
        self._cname = cname
        self._receiver = Receiver(
            track.clock_rate, track.payload_type, max_delay=0.0 if ordered else MAX_DELAY
        )
        self._source: int | None = None
        self._clock = RtpClock(track.clock_rate)
        self._depacketizer = depacketizer_for(track)
        self._unwrapper = TimestampUnwrapper()
        self._range_start = 0.0
        self._rtptime: int | None = None
        self._position = 0.0
        self._zero = 0
        self._report_due: float | None = None

    def play(self, range_start: float, rtptime: int | None) -> None:
        """The PLAY response: `rtptime` is the RTP timestamp of `range_start` seconds, None if not said."""
        self._range_start = self._position = range_start
        self._rtptime = rtptime

    @property
    def position(self) -> float:
        """The latest presentation time received, in seconds."""
        return self._position

    @property
    def statistics(self) -> Statistics:
        """What arrived so far."""
        return self._receiver.statistics

    def media(self, data: bytes, now: float, wall: float) -> list[ReceivedUnit]:
        """Take an RTP datagram; `now` by a monotonic clock, `wall` by the Unix clock, both in seconds."""
        return self._units(self._receiver.receive(data, now), wall)

    def flush(self, now: float, wall: float) -> list[ReceivedUnit]:
        """What has waited long enough for missing packets; with `now` infinite, all that waits."""
        return self._units(self._receiver.flush(now), wall)

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

    def _units(self, packets: list[Packet], wall: float) -> list[ReceivedUnit]:
        units: list[ReceivedUnit] = []
        for packet in packets:
            if packet.ssrc != self._source:
                self._begin(packet)
            self._clock.estimate(packet.timestamp, wall)
            units.extend(map(self._timed, self._depacketizer.receive(packet)))
        return units

    def _begin(self, packet: Packet) -> None:
        """The first packet of a source: what was known of another's timestamps does not hold for it."""
        if self._source is not None:
            self._clock.reset()
            self._unwrapper = TimestampUnwrapper()
            self._range_start, self._rtptime = self._position, None
        self._source = packet.ssrc
        self._zero = self._unwrapper.unwrap(packet.timestamp)
        if self._rtptime is not None:
            said = self._unwrapper.nearest(self._rtptime)
            if abs(said - self._zero) <= MAX_RTPTIME_OFFSET * self.track.clock_rate:
                self._zero = said

    def _timed(self, unit: AccessUnit) -> ReceivedUnit:
        ticks = self._unwrapper.unwrap(unit.pts) - self._zero
        pts = self._range_start + ticks / self.track.clock_rate
        self._position = max(self._position, pts)
        return ReceivedUnit(self.track, unit, pts, self._clock.unix(unit.pts), self._clock.synchronized)
