from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.media.timeline import MAX_GAP_SECONDS, MAX_REORDER_SECONDS, Splice, Timeline

MILLISECOND = Fraction(1, 1000)
TS = Fraction(1, 90_000)


def video(time_base: Fraction = TS, origin: Fraction = Fraction(0), splice: Splice | None = None) -> Timeline:
    return Timeline(90_000, time_base, origin, 3600, splice or Splice())


@pytest.mark.parametrize(
    ("time_base", "origin", "value", "ticks"),
    [
        (TS, Fraction(0), 1234, 1234),
        (MILLISECOND, Fraction(0), 40, 3600),
        (MILLISECOND, Fraction(7, 5), 1400, 0),
        (Fraction(1, 12_800), Fraction(0), 1, 7),
        (Fraction(1001, 30_000), Fraction(0), 3, 9009),
        (Fraction(1, 48_000), Fraction(0), -1024, -1920),
        (Fraction(1, 180_000), Fraction(0), 1, 1),
        (Fraction(1, 180_000), Fraction(0), -1, 0),
        (Fraction(1, 1_200_000), Fraction(0), 2**62, round(Fraction(2**62 * 90_000, 1_200_000))),
    ],
)
def test_ticks_are_exact(time_base: Fraction, origin: Fraction, value: int, ticks: int) -> None:
    assert video(time_base, origin).ticks(value) == ticks


def test_a_length_is_believed_within_reason() -> None:
    timeline = video(MILLISECOND)
    assert timeline.length(40) == 3600
    assert timeline.length(0) == timeline.length(-40) == timeline.length(2**60) == 0


def test_good_times_pass() -> None:
    timeline = video()
    units = [(0, -7200), (10800, -3600), (3600, 0), (7200, 3600)]
    assert [timeline.place(pts, dts, 3600, counted=False) for pts, dts in units] == units


def test_without_times_frames_follow_each_other() -> None:
    timeline = video()
    timeline.restart(90_000)
    places = [timeline.place(None, None, duration, counted=False) for duration in (3000, 0, 3000)]
    assert places == [(90_000, 90_000), (93_000, 93_000), (96_600, 96_600)]


def test_a_missing_pts_is_the_dts() -> None:
    assert video().place(None, 5, 0, counted=False) == (5, 5)


def test_matroska_begins_without_dts() -> None:
    timeline = video(MILLISECOND)
    units = [(0, None), (120, None), (40, 0), (80, 40), (240, 80)]
    placed = [timeline.place(pts, dts, 3600, counted=False) for pts, dts in units]
    assert placed == [(0, 0), (10800, 3600), (3600, 3601), (7200, 3602), (21600, 7200)]
    timeline.restart(0, -7200)
    placed = [timeline.place(pts, dts, 3600, counted=False) for pts, dts in units]
    assert placed == [(0, -7200), (10800, -3600), (3600, 0), (7200, 3600), (21600, 7200)]


@pytest.mark.parametrize("foreseen", [1, -(2**40), 2**40])
def test_a_foreseen_dts_must_suit_the_pts(foreseen: int) -> None:
    timeline = video()
    timeline.restart(0, foreseen)
    assert timeline.place(0, None, 3600, counted=False) == (0, 0)


def test_a_dts_that_never_comes_stays_near_its_pts() -> None:
    timeline = video(MILLISECOND)
    for number in range(200):
        pts, dts = timeline.place(40 * number, None, 3600, counted=False)
        assert pts == 3600 * number
        assert pts - 90_000 <= dts <= pts


def test_time_that_steps_back_a_little_goes_on_by_one() -> None:
    timeline = video()
    assert [timeline.place(None, dts, 3600, counted=False)[1] for dts in (0, 3600, 3000, 3600, 7200)] == [
        0,
        3600,
        3601,
        3602,
        7200,
    ]


@pytest.mark.parametrize("again", [0, 1000, 2**33, -(2**40)])
def test_a_new_beginning_goes_on_where_the_old_ended(again: int) -> None:
    timeline = video()
    for number in range(50):
        timeline.place(3600 * number, 3600 * number, 3600, counted=False)
    assert timeline.place(again + 7200, again, 3600, counted=False) == (187_200, 180_000)
    assert timeline.place(again + 3600, again + 3600, 3600, counted=False) == (183_600, 183_600)


