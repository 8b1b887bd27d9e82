"""Sequence parameter sets as x264 writes them, and as nobody should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelcast.rtp.payload.h264_sps import OrderParameters, SequenceParameters, parse_sps


def size(nal: bytes) -> tuple[int, int, int, int] | None:
    """Profile, level, width and height; None where it is no SPS."""
    found = parse_sps(nal)
    return None if found is None else (found.profile, found.level, found.width, found.height)


def bits(text: str) -> bytes:
    """Bits, written with spaces between fields, filled up to whole bytes."""
    digits = text.replace(" ", "")
    digits += "0" * (-len(digits) % 8)
    return int(digits, 2).to_bytes(len(digits) // 8, "big")


COUNTED = OrderParameters(0, lsb_bits=6)
AS_DECODED = OrderParameters(2)


def known(
    shown: tuple[int, int, int, int],
    reordering: int | None,
    *,
    chroma: int = 1,
    frames_only: bool = True,
    order: OrderParameters = COUNTED,
) -> SequenceParameters:
    return SequenceParameters(*shown, 0, chroma, False, 4, frames_only, order, reordering)


@pytest.mark.parametrize(
    ("nal", "expected"),
    [
        ("6742c01ed900a02ff961000003000100000300320f162e48", known((66, 30, 640, 360), 0, order=AS_DECODED)),
        ("67640028acd940780227e584000003000400000300c83c60c658", known((100, 40, 1920, 1080), 2)),
        (
            "67640015acd941410fcb0800000300080000030190f8a14cb0",
            known((100, 21, 320, 240), 2, frames_only=False),
        ),
        ("677a000dbcd9415087888f84000003000400000300c83c50a658", known((122, 13, 322, 242), 2, chroma=2)),
        ("67f4000d919b282a10f1f1f0800000030080000019078a14cb", known((244, 13, 322, 242), 2, chroma=3)),
        ("6764000df3650507e840000003004000000c83c50a6580", known((100, 13, 320, 240), 2, chroma=0)),
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
    assert size(nal) == (profile, 30, 80, 96)


def test_the_first_type_of_order() -> None:
    found = parse_sps(bytes((0x67, 77, 0, 30)) + bits(f"1 1 010 0 010 011 011 00100 00101 {TAIL}"))
    assert found is not None
    assert found.order == OrderParameters(1, 0, False, 1, -1, (2, -2))
    # Without a VUI nothing tells how far pictures are reordered.
    assert (found.frame_num_bits, found.reordering) == (4, None)


HRD = f"1 1 {'0' * 8} 010 011 1 {'0' * 20}"
"""One buffer."""


@pytest.mark.parametrize(
    ("vui", "reordering"),
    [
        ("0 0 0 0 0 0 0 0 1  1 1 1 1 1 00101 00101", 4),
        # Everything there is: an aspect of its own, overscan, colours, chroma places, timing, both buffers.
        (
            f"1 {'1' * 8} {'0' * 32} 1 0 1 0000 1 {'0' * 24} 1 1 1 1 {'0' * 65} {HRD} {HRD} 0 0 1 0 1 1 1 1 010",
            1,
        ),
        (f"1 {'0' * 8} 0 1 0000 0 0 0 {HRD} 0 0 0 1 0 1 1 1 1 1", 0),
        ("0 0 0 0 0 0 0 0 0", None),
        ("0 0 0 0 0 0 0 0 1 0 1 1 1 1 000010010", None),  # 17 frames
        ("0 0", None),
    ],
    ids=["bare", "full", "one buffer", "untold", "too many", "cut"],
)
def test_usability_information(vui: str, reordering: int | None) -> None:
    # TAIL ends with vui_parameters_present_flag.
    found = parse_sps(bytes((0x67, 66, 0, 30)) + bits(f"1 1 {ORDER_2} {TAIL} {vui}"))
    assert found is not None
    assert found.reordering == reordering


def test_cropping_counts_in_luma_samples_without_chroma_subsampling() -> None:
    nal = bytes((0x67, 244, 0, 30)) + bits(
        f"1 00100 1 1 1 0 0 1 {ORDER_2} 010 0 00101 00110 1 1 1 1 010 1 011"
    )
    assert size(nal) == (244, 30, 79, 94)


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
