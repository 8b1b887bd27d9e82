"""Flights: what the kernel is pointed at is what the packets are."""

from __future__ import annotations

import ctypes

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.groups import AUDIO, TRACKS, VIDEO, burst, group_of, parsed, payload

from reelcast.net.flight import Aired, Flight, Layout
from reelcast.rtp.group import Group
from reelcast.rtp.sender import Sender, stamp

GROUP = group_of(
    [
        (0, burst(VIDEO, 9000, (30, 30, 5))),
        (1, burst(AUDIO, 880, (17,))),
        (0, burst(VIDEO, 18000, (8,))),
    ]
)


def senders(sequence: int = 0xFFFE) -> dict[int, Sender]:
    return {0: Sender(0xAABBCCDD, sequence, 100, 90_000), 1: Sender(0x01020304, 7, 0, 8_000)}


def flight_of(group: Group = GROUP, channels: dict[int, int] | None = None) -> Flight:
    return Flight(group, stamp(group, senders(), channels))


def pointed_at(flight: Flight, first: int, count: int) -> bytes:
    """What `writev` would write."""
    found = b""
    for number in range(2 * first, 2 * (first + count)):
        address, length = (ctypes.c_uint64 * 2).from_address(flight.iovecs + 16 * number)
        found += ctypes.string_at(address, length)
    return found


def test_packets() -> None:
    flight = flight_of()
    packets = [parsed(data) for data in flight.packets(0, 5)]
    assert [(packet.ssrc, packet.sequence, packet.timestamp) for packet in packets] == [
        *[(0xAABBCCDD, sequence, 9100) for sequence in (0xFFFE, 0xFFFF, 0)],
        (0x01020304, 7, 880),
        (0xAABBCCDD, 1, 18100),
    ]
    sizes = [(9000, 0, 30), (9000, 1, 30), (9000, 2, 5), (880, 0, 17), (18000, 0, 8)]
    assert [packet.payload for packet in packets] == [payload(*size) for size in sizes]
    assert flight.packets(1, 3) == [flight.packets(number, 1)[0] for number in (1, 2, 3)]
    assert flight.packets(2, 0) == []
    assert [flight.sequence(number) for number in range(5)] == [0xFFFE, 0xFFFF, 0, 7, 1]


def test_interleaved() -> None:
    flight = flight_of(channels={0: 2, 1: 254})
    plain = flight_of()
    heads = [b"$\x02\x00\x2a", b"$\x02\x00\x2a", b"$\x02\x00\x11", b"$\xfe\x00\x1d", b"$\x02\x00\x14"]
    assert flight.packets(0, 5) == [
        head + packet for head, packet in zip(heads, plain.packets(0, 5), strict=True)
    ]
    assert [flight.sequence(number) for number in range(5)] == [0xFFFE, 0xFFFF, 0, 7, 1]


def test_an_empty_flight() -> None:
    flight = Flight(group_of([]), stamp(group_of([]), senders()))
    assert flight.packets(0, 0) == []
    assert flight.length(0, 0) == 0


def test_a_selection_points_into_the_shared_data() -> None:
    chosen = GROUP.select([GROUP.runs[1], GROUP.runs[-1]])
    flight = flight_of(chosen)
    assert pointed_at(flight, 0, 2) == b"".join(flight.packets(0, 2))
    assert parsed(flight.packets(0, 1)[0]).payload == payload(880, 0, 17)


groups = st.lists(
    st.tuples(
        st.integers(0, 1), st.integers(0, 90_000), st.lists(st.integers(1, 1440), min_size=1, max_size=9)
    ),
    max_size=8,
).map(lambda rows: group_of((track, burst(TRACKS[track], dts, sizes)) for track, dts, sizes in rows))


@settings(max_examples=100)
@given(groups, st.none() | st.just({0: 0, 1: 2}), st.data())
def test_both_readings_are_the_same(
    group: Group, channels: dict[int, int] | None, data: st.DataObject
) -> None:
    flight = flight_of(group, channels)
    first = data.draw(st.integers(0, len(group)))
    count = data.draw(st.integers(0, len(group) - first))
    joined = b"".join(flight.packets(first, count))
    assert pointed_at(flight, first, count) == joined
    assert flight.length(first, count) == len(joined)


LAYOUT = ((0, 2, 3), (1, 254, 255))


class TestAired:
    def test_a_flight_is_made_once_for_each_layout(self) -> None:
        aired = Aired(3, GROUP, senders(), 0.0)
        assert aired.flight() is aired.flight(None)
        assert aired.flight(LAYOUT) is aired.flight(((0, 2, 3), (1, 254, 255)))
        assert aired.flight(LAYOUT) is not aired.flight()
        assert aired.flight().packets(0, 5) == flight_of().packets(0, 5)
        assert aired.flight(LAYOUT).packets(0, 5) == flight_of(channels={0: 2, 1: 254}).packets(0, 5)

    def test_contiguous_once_for_each_layout(self) -> None:
        aired = Aired(3, GROUP, senders(), 0.0)
        assert aired.contiguous() is aired.contiguous()
        assert aired.contiguous(LAYOUT) is aired.contiguous(((0, 2, 3), (1, 254, 255)))
        assert bytes(aired.contiguous().data) == b"".join(aired.flight().packets(0, 5))
        assert bytes(aired.contiguous(LAYOUT).data) == b"".join(aired.flight(LAYOUT).packets(0, 5))
        before = aired.contiguous()
        aired.settle()
        assert aired.contiguous() is not before
        assert aired.contiguous().data == before.data


@settings(max_examples=50)
@given(groups, st.sampled_from([None, ((0, 0, 1), (1, 2, 3)), ((0, 4, 5),), ((1, 0, 1),)]))
def test_contiguous(group: Group, layout: Layout) -> None:
    """What is written without tables is what is made with them."""
    channels = None if layout is None else {track: rtp for track, rtp, _ in layout}
    pair = senders()
    aired = Aired(0, group, senders(), 0.5)
    flight = Flight(group, stamp(group, pair, channels, 0.5))
    contiguous = aired.contiguous(layout)
    assert [aired.sequence(number) for number in range(len(group.runs))] == [
        flight.sequence(run.first) for run in group.runs
    ]
    assert len(contiguous.starts) == len(group.runs) + 1
    for number, run in enumerate(group.runs):
        start, stop = contiguous.starts[number], contiguous.starts[number + 1]
        taken = channels is None or run.track in channels
        own = b"".join(flight.packets(run.first, run.count)) if taken else b""
        assert bytes(contiguous.data[start:stop]) == own
        assert ctypes.string_at(contiguous.pointer + start, stop - start) == own
    assert contiguous.starts[-1] == len(contiguous.data)
