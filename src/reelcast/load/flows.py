"""What arrives of many RTP flows, counted for all of them at once (RFC 3550 appendix A).

The packets of a drain come as arrays (`Arrivals`). Where each packet is the next of its flow, which is nearly
always, a few numpy operations do for all; only a flow with a gap, a repetition or a new source is followed
packet by packet. The counts are those of `reelcast.rtp.receiver`, which does the same for one flow with more
care (it puts packets in order): `reordered` here counts all that arrived behind a later one, however late.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reelcast.rtp.arrivals import RTP_HEADER, Arrivals
from reelcast.rtp.clock import compact_ntp, ntp_to_unix
from reelcast.rtp.receiver import MAX_DROPOUT, MAX_MISORDER
from reelcast.rtp.rtcp import ReportBlock, SenderReport

__all__ = ["Counters", "Flows"]

_DECAY: Final = 15 / 16
"""What the jitter keeps of itself with each packet (RFC 3550 section 6.4.1)."""
_SEEN_MASK: Final = (1 << MAX_MISORDER) - 1
_MAX_LOST: Final = (1 << 23) - 1
_NO_SSRC: Final = -1

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Counters:
    """What arrived of each flow until some moment; arrays, an element for each flow that there is room for.

    received      packets, without the repeated ones
    bytes         of them, RTP headers included
    lost          never arrived, as far as the sequence numbers tell
    reordered     arrived behind a later one
    duplicates    had been received before
    restarts      new beginnings: another SSRC, or sequence numbers far off
    invalid       no RTP
    """

    received: Integers
    bytes: Integers
    lost: Integers
    reordered: Integers
    duplicates: Integers
    restarts: Integers
    invalid: Integers

    def __sub__(self, earlier: Counters) -> Counters:
        """What arrived since an earlier moment."""
        return Counters(*(getattr(self, field.name) - getattr(earlier, field.name) for field in fields(self)))


class Flows:
    """The accounts of up to `capacity` flows.

    on_latency    told, in seconds, how much later than its medium was due each packet arrived, where a
                  sender report has told when that was

    Times are seconds on one clock that only goes forward; `wall_offset` turns them into Unix time.
    """

    def __init__(self, capacity: int, on_latency: Callable[[Floats], None] | None = None) -> None:
        self.count = 0
        self._on_latency = on_latency
        self._received = _zeros(capacity)
        self._bytes = _zeros(capacity)
        self._reordered = _zeros(capacity)
        self._duplicates = _zeros(capacity)
        self._restarts = _zeros(capacity)
        self._invalid = _zeros(capacity)
        self._lost_before = _zeros(capacity)
        # Of the present source, since it began; `run` counts the last packets that came one after the other.
        self._base = _zeros(capacity)
        self._highest = _zeros(capacity)
        self._unique = _zeros(capacity)
        self._run = _zeros(capacity)
        self._reported_expected = _zeros(capacity)
        self._reported_lost = _zeros(capacity)
        self._ssrc: Integers = np.full(capacity, _NO_SSRC, np.int64)
        self._ordered = np.zeros(capacity, np.bool_)
        self._rate: Floats = np.ones(capacity)
        self._jitter: Floats = np.zeros(capacity)
        self._last_time: Floats = np.full(capacity, np.nan)
        self._last_timestamp = _zeros(capacity)
        self._first_time: Floats = np.full(capacity, np.nan)
        self._anchor_time: Floats = np.full(capacity, np.nan)
        self._anchor_timestamp = _zeros(capacity)
        # By flow: a window of bits as in Receiver, packets held as strays, and the last sender report.
        self._seen: dict[int, int] = {}
        self._candidates: dict[int, tuple[int, int, int]] = {}
        self._reports: dict[int, tuple[int, float]] = {}

    def add(self, clock_rate: int, *, ordered: bool) -> int:
        """A new flow's number.

        clock_rate    of its RTP timestamps, in Hz
        ordered       whether its transport keeps order (TCP): then there are no strays and no late packets
        """
        flow = self.count
        self.count += 1
        self._rate[flow] = clock_rate
        self._ordered[flow] = ordered
        return flow

    def update(self, arrivals: Arrivals, wall_offset: float) -> None:
        """Take some packets in. Never raises, whatever they hold."""
        headers, second = arrivals.headers, arrivals.headers["second"]
        valid = (headers["flags"] >> 6 == 2) & (arrivals.sizes >= RTP_HEADER.itemsize)
        control = (second >= 192) & (second < 224)  # RTCP where RTP was expected (RFC 5761 section 4)
        np.add.at(self._invalid, arrivals.flows[~valid], 1)
        order = np.argsort(arrivals.flows, kind="stable")
        order = order[(valid & ~control)[order]]
        if len(order) == 0:
            return
        flows = arrivals.flows[order]
        sequences = headers["sequence"][order].astype(np.int64)
        ssrcs = headers["ssrc"][order].astype(np.int64)
        sizes, times = arrivals.sizes[order], arrivals.times[order]
        taken = self._count(flows, sequences, ssrcs, sizes, times)
        timestamps = headers["timestamp"][order].astype(np.int64)
        if not taken.all():
            flows, timestamps, times = flows[taken], timestamps[taken], times[taken]
        if len(flows):
            self._measure(flows, timestamps, times)
            self._compare(flows, timestamps, times + wall_offset)

    def _count(
        self, flows: Integers, sequences: Integers, ssrcs: Integers, sizes: Integers, times: Floats
    ) -> NDArray[np.bool_]:
        """Enter packets, sorted by flow, into the accounts; which of them are new to us."""
        starts = _starts(flows)
        groups = flows[starts]
        counts = np.diff(np.append(starts, len(flows)))
        before = _before(sequences, starts, self._highest[groups])
        odd = ((sequences - before) & 0xFFFF != 1) | (ssrcs != self._ssrc[flows])
        taken = np.ones(len(flows), np.bool_)
        uneven = np.logical_or.reduceat(odd, starts)
        for index in np.flatnonzero(uneven):
            part = slice(starts[index], starts[index] + counts[index])
            taken[part] = self._follow(
                int(groups[index]), sequences[part], ssrcs[part], sizes[part], times[part]
            )
        even = groups[~uneven]
        steps = counts[~uneven]
        self._highest[even] += steps
        self._unique[even] += steps
        self._run[even] += steps
        self._received[even] += steps
        self._bytes[groups] += np.add.reduceat(sizes * taken, starts)
        return taken

    def _follow(
        self, flow: int, sequences: Integers, ssrcs: Integers, sizes: Integers, times: Floats
    ) -> list[bool]:
        """Packets of one flow, one by one; which of them are new."""
        if self._ssrc[flow] == _NO_SSRC:
            self._begin(flow, int(ssrcs[0]), int(sequences[0]))
            self._first_time[flow] = times[0]
        return [
            self._accept(flow, sequence, ssrc, size)
            for sequence, ssrc, size in zip(sequences.tolist(), ssrcs.tolist(), sizes.tolist(), strict=True)
        ]

    def _begin(self, flow: int, ssrc: int, sequence: int) -> None:
        self._ssrc[flow] = ssrc
        self._base[flow] = sequence
        self._highest[flow] = sequence - 1
        self._seen[flow] = 0
        for account in (self._unique, self._run, self._reported_expected, self._reported_lost):
            account[flow] = 0

    def _accept(self, flow: int, sequence: int, ssrc: int, size: int) -> bool:
        highest = int(self._highest[flow])
        step = (sequence - highest + 0x8000 & 0xFFFF) - 0x8000
        lowest = 0 if self._ordered[flow] else 1 - MAX_MISORDER
        if ssrc != self._ssrc[flow] or not lowest <= step < MAX_DROPOUT:
            return self._stray(flow, sequence, ssrc, size)
        self._candidates.pop(flow, None)
        run = min(int(self._run[flow]), MAX_MISORDER)
        self._run[flow] = 0
        seen = (self._seen[flow] << run | (1 << run) - 1) & _SEEN_MASK
        if step > 0:
            self._seen[flow] = (seen << min(step, MAX_MISORDER) | 1) & _SEEN_MASK
            self._highest[flow] = highest + step
        elif seen >> -step & 1:
            self._seen[flow] = seen
            self._duplicates[flow] += 1
            return False
        else:
            self._seen[flow] = seen | 1 << -step
            self._base[flow] = min(self._base[flow], highest + step)
            self._reordered[flow] += 1
        self._unique[flow] += 1
        self._received[flow] += 1
        return True

    def _stray(self, flow: int, sequence: int, ssrc: int, size: int) -> bool:
        """A packet of another source, or far off: two in a row, or one where order is kept, begin anew."""
        first = sequence, ssrc, 0
        if not self._ordered[flow]:
            candidate = self._candidates.get(flow)
            self._candidates[flow] = sequence, ssrc, size
            if candidate is None or candidate[:2] != ((sequence - 1) & 0xFFFF, ssrc):
                return False
            first = candidate
        self._restarts[flow] += 1
        self._lost_before[flow] = self._lost()[flow]
        self._begin(flow, ssrc, first[0])
        if first[0] != sequence:
            self._accept(flow, *first)
            self._bytes[flow] += first[2]
        return self._accept(flow, sequence, ssrc, size)

    def _measure(self, flows: Integers, timestamps: Integers, times: Floats) -> None:
        """Jitter: J += (|D| - J) / 16 for each packet (RFC 3550 section 6.4.1), for a row of packets at once."""
        starts = _starts(flows)
        groups = flows[starts]
        counts = np.diff(np.append(starts, len(flows)))
        rates = self._rate[flows]
        waited = times - _before(times, starts, self._last_time[groups])
        played = timestamps - _before(timestamps, starts, self._last_timestamp[groups])
        differences = np.abs(waited * rates - _signed(played))
        differences[np.isnan(differences)] = 0.0  # a flow's first packet
        behind = np.repeat(starts + counts, counts) - 1 - np.arange(len(flows))
        added = np.add.reduceat(differences * _DECAY**behind, starts) / 16
        self._jitter[groups] = self._jitter[groups] * _DECAY**counts + added
        last = starts + counts - 1
        self._last_time[groups] = times[last]
        self._last_timestamp[groups] = timestamps[last]

    def _compare(self, flows: Integers, timestamps: Integers, wall: Floats) -> None:
        """Latency, where the sender's clock is known."""
        if self._on_latency is None:
            return
        media = _signed(timestamps - self._anchor_timestamp[flows]) / self._rate[flows]
        self._on_latency(wall - (self._anchor_time[flows] + media))

    def sender_report(self, flow: int, report: SenderReport, now: float) -> None:
        """Take a sender's word on its clock (RFC 3550 section 6.4.1); NTP time 0 means that it has none."""
        self._reports[flow] = compact_ntp(report.ntp), now
        if report.ntp:
            self._anchor_time[flow] = ntp_to_unix(report.ntp)
            self._anchor_timestamp[flow] = report.rtp

    def report_block(self, flow: int, now: float) -> ReportBlock | None:
        """What to tell the sender (RFC 3550 appendix A.3); None while nothing has come."""
        if self._ssrc[flow] == _NO_SSRC:
            return None
        expected = int(self._highest[flow] - self._base[flow]) + 1
        lost = expected - int(self._unique[flow])
        interval = expected - int(self._reported_expected[flow])
        missing = lost - int(self._reported_lost[flow])
        self._reported_expected[flow], self._reported_lost[flow] = expected, lost
        last, arrival = self._reports.get(flow, (0, now))
        return ReportBlock(
            ssrc=int(self._ssrc[flow]),
            fraction_lost=min(255, (missing << 8) // interval) if interval > 0 and missing > 0 else 0,
            cumulative_lost=min(_MAX_LOST, lost),
            highest_sequence=int(self._highest[flow]) & 0xFFFFFFFF,
            jitter=int(self._jitter[flow]) & 0xFFFFFFFF,
            last_sr=last,
            delay_since_last_sr=min(max(0, int((now - arrival) * 65536)), 0xFFFFFFFF),
        )

    @property
    def counters(self) -> Counters:
        """What arrived so far."""
        accounts = (self._received, self._bytes, self._lost(), self._reordered, self._duplicates)
        return Counters(*(account.copy() for account in (*accounts, self._restarts, self._invalid)))

    @property
    def jitter(self) -> Floats:
        """Of each flow now, in seconds; NaN where nothing has come."""
        jitter: Floats = np.where(np.isnan(self._last_time), np.nan, self._jitter / self._rate)
        return jitter

    @property
    def first_times(self) -> Floats:
        """When the first packet of each flow arrived; NaN where none has."""
        return self._first_time.copy()

    def _lost(self) -> Integers:
        missing = self._highest - self._base + 1 - self._unique
        lost: Integers = self._lost_before + np.where(self._ssrc == _NO_SSRC, 0, np.maximum(missing, 0))
        return lost


def _zeros(count: int) -> Integers:
    return np.zeros(count, np.int64)


def _starts(flows: Integers) -> NDArray[np.intp]:
    """Where in a sorted array another flow begins."""
    return np.flatnonzero(np.append(True, flows[1:] != flows[:-1]))


def _before(values: NDArray[Any], starts: NDArray[np.intp], earlier: NDArray[Any]) -> NDArray[Any]:
    """Of each packet, the value of the one before in its flow; `earlier` stands before the first of each."""
    before = np.empty_like(values)
    before[1:] = values[:-1]
    before[starts] = earlier
    return before


def _signed(ticks: Integers) -> Integers:
    """A difference of 32-bit timestamps, half a cycle forward or back."""
    return (ticks + 0x80000000 & 0xFFFFFFFF) - 0x80000000
