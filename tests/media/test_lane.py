from __future__ import annotations

import pytest

from reelcast.media.lane import Lane
from reelcast.track import Track


def test_times_are_those_of_the_clock() -> None:
    lane = Lane(Track("audio", "pcmu", 8000, 0, channels=1), bytes)
    assert lane.rate == 8000
    assert lane.ticks(-7) == -7


@pytest.mark.parametrize(
    ("count", "ticks"), [(0, 0), (1152, 2351), (-1105, -2255), (44_100 * 3600, 90_000 * 3600), (49, 100)]
)
def test_times_counted_at_another_rate(count: int, ticks: int) -> None:
    lane = Lane(Track("audio", "mpa", 90_000, 14, channels=2), bytes, len, count_rate=44_100)
    assert lane.rate == 44_100
    assert lane.ticks(count) == ticks
