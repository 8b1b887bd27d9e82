"""The receiving end of one track: packets put in order, losses counted, reports made (RFC 3550 appendix A).

What has been seen of the source is told apart in three ways:

- within reach of the highest sequence number: the source goes on; late packets and repeated ones are known by
  a window of bits;
- out of reach, or another SSRC: perhaps a stray. Two such packets in a row are the source's new beginning,
  and neither is lost. On a transport that keeps order there are no strays, and one is enough;
- no RTP at all: counted, nothing more.

Packets of other payload types are passed over. Some have numbers of their own among the track's (comfort noise,
RFC 3551 section 4.1), so that none is missing there; Uniview's, of type 50, have the number that the track's next
packet has too. Who comes by a number decides, and what is handed out is numbered without them.

A packet behind a gap waits for what is missing, but never longer than `max_delay` and never among more than
MAX_WAITING others: a loss costs that delay once, whatever the rate of the track.

Nearly all packets come as they were sent. Those are taken in run by run (`straight`); all else is, packet by packet
(`receive`). Both give the same, and count the same.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

from reelcast.rtp.clock import compact_ntp
from reelcast.rtp.packet import HEADER, HEADER_SIZE, PLAIN, Packet, Run
from reelcast.rtp.rtcp import ReportBlock, SenderReport

__all__ = ["ENOUGH", "MAX_DELAY", "MAX_FOREIGN", "MAX_WAITING", "Receiver", "Statistics"]

MAX_DELAY: Final = 0.1
"""Seconds a packet waits for a missing one: what reorders packets (several paths, several queues) does it
within some milliseconds; after a tenth of a second a loss is a loss."""
MAX_WAITING: Final = 512
"""Packets held behind gaps: 100 ms of 50 Mbit/s, and less than a megabyte."""
MAX_FOREIGN: Final = 64
"""Numbers of other payload types remembered: a camera's own come one by one, between frames."""
ENOUGH: Final = 16
"""Packets of another payload type, in a row and before any of the described one, that show which is meant: a key
frame's, or a third of a second of sound."""
MAX_DROPOUT: Final = 3000
"""A step forward of more is no loss but a new beginning (RFC 3550 appendix A.1)."""
MAX_MISORDER: Final = 100
"""A step back of more is no late packet but a new beginning (RFC 3550 appendix A.1)."""

_SEEN_MASK: Final = (1 << MAX_MISORDER) - 1
_MAX_LOST: Final = (1 << 23) - 1


@dataclass(frozen=True, slots=True)
class Statistics:
    """What arrived on a track so far.

    received     packets, without the repeated ones; bytes: of them, RTP headers included
    lost         never arrived, as far as the sequence numbers tell
    late         arrived after they had been given up on, and were dropped; not among the lost
    reordered    arrived behind a later one, and took their place
    duplicates   dropped, for they had been received before
    invalid      no RTP
    restarts     new beginnings: another SSRC, or sequence numbers far off
    jitter       of the arrival times, in seconds (RFC 3550 section 6.4.1)
    """

    received: int = 0
    bytes: int = 0
    lost: int = 0
    late: int = 0
    reordered: int = 0
    duplicates: int = 0
    invalid: int = 0
    restarts: int = 0
    jitter: float = 0.0

    def __add__(self, later: Statistics) -> Statistics:
        """Of two receivers, one after the other: all together, but for the jitter, which is the later one's."""
        sums = (getattr(self, each.name) + getattr(later, each.name) for each in fields(self)[:-1])
        return replace(Statistics(*sums), jitter=later.jitter)


