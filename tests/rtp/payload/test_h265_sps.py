"""H.265 sequence parameter sets of x265, and what only looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rtp.payload.headers import nal, ue

from reelcast.rtp.payload.h265_sps import SequenceParameters, parse_sps

SMALL = bytes.fromhex(
    "4201010408000003009e0800000300003c9001410173e5cb2b349265780b7020200040000003004000000642"
)
TEN_BITS = bytes.fromhex(
    "42010122200000030090000003000003007ba003c08010e4d96566924caf016808000003000800000300c840"
)
TWO_SUB_LAYERS = bytes.fromhex(
    "4201020408000003009e0800000300003c000090014901739ef2cacc566924caf0168080000003008000000c84"
)

END = f"{ue(0)} {ue(0)} {ue(4)} 1 {ue(4)} {ue(2)} {ue(0)} {ue(4)} {ue(3)} {ue(0)}"
"""Bit depths, a counter of 8 bits, and reordering by 3 pictures, or by 2 of the lower of two sub-layers."""
WIDE = f"{ue(0)} {ue(0)} {ue(13)} 0 {ue(4)} {ue(2)} {ue(0)}"


def written(chroma: str, window: str, sub_layers: str = "") -> bytes:
    """One of 640x480; the first sub-layers are told of where `sub_layers` says so."""
    profile = f"{bool(sub_layers):03b} 1 00 0 {1:05b} {0:080b} {93:08b}"
    return nal(
        b"\x42\x01", f"0000 {profile} {sub_layers} {ue(0)} {chroma} {ue(640)} {ue(480)} {window} {END}"
    )


@pytest.mark.parametrize(
    ("sps", "expected"),
    [
        (SMALL, SequenceParameters(4, 0, 60, 320, 180, 0, False, 8, 2)),
        (TEN_BITS, SequenceParameters(2, 1, 123, 1920, 1080, 0, False, 8, 2)),
        (TWO_SUB_LAYERS, SequenceParameters(4, 0, 60, 322, 182, 0, False, 8, 2)),
    ],
)
def test_of_x265(sps: bytes, expected: SequenceParameters) -> None:
    assert parse_sps(sps) == expected


@pytest.mark.parametrize(
    ("chroma", "size"),
    [
        (ue(0), (638, 473)),
        (ue(1), (636, 466)),
        (ue(2), (636, 473)),
        (f"{ue(3)} 0", (638, 473)),
        (f"{ue(3)} 1", (638, 473)),
    ],
)
def test_cropping_counts_in_chroma_samples(chroma: str, size: tuple[int, int]) -> None:
    sps = parse_sps(written(chroma, f"1 {ue(0)} {ue(2)} {ue(3)} {ue(4)}"))
    assert sps is not None
    assert (sps.width, sps.height) == size
    assert sps.separate is chroma.endswith(" 1")
    assert sps.reordering == 2


@pytest.mark.parametrize("flags", ["00", "01", "10", "11"])
def test_sub_layers_are_skipped(flags: str) -> None:
    told = "1" * (88 * int(flags[0]) + 8 * int(flags[1]))
    sps = parse_sps(written(ue(1), "0", f"{flags} {0:014b} {told}"))
    assert sps is not None
    assert (sps.width, sps.height, sps.lsb_bits, sps.reordering) == (640, 480, 8, 3)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x42",
        b"\x42\x01",
        SMALL[:12],
        b"\x44" + SMALL[1:],
        written(ue(1), f"1 {ue(320)} {ue(0)} {ue(0)} {ue(0)}"),
        written(ue(1), f"1 {ue(0)} {ue(0)} {ue(999)} {ue(0)}"),
        nal(
            b"\x42\x01", f"0000 000 1 00 0 {1:05b} {0:080b} {93:08b} {ue(0)} {ue(1)} {ue(20000)} {ue(480)} 0"
        ),
    ],
)
def test_none(data: bytes) -> None:
    assert parse_sps(data) is None


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    parse_sps(b"\x42\x01" + data)
