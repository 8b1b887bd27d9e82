"""Accounts of many flows: those of `Receiver`, whatever arrives and however it is cut into drains."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.load.flows import Counters, Flows
from reelcast.rtp.arrivals import Arrivals
from reelcast.rtp.clock import unix_to_ntp
from reelcast.rtp.packet import Packet
from reelcast.rtp.receiver import Receiver, Statistics
from reelcast.rtp.rtcp import SenderReport

RATE = 90_000


@dataclass(frozen=True)
class Arrival:
    flow: int
    sequence: int
    ssrc: int = 1
    timestamp: int = 0
    time: float = 0.0
    payload: bytes = b"payload"

    @property
    def data(self) -> bytes:
        return Packet(96, self.sequence & 0xFFFF, self.timestamp, self.ssrc, False, self.payload).to_bytes()


def drains(arrivals: list[Arrival], cuts: list[int]) -> list[Arrivals]:
    edges = sorted({0, len(arrivals), *(cut % (len(arrivals) + 1) for cut in cuts)})
    rows = [(one.flow, one.data[:12], len(one.data), one.time) for one in arrivals]
    return [Arrivals.of(rows[start:end]) for start, end in pairwise(edges)]


def run(
    arrivals: list[Arrival], *, ordered: bool = False, flows: int = 1, cuts: list[int] | None = None
) -> Flows:
    accounts = Flows(flows + 1)
    for _ in range(flows):
        accounts.add(RATE, ordered=ordered)
    for drain in drains(arrivals, cuts or []):
        accounts.update(drain, 0.0)
    return accounts


def figures(counters: Counters, flow: int = 0) -> dict[str, int]:
    return {field.name: int(getattr(counters, field.name)[flow]) for field in fields(counters)}


def received_by_one(arrivals: list[Arrival], *, ordered: bool) -> Statistics:
    receiver = Receiver(RATE, max_delay=0.0 if ordered else 0.1)
    for arrival in arrivals:
        receiver.receive(arrival.data, arrival.time)
    receiver.flush(math.inf)
    return receiver.statistics


@pytest.mark.parametrize(
    ("sequences", "expected"),
    [
        ([1, 2, 3, 4], {"received": 4}),
        ([0xFFFE, 0xFFFF, 0, 1], {"received": 4}),
        ([1, 2, 5, 6], {"received": 4, "lost": 2}),
        ([1, 2, 4, 3, 5], {"received": 5, "reordered": 1}),
        ([1, 2, 2, 3], {"received": 3, "duplicates": 1}),
        ([1, 2, 4, 4, 3, 3, 5], {"received": 5, "reordered": 1, "duplicates": 2}),
        ([5, 4, 6], {"received": 3, "reordered": 1}),
        ([1, 2, 2, 3, 5, 6, 7, 3, 8], {"received": 7, "lost": 1, "duplicates": 2}),
        ([1, 2, 30_000, 3], {"received": 3}),
        ([1, 2, 30_000, 30_001, 30_002], {"received": 5, "restarts": 1}),
        ([300, 301, 1, 302], {"received": 3}),
    ],
)
def test_what_may_happen_to_packets(sequences: list[int], expected: dict[str, int]) -> None:
    arrivals = [Arrival(0, sequence) for sequence in sequences]
    for cuts in ([], list(range(len(sequences)))):
        found = figures(run(arrivals, cuts=cuts).counters)
        assert found == dict.fromkeys(found, 0) | {"bytes": 19 * found["received"]} | expected


def test_another_source_begins_anew_and_nothing_is_lost() -> None:
    arrivals = [Arrival(0, 1), Arrival(0, 4), Arrival(0, 900, ssrc=2), Arrival(0, 901, ssrc=2)]
    found = figures(run(arrivals).counters)
    assert found["received"] == 4
    assert found["lost"] == 2
    assert found["restarts"] == 1


def test_where_order_is_kept_one_packet_is_a_new_beginning() -> None:
    arrivals = [Arrival(0, 10), Arrival(0, 5), Arrival(0, 6)]
    found = figures(run(arrivals, ordered=True).counters)
    assert found["received"] == 3
    assert found["restarts"] == 1


def test_what_is_no_rtp_is_invalid_and_rtcp_is_passed_over() -> None:
    flows = run([Arrival(0, 1)])
    report = bytes((0x80, 200, 0, 6)) + bytes(24)
    flows.update(
        Arrivals.of([(0, b"\x00" * 12, 40, 0.0), (0, b"\x80", 1, 0.0), (0, report[:12], 28, 0.0)]), 0.0
    )
    found = figures(flows.counters)
    assert found["invalid"] == 2
    assert found["received"] == 1


SEQUENCES = st.lists(
    st.one_of(
        st.just(1), st.just(1), st.just(1), st.integers(-120, 120), st.integers(-40_000, 40_000), st.just(0)
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 0xFFFF),
    SEQUENCES,
    st.lists(st.sampled_from([1, 1, 1, 1, 2]), min_size=61, max_size=61),
    st.booleans(),
    st.lists(st.integers(0, 60), max_size=5),
)
def test_the_counts_are_those_of_a_receiver(
    start: int, steps: list[int], ssrcs: list[int], ordered: bool, cuts: list[int]
) -> None:
    sequence, arrivals = start, []
    for number, step in enumerate([0, *steps]):
        sequence += step
        arrivals.append(Arrival(0, sequence, ssrcs[number], number * 7, number * 1e-4))
    expected = received_by_one(arrivals, ordered=ordered)
    found = figures(run(arrivals, ordered=ordered, cuts=cuts).counters)
    assert found["received"] == expected.received
    assert found["bytes"] == expected.bytes
    assert found["lost"] == expected.lost
    assert found["duplicates"] == expected.duplicates
    assert found["restarts"] == expected.restarts


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.0, 0.2), st.integers(0, 0xFFFFFFFF)), min_size=1, max_size=40),
    st.lists(st.integers(0, 40), max_size=5),
)
def test_the_jitter_is_that_of_a_receiver(pauses: list[tuple[float, int]], cuts: list[int]) -> None:
    time, arrivals = 5.0, []
    for number, (pause, timestamp) in enumerate(pauses):
        time += pause
        arrivals.append(Arrival(0, number, timestamp=timestamp, time=time))
    expected = received_by_one(arrivals, ordered=False).jitter
    assert run(arrivals, cuts=cuts).jitter[0] == pytest.approx(expected, abs=4 / RATE, rel=1e-6)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), max_size=60),
    st.lists(st.integers(0, 60), max_size=5),
)
def test_flows_do_not_meet(steps: list[tuple[int, int]], cuts: list[int]) -> None:
    places, arrivals = [0, 100, 65_530, 9], []
    for flow, step in steps:
        places[flow] += step
        arrivals.append(Arrival(flow, places[flow], ssrc=flow))
    counters = run(arrivals, flows=4, cuts=cuts).counters
    for flow in range(4):
        own = [arrival for arrival in arrivals if arrival.flow == flow]
        expected = received_by_one(own, ordered=False)
        assert (counters.received[flow], counters.lost[flow]) == (expected.received, expected.lost)


def test_a_difference_of_counters() -> None:
    flows = run([Arrival(0, 1), Arrival(0, 3)])
    before = flows.counters
    flows.update(Arrivals.of([(0, Arrival(0, 6).data, 19, 1.0)]), 0.0)
    assert figures(flows.counters - before) == {
        "received": 1,
        "bytes": 19,
        "lost": 2,
        "reordered": 0,
        "duplicates": 0,
        "restarts": 0,
        "invalid": 0,
    }


def test_first_times_and_jitter_of_silent_flows_are_unknown() -> None:
    flows = run([Arrival(0, 1, time=3.5), Arrival(0, 2, time=4.5)], flows=2)
    assert flows.first_times.tolist()[0] == 3.5
    assert math.isnan(flows.first_times[1])
    assert math.isnan(flows.jitter[1])
    assert flows.report_block(1, 5.0) is None


def test_latency_is_known_from_the_first_sender_report_on() -> None:
    told: list[float] = []
    flows = Flows(1, lambda values: told.extend(values.tolist()))
    flow = flows.add(RATE, ordered=False)
    flows.update(Arrivals.of([(flow, Arrival(0, 1).data, 19, 1.0)]), 1000.0)
    assert math.isnan(told.pop())
    flows.sender_report(flow, SenderReport(1, unix_to_ntp(1001.0), 0xFFFFFFF0, 0, 0), 1.0)
    # 90,000 ticks after the report's moment, over the wrap: due at 1002, here at 1002.25.
    late = Arrival(0, 2, timestamp=RATE - 16)
    flows.update(Arrivals.of([(flow, late.data, 19, 2.25)]), 1000.0)
    assert told == [pytest.approx(0.25, abs=1e-6)]


def test_a_sender_without_a_clock_tells_nothing() -> None:
    told: list[float] = []
    flows = Flows(1, lambda values: told.extend(values.tolist()))
    flows.add(RATE, ordered=False)
    flows.sender_report(0, SenderReport(1, 0, 5, 0, 0), 1.0)
    flows.update(Arrivals.of([(0, Arrival(0, 1).data, 19, 1.0)]), 0.0)
    assert np.isnan(told).all()


def test_report_blocks_say_what_a_receiver_would() -> None:
    arrivals = [Arrival(0, sequence, ssrc=7, timestamp=sequence * 90) for sequence in (1, 2, 5, 6)]
    flows, receiver = run(arrivals), Receiver(RATE)
    for arrival in arrivals:
        receiver.receive(arrival.data, arrival.time)
    report = SenderReport(7, 1 << 40, 0, 0, 0)
    flows.sender_report(0, report, 1.0)
    receiver.sender_report(report, 1.0)
    for now in (1.5, 2.0):
        ours, theirs = flows.report_block(0, now), receiver.report_block(now)
        assert ours is not None
        assert theirs is not None
        assert ours.jitter == pytest.approx(theirs.jitter, abs=2)
        assert replace(ours, jitter=0) == replace(theirs, jitter=0)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.binary(max_size=16), st.integers(0, 70_000)), max_size=20))
def test_any_bytes_are_taken(rows: list[tuple[int, bytes, int]]) -> None:
    flows = Flows(2, lambda _: None)
    flows.add(RATE, ordered=True)
    flows.add(8000, ordered=False)
    flows.update(Arrivals.of([(flow, data, size, 0.0) for flow, data, size in rows]), 0.0)
