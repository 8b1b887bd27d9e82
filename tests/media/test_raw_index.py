"""The index of raw files."""

from __future__ import annotations

import pytest

from reelcast.media import raw_index
from reelcast.media.raw_index import RawIndex
from reelcast.track import AccessUnit


def test_keyframes_are_found_by_when_they_are_shown() -> None:
    index = RawIndex(delay=20)
    index.expect(0, 0)
    index.expect(30, 900)
    index.add([AccessUnit(b"", 0, -20), AccessUnit(b"", 20, -10), AccessUnit(b"", 10, 0)])
    assert index.find(50) == (0, 0)
    # Decoded as the fourth, shown as the sixth: two pictures that follow come before it.
    index.add([AccessUnit(b"", 50, 10)])
    assert [index.find(at) for at in (-1, 0, 49, 50, 1000)] == [None, (0, 0), (0, 0), (30, 900), (30, 900)]


def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_index, "MAX_KEYFRAMES", 2)
    index = RawIndex(delay=0)
    for number in range(5):
        index.expect(number, 100 * number)
        index.add([AccessUnit(b"", number, number)])
    assert index.find(4) == (1, 100)
