"""One track as it is sent: access units in; datagrams, reports and figures out."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections import deque
from dataclasses import dataclass
from typing import Final

from reelcast.client.outgoing import Exit
from reelcast.errors import PayloadError
from reelcast.net.carrier import Carrier
from reelcast.net.clock import unix_now
from reelcast.net.flight import Flight
from reelcast.rtp.burst import Burst
from reelcast.rtp.clock import compact_ntp, unix_to_ntp
from reelcast.rtp.group import Group
from reelcast.rtp.payload import packetizer_for
from reelcast.rtp.rtcp import (
    Bye,
    ReceiverReport,
    Report,
    ReportBlock,
    SenderReport,
    SourceDescription,
    compound,
    next_interval,
    parse,
)
from reelcast.rtp.sender import Sender, stamp, tally
from reelcast.track import AccessUnit, Track

__all__ = ["Departure", "PublishedTrack"]

log = logging.getLogger(__name__)

_COMPACT_SECOND: Final = 65_536
"""Of the times in report blocks (RFC 3550 section 6.4.1)."""


@dataclass(frozen=True, slots=True)
class PublishedTrack:
    """What was sent of one track so far, over all reconnections, and what the server says of it.

    units        access units that were sent
    dropped      of those that were to be sent: while there was no server, and up to the next keyframe
    packets      RTP packets; bytes: of their payloads
    lost         packets that the server has missed, as its reports say; None before the first
    jitter       of their arrival there in seconds; None likewise
    round_trip   seconds there and back; None while it is not known
    """

    track: Track
    units: int = 0
    dropped: int = 0
    packets: int = 0
    bytes: int = 0
    lost: int | None = None
    jitter: float | None = None
    round_trip: float | None = None


class Departure:
    """Packetises, stamps, paces and reports on one track; its times count from the Unix epoch.

    told   the last report block of the server's on this track, None before the first
    """

    def __init__(self, track: Track, exit: Exit, carrier: Carrier, cname: str) -> None:
        self.track = track
        self.told: ReportBlock | None = None
        self.round_trip: float | None = None
        self._exit = exit
        self._carrier = carrier
        self._cname = cname
        # All of it random, as RFC 3550 section 5.1 wants it.
        ssrc, sequence, offset = (secrets.randbits(bits) for bits in (32, 16, 32))
        self._sender = Sender(ssrc, sequence, offset, track.clock_rate)
        self._packetizer = packetizer_for(track)
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[float, Flight, int]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._report_due: float | None = None
        self.units = 0

    @property
    def packets(self) -> int:
        """Sent so far."""
        return self._sender.packets

    @property
    def octets(self) -> int:
        """Bytes of their payloads."""
        return self._sender.octets

    def begin(self) -> None:
        """Report before anything is sent: a receiver then knows from the first packet on how tracks go together."""
        self._report()

    def send(self, unit: AccessUnit) -> None:
        """Send a unit; what its payload format cannot carry is left out, and the log says so."""
        try:
            bursts = self._packetizer.packetize(unit)
        except PayloadError as error:
            log.warning("! %s", error)
            return
        self.units += 1
        self._send(bursts)

    def flush(self) -> None:
        """Send what waits to share a packet with what comes."""
        self._send(self._packetizer.flush())

    def _send(self, bursts: list[Burst]) -> None:
        if not bursts:
            return
        self._hurry()
        group = Group.build(0, [(0, burst) for burst in bursts], (self.track,), last=False)
        senders = {0: self._sender}
        flight = Flight(group, stamp(group, senders, self._carrier.channels))
        tally(group.runs, senders)
        now, dues = self._loop.time(), self._carrier.dues(group)
        self._waiting.extend((now + due - dues[0], flight, run) for run, due in enumerate(dues))
        self._proceed()

    def _proceed(self) -> None:
        """Send the runs that are due; a large picture is spread, for the sake of receive buffers."""
        now = self._loop.time()
        while self._waiting and self._waiting[0][0] <= now:
            _, flight, first = self._waiting.popleft()
            stop = first + 1
            while self._waiting and self._waiting[0][0] <= now and self._waiting[0][1] is flight:
                self._waiting.popleft()
                stop += 1
            self._carrier.send(flight, first, stop)
        self._exit.flush()
        if self._waiting:
            self._timer = self._loop.call_at(self._waiting[0][0], self._proceed)

    def _hurry(self) -> None:
        """Send all that waits: what follows must not overtake it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for _, flight, run in self._waiting:
            self._carrier.send(flight, run, run + 1)
        self._waiting.clear()

    # Reports.

    def report_if_due(self) -> None:
        """Send what is to be sent every few seconds (RFC 3550 section 6.3)."""
        if self._report_due is not None and self._loop.time() >= self._report_due:
            self._report()

    def _report(self, *, leaving: bool = False) -> None:
        now = self._loop.time()
        self._report_due = now + next_interval(random.random())
        wall = unix_now()
        ssrc = self._sender.ssrc
        reports: list[Report] = [
            self._sender.report(unix_to_ntp(wall), wall),
            SourceDescription(ssrc, self._cname),
        ]
        if leaving:
            reports.append(Bye((ssrc,)))
        self._carrier.report(0, compound(*reports))

    def control(self, data: bytes) -> None:
        """Take a report of the server's."""
        for report in parse(data):
            if isinstance(report, ReceiverReport | SenderReport):
                for block in report.blocks:
                    if block.ssrc == self._sender.ssrc:
                        self._take(block)

    def _take(self, block: ReportBlock) -> None:
        self.told = block
        if block.last_sr:
            now = compact_ntp(unix_to_ntp(unix_now()))
            away = (now - block.last_sr - block.delay_since_last_sr) & 0xFFFFFFFF
            # A clock of the server's that runs a little fast makes it less than nothing.
            self.round_trip = away / _COMPACT_SECOND if away < 1 << 31 else 0.0

    def goodbye(self) -> None:
        """Send what is left, and say that nothing follows; not where nothing was ever said."""
        self.flush()
        self._hurry()
        self._exit.flush()
        if self._report_due is not None:
            self._report(leaving=True)

    def close(self) -> None:
        """Send no more."""
        self._waiting.clear()
        self._hurry()
        self._exit.close()
