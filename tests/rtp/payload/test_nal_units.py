"""What H.264 and H.265 share; what they make of it is in the tests of each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelcast.rtp.payload.nal_units import split_nal_units


class TestSplit:
    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b"", []),
            (b"no start code", []),
            (b"\0\0\1", []),
            (b"\0\0\1\x65", [b"\x65"]),
            (b"\0\0\0\1\x67a\0\0\1\x68b", [b"\x67a", b"\x68b"]),
            (b"junk\0\0\1\x67a", [b"\x67a"]),
            (b"\0\0\1\x67a\0\0\0\0\0\1\x68b\0\0\0", [b"\x67a", b"\x68b"]),
            (b"\0\0\1\0\0\1\x65a", [b"\x65a"]),
            (b"\0\0\1\x65\0\0\3\1", [b"\x65\0\0\3\1"]),
        ],
    )
    def test_table(self, data: bytes, expected: list[bytes]) -> None:
        assert list(split_nal_units(data)) == expected

    @given(st.binary(max_size=200))
    def test_any_bytes(self, data: bytes) -> None:
        for unit in split_nal_units(data):
            assert unit
            assert not unit.endswith(b"\0")
            assert b"\0\0\1" not in unit

    @given(
        st.lists(
            st.tuples(
                st.integers(0, 9000), st.sampled_from([b"\0\0\1", b"\0\0\0\1", b"\0\0", b"\0\1", b"\0\0\0"])
            )
        ),
        st.integers(8000, 9000),
    )
    def test_large_ones_are_split_like_small_ones(self, bends: list[tuple[int, bytes]], size: int) -> None:
        data = bytearray(b"\x80" * size)
        for place, bend in bends:
            data[place : place + len(bend)] = bend
        assert list(split_nal_units(bytes(data))) == _by_the_book(bytes(data))

    def test_one_that_is_full_of_what_looks_like_start_codes(self) -> None:
        data = b"\0\0\1\x65" + bytes(100_000) + b"\1\x41" + b"\0\0\3" * 9000
        assert list(split_nal_units(data)) == [b"\x65", b"\x41" + b"\0\0\3" * 9000]


def _by_the_book(data: bytes) -> list[bytes]:
    _, *units = data.split(b"\0\0\1")
    return [unit for unit in (each.rstrip(b"\0") for each in units) if unit]
