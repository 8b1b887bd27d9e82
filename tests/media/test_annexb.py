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
from reelcast.rtp.payload.h264 import SYNTAX as H264
from reelcast.rtp.payload.h265 import SYNTAX as H265
from reelcast.rtp.payload.nal_units import split_nal_units

SPS = bytes.fromhex("674d400beca1423f2c")
PPS = bytes.fromhex("68ce0fc8")
SLICE = bytes.fromhex("6588840a")
HEVC = b"\x40\1vps", b"\x42\1sps", b"\x44\1pps"
LONG, SHORT = b"\0\0\0\1", b"\0\0\1"


def record(sps: list[bytes], pps: list[bytes], size: int = 4) -> bytes:
    def counted(nals: list[bytes]) -> bytes:
        return b"".join(len(nal).to_bytes(2) + nal for nal in nals)

    head = b"\1\x4d\x40\x0b" + bytes((0xFC | size - 1, 0xE0 | len(sps)))
    return head + counted(sps) + bytes((len(pps),)) + counted(pps)


def test_the_record_is_read() -> None:
    assert length_size(H264, record([SPS], [PPS])) == 4
    assert length_size(H264, record([SPS], [PPS], 2)) == 2
    assert parameter_sets(H264, record([SPS], [PPS])) == (SPS, PPS)
    assert parameter_sets(H264, record([SPS, SPS], [PPS])) == (SPS, PPS)


def test_annex_b_extradata_is_read() -> None:
    assert length_size(H264, LONG + SPS + SHORT + PPS) == 0
    assert parameter_sets(H264, LONG + SPS + SHORT + PPS) == (SPS, PPS)
    assert parameter_sets(H264, LONG + SPS + LONG + PPS + LONG + SLICE) == (SPS, PPS)


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
    assert parameter_sets(H264, extradata) == ()


def test_sets_are_bounded() -> None:
    pps = [PPS + bytes((number,)) for number in range(1, 200)]
    assert len(parameter_sets(H264, record([SPS], pps))) == MAX_PARAMETER_SETS


def hevc_record(*arrays: list[bytes], size: int = 4, version: int = 1) -> bytes:
    head = bytes((version, 1)) + bytes(19) + bytes((0xFC | size - 1, len(arrays)))
    return head + b"".join(
        bytes((nals[0][0] >> 1,))
        + len(nals).to_bytes(2)
        + b"".join(len(nal).to_bytes(2) + nal for nal in nals)
        for nals in arrays
    )


@pytest.mark.parametrize("version", [0, 1])
def test_the_record_of_hevc_is_read(version: int) -> None:
    vps, sps, pps = HEVC
    record = hevc_record([sps], [vps, vps], [pps], [b"\x4e\1sei"], size=2, version=version)
    assert length_size(H265, record) == 2
    assert parameter_sets(H265, record) == HEVC


def test_a_record_of_hevc_may_leave_the_sets_to_the_frames() -> None:
    """As of a track of the kind hev1."""
    assert length_size(H265, hevc_record()) == 4
    assert parameter_sets(H265, hevc_record()) == ()


def test_annex_b_of_hevc_is_read() -> None:
    data = LONG + LONG.join(HEVC) + LONG + b"\x26\1slice"
    assert length_size(H265, data) == 0
    assert parameter_sets(H265, data) == HEVC


@pytest.mark.parametrize(
    "extradata",
    [b"", b"\1" * 23, hevc_record([HEVC[0]], [HEVC[1]]), hevc_record(*([nal] for nal in HEVC))[:-1]],
)
def test_hevc_with_a_set_missing(extradata: bytes) -> None:
    assert parameter_sets(H265, extradata) == ()


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
    for syntax in (H264, H265):
        length_size(syntax, data)
        parameter_sets(syntax, data)
    lengths_to_annex_b(data, size)
    long = with_long_start_codes(data)
    assert list(split_nal_units(long)) == list(split_nal_units(data))
