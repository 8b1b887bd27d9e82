"""The receiver: order, loss, duplicates, new beginnings, jitter and reports, with time as an argument."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.rtp.packet import Packet, Run
from reelcast.rtp.receiver import (
    ENOUGH,
    MAX_DROPOUT,
    MAX_FOREIGN,
    MAX_MISORDER,
    MAX_WAITING,
    Receiver,
    Statistics,
)
from reelcast.rtp.rtcp import ReportBlock, SenderReport

RATE = 90_000
SSRC = 0xCAFE
OTHERS = (
    b"",
    b"junk",
    bytes(12),
    Packet(50, 9, 0, SSRC, False, b"a camera's own").to_bytes(),
    Packet(96, 9, 0, SSRC, False, b"media", (7, b"ext.")).to_bytes(),
    b"\xa0" + Packet(96, 3, 0, SSRC, False, b"padded\2\2").to_bytes()[1:],
    Packet(96, 5, 0, 7, True, b"a stranger's").to_bytes(),
    Packet(96, 30_000, 0, SSRC, True, b"far off").to_bytes(),
)
"""What a sender may put between its packets, or another one may."""


def datagram(sequence: int, *, timestamp: int = 0, ssrc: int = SSRC, payload_type: int = 96) -> bytes:
    return Packet(payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc, False, b"media").to_bytes()


SIZE = len(datagram(0))


def feed(receiver: Receiver, *sequences: int, now: float = 0.0) -> list[int]:
    """Sequence numbers released when these arrive, all at once."""
    return [packet.sequence for number in sequences for packet in receiver.receive(datagram(number), now)]


ORDERS = {
    "in order": ([5, 6, 7], [5, 6, 7], 0, 0),
    "over the wrap": ([65534, 65535, 0, 1], [65534, 65535, 0, 1], 0, 0),
    "swapped": ([5, 7, 6, 8], [5, 6, 7, 8], 1, 0),
    "swapped over the wrap": ([65535, 1, 0, 2], [65535, 0, 1, 2], 1, 0),
    "backwards": ([1, 5, 4, 3, 2], [1, 2, 3, 4, 5], 3, 0),
    "duplicate": ([5, 5, 6], [5, 6], 0, 1),
    "duplicate of a waiting one": ([5, 7, 7, 6], [5, 6, 7], 1, 1),
    "earlier than the first": ([5, 4, 6], [5, 6], 0, 0),
}


@pytest.mark.parametrize(("arrivals", "released", "reordered", "duplicates"), ORDERS.values(), ids=ORDERS)
def test_order(arrivals: list[int], released: list[int], reordered: int, duplicates: int) -> None:
    """Conformance R7."""
    receiver = Receiver(RATE, 96)
    assert feed(receiver, *arrivals) == released
    assert receiver.deadline is None
    statistics = receiver.statistics
    assert (statistics.reordered, statistics.duplicates) == (reordered, duplicates)
    assert (statistics.lost, statistics.late) == (0, len(arrivals) - len(released) - duplicates)


def test_a_gap_is_given_up_on_in_time() -> None:
    receiver = Receiver(RATE, 96, max_delay=0.1)
    assert feed(receiver, 1, now=0.0) == [1]
    assert feed(receiver, 3, now=0.5) == []
    assert receiver.deadline == pytest.approx(0.6)
    assert feed(receiver, 5, now=0.55) == []
    assert receiver.flush(0.59) == []
    assert [packet.sequence for packet in receiver.flush(0.6)] == [3]
    assert receiver.deadline == pytest.approx(0.65)
    assert feed(receiver, 6, now=0.66) == [5, 6]
    assert feed(receiver, 2, now=0.67) == []
    statistics = replace(receiver.statistics, jitter=0.0)
    assert statistics == Statistics(received=5, bytes=5 * SIZE, lost=1, late=1)


def test_no_packet_waits_longer_behind_a_second_gap() -> None:
    receiver = Receiver(RATE, 96, max_delay=0.1)
    feed(receiver, 1)
    assert feed(receiver, 9, now=1.0) == []
    assert feed(receiver, 5, now=1.05) == []
    assert [packet.sequence for packet in receiver.flush(1.1)] == [5, 9]


def test_waiting_packets_are_bounded() -> None:
    receiver = Receiver(RATE, 96)
    assert feed(receiver, 0, *range(2, MAX_WAITING + 2)) == [0]
    assert feed(receiver, MAX_WAITING + 2) == list(range(2, MAX_WAITING + 3))


def test_a_transport_that_keeps_order_never_waits() -> None:
    receiver = Receiver(RATE, 96, max_delay=0)
    assert feed(receiver, 1, 3, 4, 8, 8) == [1, 3, 4, 8]
    assert receiver.statistics.lost == 4
    assert receiver.statistics.duplicates == 1
    assert receiver.deadline is None
    assert feed(receiver, 2, 3) == [2, 3]
    assert receiver.statistics.restarts == 1
    assert receiver.statistics.lost == 4


def test_flush_with_infinity_empties() -> None:
    receiver = Receiver(RATE, 96)
    feed(receiver, 1, 3, 9, 10)
    assert [packet.sequence for packet in receiver.flush(math.inf)] == [3, 9, 10]


@pytest.mark.parametrize("step", [-MAX_MISORDER - 1, -3000, MAX_DROPOUT, 30_000], ids=str)
@pytest.mark.parametrize("same", [True, False], ids=["same SSRC", "new SSRC"])
def test_new_beginning(step: int, same: bool) -> None:
    """Conformance R7."""
    receiver = Receiver(RATE, 96)
    ssrc = SSRC if same else 1
    assert feed(receiver, 10_000, 10_002) == [10_000]
    first = 10_002 + step
    assert receiver.receive(datagram(first, ssrc=ssrc), 0.01) == []
    released = receiver.receive(datagram(first + 1, ssrc=ssrc), 0.02)
    assert [packet.sequence for packet in released] == [10_002, first & 0xFFFF, first + 1 & 0xFFFF]
    assert receiver.ssrc == ssrc
    statistics = receiver.statistics
    assert (statistics.restarts, statistics.lost, statistics.received) == (1, 1, 4)
    block = receiver.report_block(1.0)
    assert block is not None
    assert (block.ssrc, block.cumulative_lost, block.highest_sequence & 0xFFFF) == (
        ssrc,
        0,
        first + 1 & 0xFFFF,
    )


def test_a_new_source_within_reach_begins_again_too() -> None:
    receiver = Receiver(RATE, 96)
    feed(receiver, 10)
    assert receiver.receive(datagram(12, ssrc=1), 0) == []
    assert [packet.sequence for packet in receiver.receive(datagram(13, ssrc=1), 0)] == [12, 13]


def test_strays_are_dropped() -> None:
    """Conformance R7."""
    receiver = Receiver(RATE, 96)
    assert feed(receiver, 1, 20_000, 2, 20_001, 3) == [1, 2, 3]
    assert receiver.receive(datagram(4, ssrc=1), 0) == []
    assert receiver.receive(datagram(9, ssrc=1), 0) == []
    assert feed(receiver, 4) == [4]
    assert receiver.statistics.restarts == 0


def test_other_payload_types() -> None:
    """They hold a place in the sequence (RFC 3551 section 4.1); a source of their own is no new beginning.

    Conformance R7.
    """
    receiver = Receiver(RATE, 96)
    feed(receiver, 1)
    assert receiver.receive(datagram(2, payload_type=13), 0) == []
    assert feed(receiver, 4) == []
    assert receiver.receive(datagram(3, payload_type=13), 0) != []
    assert receiver.statistics.lost == 0
    for sequence in range(4):
        assert receiver.receive(datagram(sequence, ssrc=9, payload_type=97), 0) == []
    assert receiver.ssrc == SSRC


def other(receiver: Receiver, first: int, count: int, payload_type: int = 99) -> list[int]:
    """Sequence numbers released when so many packets of another payload type arrive."""
    return [
        packet.sequence
        for number in range(first, first + count)
        for packet in receiver.receive(datagram(number, payload_type=payload_type), 0.0)
    ]


def test_another_payload_type_stands_in() -> None:
    """From its first packet on, where it alone comes; then it is what is wanted (conformance R7)."""
    receiver = Receiver(RATE, 96, stand_ins={98, 99})
    assert other(receiver, 1, ENOUGH - 1) == []
    assert (receiver.instead, receiver.ssrc, receiver.statistics.received) == (99, None, 0)
    assert other(receiver, ENOUGH, 2) == [*range(1, ENOUGH + 2)]
    assert (receiver.instead, receiver.payload_type) == (None, 99)
    assert receiver.straight([datagram(ENOUGH + 2, payload_type=99)], 0, 0.0) is not None
    assert receiver.receive(datagram(ENOUGH + 3), 0.0) == []
    assert receiver.statistics.lost == 0


NO_STAND_INS = {
    "one that means something else": ([(97, ENOUGH)], 97),
    "not so many": ([(99, ENOUGH - 1)], 99),
    "not in a row": ([(99, ENOUGH - 1), (98, 1), (99, ENOUGH - 1)], 99),
    "what is wanted comes too": ([(99, ENOUGH - 1), (96, 1), (99, ENOUGH)], None),
}


@pytest.mark.parametrize(("runs", "instead"), NO_STAND_INS.values(), ids=NO_STAND_INS)
def test_another_payload_type_does_not_stand_in(runs: list[tuple[int, int]], instead: int | None) -> None:
    """Conformance R7."""
    receiver = Receiver(RATE, 96, stand_ins={98, 99})
    place = 1
    for payload_type, count in runs:
        released = other(receiver, place, count, payload_type)
        assert released == ([place] if payload_type == 96 else [])
        place += count
    assert (receiver.instead, receiver.payload_type) == (instead, 96)


def test_other_payload_types_far_off_are_no_new_beginning() -> None:
    """Not even where order is kept, and under the same SSRC (conformance R7)."""
    receiver = Receiver(RATE, 96, max_delay=0.0)
    assert feed(receiver, 1) == [1]
    for sequence in (9_000, 9_001):
        assert receiver.receive(datagram(sequence, payload_type=50), 0) == []
    assert feed(receiver, 2) == [2]
    assert receiver.statistics.restarts == 0


def test_those_behind_other_payload_types_are_numbered_without_a_gap() -> None:
    """Comfort noise (conformance R7)."""
    receiver = Receiver(RATE, 96)
    assert feed(receiver, 0xFFFE) == [0xFFFE]
    assert receiver.receive(datagram(0xFFFF, payload_type=50), 0) == []
    assert feed(receiver, 0) == [0xFFFF]
    assert feed(receiver, 2) == []
    assert [packet.sequence for packet in receiver.receive(datagram(1, payload_type=50), 0)] == [0]
    # A new source is numbered as it says.
    for sequence in (7, 8):
        released = receiver.receive(datagram(sequence, ssrc=1), 0)
    assert [packet.sequence for packet in released] == [7, 8]


@pytest.mark.parametrize("max_delay", [0.0, 0.1])
def test_another_payload_type_under_the_number_of_the_next(max_delay: float) -> None:
    """Uniview's type 50 (conformance R7)."""
    receiver = Receiver(RATE, 96, max_delay=max_delay)
    released = feed(receiver, 7)
    for sequence in (8, 9, 10):
        assert receiver.receive(datagram(sequence, payload_type=50), 0) == []
        released += feed(receiver, sequence)
        assert receiver.receive(datagram(sequence, payload_type=50), 0) == []
    assert released == [7, 8, 9, 10]
    statistics = receiver.statistics
    assert (statistics.lost, statistics.duplicates, statistics.received) == (0, 0, 10)


