"""The one axis of a live path: exact within a publisher's stream, and never leaping, whatever timestamps do."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.server.axis import MAX_AHEAD, MAX_BACK, RECENT, Axis
from reelcast.track import Track

VIDEO = Track("video", "h264", 90_000, 96)
AUDIO = Track("audio", "aac", 48_000, 97, channels=2)
FRAME = 3600
UNIX = 1_800_000_000.0


def axis() -> Axis:
    return Axis((VIDEO, AUDIO))


def test_a_path_begins_at_its_present_time() -> None:
    assert axis().place(0, 123_456, UNIX, 2.5) == 225_000


@pytest.mark.parametrize("first", [0, 77, (1 << 32) - 2 * FRAME], ids=["from 0", "from anywhere", "wraps"])
def test_distances_are_kept_exactly(first: int) -> None:
    one = axis()
    jitter = (0.0, 0.09, 0.08, 0.12, 0.3)
    placed = [one.place(0, (first + n * FRAME) & 0xFFFFFFFF, UNIX, late) for n, late in enumerate(jitter)]
    assert [place - placed[0] for place in placed] == [n * FRAME for n in range(5)]
    assert one.leaps == 0


def test_pictures_may_be_reordered() -> None:
    one = axis()
    order = (0, 3, 1, 2, 6, 4, 5)
    placed = [one.place(0, 500 + n * FRAME, UNIX, 0.04 * at) for at, n in enumerate(order)]
    assert [place - placed[0] for place in placed] == [n * FRAME for n in order]


@pytest.mark.parametrize(
    ("apart", "stands"),
    [(0.25, 0.25), (-0.25, -0.25), (300.0, 0.0), (-1.8e9, 0.0)],
    ids=["later", "earlier", "clocks apart", "a clock that was never set"],
)
def test_sound_stands_beside_the_picture_by_its_clock(apart: float, stands: float) -> None:
    """Where that makes no sense, by when it came."""
    one = axis()
    picture = one.place(0, 1_000, UNIX, 10.0) / 90_000
    sound = one.place(1, 2_000, UNIX + apart, 10.0) / 48_000
    assert sound - picture == pytest.approx(stands, abs=1e-4)


def test_units_of_one_timestamp_are_told_apart() -> None:
    one = axis()
    placed = [one.place(0, 1_000, UNIX, 0.04 * n) for n in range(5)]
    assert len(set(placed)) == 5
    assert max(placed) - min(placed) < FRAME


@pytest.mark.parametrize("leap", [-(1 << 31), -200 * FRAME, 200 * FRAME, 1 << 30])
@pytest.mark.parametrize("track", [0, 1])
def test_a_leap_is_closed_to_the_time_that_passed(leap: int, track: int) -> None:
    one = axis()
    rate = (VIDEO, AUDIO)[track].clock_rate
    before = one.place(track, 1_000_000, UNIX, 1.0)
    after = one.place(track, (1_000_000 + leap) & 0xFFFFFFFF, UNIX + 0.04, 1.04)
    assert (after - before) / rate == pytest.approx(0.04, abs=0.01)
    assert one.place(track, (1_000_000 + leap + 99) & 0xFFFFFFFF, UNIX, 1.05) - after == 99
    assert one.leaps == 1


def test_tracks_that_leap_together_stay_in_step() -> None:
    one = axis()
    one.place(0, 0, UNIX, 1.0)
    one.place(1, 0, UNIX + 0.1, 1.0)
    picture = one.place(0, 1 << 30, UNIX + 5.0, 6.0) / 90_000
    sound = one.place(1, 1 << 29, UNIX + 5.1, 6.0) / 48_000
    assert sound - picture == pytest.approx(0.1, abs=1e-4)
    assert one.leaps == 1


def test_silence_is_as_long_as_it_was() -> None:
    one = axis()
    before = one.place(0, 0, UNIX, 1.0)
    after = one.place(0, 30 * 90_000, UNIX + 30, 31.0)
    assert after - before == 30 * 90_000
    assert one.leaps == 0


def test_a_network_may_hold_back_and_let_go() -> None:
    one = axis()
    placed = [one.place(0, n * FRAME, UNIX, 1.0 if not n else 5.0) for n in range(101)]
    assert placed[-1] - placed[0] == 100 * FRAME
    assert one.leaps == 0


def test_faster_than_life() -> None:
    """A file that is sent without waiting runs ahead, and the next publisher begins behind it."""
    one = axis()
    last = [one.place(0, n * FRAME, UNIX, 1.0 + n / 1000) for n in range(500)][-1]
    assert one.leaps == 0
    one.begin()
    assert last < one.place(0, 42, UNIX, 2.0) < last + FRAME


@pytest.mark.parametrize("pause", [0.0, 0.5, 7.0])
def test_another_publisher_goes_on_behind(pause: float) -> None:
    one = axis()
    last = one.place(0, 4_000_000_000, UNIX, 3.0)
    one.begin()
    first = one.place(0, 7, UNIX + 100, 3.0 + pause)
    assert (first - last) / 90_000 == pytest.approx(pause, abs=0.002)
    assert first > last


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.one_of(st.integers(0, 0xFFFFFFFF), st.integers(0, 200_000)),
            st.floats(-1e10, 1e10),
            st.floats(0, 20),
            st.booleans(),
        ),
        max_size=80,
    )
)
def test_whatever_comes_time_goes_on(
    units: list[tuple[int, int, float, float, bool]],
) -> None:
    """Never back further than pictures are reordered, never ahead of the time that has passed, never twice."""
    one, now, furthest = axis(), 0.0, 0.0
    highest: dict[int, int] = {}
    came = {0: 0.0, 1: 0.0}
    recent: dict[int, list[int]] = {0: [], 1: []}
    for track, timestamp, time, wait, begins in units:
        now += wait
        if begins:
            one.begin()
        kind, rate = (VIDEO, AUDIO)[track].kind, (VIDEO, AUDIO)[track].clock_rate
        ticks = one.place(track, timestamp, time, now)
        assert ticks not in recent[track][-RECENT:]
        recent[track].append(ticks)
        if track in highest:
            assert (ticks - highest[track]) / rate >= -MAX_BACK[kind]
            assert ticks / rate <= max(now, furthest) + MAX_AHEAD + now - came[track] + 1.0
        highest[track] = max(ticks, highest.get(track, ticks))
        furthest = max(furthest, ticks / rate)
        came[track] = now
