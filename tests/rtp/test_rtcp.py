"""RTCP as bytes: known packets by hand, round trips, and anything else that may come in."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.rtp.rtcp import (
    MAX_BLOCKS,
    MAX_PACKETS,
    Bye,
    ReceiverReport,
    Report,
    ReportBlock,
    SenderReport,
    SourceDescription,
    compound,
    is_rtcp,
    next_interval,
    parse,
)

u32 = st.integers(0, 2**32 - 1)
texts = st.text(st.characters(codec="utf-8"), max_size=60)
report_blocks = st.builds(
    ReportBlock, u32, st.integers(0, 255), st.integers(-(2**23), 2**23 - 1), u32, u32, u32, u32
)
block_lists = st.lists(report_blocks, max_size=4).map(tuple)
senders = st.builds(SenderReport, u32, st.integers(0, 2**64 - 1), u32, u32, u32, block_lists)
receivers = st.builds(ReceiverReport, u32, block_lists)
descriptions = st.builds(SourceDescription, u32, texts)
byes = st.builds(Bye, st.lists(u32, max_size=MAX_BLOCKS).map(tuple), texts)

EMPTY_RR = bytes.fromhex("80c9000100000001")


def packet(kind: int, count: int, body: bytes, *, flags: int = 0x80) -> bytes:
    return struct.pack("!BBH", flags | count, kind, len(body) // 4) + body


def test_sender_report_bytes() -> None:
    block = ReportBlock(0xB, 0x40, -1, 0x1FFFF, 7, 0xCAFE, 65536)
    data = compound(SenderReport(0xA, 0x0102030405060708, 9, 10, 11, (block,)))
    assert data.hex() == (
        "81c8000c0000000a0102030405060708000000090000000a0000000b"
        "0000000b40ffffff0001ffff000000070000cafe00010000"
    )
    assert parse(data) == [SenderReport(0xA, 0x0102030405060708, 9, 10, 11, (block,))]


def test_order_is_the_rfc_s() -> None:
    bye, description, report = Bye((1,), "done"), SourceDescription(1, "me@here"), ReceiverReport(1)
    assert parse(compound(bye, description, report)) == [report, description, bye]


def test_counters_wrap() -> None:
    assert parse(compound(SenderReport(1, 2, 2**32 + 3, 2**32 + 4, 2**32 + 5))) == [
        SenderReport(1, 2, 3, 4, 5)
    ]


def test_more_blocks_than_a_packet_counts() -> None:
    blocks = tuple(ReportBlock(n, 0, 0, 0, 0, 0, 0) for n in range(MAX_BLOCKS + 2))
    first, second = parse(compound(SenderReport(1, 2, 3, 4, 5, blocks)))
    assert first == SenderReport(1, 2, 3, 4, 5, blocks[:MAX_BLOCKS])
    assert second == ReceiverReport(1, blocks[MAX_BLOCKS:])


def test_long_names_are_cut_at_a_character() -> None:
    (description,) = parse(compound(SourceDescription(1, "a" + "é" * 200)))
    assert description == SourceDescription(1, "a" + "é" * 127)


@given(st.lists(st.one_of(senders, receivers), max_size=3), descriptions, byes)
@settings(max_examples=100)
def test_round_trip(
    reports: list[SenderReport | ReceiverReport], description: SourceDescription, bye: Bye
) -> None:
    written: list[Report] = [*reports, description, bye]
    data = compound(*written)
    assert len(data) % 4 == 0
    assert parse(data) == written


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_any_bytes(data: bytes) -> None:
    """Conformance R9."""
    parse(data)


@given(st.integers(192, 223), st.integers(0, 31), st.binary(max_size=80), st.booleans())
@settings(max_examples=200)
def test_any_body(kind: int, count: int, body: bytes, padded: bool) -> None:
    parse(packet(kind, count, body, flags=0xA0 if padded else 0x80) + EMPTY_RR)


UNTRUSTED = {
    "version": b"\x40" + EMPTY_RR[1:],
    "no RTCP type": b"\x80\x60" + EMPTY_RR[2:],
    "length beyond the datagram": EMPTY_RR[:2] + b"\x00\x20" + EMPTY_RR[4:],
    "RR without SSRC": packet(201, 0, b""),
    "SR without counters": packet(200, 0, bytes(16)),
    "SR with fewer blocks than counted": packet(200, 2, bytes(24 + 24)),
    "RR with fewer blocks than counted": packet(201, 1, bytes(4 + 20)),
    "BYE with fewer sources than counted": packet(203, 2, bytes(4)),
}


@pytest.mark.parametrize("data", UNTRUSTED.values(), ids=UNTRUSTED)
def test_stops_at_what_it_cannot_trust(data: bytes) -> None:
    """Conformance R9."""
    assert parse(data + EMPTY_RR) == []
    assert parse(EMPTY_RR + data) == [ReceiverReport(1)]


@pytest.mark.parametrize(
    ("padding", "good"),
    [
        (b"\0\0\0\x04", True),
        (bytes(7) + b"\x08", True),
        (b"\0\0\0\x03", False),
        (bytes(4), False),
        (b"\0\0\0\x0c", False),
    ],
)
def test_padding_of_the_last_packet(padding: bytes, good: bool) -> None:
    """Conformance R9."""
    data = packet(201, 0, bytes(3) + b"\x01" + padding, flags=0xA0)
    assert parse(data) == ([ReceiverReport(1)] if good else [])


def test_padding_before_the_last_packet() -> None:
    assert parse(packet(201, 0, bytes(7) + b"\x04", flags=0xA0) + EMPTY_RR) == []


def test_unknown_types_are_stepped_over() -> None:
    feedback, application = packet(206, 1, bytes(8)), packet(204, 0, bytes(12))
    assert parse(feedback + application + EMPTY_RR) == [ReceiverReport(1)]


@pytest.mark.parametrize(("data", "expected"), [(EMPTY_RR, True), (b"\x80\xe0", False), (b"\x80", False)])
def test_is_rtcp(data: bytes, expected: bool) -> None:
    assert is_rtcp(data) is expected


def test_reduced_size_is_accepted() -> None:
    """Conformance R9."""
    assert parse(compound(Bye((5,)))) == [Bye((5,))]


def test_number_of_packets_is_bounded() -> None:
    assert len(parse(EMPTY_RR * 1000)) == MAX_PACKETS


SDES = {
    "no end byte (Hanwha)": (1, b"\0\0\0\x01\x01\x02me", [SourceDescription(1, "me")]),
    "two chunks": (
        2,
        b"\0\0\0\x01\x01\x01a\0" + b"\0\0\0\x02\x01\x02bc\0\0\0\0",
        [SourceDescription(1, "a"), SourceDescription(2, "bc")],
    ),
    "another item first": (1, b"\0\0\0\x01\x06\x01t\x01\x02me\0", [SourceDescription(1, "me")]),
    "no name": (1, b"\0\0\0\x01\x06\x01t\0", []),
    "item longer than the packet": (1, b"\0\0\0\x01\x01\x09me", []),
    "item without length": (1, b"\0\0\0\x01\x06\x01a\x01", []),
    "fewer chunks than counted": (3, b"\0\0\0\x01\x01\x01a\0", [SourceDescription(1, "a")]),
    "not UTF-8": (1, b"\0\0\0\x01\x01\x01\xff\0", [SourceDescription(1, "�")]),
}


@pytest.mark.parametrize(("count", "body", "expected"), SDES.values(), ids=SDES)
def test_source_descriptions(count: int, body: bytes, expected: list[Report]) -> None:
    """Conformance R9."""
    assert parse(packet(202, count, body + bytes(-len(body) % 4))) == expected


def test_bye_reason_may_be_cut_off() -> None:
    assert parse(packet(203, 1, b"\0\0\0\x01\x09bye")) == [Bye((1,), "bye")]


@pytest.mark.parametrize(
    ("random", "initial", "seconds"),
    [(0.0, False, 2.052), (0.5, False, 4.104), (0.999999, False, 6.156), (0.5, True, 2.052)],
)
def test_interval(random: float, initial: bool, seconds: float) -> None:
    assert next_interval(random, initial=initial) == pytest.approx(seconds, abs=0.001)
