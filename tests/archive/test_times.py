"""Wall-clock times of what is recorded: true in the long run, and never going back."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.archive.tape import NOON

from reelcast.archive.times import BELIEVED, LEAP, MAX_AHEAD, RATE, WallTimes
from reelcast.rtp.intake import ReceivedUnit
from reelcast.track import AccessUnit, Track

UNIT = ReceivedUnit(Track("video", "h264", 90_000, 96), AccessUnit(b"", 0, 0), 0.0, NOON, "sender", 0.0)


def at(pts: float, time: float | None) -> ReceivedUnit:
    return replace(UNIT, pts=pts, time=time)


def test_times_are_those_that_a_stream_tells() -> None:
    times = WallTimes()
    placed = [times.place(at(100 + 0.04 * number, NOON + 0.04 * number), NOON + 3) for number in range(50)]
    assert placed == pytest.approx([NOON + 0.04 * number for number in range(50)])
    assert times.latest == placed[-1]


@pytest.mark.parametrize("time", [None, 0.0, NOON + BELIEVED + 1, NOON - BELIEVED - 1])
def test_a_clock_that_was_never_set_is_not_believed(time: float | None) -> None:
    assert WallTimes().place(at(0.0, time), NOON) == NOON


def test_what_a_report_corrects_is_made_up_for_slowly() -> None:
    times = WallTimes()
    times.place(at(0.0, NOON), NOON)
    placed = [times.place(at(float(second), NOON + second - 0.3), NOON + second) for second in range(1, 101)]
    assert {round(after - before, 4) for before, after in pairwise(placed)} <= {1 - RATE, 1.0}
    assert placed[-1] == pytest.approx(NOON + 99.7)


def test_what_comes_out_of_order_is_made_up_for_no_faster() -> None:
    times = WallTimes()
    times.place(at(0.0, NOON), NOON)
    for group in range(250):
        for number in (3, 1, 2):
            pts = 0.04 * (3 * group + number)
            placed = times.place(at(pts, NOON + pts + 5.0), NOON + pts)
    assert placed == pytest.approx(NOON + pts + RATE * 30, abs=0.01)


def test_a_pause_is_as_long_as_it_was() -> None:
    times = WallTimes()
    times.place(at(0.0, NOON), NOON)
    # The step is that of a second, however long nothing came.
    assert times.place(at(1000.0, NOON + 1000.2), NOON) == pytest.approx(NOON + 1000 + RATE)


@pytest.mark.parametrize("leap", [3600.0, -3600.0, 26.5 * 3600])
def test_times_that_leap_go_on_by_the_clock(leap: float) -> None:
    times = WallTimes()
    times.place(at(50_000.0, NOON), NOON)
    assert times.place(at(50_000.0 + leap, NOON + 0.04), NOON + 0.04) == pytest.approx(NOON + 0.04)


def test_a_clock_that_is_set_back_stands_still() -> None:
    times = WallTimes()
    times.place(at(0.0, NOON), NOON)
    placed = [times.place(at(number, NOON - 3600 + number), NOON - 3600 + number) for number in range(1, 20)]
    assert placed == pytest.approx([NOON + (number - 1) * (1 - RATE) for number in range(1, 20)])


def test_a_clock_that_was_years_ahead_does_not_hold_for_ever() -> None:
    assert WallTimes(NOON + MAX_AHEAD / 2).place(at(0.0, NOON), NOON) == NOON + MAX_AHEAD / 2
    assert WallTimes(NOON + MAX_AHEAD + 1).place(at(0.0, NOON), NOON) == NOON


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.floats(0, 30), st.floats(-LEAP, LEAP) | st.floats(-MAX_AHEAD, MAX_AHEAD) | st.none())
    )
)
def test_times_rise_with_those_of_the_stream(rows: list[tuple[float, float | None]]) -> None:
    times = WallTimes()
    pts, latest = 0.0, -1.0
    for step, off in rows:
        pts += step
        placed = times.place(at(pts, None if off is None else NOON + pts + off), NOON + pts + (off or 0.0))
        # A clock that was a day ahead is not waited for.
        assert placed >= latest - 1e-6 or latest - placed > MAX_AHEAD - 100
        latest = placed
