from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.media.annexb import (
    MAX_PARAMETER_SETS,
    length_size,
    lengths_to_annex_b,
    parameter_sets,
    with_long_start_codes,
)
from reelcast.rtp.payload.nal_units import split_nal_units

SPS = bytes.fromhex("674d400beca1423f2c")
PPS = bytes.fromhex("68ce0fc8")
SLICE = bytes.fromhex("6588840a")
LONG, SHORT = b"\0\0\0\1", b"\0\0\1"


def record(sps: list[bytes], pps: list[bytes], size: int = 4) -> bytes:
    def counted(nals: list[bytes]) -> bytes:
        return b"".join(len(nal).to_bytes(2) + nal for nal in nals)

    head = b"\1\x4d\x40\x0b" + bytes((0xFC | size - 1, 0xE0 | len(sps)))
    return head + counted(sps) + bytes((len(pps),)) + counted(pps)


def test_the_record_is_read() -> None:
    assert length_size(record([SPS], [PPS])) == 4
    assert length_size(record([SPS], [PPS], 2)) == 2
    assert parameter_sets(record([SPS], [PPS])) == (SPS, PPS)
    assert parameter_sets(record([SPS, SPS], [PPS])) == (SPS, PPS)


def test_annex_b_extradata_is_read() -> None:
    assert length_size(LONG + SPS + SHORT + PPS) == 0
    assert parameter_sets(LONG + SPS + SHORT + PPS) == (SPS, PPS)
    assert parameter_sets(LONG + SPS + LONG + PPS + LONG + SLICE) == (SPS, PPS)


@pytest.mark.parametrize(
    "extradata",
    [
        b"",
        b"\1",
        LONG + SPS,
        LONG + PPS,
        record([SPS], []),
        record([SPS], [PPS])[:-2],
        record([SPS], [])[:-1],
    ],
)
def test_half_a_set_is_none(extradata: bytes) -> None:
    assert parameter_sets(extradata) == ()


def test_sets_are_bounded() -> None:
    pps = [PPS + bytes((number,)) for number in range(1, 200)]
    assert len(parameter_sets(record([SPS], pps))) == MAX_PARAMETER_SETS


@pytest.mark.parametrize("size", [1, 2, 4])
def test_lengths_become_start_codes(size: int) -> None:
    frame = b"".join(len(nal).to_bytes(size) + nal for nal in (SPS, PPS, SLICE))
    assert lengths_to_annex_b(frame, size) == LONG + SPS + LONG + PPS + LONG + SLICE


@pytest.mark.parametrize(
    ("frame", "result"),
    [
        (b"", b""),
        (b"\0\0\0", b""),
        (b"\0\0\0\0", b""),
        (b"\0\0\0\5" + SLICE, b""),
        (b"\0\0\0\0\0\0\0\4" + SLICE, LONG + SLICE),
        (b"\0\0\0\4" + SLICE + b"\0\0", LONG + SLICE),
    ],
)
def test_broken_lengths(frame: bytes, result: bytes) -> None:
    assert lengths_to_annex_b(frame, 4) == result


def test_start_codes_grow_long() -> None:
    assert (
        with_long_start_codes(SHORT + SPS + LONG + PPS + SHORT + SLICE)
        == LONG + SPS + LONG + PPS + LONG + SLICE
    )
    assert with_long_start_codes(SLICE) == b""


@settings(max_examples=100)
@given(st.binary(max_size=200), st.integers(1, 4))
def test_any_bytes(data: bytes, size: int) -> None:
    length_size(data)
    parameter_sets(data)
    lengths_to_annex_b(data, size)
    long = with_long_start_codes(data)
    assert list(split_nal_units(long)) == list(split_nal_units(data))
