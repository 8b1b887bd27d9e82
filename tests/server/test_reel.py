"""Reels: what of a group is played at a scale, and when; which paces can be had."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.groups import AUDIO, TRACKS, VIDEO, packets_in
from tests.server.film import FRAME, Film

from reelcast.rtp.group import Group
from reelcast.server.reel import (
    KEYFRAME_INTERVAL,
    MAX_SCALE,
    MAX_SPEED,
    MAX_WHOLE_SCALE,
    MIN_SCALE,
    MIN_SPEED,
    Reel,
    honoured,
)
from reelcast.server.source import Pace
from reelcast.track import Track

PACES = st.builds(
    Pace,
    st.floats(-1e9, 1e9).filter(bool),
    st.floats(0, 1e9, exclude_min=True),
)


def group(film: Film, index: int) -> Group:
    found = film.cached(index)
    assert found is not None
    return found


class TestHonoured:
    @pytest.mark.parametrize(
        ("asked", "chosen"),
        [
            (Pace(), Pace()),
            (Pace(2), Pace(2)),
            (Pace(0.5, 4), Pace(0.5, 4)),
            (Pace(2, 4), Pace(2, 2)),
            (Pace(8, 4), Pace(8, 4)),
            (Pace(-1, 2), Pace(-1, 2)),
            (Pace(1e9, 1e9), Pace(MAX_SCALE, MAX_SPEED)),
            (Pace(-1e9, 1e-9), Pace(-MAX_SCALE, MIN_SPEED)),
            (Pace(1e-9), Pace(MIN_SCALE)),
            (Pace(-1e-9), Pace(-MIN_SCALE)),
            (Pace(4 / 3), Pace(1.333333)),
        ],
        ids=str,
    )
    def test_the_nearest(self, asked: Pace, chosen: Pace) -> None:
        assert honoured(asked, TRACKS, {0, 1}) == chosen

    @pytest.mark.parametrize(
        ("tracks", "sent"),
        [
            ((AUDIO,), {0}),
            ((VIDEO, AUDIO), {1}),
            ((VIDEO, replace(VIDEO, codec="vp8")), {1}),
            ((replace(VIDEO, codec="mp2t"),), {0}),
        ],
    )
    @pytest.mark.parametrize("scale", [-1.0, 0.5, 4.0])
    def test_without_pictures_there_is_one_scale(
        self, tracks: tuple[Track, ...], sent: set[int], scale: float
    ) -> None:
        assert honoured(Pace(scale, 2.0), tracks, sent) == Pace(1.0, 2.0)

    @given(PACES)
    def test_any(self, asked: Pace) -> None:
        chosen = honoured(asked, TRACKS, {0})
        assert MIN_SCALE <= abs(chosen.scale) <= MAX_SCALE
        assert (chosen.scale < 0) == (asked.scale < 0)
        assert chosen.speed >= MIN_SPEED
        whole = chosen.scale if 1 < chosen.scale <= MAX_WHOLE_SCALE else 1.0
        assert chosen.speed * whole <= MAX_SPEED + 1e-5
        # What was chosen can be had.
        assert honoured(chosen, TRACKS, {0}) == chosen


class TestTime:
    @pytest.mark.parametrize("scale", [-8.0, -0.5, 0.25, 1.0, 1.5, 8.0])
    def test_rises(self, scale: float) -> None:
        reel = Reel(Film(6.0), scale)
        times = [reel.time(npt) for npt in (0.0, 1.0, 6.0)]
        assert times == sorted(times, reverse=scale < 0)
        assert [reel.npt(time) for time in times] == pytest.approx([0.0, 1.0, 6.0])
        assert str(reel.npt(reel.time(0.0))) == "0.0"

    @pytest.mark.parametrize("scale", [-2.0, 2.0])
    def test_the_ends(self, scale: float) -> None:
        film = Film(6.0)
        reel = Reel(film, scale)
        assert reel.limit == (6.0 if scale > 0 else 0.0)
        assert reel.npt(reel.within(100.0)) == (6.0 if scale > 0 else 0.0)
        assert reel.npt(reel.within(-100.0)) == (0.0 if scale > 0 else 6.0)
        assert reel.within(reel.time(2.0)) == reel.time(2.0)
        assert reel.until(None) is None
        assert reel.until(6.0 if scale > 0 else 0.0) is None
        assert reel.until(3.0) == reel.time(3.0)
        film.duration = None
        assert reel.until(600.0) == reel.time(600.0)
        assert reel.within(reel.time(600.0)) == reel.time(600.0)


class TestCut:
    def test_the_natural_scale_is_the_group_itself(self) -> None:
        film = Film(3.0)
        assert Reel(film).cut(group(film, 1)) is group(film, 1)

    @pytest.mark.parametrize("scale", [0.5, 2.0])
    def test_all_frames(self, scale: float) -> None:
        film = Film(3.0, gop=10, is_open=True)
        for index in range(3):
            before = group(film, index)
            after = Reel(film, scale).cut(before)
            assert (after.index, after.last, after.data) == (index, index == 2, before.data)
            assert after.end == before.end / scale
            assert [(run.first, run.count, run.burst) for run in after.runs] == [
                (run.first, run.count, run.burst) for run in before.runs
            ]
            for one, other in zip(after.runs, before.runs, strict=True):
                assert (one.due, one.pts) == (other.due / scale, other.pts / scale)
                assert one.end == pytest.approx(other.end / scale)
                # What is spread is done before the next frame, and not more slowly than it need be.
                assert one.spread - one.due == pytest.approx((other.spread - other.due) / max(1.0, scale))
            assert packets_in(after) == packets_in(before)
            stamps = after.columns.timestamps.astype("int32") * scale
            assert stamps == pytest.approx(before.columns.timestamps.astype("int32"), abs=scale)

    def test_what_is_silent(self) -> None:
        film = Film(1.0)
        film.tracks = (VIDEO, AUDIO, VIDEO)
        assert [Reel(film, scale).silent for scale in (1.0, 2.0, 4.0, -1.0)] == [
            frozenset(),
            {1},
            {1, 2},
            {1, 2},
        ]

    @pytest.mark.parametrize("scale", [4.0, -1.0])
    def test_keyframes(self, scale: float) -> None:
        film = Film(3.0, gop=5)
        reel = Reel(film, scale)
        order = [0, 1, 2] if scale > 0 else [2, 1, 0]
        cut = [reel.cut(group(film, index)) for index in order]
        assert [one.index for one in cut] == sorted(one.index for one in cut)
        assert [reel.number(one.index) for one in cut] == order
        assert [one.last for one in cut] == [False, False, True]
        shown = [run for one in cut for run in one.runs]
        assert [run.pts for run in shown] == sorted(run.pts for run in shown)
        assert {run.pts * scale for run in shown} == {0.0, 0.5, 1.0, 1.5, 2.0, 2.5}
        assert all(run.due == run.pts and run.track == 0 and run.keyframe for run in shown)
        for one in cut:
            assert one.columns.tracks.tolist() == [0] * len(one)
            assert one.columns.sequences.tolist() == list(range(len(one)))
            assert [run.first for run in one.runs] == [
                sum(run.count for run in one.runs[:number]) for number in range(len(one.runs))
            ]
            said = one.columns.timestamps.astype("int32").tolist()
            assert said == [round(run.pts * 90_000) for run in one.runs for _ in range(run.count)]

    @pytest.mark.parametrize("scale", [4.0, -1.0])
    def test_a_group_without_keyframes_takes_its_time(self, scale: float) -> None:
        film = Film(3.0, gop=30)
        cut = Reel(film, scale).cut(group(film, 1))
        assert cut.runs == ()
        assert cut.end == (2.0 if scale > 0 else 1.0) / scale

    @pytest.mark.parametrize("scale", [3.0, 8.0, -0.5, -8.0])
    def test_not_too_many(self, scale: float) -> None:
        film = Film(6.0, gop=1)
        reel = Reel(film, scale)
        times: list[float] = []
        for index in range(6) if scale > 0 else range(5, -1, -1):
            one = reel.cut(group(film, index))
            # Where a session changes its tracks, it chooses anew from the same.
            assert [run.pts for run in reel.cut(group(film, index)).runs] == [run.pts for run in one.runs]
            times += sorted({run.pts for run in one.runs})
        assert len(times) > 6
        steps = [later - earlier for earlier, later in pairwise(times)]
        step = 0.1 / abs(scale)
        assert all(KEYFRAME_INTERVAL - 1e-3 <= one <= max(KEYFRAME_INTERVAL, step) + step for one in steps)


class TestBeginning:
    @pytest.mark.parametrize("scale", [4.0, -1.0])
    def test_keyframes(self, scale: float) -> None:
        film = Film(3.0, gop=1)
        start = next(run for run in group(film, 0).runs if run.track == 0 and run.pts == 0.8)
        reel = Reel(film, scale, (group(film, 0), start))
        assert (reel.begin, reel.start) == (0.8 / scale, None)
        assert reel.cut(group(film, 0)).runs[0].pts == reel.begin

    def test_all_frames(self) -> None:
        film = Film(3.0, gop=10, is_open=True)
        keyframe = next(run for run in group(film, 1).runs if run.keyframe and run.track == 0)
        reel = Reel(film, 2.0, (group(film, 1), keyframe))
        assert reel.begin == keyframe.pts / 2
        assert reel.start is not None
        for index in (1, 2):
            one = reel.cut(group(film, index))
            for run in one.runs:
                if run.track == 0:
                    early = run.pts < reel.begin - 1e-3
                    assert reel.start.admits(one, run) != early

    @pytest.mark.parametrize("scale", [0.5, 4.0, -1.0])
    def test_the_very_start(self, scale: float) -> None:
        film = Film(3.0, gop=1)
        reel = Reel(film, scale, (group(film, 0), None))
        assert (reel.begin, reel.start) == (0.0, None)
        shown = {
            round(run.pts * scale * 90_000 / FRAME) for run in reel.cut(group(film, 0)).runs if not run.track
        }
        assert shown == {0.5: set(range(10)), 4.0: {0, 4, 8}, -1.0: {0}}[scale]