def test_another_payload_type_behind_a_gap() -> None:
    receiver = Receiver(RATE, 96)
    assert receiver.receive(datagram(1, payload_type=50), 0) == []
    assert receiver.ssrc is None
    assert feed(receiver, 1) == [1]
    receiver.receive(datagram(3, payload_type=50), 0)
    assert feed(receiver, 4, 3, 2) == [2, 3, 4]


def test_numbers_of_other_payload_types_are_bounded() -> None:
    receiver = Receiver(RATE, 96)
    feed(receiver, 0)
    for sequence in range(2, MAX_FOREIGN + 3):
        receiver.receive(datagram(sequence, payload_type=50), 0)
    # The last was one too many, and number 1 is awaited all the same.
    assert feed(receiver, MAX_FOREIGN + 3) == []
    assert feed(receiver, 1) == [1]
    assert [packet.sequence for packet in receiver.flush(1.0)] == [3]
    assert receiver.statistics.lost == 1
    receiver.receive(datagram(MAX_FOREIGN + 4, payload_type=50), 0)
    assert feed(receiver, MAX_FOREIGN + 5) == [4]


def test_any_payload_type() -> None:
    receiver = Receiver(RATE)
    assert [p.payload_type for n in (1, 2) for p in receiver.receive(datagram(n, payload_type=n), 0)] == [
        1,
        2,
    ]


