"""The wall-clock time of a live stream: estimated, told by the publisher, and never jumping for little."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.rtp.clock import ntp_to_unix
from reelcast.server.wall import LARGE, LEAN, MAX_SKEW, WallClock

UNIX = 1_800_000_000.0


def told(wall: WallClock, now: float, media: float) -> float:
    return ntp_to_unix(wall.at(now, media)[0])


def test_before_anything_came_it_is_now() -> None:
    assert told(WallClock(0), UNIX, 5.0) == pytest.approx(UNIX)


def test_estimated_by_the_unit_that_came_soonest() -> None:
    wall = WallClock(0)
    for media, late in ((1.0, 0.3), (1.04, 0.02), (1.08, 0.2)):
        wall.observe(0, media, None, UNIX + media + late)
    assert not wall.synchronized
    assert told(wall, UNIX + 2.0, 2.0) == pytest.approx(UNIX + 2.02, abs=0.001)


def test_an_estimate_follows_a_crystal_that_is_slow() -> None:
    wall = WallClock(0)
    for second in range(3600):
        wall.observe(0, second * 0.9999, None, UNIX + second)
        told(wall, UNIX + second, second * 0.9999)
    assert told(wall, UNIX + 3600, 3600 * 0.9999) == pytest.approx(UNIX + 3600, abs=0.01)


def test_tracks_are_told_apart_by_the_publishers_clock() -> None:
    """Sound that its publisher says is 80 ms later than it was put: its report says so."""
    wall = WallClock(0)
    wall.observe(0, 1.0, UNIX + 1.0, UNIX + 1.1)
    assert wall.synchronized
    wall.observe(1, 1.0, None, UNIX + 1.1)
    assert not wall.synchronized
    wall.observe(1, 1.0, UNIX + 1.08, UNIX + 1.1)
    assert wall.synchronized
    ntp, places = wall.at(UNIX + 2.0, 2.0)
    assert ntp_to_unix(ntp) == pytest.approx(UNIX + 2.0)
    assert places == {0: pytest.approx(2.0), 1: pytest.approx(1.92)}


def test_what_is_little_is_leant_towards() -> None:
    wall = WallClock(0)
    wall.observe(0, 0.0, None, UNIX + 0.1)
    assert told(wall, UNIX, 0.0) == pytest.approx(UNIX + 0.1)
    wall.observe(0, 0.0, UNIX, UNIX + 0.1)
    assert told(wall, UNIX + 5, 5.0) == pytest.approx(UNIX + 5.1 - 5 * LEAN)
    assert told(wall, UNIX + 100, 100.0) == pytest.approx(UNIX + 100)


def test_another_clock_is_taken_over_at_once() -> None:
    wall = WallClock(0)
    wall.observe(0, 0.0, None, UNIX)
    told(wall, UNIX, 0.0)
    wall.observe(0, 0.0, 5.0, UNIX)  # a camera that believes it is 1970
    assert told(wall, UNIX + 1, 1.0) == pytest.approx(6.0)


def test_clocks_that_do_not_belong_together_are_not_believed() -> None:
    wall = WallClock(0)
    wall.observe(0, 0.0, UNIX, UNIX)
    wall.observe(1, 0.0, UNIX + MAX_SKEW + 1, UNIX)
    assert not wall.synchronized
    assert wall.at(UNIX + 1, 1.0)[1] == {}


def test_another_publisher_begins_with_an_estimate() -> None:
    wall = WallClock(0)
    wall.observe(0, 0.0, 5.0, UNIX)
    wall.restart()
    wall.observe(0, 3.0, None, UNIX + 3)
    assert told(wall, UNIX + 3, 3.0) == pytest.approx(UNIX + 3)


def test_without_its_leading_track_another_tells() -> None:
    wall = WallClock(0)
    wall.observe(1, 0.0, UNIX, UNIX)
    assert wall.at(UNIX + 1, 1.0)[1] == {1: 1.0}


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.floats(0, 0.4),
            st.one_of(st.none(), st.floats(-0.4, 0.4)),
            st.floats(0, 3),
        ),
        max_size=60,
    )
)
def test_it_never_jumps_for_less_than_is_large(units: list[tuple[int, float, float | None, float]]) -> None:
    wall, now = WallClock(0), 0.0
    before = told(wall, UNIX, 0.0)
    for track, late, differs, wait in units:
        now += wait
        wall.observe(track, now, None if differs is None else UNIX + now + differs, UNIX + now + late)
        after = told(wall, UNIX + now, now)
        assert abs(after - before - wait) <= LEAN * wait + 1e-3
        assert abs(after - UNIX - now) < LARGE
        before = after
