"""Bits, and codes made of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rtp.payload.headers import nal, se, ue

from reelcast.rtp.payload.bits import MAX_BYTES, Bits, unescape


def test_fixed_lengths() -> None:
    bits = Bits(b"\xa5\x0f")
    assert [bits.read(count) for count in (1, 3, 0, 4, 8)] == [1, 2, 0, 5, 15]
    with pytest.raises(EOFError):
        bits.read(1)


@given(st.lists(st.integers(-70_000, 70_000), max_size=50))
def test_codes(values: list[int]) -> None:
    bits = Bits(unescape(nal(b"", " ".join(f"{se(value)} {ue(abs(value))}" for value in values))))
    assert [(bits.signed(), bits.unsigned()) for _ in values] == [(value, abs(value)) for value in values]


@given(st.binary(max_size=100))
def test_any_bytes_end(data: bytes) -> None:
    bits = Bits(data)
    with pytest.raises(EOFError):
        list(iter(bits.unsigned, -1))


def test_no_more_is_read_than_a_header_has() -> None:
    bits = Bits(b"\xff" * (MAX_BYTES + 1))
    bits.read(8 * MAX_BYTES)
    with pytest.raises(EOFError):
        bits.read(1)


def test_emulation_prevention_is_undone() -> None:
    assert Bits(unescape(b"\0\0\3\1\0\0\3\0")).read(48) == 0x000001000000
