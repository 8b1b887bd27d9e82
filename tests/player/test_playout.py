"""What is shown and heard when: pictures are their own names here, and time is given."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.player import playout as module
from reelcast.player.playout import Counts, Playout, Samples

RATE = 1000
FRAME = 0.04


def tone(seconds: float, level: float = 1.0, channels: int = 1) -> Samples:
    return np.full((round(seconds * RATE), channels), level, np.float32)


def film(playout: Playout[str], first: int, count: int, now: float) -> None:
    """Pictures of 25 a second that come all at once, named by their numbers."""
    for number in range(first, first + count):
        playout.add_picture(number * FRAME, str(number), 100, now)


@pytest.fixture
def playout() -> Playout[str]:
    return Playout()


def test_the_first_picture_is_shown_at_once_and_time_stands(playout: Playout[str]) -> None:
    assert playout.due(0.0) is None
    assert playout.position(0.0) is None
    film(playout, 100, 3, 0.0)
    assert playout.due(0.0) == "100"
    assert playout.due(9.0) is None
    assert playout.position(9.0) == 4.0
    assert playout.next_due(9.0) is None


def test_pictures_are_shown_at_their_times_once_enough_is_in_store(playout: Playout[str]) -> None:
    playout.run(True, 0.0)
    film(playout, 0, 2, 0.0)
    assert playout.due(0.0) == "0"
    assert playout.due(0.1) is None
    assert playout.next_due(0.1) == 0.01
    film(playout, 2, 6, 0.2)
    assert playout.due(0.2) is None
    assert playout.next_due(0.2) == pytest.approx(FRAME - module.EARLY)
    shown = [playout.due(0.2 + number * FRAME) for number in range(1, 8)]
    assert shown == ["1", "2", "3", "4", "5", "6", "7"]
    assert playout.counts == Counts(shown=8)


def test_what_is_upcoming_can_be_made_ready(playout: Playout[str]) -> None:
    assert playout.upcoming() is None
    film(playout, 0, 2, 0.0)
    assert playout.upcoming() == playout.upcoming() == "0"
    playout.due(0.0)
    assert playout.upcoming() == "1"


def test_a_slow_camera_is_not_waited_for_for_ever(playout: Playout[str]) -> None:
    playout.run(True, 0.0)
    playout.add_picture(50.0, "a", 1, 10.0)
    assert playout.due(10.0) == "a"
    playout.due(10.0 + module.PATIENCE)
    for second in range(1, 10):
        playout.add_picture(50.0 + second, f"{second}", 1, 10.0 + second)
        shown = [playout.due(10.0 + second + step / 10) for step in range(10)]
        assert [picture for picture in shown if picture is not None] == [f"{second}"]
    assert playout.counts.starved == 0


def test_what_is_late_is_left_out_but_for_the_last(playout: Playout[str]) -> None:
    playout.run(True, 0.0)
    film(playout, 0, 25, 0.0)
    assert playout.due(0.0) == "0"
    assert playout.due(0.5) == "12"
    assert playout.counts == Counts(shown=2, skipped=11)
    assert playout.due(0.6) == "15"
    assert playout.due(0.69) == "17"
    assert playout.counts == Counts(shown=4, skipped=14, late=0)


def test_a_picture_that_stands_alone_and_late_is_shown_and_counted(playout: Playout[str]) -> None:
    playout.run(True, 0.0)
    film(playout, 0, 10, 0.0)
    playout.due(0.0)
    playout.due(0.0)
    while playout.due(0.36) is not None:
        pass
    playout.add_picture(0.4, "late", 1, 0.5)
    assert playout.due(0.5) == "late"
    assert playout.counts.late == 1


def test_time_stands_when_nothing_is_left_and_goes_on_when_there_is(playout: Playout[str]) -> None:
    playout.run(True, 0.0)
    film(playout, 0, 10, 0.0)
    playout.due(0.0)
    playout.due(0.4)
    playout.due(1.0)
    assert playout.due(1.1) is None
    assert playout.counts.starved == 1
    assert playout.position(5.0) == pytest.approx(0.36)
    assert playout.stored(5.0) == 0.0
    film(playout, 10, 10, 5.0)
    assert playout.due(5.0) is None
    assert playout.position(5.1) == pytest.approx(0.46)
    assert playout.due(5.1) == "11"


def test_a_pause_keeps_what_is_queued(playout: Playout[str]) -> None:
    playout.run(True, 0.0)
    film(playout, 0, 10, 0.0)
    playout.due(0.0)
    playout.due(0.04)
    playout.run(False, 0.1)
    assert playout.due(7.0) is None
    assert playout.next_due(7.0) is None
    assert playout.position(7.0) == pytest.approx(0.1)
    playout.run(True, 8.0)
    playout.due(8.0)
    assert playout.position(8.02) == pytest.approx(0.12)
    assert playout.due(8.02) == "3"


def test_another_place_forgets_what_was_queued(playout: Playout[str]) -> None:
    playout.run(True, 0.0)
    film(playout, 0, 10, 0.0)
    playout.add_samples(0.0, tone(0.4), RATE, 0.0)
    playout.due(0.0)
    playout.flush()
    assert playout.position(1.0) is None
    assert playout.stored(1.0) == 0.0
    film(playout, 500, 10, 1.0)
    assert playout.due(1.0) == "500"
    assert playout.position(1.0) == 20.0


def test_the_end_comes_when_all_was_played(playout: Playout[str]) -> None:
    playout.run(True, 0.0)
    film(playout, 0, 3, 0.0)
    playout.finish()
    assert playout.due(0.0) == "0"
    assert not playout.finished(0.0)
    playout.due(0.01)
    assert playout.due(0.05) == "1"
    assert playout.due(0.09) == "2"
    assert playout.finished(0.1)
    playout.due(10.0)
    assert playout.position(10.0) == pytest.approx(0.08)
    assert playout.counts.starved == 0


def test_nothing_at_all_is_finished_too(playout: Playout[str]) -> None:
    assert not playout.finished(0.0)
    playout.finish()
    assert playout.finished(0.0)


def test_a_live_stream_is_kept_close_to_what_came_last(playout: Playout[str]) -> None:
    playout.reset(live=True)
    playout.run(True, 0.0)
    film(playout, 0, 25, 0.0)
    assert playout.due(0.0) == "0"
    assert playout.due(0.0) == "17"
    assert playout.stored(0.0) == pytest.approx(module.LIVE_LAG)
    film(playout, 25, 25, 0.1)
    playout.due(0.1)
    assert playout.stored(0.1) == pytest.approx(module.LIVE_LAG)


@pytest.mark.parametrize(
    ("count", "size"),
    [(module.MAX_PICTURES, 1), (3, module.MAX_PICTURE_BYTES // 3 + 1)],
    ids=["many", "large"],
)
def test_memory_for_pictures_is_bounded(playout: Playout[str], count: int, size: int) -> None:
    for number in range(count):
        assert playout.room()
        playout.add_picture(number * FRAME, str(number), size, 0.0)
    assert not playout.room()
    playout.due(0.0)
    assert playout.room()


def test_memory_for_sound_is_bounded(playout: Playout[str]) -> None:
    playout.add_samples(0.0, tone(0.1), RATE, 0.0)
    assert playout.room()
    playout.add_samples(module.MAX_SOUND, tone(0.1), RATE, 0.0)
    assert not playout.room()


# Sound.


def running(playout: Playout[str], pts: float = 0.0) -> Playout[str]:
    """Time passes from `pts` on at 0.0."""
    playout.run(True, 0.0)
    playout.add_picture(pts, "first", 1, 0.0)
    playout.add_picture(pts + 1.0, "last", 1, 0.0)
    assert playout.due(0.0) == "first"
    playout.due(0.0)
    return playout


def test_silence_until_time_passes(playout: Playout[str]) -> None:
    playout.add_samples(0.0, tone(1.0), RATE, 0.0)
    assert not playout.samples(20, 2, 0.0).any()


def test_samples_are_heard_at_their_time(playout: Playout[str]) -> None:
    running(playout)
    playout.add_samples(0.1, tone(0.05), RATE, 0.0)
    heard = np.concatenate([playout.samples(20, 1, 0.02 * step) for step in range(10)])
    assert np.flatnonzero(heard[:, 0])[0] == 100
    assert np.flatnonzero(heard[:, 0])[-1] == 149


def test_samples_whose_time_is_past_are_left_out(playout: Playout[str]) -> None:
    running(playout)
    playout.add_samples(0.0, np.linspace(0, 1, 1000, dtype=np.float32)[:, None], RATE, 0.0)
    heard = playout.samples(10, 1, 0.5)
    assert heard[0, 0] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("period", [0.0198, 0.02, 0.0202])
def test_the_device_leads_the_clock(playout: Playout[str], period: float) -> None:
    """Its crystal is not ours: a per cent off here."""
    running(playout)
    playout.add_picture(10.0, "far", 1, 0.0)
    playout.add_samples(0.0, tone(2.0), RATE, 0.0)
    for step in range(100):
        assert playout.samples(20, 1, step * period).all(), "there is no gap"
        assert playout.position(step * period) == pytest.approx(step * 0.02, abs=0.003)


def test_blocks_follow_on_each_other_without_a_seam(playout: Playout[str]) -> None:
    running(playout)
    for block in range(10):
        playout.add_samples(block * 0.064, tone(0.064, 1 + block), RATE, 0.0)
    heard = np.concatenate([playout.samples(25, 1, step * 0.025) for step in range(25)])
    assert heard.all()
    assert (np.diff(heard[:, 0]) >= 0).all()


@pytest.mark.parametrize(
    ("volume", "muted", "level"), [(1.0, False, 0.8), (0.5, False, 0.4), (1.0, True, 0.0)]
)
def test_volume(playout: Playout[str], volume: float, muted: bool, level: float) -> None:
    running(playout)
    playout.volume, playout.muted = volume, muted
    playout.add_samples(0.0, tone(0.1, 0.8), RATE, 0.0)
    assert playout.samples(10, 1, 0.0)[5, 0] == pytest.approx(level)


@pytest.mark.parametrize(
    ("channels", "device", "heard"),
    [(1, 2, [1, 1]), (2, 2, [1, 1]), (2, 1, [1]), (6, 2, [1, 1]), (2, 3, [1, 1, 0])],
)
def test_channels(playout: Playout[str], channels: int, device: int, heard: list[int]) -> None:
    running(playout)
    playout.add_samples(0.0, tone(0.1, 1.0, channels), RATE, 0.0)
    assert playout.samples(10, device, 0.0)[0].tolist() == heard


def test_nothing_is_heard_faster_or_slower(playout: Playout[str]) -> None:
    running(playout)
    playout.add_samples(0.0, tone(1.0), RATE, 0.0)
    playout.change_rate(2.0, 0.0)
    assert not playout.samples(10, 1, 0.0).any()
    assert playout.position(0.1) == pytest.approx(0.2)


def test_samples_of_another_rate_take_the_place_of_those_before(playout: Playout[str]) -> None:
    running(playout)
    playout.add_samples(0.0, tone(0.5, 1.0), RATE, 0.0)
    playout.add_samples(0.0, tone(0.5, 2.0), 2 * RATE, 0.0)
    assert playout.samples(10, 1, 0.0)[0, 0] == 2.0


def test_sound_alone_is_played_too(playout: Playout[str]) -> None:
    playout.run(True, 0.0)
    playout.add_samples(5.0, tone(0.5), RATE, 0.0)
    assert playout.due(0.0) is None
    assert playout.position(0.1) == pytest.approx(5.1)
    assert playout.samples(10, 1, 0.0).all()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("picture"), st.floats(-1e6, 1e6)),
            st.tuples(st.just("samples"), st.floats(-1e6, 1e6)),
            st.tuples(st.just("look"), st.floats(0, 10)),
            st.tuples(st.just("hear"), st.floats(0, 10)),
            st.tuples(st.just("run"), st.floats(0, 1)),
        ),
        max_size=40,
    ),
    st.booleans(),
)
def test_whatever_comes_nothing_is_shown_twice(steps: list[tuple[str, float]], live: bool) -> None:
    playout: Playout[int] = Playout()
    playout.reset(live=live)
    playout.run(True, 0.0)
    now, added, shown = 0.0, 0, []
    for step, value in steps:
        if step == "picture":
            playout.add_picture(value, added, 1, now)
            added += 1
        elif step == "samples":
            playout.add_samples(value, tone(0.05), RATE, now)
        elif step == "run":
            playout.run(value > 0.5, now)
        else:
            now += value
            if step == "hear":
                assert playout.samples(20, 2, now).shape == (20, 2)
            elif (picture := playout.due(now)) is not None:
                shown.append(picture)
    assert shown == sorted(set(shown))
    counts = playout.counts
    assert counts.shown == len(shown)
    assert counts.shown + counts.skipped <= added
