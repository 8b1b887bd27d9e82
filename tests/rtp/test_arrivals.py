"""Rows of packets as arrays, and headers picked out of a buffer."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reelcast.rtp.arrivals import RTP_HEADER, Arrivals, headers_at
from reelcast.rtp.packet import Packet

PACKETS = st.builds(
    Packet,
    st.integers(0, 127),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.booleans(),
    st.binary(max_size=20),
)


def test_the_header_is_as_long_as_it_is() -> None:
    assert RTP_HEADER.itemsize == 12


@given(st.lists(PACKETS, max_size=10))
def test_rows_become_columns(packets: list[Packet]) -> None:
    datagrams = [packet.to_bytes() for packet in packets]
    rows = [(number % 3, data[:12], len(data), number / 2) for number, data in enumerate(datagrams)]
    arrivals = Arrivals.of(rows)
    assert len(arrivals) == len(packets)
    assert arrivals.flows.tolist() == [number % 3 for number in range(len(packets))]
    assert arrivals.headers["sequence"].tolist() == [packet.sequence for packet in packets]
    assert arrivals.headers["timestamp"].tolist() == [packet.timestamp for packet in packets]
    assert arrivals.headers["ssrc"].tolist() == [packet.ssrc for packet in packets]
    assert (arrivals.headers["second"] & 0x7F).tolist() == [packet.payload_type for packet in packets]
    assert arrivals.sizes.tolist() == [len(data) for data in datagrams]
    assert arrivals.times.tolist() == [number / 2 for number in range(len(packets))]


def test_what_is_shorter_than_a_header_is_filled_up_and_keeps_its_size() -> None:
    arrivals = Arrivals.of([(0, b"\x80", 1, 0.0), (1, bytes(40), 40, 0.0)])
    assert arrivals.sizes.tolist() == [1, 40]
    assert arrivals.headers["flags"].tolist() == [0x80, 0]


@given(st.lists(PACKETS, max_size=10))
def test_headers_are_found_where_they_begin(packets: list[Packet]) -> None:
    data, offsets = b"", []
    for packet in packets:
        data += b"$..."
        offsets.append(len(data))
        data += packet.to_bytes()
    headers = headers_at(np.frombuffer(data, np.uint8), np.array(offsets, np.int64))
    assert headers["sequence"].tolist() == [packet.sequence for packet in packets]
    assert headers["ssrc"].tolist() == [packet.ssrc for packet in packets]