class Receiver:
    """Takes one track's datagrams in and hands its packets out, each once, in the order of their sending.

    clock_rate     of the track, in Hz
    payload_type   packets of any other are counted but not handed out, and those behind them are numbered as if
                   they were not there; None hands out all
    max_delay      seconds a packet may wait for a missing one; 0 for a transport that keeps order (TCP)
    stand_ins      other payload types, one of which becomes `payload_type` where it comes and that one does not:
                   a camera describes one and sends another
    instead        the payload type that came last, before any of those wanted

    `now` is any clock in seconds that only goes forward, always the same one.
    """

    def __init__(
        self,
        clock_rate: int,
        payload_type: int | None = None,
        *,
        max_delay: float = MAX_DELAY,
        stand_ins: Container[int] = (),
    ) -> None:
        self.clock_rate = clock_rate
        self.payload_type = payload_type
        self.max_delay = max_delay
        self.ssrc: int | None = None
        self.instead: int | None = None
        self._stand_ins = stand_ins
        self._held: list[bytes] = []
        self._candidate: tuple[Packet, int] | None = None
        self._waiting: dict[int, tuple[float, Packet]] = {}  # by arrival, which dicts keep
        self._last_report: tuple[int, float] | None = None
        # Of this source, since it began. Sequence numbers are extended by their cycles.
        self._base = 0
        self._highest = 0
        self._expected = 0
        self._seen = 0
        self._unique = 0
        self._repeated = 0
        self._foreign: set[int] = set()
        self._skipped = 0
        self._reported = (0, 0)
        self._transit: int | None = None
        self._jitter = 0
        # Since the start, over all beginnings.
        self._received = 0
        self._bytes = 0
        self._lost_before = 0
        self._late = 0
        self._reordered = 0
        self._duplicates = 0
        self._invalid = 0
        self._restarts = 0

    def straight(self, datagrams: Sequence[bytes], start: int, now: float) -> Run | None:
        """Take in as many of the datagrams, from one on, as follow straight on what came before.

        None where not even the first does: it is left to `receive`. Never raises on any bytes.
        """
        if self._waiting or self._expected != self._highest + 1:
            return None
        run = self._run(datagrams, start)
        if run is None:
            return None
        count = len(run.payloads)
        self._candidate = None
        self._expected += count
        self._highest += count
        self._seen = (self._seen << count | (1 << count) - 1) & _SEEN_MASK
        self._unique += count
        self._received += count
        self._bytes += count * HEADER_SIZE + sum(map(len, run.payloads))
        self._measure(run.timestamp, now, count)
        return run

    def receive(self, data: bytes, now: float) -> list[Packet]:
        """Take one datagram in; the packets it releases, none to several. Never raises on any bytes."""
        packet = Packet.parse(data)
        if packet is None:
            self._invalid += 1
            return self._release(now)
        if self.ssrc is None:
            if not self._is_wanted(packet):
                return self._take_instead(packet, data, now)
            self._begin(packet)
        elif packet.ssrc != self.ssrc or not self._within_reach(packet.sequence):
            return self._release(now) + self._stray(packet, len(data), now)
        elif not self._is_wanted(packet):
            self._pass_over(packet, len(data))
            return self._release(now)
        self._candidate = None
        return self._accept(packet, len(data), now)

    def _run(self, datagrams: Sequence[bytes], start: int) -> Run | None:
        """What there is of one timestamp, in order and from the next number on, up to a marker."""
        ssrc, payload_type = self.ssrc, self.payload_type
        number, timestamp, marker = self._expected & 0xFFFF, 0, False
        payloads: list[bytes] = []
        for place in range(start, len(datagrams)):
            data = datagrams[place]
            if len(data) < HEADER_SIZE:
                break
            flags, second, sequence, stamp, source = HEADER.unpack_from(data)
            if flags != PLAIN or sequence != number or source != ssrc or second & 0x7F != payload_type:
                break
            if stamp != timestamp and payloads:
                break
            payloads.append(data[HEADER_SIZE:])
            number, timestamp, marker = number + 1 & 0xFFFF, stamp, second >= 0x80
            if marker:
                break
        if ssrc is None or payload_type is None or not payloads:
            return None
        first = number - len(payloads) - self._skipped & 0xFFFF
        return Run(payload_type, first, timestamp, ssrc, marker, payloads)

    def flush(self, now: float) -> list[Packet]:
        """The packets that have waited long enough; with `math.inf`, all that wait."""
        return self._release(now)

    @property
    def deadline(self) -> float | None:
        """When to call `flush` if nothing arrives until then, None while no packet waits."""
        if self._waiting:
            arrival, _ = next(iter(self._waiting.values()))
            return arrival + self.max_delay
        return None

    def _step(self, sequence: int) -> int:
        """From the highest sequence number to this one, -32768 to 32767."""
        return (sequence - self._highest + 0x8000 & 0xFFFF) - 0x8000

    def _within_reach(self, sequence: int) -> bool:
        step = self._step(sequence)
        if self.max_delay == 0:
            # Where order is kept, a step back can only be the sender's doing.
            return 0 <= step < MAX_DROPOUT
        return -MAX_MISORDER < step < MAX_DROPOUT

    def _stray(self, packet: Packet, size: int, now: float) -> list[Packet]:
        """A packet of another source, or far off: drop it, or let the source begin again."""
        if not self._is_wanted(packet):
            return []  # retransmission, error correction, or a camera's own: no source of this track
        beginning = [(packet, size)]
        if self.max_delay > 0:
            candidate, self._candidate = self._candidate, (packet, size)
            if candidate is None or not _follows(candidate[0], packet):
                return []
            beginning.insert(0, candidate)
        released = self._release(float("inf"))
        self._candidate = None
        self._restarts += 1
        self._lost_before = self._lost()
        self._begin(beginning[0][0])
        for one, length in beginning:
            released += self._accept(one, length, now)
        return released

    def _take_instead(self, packet: Packet, data: bytes, now: float) -> list[Packet]:
        """A packet of another payload type before any that is wanted: held, until it shows that it is the one."""
        if packet.payload_type != self.instead:
            self._held.clear()
        self.instead = packet.payload_type
        if packet.payload_type not in self._stand_ins:
            return []
        self._held.append(data)
        if len(self._held) < ENOUGH:
            return []
        self.payload_type = packet.payload_type
        held, self._held = self._held, []
        return [released for each in held for released in self.receive(each, now)]

    def _pass_over(self, packet: Packet, size: int) -> None:
        """Remember the number of a packet of another payload type: if no other has it, none is missing there."""
        sequence = self._highest + self._step(packet.sequence)
        self._received += 1
        self._bytes += size
        if len(self._foreign) >= MAX_FOREIGN:
            self._foreign = {number for number in self._foreign if number >= self._expected}
        if sequence >= self._expected and len(self._foreign) < MAX_FOREIGN:
            self._foreign.add(sequence)

    def _begin(self, packet: Packet) -> None:
        self.ssrc = packet.ssrc
        self.instead = None
        self._held.clear()
        self._base = self._expected = packet.sequence
        self._highest = packet.sequence - 1
        self._seen = self._unique = self._repeated = self._skipped = 0
        self._foreign.clear()
        self._reported = (0, 0)
        self._transit = None
        self._jitter = 0

    def _accept(self, packet: Packet, size: int, now: float) -> list[Packet]:
        step = self._step(packet.sequence)
        sequence = self._highest + step
        if step > 0:
            self._seen = (self._seen << step | 1) & _SEEN_MASK
            self._highest = sequence
        elif self._seen >> -step & 1:
            self._repeated += 1
            self._duplicates += 1
            return self._release(now)
        else:
            self._seen |= 1 << -step
            self._base = min(self._base, sequence)
        self._unique += 1
        self._received += 1
        self._bytes += size
        self._measure(packet.timestamp, now)
        if sequence == self._expected and not self._waiting:
            self._expected += 1
            return [self._numbered(packet)]
        if sequence < self._expected:
            self._late += 1
        else:
            self._reordered += step < 0
            self._waiting[sequence] = now, packet
        return self._release(now)

    def _numbered(self, packet: Packet) -> Packet:
        """The packet whose turn it is, with a number as if no other payload types were among them."""
        if not self._skipped:
            return packet
        return replace(packet, sequence=packet.sequence - self._skipped & 0xFFFF)

    def _is_wanted(self, packet: Packet) -> bool:
        return self.payload_type is None or packet.payload_type == self.payload_type

    def _measure(self, timestamp: int, now: float, count: int = 1) -> None:
        """Jitter in integers, scaled by 16 (RFC 3550 appendix A.8), of packets that came at once."""
        transit = int(now * self.clock_rate) - timestamp
        if self._transit is not None:
            difference = abs((transit - self._transit + 0x80000000 & 0xFFFFFFFF) - 0x80000000)
            self._jitter += difference - (self._jitter + 8 >> 4)
        self._transit = transit
        for _ in range(count - 1):
            self._jitter -= self._jitter + 8 >> 4

    def _release(self, now: float) -> list[Packet]:
        released: list[Packet] = []
        waiting = self._waiting
        while waiting:
            while (entry := waiting.pop(self._expected, None)) or self._expected in self._foreign:
                self._expected += 1
                if entry:
                    released.append(self._numbered(entry[1]))
                else:
                    self._skipped += 1
                    self._unique += 1
            deadline = self.deadline
            if deadline is None or (now < deadline and len(waiting) <= MAX_WAITING):
                break
            self._expected = min(waiting)
        return released

    def sender_report(self, report: SenderReport, now: float) -> None:
        """Remember the report for our own; its SSRC is not asked for (TP-Link sends it under another)."""
        self._last_report = compact_ntp(report.ntp), now

    def report_block(self, now: float) -> ReportBlock | None:
        """What to tell the sender, and the start of the next interval; None while nothing was received.

        Packets lost and fractions are those of RFC 3550 appendix A.3: a duplicate makes up for a loss.
        """
        if self.ssrc is None:
            return None
        expected = self._highest - self._base + 1
        received = self._unique + self._repeated
        expected_before, received_before = self._reported
        self._reported = expected, received
        interval = expected - expected_before
        missing = interval - (received - received_before)
        fraction = min(255, (missing << 8) // interval) if interval > 0 and missing > 0 else 0
        last, arrival = self._last_report or (0, now)
        return ReportBlock(
            ssrc=self.ssrc,
            fraction_lost=fraction,
            cumulative_lost=max(-_MAX_LOST - 1, min(_MAX_LOST, expected - received)),
            highest_sequence=self._highest & 0xFFFFFFFF,
            jitter=self._jitter >> 4 & 0xFFFFFFFF,
            last_sr=last,
            delay_since_last_sr=min(max(0, int((now - arrival) * 65536)), 0xFFFFFFFF),
        )

    def _lost(self) -> int:
        if self.ssrc is None:
            return 0
        return self._lost_before + max(0, self._highest - self._base + 1 - self._unique)

    @property
    def statistics(self) -> Statistics:
        """What arrived so far."""
        return Statistics(
            received=self._received,
            bytes=self._bytes,
            lost=self._lost(),
            late=self._late,
            reordered=self._reordered,
            duplicates=self._duplicates,
            invalid=self._invalid,
            restarts=self._restarts,
            jitter=(self._jitter >> 4) / self.clock_rate,
        )


def _follows(first: Packet, second: Packet) -> bool:
    return first.ssrc == second.ssrc and (first.sequence + 1) & 0xFFFF == second.sequence
