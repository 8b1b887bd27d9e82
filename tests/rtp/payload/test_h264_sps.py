"""Sequence parameter sets as x264 writes them, and as nobody should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelcast.rtp.payload.h264_sps import SequenceParameters, parse_sps


def bits(text: str) -> bytes:
    """Bits, written with spaces between fields, filled up to whole bytes."""
    digits = text.replace(" ", "")
    digits += "0" * (-len(digits) % 8)
    return int(digits, 2).to_bytes(len(digits) // 8, "big")


@pytest.mark.parametrize(
    ("nal", "expected"),
    [
        ("6742c01ed900a02ff961000003000100000300320f162e48", SequenceParameters(66, 30, 640, 360)),
        ("67640028acd940780227e584000003000400000300c83c60c658", SequenceParameters(100, 40, 1920, 1080)),
        ("67640015acd941410fcb0800000300080000030190f8a14cb0", SequenceParameters(100, 21, 320, 240)),
        ("677a000dbcd9415087888f84000003000400000300c83c50a658", SequenceParameters(122, 13, 322, 242)),
        ("67f4000d919b282a10f1f1f0800000030080000019078a14cb", SequenceParameters(244, 13, 322, 242)),
        ("6764000df3650507e840000003004000000c83c50a6580", SequenceParameters(100, 13, 320, 240)),
    ],
    ids=["baseline", "high, cropped", "interlaced", "4:2:2", "4:4:4", "grey"],
)
def test_real_ones(nal: str, expected: SequenceParameters) -> None:
    assert parse_sps(bytes.fromhex(nal)) == expected


# id 0; log2_max_frame_num 0; then picture order, one reference frame, no gaps.
ORDER_2 = "011"
TAIL = "010 0 00101 00110 1 1 0 1"
"""5 x 6 macroblocks, frames only, no cropping: 80x96."""


@pytest.mark.parametrize(
    ("profile", "fields"),
    [
        (66, f"1 1 {ORDER_2} {TAIL}"),
        # Picture order type 1 with a cycle of two offsets.
        (77, f"1 1 010 0 1 1 011 1 1 {TAIL}"),
        # Chroma 4:2:0, 8 bits, scaling lists: one full, one that ends at once, six absent.
        (100, f"1 010 1 1 0 1 1 {'1' * 16} 1 0000 10001 000000 1 {ORDER_2} {TAIL}"),
        # Chroma 4:4:4 in separate planes.
        (244, f"1 00100 1 1 1 0 0 1 {ORDER_2} {TAIL}"),
    ],
)
def test_fields_to_skip(profile: int, fields: str) -> None:
    nal = bytes((0x67, profile, 0, 30)) + bits(fields)
    assert parse_sps(nal) == SequenceParameters(profile, 30, 80, 96)


def test_cropping_counts_in_luma_samples_without_chroma_subsampling() -> None:
    nal = bytes((0x67, 244, 0, 30)) + bits(
        f"1 00100 1 1 1 0 0 1 {ORDER_2} 010 0 00101 00110 1 1 1 1 010 1 011"
    )
    assert parse_sps(nal) == SequenceParameters(244, 30, 79, 94)


@pytest.mark.parametrize(
    "nal",
    [
        b"",
        b"\x67",
        b"\x67\x42\xc0",
        b"\x67\x42\xc0\x1e",
        bytes.fromhex("6842c01ed900a02ff961000003000100000300320f162e48"),
        bytes.fromhex("6742c01ed900"),
        b"\x67\x42\xc0\x1e" + bytes(2000),
        b"\x67\x42\xc0\x1e" + bits(f"1 1 {ORDER_2} 010 0 {'0' * 20} 1 {'1' * 20} 1 1 1 0"),
        b"\x67\x42\xc0\x1e" + bits(f"1 1 {ORDER_2} 010 0 1 1 1 1 1 0001001 1 1 1"),
    ],
    ids=["empty", "one byte", "three", "four", "PPS", "cut", "zeros", "too large", "cropped away"],
)
def test_none_of_those(nal: bytes) -> None:
    assert parse_sps(nal) is None


@given(st.binary(max_size=80), st.sampled_from([66, 100, 244]))
def test_any_bytes(data: bytes, profile: int) -> None:
    found = parse_sps(bytes((0x67, profile)) + data)
    assert found is None or (found.width > 0 and found.height > 0)