def test_invalid_datagrams_are_counted_and_move_time_on() -> None:
    receiver = Receiver(RATE, 96)
    feed(receiver, 1, 3)
    assert [packet.sequence for packet in receiver.receive(b"junk", 5.0)] == [3]
    assert receiver.statistics.invalid == 1


def test_report_block_before_anything() -> None:
    assert Receiver(RATE).report_block(0) is None
    assert Receiver(RATE).statistics == Statistics()


def test_report_block() -> None:
    """Conformance R6."""
    receiver = Receiver(RATE, 96)
    feed(receiver, 65534, 65535, 0, 3)
    receiver.sender_report(SenderReport(SSRC, 0x0001_0002_0003_0004, 0, 0, 0), 10.0)
    assert receiver.report_block(10.5) == ReportBlock(SSRC, (2 << 8) // 6, 2, 0x10003, 0, 0x0002_0003, 32768)
    assert receiver.report_block(11.0) == ReportBlock(SSRC, 0, 2, 0x10003, 0, 0x0002_0003, 65536)
    feed(receiver, 1, 2, 4)
    assert receiver.report_block(12.0) == ReportBlock(SSRC, 0, 0, 0x10004, 0, 0x0002_0003, 131072)


def test_duplicates_make_the_loss_negative() -> None:
    receiver = Receiver(RATE, 96)
    feed(receiver, 1, 1, 1)
    block = receiver.report_block(0)
    assert block is not None
    assert (block.cumulative_lost, block.fraction_lost) == (-2, 0)
    assert receiver.statistics.lost == 0


def test_delay_since_a_report_from_the_future_is_none() -> None:
    receiver = Receiver(RATE, 96)
    feed(receiver, 1)
    receiver.sender_report(SenderReport(SSRC, 1 << 40, 0, 0, 0), 10.0)
    block = receiver.report_block(9.0)
    assert block is not None
    assert block.delay_since_last_sr == 0


@pytest.mark.parametrize("start", [0, 2**32 - 5 * 3600], ids=["from 0", "over the wrap"])
def test_jitter(start: int) -> None:
    """Packets that alternate 10 ms early and late: the jitter nears 20 ms, whether timestamps wrap or not."""
    receiver = Receiver(RATE, 96)
    for n in range(200):
        receiver.receive(datagram(n, timestamp=start + n * 3600), 5.0 + n * 0.04 + 0.02 * (n % 2))
    assert receiver.statistics.jitter == pytest.approx(0.02, rel=0.01)
    block = receiver.report_block(9.0)
    assert block is not None
    assert block.jitter == pytest.approx(1800, rel=0.01)


def test_steady_packets_have_no_jitter() -> None:
    receiver = Receiver(RATE, 96)
    for n in range(100):
        receiver.receive(datagram(n, timestamp=n * 3600), n * 0.04)
    assert receiver.statistics.jitter <= 1 / RATE


@given(st.integers(0, 65535), st.lists(st.tuples(st.integers(-8, 8), st.booleans()), max_size=60))
@settings(max_examples=150)
def test_shuffled_and_repeated_packets_come_out_in_order(first: int, moves: list[tuple[int, bool]]) -> None:
    order = sorted(range(len(moves)), key=lambda n: (n + moves[n][0], n))
    arrivals = [-9, *(n for n in order for _ in range(1 + moves[n][1]))]
    receiver = Receiver(RATE, 96)
    released = feed(receiver, *(first + n for n in arrivals))
    released += [packet.sequence for packet in receiver.flush(math.inf)]
    assert released == [first + n & 0xFFFF for n in [-9, *range(len(moves))]]
    assert receiver.statistics.duplicates == sum(twice for _, twice in moves)
    assert receiver.statistics.lost == (8 if moves else 0)


@given(st.lists(st.binary(max_size=40) | st.integers(0, 65535).map(datagram), max_size=40), st.booleans())
@settings(max_examples=150)
def test_any_datagrams(datagrams: list[bytes], ordered: bool) -> None:
    receiver = Receiver(RATE, max_delay=0 if ordered else 0.1)
    for number, data in enumerate(datagrams):
        receiver.receive(data, number * 0.03)
        receiver.report_block(number * 0.03)
    receiver.flush(math.inf)
    assert receiver.deadline is None


def all_straight(receiver: Receiver, datagrams: list[bytes], now: float) -> list[Packet]:
    """What is released when they come at once, run by run where that can be."""
    released: list[Packet] = []
    place = 0
    while place < len(datagrams):
        run = receiver.straight(datagrams, place, now)
        if run is None:
            released += receiver.receive(datagrams[place], now)
            place += 1
        else:
            released += run.packets()
            place += len(run.payloads)
    return released


def test_a_run() -> None:
    """As far as packets have one timestamp, are in order, and are like each other."""
    frame = [Packet(96, n & 0xFFFF, 7, SSRC, n == 1, b"%d" % n).to_bytes() for n in (65534, 65535, 65536, 1)]
    receiver = Receiver(RATE, 96)
    assert receiver.straight(frame, 0, 0.0) is None, "nothing is known of the source"
    receiver.receive(frame[0], 0.0)
    assert receiver.straight(frame, 1, 0.0) == Run(96, 65535, 7, SSRC, True, [b"65535", b"65536", b"1"])
    assert receiver.straight(frame, 3, 0.0) is None, "it was here before"
    assert receiver.straight([datagram(2), datagram(3, timestamp=9)], 0, 0.0) == Run(
        96, 2, 0, SSRC, False, [b"media"]
    )
    for data in OTHERS:
        run = receiver.straight([datagram(3 + OTHERS.index(data)), data], 0, 0.0)
        assert run is not None
        assert len(run.payloads) == 1


def test_nothing_is_straight_behind_a_gap() -> None:
    receiver = Receiver(RATE, 96)
    feed(receiver, 1, 3)
    assert receiver.straight([datagram(2)], 0, 0.0) is None
    assert receiver.straight([datagram(4)], 0, 0.0) is None
    feed(receiver, 2)
    assert receiver.straight([datagram(4)], 0, 0.0) is not None


def test_a_run_is_numbered_without_other_payload_types() -> None:
    receiver = Receiver(RATE, 96)
    feed(receiver, 1)
    receiver.receive(datagram(2, payload_type=50), 0.0)
    feed(receiver, 3)
    run = receiver.straight([datagram(4), datagram(5)], 0, 0.0)
    assert run is not None
    assert [packet.sequence for packet in run.packets()] == [3, 4]


def test_without_a_payload_type_nothing_is_straight() -> None:
    receiver = Receiver(RATE)
    feed(receiver, 1)
    assert receiver.straight([datagram(2)], 0, 0.0) is None


@st.composite
def readings(draw: st.DrawFn) -> list[list[bytes]]:
    """What comes at once, again and again: frames of some packets, out of order, lost, repeated and disturbed."""
    first = draw(st.integers(0, 0xFFFF))
    frames = draw(st.lists(st.integers(1, 6), min_size=1, max_size=10))
    sent = [
        Packet(96, 0, 3600 * number, SSRC, place == size - 1, bytes((number, place)))
        for number, size in enumerate(frames)
        for place in range(size)
    ]
    datagrams = [
        replace(packet, sequence=first + number & 0xFFFF).to_bytes() for number, packet in enumerate(sent)
    ]
    places = st.integers(0, len(datagrams))
    for place in draw(st.lists(places, max_size=4)):
        datagrams[place : place + 2] = reversed(datagrams[place : place + 2])
    for place in draw(st.lists(places, max_size=2)):
        del datagrams[place : place + draw(st.integers(1, 4))]
    for place in draw(st.lists(places, max_size=2)):
        datagrams[place:place] = datagrams[max(place - 1, 0) : place + 1]
    for place, other in draw(st.lists(st.tuples(places, st.sampled_from(OTHERS)), max_size=3)):
        datagrams.insert(place, other)
    cuts = sorted(draw(st.sets(st.integers(0, len(datagrams)), max_size=8)))
    return [datagrams[start:end] for start, end in pairwise([0, *cuts, len(datagrams)])]


@given(readings(), st.booleans(), st.lists(st.floats(0, 0.2), max_size=8))
@settings(max_examples=200)
def test_run_by_run_as_packet_by_packet(taken: list[list[bytes]], ordered: bool, pauses: list[float]) -> None:
    """The same packets, statistics and reports, however packets come and are cut into readings."""
    one, other = (Receiver(RATE, 96, max_delay=0.0 if ordered else 0.1) for _ in range(2))
    for number, datagrams in enumerate(taken):
        now = 5.0 + sum(pauses[:number])
        expected = [packet for data in datagrams for packet in one.receive(data, now)]
        assert all_straight(other, datagrams, now) == expected
        assert other.statistics == one.statistics
        assert other.report_block(now) == one.report_block(now)
        assert other.deadline == one.deadline
    assert other.flush(math.inf) == one.flush(math.inf)
    assert other.statistics == one.statistics
