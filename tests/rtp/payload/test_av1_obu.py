"""OBUs: sizes in leb128, with and without a size field, sequence headers of real encoders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelcast.errors import PayloadError
from reelcast.rtp.payload.av1_obu import (
    SequenceHeader,
    is_key_frame,
    parse_sequence_header,
    read_leb128,
    sized,
    split_obus,
    unsized,
    write_leb128,
)

SEQUENCE = bytes.fromhex("0800000003b4ff700be001")
"""A sequence header of SVT-AV1, 160x120."""


@pytest.mark.parametrize(
    ("value", "data"), [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (1 << 21, "80808001")]
)
def test_leb128(value: int, data: str) -> None:
    assert write_leb128(value) == bytes.fromhex(data)
    assert read_leb128(b"x" + bytes.fromhex(data) + b"y", 1) == (value, 1 + len(data) // 2)


@pytest.mark.parametrize("data", ["", "80", "ff" * 8 + "01"])
def test_leb128_without_an_end(data: str) -> None:
    assert read_leb128(bytes.fromhex(data), 0) is None


def test_leb128_may_be_longer_than_it_must() -> None:
    assert read_leb128(b"\x85\x80\0", 0) == (5, 3)


@pytest.mark.parametrize(
    ("element", "obu"),
    [
        (b"\x10", b"\x12\0"),
        (b"\x30abc", b"\x32\x03abc"),
        (b"\x34\x40abc", b"\x36\x40\x03abc"),
        (b"\x34", b"\x36\0"),
    ],
)
def test_size_fields(element: bytes, obu: bytes) -> None:
    assert sized(element) == obu
    if len(obu) > 2:
        assert unsized(obu) == element
    if element != b"\x34":
        assert unsized(element) == element


@pytest.mark.parametrize("obu", [b"\x34", b"\x32", b"\x32\x80", b"\x32\x04abc", b"\xb0abc"])
def test_broken_size_fields(obu: bytes) -> None:
    assert unsized(obu) is None


def test_what_stands_behind_the_size_is_dropped() -> None:
    assert unsized(b"\x32\x02abc") == b"\x30ab"


@pytest.mark.parametrize(
    ("data", "elements"),
    [
        (b"", []),
        (b"\x12\0\x32\x02ab\x0a\x01c", [b"\x10", b"\x30ab", b"\x08c"]),
        (b"\x32\x82\0ab", [b"\x30ab"]),
        (b"\x12\0\x30abc", [b"\x10", b"\x30abc"]),
    ],
)
def test_split(data: bytes, elements: list[bytes]) -> None:
    assert list(split_obus(data)) == elements


@pytest.mark.parametrize(
    ("data", "place"), [(b"\x32\x03ab", 0), (b"\x12\0\x32", 2), (b"\x12\0\x92\0", 2), (b"\x34", 0)]
)
def test_split_broken(data: bytes, place: int) -> None:
    with pytest.raises(PayloadError, match=f"no OBU at byte {place}"):
        list(split_obus(data))


@given(st.lists(st.tuples(st.sampled_from([8, 0x30, 0x28]), st.binary(max_size=300)), max_size=6))
def test_round_trip(obus: list[tuple[int, bytes]]) -> None:
    elements = [bytes((head,)) + payload for head, payload in obus]
    assert list(split_obus(b"".join(map(sized, elements)))) == elements


@pytest.mark.parametrize(
    ("element", "found"),
    [
        (b"\x30\x10", True),
        (b"\x34\0\x10", True),
        (b"\x30\0", False),
        (b"\x30\x30", False),
        (b"\x30\x90", False),
        (b"\x30", False),
        (b"\x34\x10", False),
    ],
)
def test_key_frames(element: bytes, found: bool) -> None:
    """Shown, with an extension header; hidden, inter, shown again, cut short."""
    assert is_key_frame(element) is found


def bits(text: str) -> bytes:
    digits = text.replace(" ", "")
    digits += "0" * (-len(digits) % 8)
    return b"\x08" + int(digits, 2).to_bytes(len(digits) // 8)


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        (SEQUENCE, SequenceHeader(0, 0, 0)),
        (bits("010 1 1 01000"), SequenceHeader(2, 8, 0)),
        (bits(f"001 0 0 0 0 00000 {0:012b} 01000 1"), SequenceHeader(1, 8, 1)),
        (bits(f"000 0 0 1 {0:064b} 0 0 0 00000 {0:012b} 00101 1"), SequenceHeader(0, 5, 0)),
        (bits(f"000 0 0 1 {0:064b} 1 010 1 {0:047b} 0 00000 {0:012b} 01001 0"), SequenceHeader(0, 9, 0)),
        (b"\x08\0", None),
        (b"\x30\0\0\0\0\0\0\0", None),
        (b"", None),
    ],
)
def test_sequence_headers(element: bytes, expected: SequenceHeader | None) -> None:
    assert parse_sequence_header(element) == expected


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    parse_sequence_header(b"\x08" + data)
    if data:
        unsized(data)
        is_key_frame(data)
