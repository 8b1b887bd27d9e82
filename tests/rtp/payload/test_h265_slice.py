"""Slice headers and parameter sets of H.265, written bit by bit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rtp.payload.headers import nal, ue

from reelcast.rtp.payload.h265_slice import ParameterSets

IDR, CRA, TRAIL = 19, 21, 1


def sps(number: int = 0, *, separate: bool = False) -> bytes:
    """One of 640x480 whose counter has 8 bits."""
    chroma = f"{ue(3)} 1" if separate else ue(1)
    profile = f"0000 000 1 00 0 {1:05b} {0:080b} {93:08b}"
    end = f"{ue(0)} {ue(0)} {ue(4)} 0 {ue(4)} {ue(2)} {ue(0)}"
    return nal(b"\x42\x01", f"{profile} {ue(number)} {chroma} {ue(640)} {ue(480)} 0 {end}")


def pps(number: int = 0, sequence: int = 0, *, output: int = 0, extra: int = 0) -> bytes:
    return nal(b"\x44\x01", f"{ue(number)} {ue(sequence)} 0 {output} {extra:03b}")


def slice_of(kind: int, fields: str, *, sub_layer: int = 0) -> bytes:
    return nal(bytes((kind << 1, sub_layer + 1)), fields)


@pytest.mark.parametrize(
    ("sequence", "picture", "kind", "fields", "lsb"),
    [
        (sps(), pps(), TRAIL, f"1 {ue(0)} {ue(1)} {77:08b}", 77),
        (sps(), pps(), CRA, f"1 0 {ue(0)} {ue(2)} {77:08b}", 77),
        (sps(), pps(), IDR, f"1 1 {ue(0)} {ue(2)} 1111", 0),
        (sps(), pps(output=1), TRAIL, f"1 {ue(0)} {ue(1)} 1 {77:08b}", 77),
        (sps(), pps(extra=2), TRAIL, f"1 {ue(0)} 11 {ue(1)} {77:08b}", 77),
        (sps(separate=True), pps(), TRAIL, f"1 {ue(0)} {ue(1)} 10 {77:08b}", 77),
        (sps(15), pps(63, 15), TRAIL, f"1 {ue(63)} {ue(1)} {77:08b}", 77),
    ],
)
def test_slices(sequence: bytes, picture: bytes, kind: int, fields: str, lsb: int) -> None:
    sets = ParameterSets((sequence, picture))
    header = sets.take(slice_of(kind, fields, sub_layer=2))
    assert header is not None
    assert (header.kind, header.sub_layer, header.lsb) == (kind, 2, lsb)
    assert sets.sequences == (header.sps,)


@pytest.mark.parametrize(
    "unit",
    [
        b"",
        b"\x02",
        b"\x02\x01",
        slice_of(TRAIL, f"0 {ue(0)} {ue(1)} {77:08b}"),
        slice_of(TRAIL, f"1 {ue(1)} {ue(1)} {77:08b}"),
        slice_of(TRAIL, f"1 {ue(2)} {ue(1)} {77:08b}"),
        slice_of(TRAIL, f"1 {ue(0)} {ue(1)} 1"),
        b"\x4e\x01\x05",
        b"\x40\x01\x0c",
    ],
    ids=["empty", "half a header", "no data", "a later slice", "no PPS", "no SPS", "cut short", "SEI", "VPS"],
)
def test_what_tells_nothing(unit: bytes) -> None:
    assert ParameterSets((sps(), pps(), pps(2, 9))).take(unit) is None


@pytest.mark.parametrize("unit", [sps(16), pps(64), pps(1, 16), b"\x44\x01", b"\x42\x01"])
def test_parameter_sets_that_are_none(unit: bytes) -> None:
    sets = ParameterSets((unit,))
    assert sets.sequences == ()
    assert not sets._pictures


@given(st.lists(st.tuples(st.sampled_from([2, 38, 42, 66, 68]), st.binary(max_size=30)), max_size=10))
def test_any_bytes(units: list[tuple[int, bytes]]) -> None:
    sets = ParameterSets((sps(), pps()))
    for head, data in units:
        sets.take(bytes((head, 1)) + data)
