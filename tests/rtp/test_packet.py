"""One RTP packet: what stands before and behind the payload, and what is no packet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelcast.rtp.packet import HEADER_SIZE, Packet, Run

HEAD = bytes.fromhex("e01234 0000abcd deadbeef")
"""Behind the first byte: marker and type 96, sequence number, timestamp, SSRC."""
SOURCES = bytes.fromhex("00000001 00000002")
EXTENSION = bytes.fromhex("abac0001 01020304")
PLAIN = Packet(96, 0x1234, 0xABCD, 0xDEADBEEF, True, b"media")
EXTENDED = Packet(96, 0x1234, 0xABCD, 0xDEADBEEF, True, b"media", (0xABAC, b"\1\2\3\4"))

VALID = {
    "plain": (b"\x80" + HEAD + b"media", PLAIN),
    "contributing sources": (b"\x82" + HEAD + SOURCES + b"media", PLAIN),
    "extension": (b"\x90" + HEAD + EXTENSION + b"media", EXTENDED),
    "padding": (b"\xa0" + HEAD + b"media\0\0\3", PLAIN),
    "all of them": (b"\xb2" + HEAD + SOURCES + EXTENSION + b"media\1", EXTENDED),
    "nothing but padding": (
        b"\xa0" + HEAD + b"\0\2",
        Packet(96, 0x1234, 0xABCD, 0xDEADBEEF, True, b""),
    ),
    "nothing": (b"\x80" + HEAD, Packet(96, 0x1234, 0xABCD, 0xDEADBEEF, True, b"")),
}


@pytest.mark.parametrize(("data", "expected"), VALID.values(), ids=VALID)
def test_parse(data: bytes, expected: Packet) -> None:
    """Conformance R8."""
    assert Packet.parse(data) == expected


INVALID = {
    "empty": b"",
    "cut off": (b"\x80" + HEAD)[:-1],
    "version 1": b"\x40" + HEAD + b"media",
    "sources that are not there": b"\x8f" + HEAD + b"media",
    "no extension": b"\x90" + HEAD,
    "an extension cut off": b"\x90" + HEAD + bytes.fromhex("abac0002 01020304"),
    "padding of 0": b"\xa0" + HEAD + b"media\0",
    "more padding than there is": b"\xa0" + HEAD + b"media\7",
    "padding of nothing": b"\xa0" + HEAD,
}


@pytest.mark.parametrize("data", INVALID.values(), ids=INVALID)
def test_what_is_none(data: bytes) -> None:
    """Conformance R8: a count of padding that cannot be is no packet."""
    assert Packet.parse(data) is None


@given(
    st.builds(
        Packet,
        st.integers(0, 127),
        st.integers(0, 0xFFFF),
        st.integers(0, 0xFFFFFFFF),
        st.integers(0, 0xFFFFFFFF),
        st.booleans(),
        st.binary(max_size=40),
        st.none() | st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=5).map(lambda data: 4 * data)),
    )
)
def test_round_trip(packet: Packet) -> None:
    assert Packet.parse(packet.to_bytes()) == packet


def test_extensions_are_written_in_whole_words() -> None:
    packet = Packet(96, 1, 2, 3, False, b"media", (0xABAC, b"\1"))
    again = Packet.parse(packet.to_bytes())
    assert again is not None
    assert (again.extension, again.payload) == ((0xABAC, b"\1\0\0\0"), b"media")


@given(st.binary(max_size=80), st.integers(0x80, 0xBF))
def test_any_bytes(data: bytes, first: int) -> None:
    packet = Packet.parse(bytes((first,)) + data)
    assert packet is None or len(packet.payload) <= len(data) + 1 - HEADER_SIZE


def test_the_packets_of_a_run() -> None:
    first, second = Run(96, 0xFFFF, 7, 8, True, [b"a", b"b"]).packets()
    assert first == Packet(96, 0xFFFF, 7, 8, False, b"a")
    assert second == Packet(96, 0, 7, 8, True, b"b")
