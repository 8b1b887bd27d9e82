"""Decoding times made of presentation times."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.media.coded import parameter_sets, video
from tests.rtp.payload.headers import sps, ue

from reelcast.media.decoding_times import DecodingTimes, frame_length, learn_reordering, told_reordering
from reelcast.track import Track

FRAME = 3600
SHUFFLED = [0, 4, 2, 1, 3, 8, 6, 5, 7]
"""A pyramid of B-frames: two pictures wait for others at most."""


def times(shown: list[int], reordering: int) -> list[tuple[int, int]]:
    order = DecodingTimes(reordering, FRAME, 90_000)
    return [order.next(pts) for pts in shown]


def test_pictures_in_order_are_decoded_when_they_are_shown() -> None:
    assert times([5, 6, 9], 0) == [(5, 5), (6, 6), (9, 9)]


def test_reordered_pictures_are_decoded_ahead() -> None:
    shown = [FRAME * number for number in SHUFFLED]
    assert times(shown, 2) == [(FRAME * number, FRAME * (at - 2)) for at, number in enumerate(SHUFFLED)]


def test_variable_frame_rates() -> None:
    shown = [0, 9000, 1000, 20_000, 10_000]
    assert [dts for _, dts in times(shown, 1)] == [-3600, 0, 1000, 9000, 10_000]


def test_deeper_than_told() -> None:
    # The picture that comes too late is shown a tick after the one before it was decoded.
    assert times([0, 3, 2, 1], 1) == [(0, -3600), (3, 0), (2, 2), (3, 3)]


@pytest.mark.parametrize("leap", [50 * FRAME, -50 * FRAME])
def test_a_leap_begins_anew(leap: int) -> None:
    shown = [FRAME * number for number in SHUFFLED]
    after = [100 * FRAME + leap + pts for pts in shown]
    found = times([100 * FRAME + pts for pts in shown] + after, 2)
    assert [pts for pts, _ in found[9:]] == (after if leap > 0 else [pts for pts, _ in found[9:]])
    if leap > 0:
        assert [dts for _, dts in found[9:]] == [after[0] + FRAME * (at - 2) for at in range(9)]
    assert all(earlier[1] < later[1] for earlier, later in pairwise(found))


def test_long_frames_are_no_leap() -> None:
    second = 90_000
    order = DecodingTimes(1, second, second)
    assert [order.next(second * number) for number in (0, 2, 1, 4, 3)] == [
        (0, -second),
        (2 * second, 0),
        (second, second),
        (4 * second, 2 * second),
        (3 * second, 3 * second),
    ]


@settings(max_examples=200)
@given(st.lists(st.integers(1, 4000), min_size=1, max_size=40), st.integers(0, 4), st.data())
def test_any_order_that_keeps_to_what_is_told(steps: list[int], reordering: int, data: st.DataObject) -> None:
    shown = [sum(steps[: at + 1]) for at in range(len(steps))]
    # The earliest picture left must come before more than `reordering` later ones do.
    decoded, left = shown[:1], shown[1:]
    while left:
        ahead = sum(pts > left[0] for pts in decoded)
        at = data.draw(st.integers(0, len(left) - 1)) if ahead < reordering else 0
        decoded.append(left.pop(at))
    assert learn_reordering(decoded) <= reordering
    found = times(decoded, reordering)
    assert [pts for pts, _ in found] == decoded
    assert all(dts <= pts for pts, dts in found)
    assert all(earlier[1] < later[1] for earlier, later in pairwise(found))


@settings(max_examples=100)
@given(st.lists(st.integers(-(1 << 40), 1 << 40) | st.integers(-9999, 9999)), st.integers(0, 16))
def test_any_times(shown: list[int], reordering: int) -> None:
    found = times(shown, reordering)
    assert all(dts <= pts for pts, dts in found)
    assert all(earlier[1] < later[1] for earlier, later in pairwise(found))


@pytest.mark.parametrize(
    ("shown", "reordering", "length"),
    [([], 0, 0), ([7], 0, 0), ([0, 10, 20], 0, 10), ([0, 10, 5, 5], 1, 5), ([*SHUFFLED], 2, 1)],
)
def test_what_is_learned(shown: list[int], reordering: int, length: int) -> None:
    assert learn_reordering(shown) == reordering
    assert frame_length(shown) == length


def test_learning_is_bounded() -> None:
    assert learn_reordering([*range(100, 0, -1)]) == 16


def test_what_is_told() -> None:
    assert told_reordering(Track("video", "jpeg", 90_000, 26)) == 0
    assert told_reordering(Track("audio", "aac", 48_000, 96)) == 0
    for codec in ("h264", "h265"):
        track, units = video(codec)
        assert told_reordering(track) == 0
        assert told_reordering(replace(track, parameter_sets=())) is None
        assert told_reordering(replace(track, parameter_sets=(b"\x67", b"\x42\x01"))) is None
        assert tuple(parameter_sets(codec, units[0].data)) == track.parameter_sets


def test_streams_that_do_not_reorder() -> None:
    main = sps()
    baseline = main[:1] + b"\x42" + main[2:]
    as_decoded = sps(ue(2))
    for sets, expected in (
        ((main,), None),
        ((baseline,), 0),
        ((as_decoded,), 0),
        ((as_decoded, b"\x68\xff"), 0),
        ((as_decoded, main), None),
    ):
        assert told_reordering(Track("video", "h264", 90_000, 96, parameter_sets=sets)) == expected
