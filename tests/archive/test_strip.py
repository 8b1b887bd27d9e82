"""The time axis of recordings: places stay, gaps are cut out, and clock time is found again."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.archive.index import Segment
from reelcast.archive.strip import JOINT_SECONDS, MARGIN_SECONDS, SETTLE_SECONDS, Strip

NOON = 1_700_000_000.0
LATER = NOON + 1e6


def segment(start: float, end: float, *, growing: bool = False) -> Segment:
    """One that is recorded from `start` to `end`, seconds behind noon."""
    return Segment(Path(f"{start}.mp4"), "/cam", NOON + start, NOON + end, growing, 1)


def strip_of(*segments: Segment, now: float = LATER) -> Strip:
    strip = Strip()
    strip.update(segments, now)
    return strip


def places(strip: Strip) -> list[float]:
    return [piece.place for piece in strip.pieces]


def test_nothing() -> None:
    strip = strip_of()
    assert (strip.start, strip.end, strip.settled) == (0.0, 0.0, True)
    assert strip.at(5.0) is None
    assert strip.over(0) == []
    assert strip.npt(NOON) == NOON
    assert strip.clock(3.0) == 3.0
    assert strip.is_whole(0)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(0, 60), (60, 120)], [0.0, 60.0]),
        ([(0, 60), (60 + JOINT_SECONDS, 120)], [0.0, 60.25]),
        ([(0, 60), (60 - JOINT_SECONDS, 120)], [0.0, 59.75]),
        ([(0, 60.5), (3600, 3660)], [0.0, 61.0]),
        ([(0, 60), (3600, 3660)], [0.0, 61.0]),
        ([(0, 60.5), (30, 90)], [0.0, 61.0]),
        ([(0, 1.5), (10, 11.5), (20, 21.5)], [0.0, 2.0, 4.0]),
    ],
)
def test_places(spans: list[tuple[float, float]], expected: list[float]) -> None:
    assert places(strip_of(*(segment(*span) for span in spans))) == expected


def test_clock_time() -> None:
    strip = strip_of(segment(0, 60.5), segment(3600, 3660))
    assert strip.clock(10.0) == NOON + 10
    assert strip.clock(61.0) == NOON + 3600
    assert strip.clock(71.5) == NOON + 3610.5
    assert strip.npt(NOON + 10) == 10.0
    assert strip.npt(NOON + 1000) == 61.0
    assert strip.npt(NOON + 3610) == 71.0
    assert strip.npt(NOON - 5) == -5.0
    assert strip.npt(NOON + 4000) == 461.0


def test_it_grows() -> None:
    first = segment(0, 10, growing=True)
    strip = strip_of(first, now=NOON + 10.5)
    assert not strip.settled
    assert strip.is_whole(8)
    assert not strip.is_whole(9)
    strip.update([replace(first, end=NOON + 10.01 + MARGIN_SECONDS)], NOON + 11)
    assert strip.is_whole(9)
    # The next one is not placed before it is known where this one ends.
    after = segment(20, 21, growing=True)
    strip.update([first, after], NOON + 12)
    assert len(strip.pieces) == 1
    over = replace(first, growing=False, end=NOON + 20)
    strip.update([over, after], NOON + 21)
    assert places(strip) == [0.0, 20.0]
    assert not strip.settled


def test_what_grows_and_cannot_be_read_stays_out() -> None:
    first = segment(0, 10, growing=True)
    strip = strip_of(first, now=NOON + 10)
    strip.remove(first)
    strip.update([replace(first, end=NOON + 20)], NOON + 20)
    assert strip.pieces == ()
    assert strip.end == 20.0


def test_one_that_was_killed_grows_for_ever() -> None:
    strip = strip_of(segment(0, 10, growing=True), segment(100, 110), now=NOON + 110 + SETTLE_SECONDS + 1)
    assert places(strip) == [0.0, 11.0]
    assert strip.settled


def test_what_was_given_as_whole_stays_as_it_was() -> None:
    first = segment(0, 10.5)
    strip = strip_of(first, now=NOON + 11)
    assert not strip.is_whole(10)
    strip.update([first], NOON + 10.5 + SETTLE_SECONDS + 1)
    assert strip.is_whole(10)
    strip.update([first, segment(10.5, 20)], NOON + 30)
    assert places(strip) == [0.0, 11.0]


def test_the_oldest_go() -> None:
    segments = [segment(60 * number, 60 * number + 60) for number in range(4)]
    strip = strip_of(*segments)
    strip.update(segments[3:], LATER, segments[2].start)
    assert (strip.start, strip.end) == (120.0, 240.0)
    assert strip.clock(130.0) == NOON + 130
    strip.update([], LATER, math.inf)
    assert (strip.start, strip.end) == (240.0, 240.0)
    assert strip.clock(250.0) == NOON + 250
    assert strip.npt(NOON + 250) == 250.0
    strip.update([segment(300, 360)], LATER, NOON + 300)
    assert places(strip) == [241.0]


def test_what_comes_to_light_later_is_left_out() -> None:
    strip = strip_of(segment(60, 120))
    strip.update([segment(0, 60), segment(60, 120)], LATER)
    assert places(strip) == [0.0]
    assert strip.clock(0.0) == NOON + 60


def test_what_is_removed_is_not_taken_in_again() -> None:
    segments = [segment(0, 60), segment(60, 120), segment(120, 180)]
    strip = strip_of(*segments)
    strip.remove(segments[1])
    strip.remove(segments[1])
    strip.update(segments[2:], LATER)
    assert places(strip) == [0.0, 120.0]
    assert strip.over(90) == []
    found = strip.at(90.0)
    assert found is not None
    assert found.place == 0.0


@given(
    st.lists(
        st.tuples(st.floats(0.0, 100.0), st.floats(0.1, 100.0)),
        min_size=1,
        max_size=10,
    ),
    st.floats(0.0, 1.0),
)
@settings(max_examples=200)
def test_whatever_is_recorded(parts: list[tuple[float, float]], share: float) -> None:
    """Places rise, nothing overlaps, and clock time and NPT lead to one another."""
    segments: list[Segment] = []
    at = 0.0
    for gap, length in parts:
        segments.append(segment(at + gap, at + gap + length))
        at += gap + length
    strip = Strip()
    for count in range(len(segments) + 1):
        strip.update(segments[:count], LATER)
        known = places(strip)
    assert known == places(strip_of(*segments))
    for before, after in pairwise(strip.pieces):
        assert after.place >= before.end - JOINT_SECONDS
        assert after.place <= math.floor(before.end) + 1 + JOINT_SECONDS
    for piece in strip.pieces:
        npt = piece.place + share * (piece.end - piece.place) * 0.99
        clock = strip.clock(npt)
        assert strip.npt(clock) == pytest.approx(npt, abs=1e-5)
        assert piece in strip.over(int(npt))