def test_tracks_that_break_together_stay_together() -> None:
    splice = Splice()
    first, second = video(splice=splice), Timeline(48_000, TS, Fraction(0), 1024, splice)
    for number in range(50):
        first.place(None, 3600 * number, 3600, counted=False)
        second.place(None, 3600 * number, 1920, counted=False)
    assert first.place(None, 900, 3600, counted=False)[1] == 180_000
    # The first was moved by 179,100 ticks of 90 kHz; the second follows by the same time.
    assert second.place(None, 1800, 1920, counted=False)[1] == round((1800 + 179_100) * 48 / 90)


def test_a_long_pause_is_kept() -> None:
    timeline = video()
    timeline.place(0, 0, 3600, counted=False)
    pause = 90_000 * (MAX_GAP_SECONDS - 1)
    assert timeline.place(pause, pause, 3600, counted=False) == (pause, pause)


def test_a_first_time_out_of_reach_is_the_start() -> None:
    assert video().place(2**50, 2**50, 3600, counted=False) == (0, 0)
    timeline = video()
    timeline.restart(500)
    assert timeline.place(-(2**50), -(2**50), 3600, counted=False) == (500, 500)


def test_a_pts_far_from_its_dts_is_not_believed() -> None:
    far = 90_000 * MAX_REORDER_SECONDS + 1
    assert video().place(far, 0, 3600, counted=False) == (0, 0)
    assert video().place(far - 1, 0, 3600, counted=False) == (far - 1, 0)


def test_samples_are_counted_over_rounded_milliseconds() -> None:
    timeline = Timeline(48_000, MILLISECOND, Fraction(0), 1024, Splice())
    times = [round(number * 1024 / 48) for number in range(500)]
    places = [timeline.place(time, time, 1024, counted=True) for time in times]
    assert places == [(1024 * number,) * 2 for number in range(500)]


def test_a_gap_in_sound_is_kept() -> None:
    timeline = Timeline(48_000, MILLISECOND, Fraction(0), 1024, Splice())
    assert [timeline.place(time, time, 1024, counted=True)[1] for time in (0, 21, 100, 121)] == [
        0,
        1024,
        4800,
        5824,
    ]


@pytest.mark.parametrize("number", [0, 1, 47, 1000])
def test_sound_behind_a_seek_is_where_it_would_be_in_sequence(number: int) -> None:
    timeline = Timeline(48_000, MILLISECOND, Fraction(0), 1024, Splice())
    timeline.count_from(7)
    timeline.restart(48 * 7 + 1024 * number)
    time = 7 + round(number * 1024 / 48)
    assert timeline.place(time, time, 1024, counted=True)[1] == 48 * 7 + 1024 * number


def test_sound_elsewhere_is_not_moved() -> None:
    timeline = Timeline(48_000, MILLISECOND, Fraction(0), 1024, Splice())
    timeline.count_from(0)
    timeline.restart(48_000)
    # Half a unit away from where one would be.
    assert timeline.place(1013, 1013, 1024, counted=True)[1] == 48 * 1013
    timeline.restart(48_000)
    assert timeline.place(1000, 1000, 0, counted=True)[1] == 48_000


TIMES = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(-100_000, 10_000_000))


@settings(max_examples=150)
@given(
    st.lists(st.tuples(TIMES, TIMES, st.integers(0, 100_000)), max_size=60),
    st.booleans(),
    st.sampled_from([TS, MILLISECOND, Fraction(1, 44_100), Fraction(1, 2**31 - 1)]),
)
def test_no_file_makes_time_explode(
    units: list[tuple[int | None, int | None, int]], counted: bool, time_base: Fraction
) -> None:
    timeline = video(time_base)
    last = None
    reach = 90_000 * MAX_GAP_SECONDS
    for pts, dts, duration in units:
        shown, place = timeline.place(pts, dts, duration, counted=counted)
        assert last is None or last < place <= last + reach
        assert abs(shown - place) <= 90_000 * MAX_REORDER_SECONDS
        last = place
