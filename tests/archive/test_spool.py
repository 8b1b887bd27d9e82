"""The spool: in order, bounded, and what it leaves out are whole groups of pictures."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelcast.archive.spool import OVERHEAD_BYTES, Spool, opens
from reelcast.rtp.intake import ReceivedUnit
from reelcast.track import AccessUnit, Track

VIDEO = Track("video", "h264", 90_000, 96, control="trackID=1")
SECOND = replace(VIDEO, control="trackID=3")
AUDIO = Track("audio", "aac", 48_000, 97, control="trackID=2")
TRACKS = (AUDIO, VIDEO, SECOND)


def unit(track: Track, size: int = 0, *, key: bool = False) -> ReceivedUnit:
    return ReceivedUnit(track, AccessUnit(bytes(size), 0, 0, key), 0.0, 0.0, "sender", 0.0)


@pytest.mark.parametrize(
    ("received", "tracks", "expected"),
    [
        (unit(VIDEO, key=True), TRACKS, True),
        (unit(replace(VIDEO, parameter_sets=(b"new",)), key=True), TRACKS, True),
        (unit(VIDEO), TRACKS, False),
        (unit(SECOND, key=True), TRACKS, False),
        (unit(AUDIO, key=True), TRACKS, False),
        (unit(AUDIO), (AUDIO,), True),
    ],
)
def test_what_a_recording_can_begin_with(
    received: ReceivedUnit, tracks: tuple[Track, ...], expected: bool
) -> None:
    assert opens(received, tracks) is expected


def test_units_come_out_as_they_came() -> None:
    spool = Spool(1 << 20)
    units = [unit(VIDEO, size, key=True) for size in range(3)]
    assert [spool.put(each, TRACKS, 7.0) for each in units] == 3 * [False]
    assert spool.size == 3 + 3 * OVERHEAD_BYTES
    taken = [spool.take() for _ in range(3)]
    assert [each.received for each in taken if each] == units
    assert {(each.tracks, each.now, each.after) for each in taken if each} == {(TRACKS, 7.0, 0)}
    assert spool.take() is None
    assert (len(spool), spool.size) == (0, 0)


def test_what_is_left_out_are_groups_of_pictures() -> None:
    spool = Spool(10 * OVERHEAD_BYTES)
    for _ in range(9):
        assert not spool.put(unit(AUDIO), TRACKS, 0.0)
    assert spool.put(unit(VIDEO, 2 * OVERHEAD_BYTES, key=True), TRACKS, 0.0)
    # There would be room for this one, but what it refers to is gone.
    assert not spool.put(unit(VIDEO), TRACKS, 0.0)
    for _ in range(5):
        spool.take()
    assert not spool.put(unit(AUDIO), TRACKS, 0.0)
    assert not spool.put(unit(VIDEO), TRACKS, 0.0)
    # Nor is there room for a keyframe before half of all is free.
    assert not spool.put(unit(VIDEO, OVERHEAD_BYTES, key=True), TRACKS, 0.0)
    assert not spool.put(unit(VIDEO, key=True), TRACKS, 0.0)
    assert not spool.put(unit(VIDEO), TRACKS, 0.0)
    assert spool.dropped == 5
    after = []
    while taken := spool.take():
        after.append(taken.after)
    assert after == [0, 0, 0, 0, 5, 0]


def test_a_picture_larger_than_half_of_it_finds_room_when_it_is_empty() -> None:
    spool = Spool(10 * OVERHEAD_BYTES)
    large = unit(VIDEO, 7 * OVERHEAD_BYTES, key=True)
    assert not spool.put(large, TRACKS, 0.0)
    assert spool.put(large, TRACKS, 0.0)
    spool.take()
    assert not spool.put(large, TRACKS, 0.0)
    assert len(spool) == 1


def test_what_waits_is_left_out_at_the_end() -> None:
    spool = Spool(1 << 20)
    for _ in range(3):
        spool.put(unit(AUDIO), TRACKS, 0.0)
    spool.clear()
    assert (len(spool), spool.dropped) == (0, 3)


@given(
    st.lists(st.tuples(st.sampled_from(TRACKS), st.integers(0, 3000), st.booleans(), st.integers(0, 3))),
    st.integers(1, 8000),
)
def test_every_unit_is_taken_or_counted(rows: list[tuple[Track, int, bool, int]], bound: int) -> None:
    spool = Spool(bound)
    taken = after = 0
    for track, size, key, takes in rows:
        spool.put(unit(track, size, key=key), TRACKS, 0.0)
        assert 0 <= spool.size <= bound
        for _ in range(takes):
            if each := spool.take():
                taken += 1
                after += each.after
                assert not each.after or opens(each.received, TRACKS)
    assert taken + len(spool) + spool.dropped == len(rows)
    assert after <= spool.dropped
