"""Slice headers of every shape."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rtp.payload.headers import Written, nal, pps, se, sps, ue

from reelcast.rtp.payload.h264_slice import ParameterSets, SliceHeader, parse_pps

LSB = "000110"
TYPE_1 = f"{ue(1)} 0 {se(-1)} {se(1)} {ue(1)} {se(2)}"
TYPE_1_ZERO = f"{ue(1)} 1 {se(-1)} {se(1)} {ue(1)} {se(2)}"
TYPE_2 = ue(2)


def read(written: Written, sequence: bytes, picture: bytes) -> SliceHeader:
    header = ParameterSets((sequence, picture)).take(written.nal())
    assert header is not None
    return header


@pytest.mark.parametrize(
    ("written", "sequence", "picture", "lsb", "deltas"),
    [
        (Written(2, 0, LSB, idr=True), sps(), pps(), 6, (0, 0)),
        (Written(0, 5, LSB), sps(), pps(), 6, (0, 0)),
        (Written(0, 5, f"{LSB} {se(-3)}"), sps(), pps(bottom_present=1), 6, (-3, 0)),
        (Written(0, 5, LSB, field="10"), sps(frames_only=False), pps(bottom_present=1), 6, (0, 0)),
        (Written(0, 5, LSB, field="11"), sps(frames_only=False), pps(), 6, (0, 0)),
        (Written(0, 5, f"{LSB} {se(1)}", field="0"), sps(frames_only=False), pps(bottom_present=1), 6, (1, 0)),
        (Written(0, 5, se(4)), sps(TYPE_1), pps(), 0, (4, 0)),
        (Written(0, 5, f"{se(4)} {se(-1)}"), sps(TYPE_1), pps(bottom_present=1), 0, (4, -1)),
        (Written(0, 5), sps(TYPE_1_ZERO), pps(bottom_present=1), 0, (0, 0)),
        (Written(0, 5), sps(TYPE_2), pps(), 0, (0, 0)),
        (Written(1, 5, LSB, reference=False, rest="1 0 0 0"), sps(), pps(), 6, (0, 0)),
        (Written(0, 5, f"{LSB} {ue(0)}"), sps(), pps(redundant=1), 6, (0, 0)),
        (Written(0, 5, LSB, number=3), sps(), pps(number=3), 6, (0, 0)),
    ],
)  # fmt: skip
def test_order(written: Written, sequence: bytes, picture: bytes, lsb: int, deltas: tuple[int, int]) -> None:
    header = read(written, sequence, picture)
    assert (header.lsb, header.deltas, header.frame_num) == (lsb, deltas, written.frame_num)
    assert (header.idr, header.reference, header.reset) == (written.idr, written.reference, False)
    assert (header.field, header.bottom) == (written.field[:1] == "1", written.field == "11")


MARKS = f"1 {ue(1)} {ue(3)} {ue(2)} {ue(0)} {ue(3)} {ue(1)} {ue(1)} {ue(4)} {ue(2)} {ue(6)} {ue(0)}"
"""Every operation but the one that resets."""
PRED = f"{ue(5)} {ue(4)} 1 {se(3)} {se(-3)} 1 {se(1)} {se(2)} {se(3)} {se(4)} 0 0"
"""Weights of two references, the second without."""


@pytest.mark.parametrize(
    ("kind", "picture", "before"),
    [
        (2, pps(), ""),
        (7, pps(weighted=1), ""),
        (0, pps(), "0 0"),
        (0, pps(), f"1 {ue(2)} 1 {ue(0)} {ue(7)} {ue(1)} {ue(0)} {ue(2)} {ue(1)} {ue(3)}"),
        (0, pps(references=(2, 1), weighted=1), f"0 0 {PRED}"),
        (0, pps(weighted=1), f"1 {ue(1)} 0 {PRED}"),
        (1, pps(), f"1 0 0 1 {ue(0)} {ue(7)} {ue(3)}"),
        (1, pps(bi_weighted=1), f"0 0 0 0 {PRED}"),
        (1, pps(bi_weighted=2, weighted=1), f"0 1 {ue(1)} {ue(1)} 0 0"),
    ],
)
def test_reset_behind_all_that_may_stand_before_it(kind: int, picture: bytes, before: str) -> None:
    for marks, reset in ((f"{MARKS} {ue(5)} {ue(0)}", True), (f"{MARKS} {ue(0)}", False), ("0", False)):
        header = read(Written(kind, 5, LSB, rest=f"{before} {marks}"), sps(), picture)
        assert header.reset is reset


def test_colour_planes() -> None:
    grey = f"{ue(0)} {ue(0)} {ue(0)} 0 0"
    planes = f"{ue(3)} 1 {ue(0)} {ue(0)} 0 0"
    # Without chroma there are no weights for it.
    rest = f"0 0 {ue(5)} 1 {se(1)} {se(1)} 1 {ue(5)} {ue(0)}"
    assert read(Written(0, 5, LSB, rest=rest), sps(profile=grey), pps(weighted=1)).reset
    sets = ParameterSets((sps(profile=planes), pps(weighted=1)))
    header = sets.take(nal(b"\x61", f"{ue(0)} {ue(0)} {ue(0)} 10 0101 {LSB} {rest}"))
    assert header is not None
    assert (header.frame_num, header.lsb, header.reset) == (5, 6, True)


def test_what_is_missing_or_broken() -> None:
    written = Written(0, 5, LSB).nal()
    assert ParameterSets(()).take(written) is None
    assert ParameterSets((pps(),)).take(written) is None
    assert ParameterSets((sps(), pps(number=1))).take(written) is None
    sets = ParameterSets((sps(), pps()))
    assert len(sets.sequences) == 1
    for other in (b"", b"\x09\x10", b"\x06\x05", written[:2], b"\x61"):
        assert sets.take(other) is None
    assert sets.take(Written(0, 5, LSB, rest=f"1 {ue(40)} 0 0").nal()) is None
    assert sets.take(written) is not None


@pytest.mark.parametrize(
    "broken", [b"\x68", b"", pps()[:2], pps(groups=1), pps(number=256), pps(sequence=32)]
)
def test_no_pps(broken: bytes) -> None:
    assert parse_pps(broken) is None


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.sampled_from([0x67, 0x68, 0x61, 0x65, 0x01]), st.binary(max_size=40)), max_size=8)
)
def test_any_bytes(nals: list[tuple[int, bytes]]) -> None:
    sets = ParameterSets((sps(), pps()))
    for head, data in nals:
        header = sets.take(bytes((head,)) + data)
        assert header is None or header.frame_num < 1 << 16
