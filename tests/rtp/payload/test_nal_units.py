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
        st.lists(st.sampled_from([b"\0", b"\1", b"\x65", b"\0\0\1", b"\0\0\3"]), max_size=30).map(b"".join)
    )
    def test_any_boundaries(self, data: bytes) -> None:
        _, *units = data.split(b"\0\0\1")
        assert list(split_nal_units(data)) == [
            unit for unit in (each.rstrip(b"\0") for each in units) if unit
        ]
