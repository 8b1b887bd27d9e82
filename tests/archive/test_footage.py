"""What is recorded of a path is played as one: across files and gaps, while it grows and while it is removed."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.archive.takes import NOON, Takes, Unit, units_in, units_of
from tests.archive.tape import Tape, writer_into
from tests.groups import packets_in
from tests.media.conftest import RECIPES, make_movie
from tests.server.virtual import in_virtual_time

from reelcast.archive import footage as module
from reelcast.archive.footage import Footage, FootageReader
from reelcast.archive.index import Index
from reelcast.errors import MediaError
from reelcast.media.cache import GroupCache
from reelcast.media.groups import GroupReader
from reelcast.media.parameters import parameter_sets
from reelcast.rtp.group import Group
from reelcast.rtp.intake import ReceivedUnit
from reelcast.rtp.payload import depacketizer_for
from reelcast.track import AccessUnit, Codec, Track

LATER = NOON + 1e6


def reader_of(takes: Takes, now: float = LATER) -> FootageReader:
    return FootageReader(takes.index, takes.name, clock=lambda: now)


def assert_alike(found: list[Unit], expected: list[Unit]) -> None:
    """The same units at the same times, but for rounding to the clocks of files and tracks."""
    assert [unit[::2] for unit in found] == [unit[::2] for unit in expected]
    assert [unit[1] for unit in found] == pytest.approx([unit[1] for unit in expected], abs=0.003)


@pytest.mark.parametrize("cuts", [(0.0, 6.0), (0.0, 1.6, 6.0), (0.0, 0.8, 1.6, 2.4, 4.0, 6.0)])
def test_every_unit_is_there_once_and_in_its_time(takes: Takes, cuts: tuple[float, ...]) -> None:
    for start, end in pairwise(cuts):
        takes.take(NOON + start, start, end)
    reader = reader_of(takes)
    zero = reader.strip.clock(0.0) - NOON
    for track in (0, 1):
        assert_alike(units_of(reader, track), takes.expected(track, 0.0, 6.0, -zero))
    assert reader.first == 0
    assert reader.read(int(reader.duration) + 1) is None
    reader.close()


@pytest.mark.parametrize("delay", [-0.3, 0.0, 0.3])
@pytest.mark.parametrize(("codec", "rate"), [("l16", 44_100), ("pcmu", 8_000)])
def test_sound_goes_on_to_the_sample(
    tmp_path: Path, movie: Path, codec: Codec, rate: int, delay: float
) -> None:
    """Files part at keyframes, between which and the units of sound there is no relation."""
    tape = Tape(movie)
    pictures = [each for each in tape.units if each.track.kind == "video"]
    track = Track("audio", codec, rate, 97, control="trackID=2", channels=1)
    tape.tracks = pictures[0].track, track
    length = rate // 50
    samples = (np.arange(length * 290) * 7 % 120 + 128).astype(np.uint8 if codec == "pcmu" else ">i2")
    sound: list[ReceivedUnit] = []
    for number, data in enumerate(samples.reshape(-1, length)):
        start, at = number * length, 0.007 + number * 0.02
        unit = AccessUnit(data.tobytes(), start, start, True, length)
        sound.append(ReceivedUnit(track, unit, at, tape.now + at, "sender", at + delay))
    with Index(tmp_path) as index, writer_into(index, segment_seconds=1.0) as writer:
        for taken in tape.taken(sorted([*pictures, *sound], key=lambda each: each.arrival)):
            writer.write(taken)
        writer.stop()
        assert len(index.segments("/cam")) > 4
        reader = FootageReader(index, "/cam", tape.tracks)
        groups = [reader.read(number) for number in range(int(reader.duration) + 1)]
        reader.close()
    units = [unit for group in groups if group is not None for unit in sound_in(group, track)]
    found = np.frombuffer(b"".join(unit.data for unit in units), samples.dtype)
    np.testing.assert_array_equal(found, samples)
    ends = [unit.pts + unit.duration for unit in units]
    assert [unit.pts for unit in units[1:]] == pytest.approx(ends[:-1], abs=1)


def sound_in(group: Group, track: Track) -> list[AccessUnit]:
    """The units of track 1."""
    depacketizer = depacketizer_for(track)
    packets = [packet for number, packet in packets_in(group) if number == 1]
    numbered = [replace(packet, sequence=place) for place, packet in enumerate(packets)]
    return [unit for packet in numbered for unit in depacketizer.receive(packet)]


def test_files_that_overlap_show_nothing_twice(takes: Takes) -> None:
    first = takes.take(NOON, 0.0, 4.0)
    takes.end(first, end=NOON + 3.2)
    takes.take(NOON + 3.2, 3.2, 6.0)
    reader = reader_of(takes)
    zero = reader.strip.clock(0.0) - NOON
    for track in (0, 1):
        assert_alike(units_of(reader, track), takes.expected(track, 0.0, 6.0, -zero))
    reader.close()


def test_a_gap_is_cut_out(takes: Takes) -> None:
    takes.take(NOON, 0.0, 1.6)
    takes.take(NOON + 3600, 1.6, 4.0)
    reader = reader_of(takes)
    zero = reader.strip.clock(0.0) - NOON
    second = reader.strip.pieces[1]
    assert second.place == 2.0
    began = second.segment.start - NOON - 3600
    expected = takes.expected(0, 0.0, 1.6, -zero) + takes.expected(0, 1.6, 4.0, 2.0 - 1.6 - began)
    assert_alike(units_of(reader, 0), expected)
    assert reader.strip.npt(NOON + 1800) == 2.0
    reader.close()


def test_seeking_and_reading_on_give_the_same(takes: Takes) -> None:
    takes.take(NOON, 0.0, 2.4)
    takes.take(NOON + 2.4, 2.4, 6.0)
    one, other = reader_of(takes), reader_of(takes)
    groups = [one.read(index) for index in range(6)]
    for index in (5, 2, 0, 3, 1, 4):
        group, known = other.read(index), groups[index]
        assert group is not None
        assert known is not None
        assert units_in(group, one.tracks) == units_in(known, one.tracks)
    assert one.keyframe_before(2.3) <= 1.6
    one.close()
    other.close()


def test_files_that_are_gone_or_torn_are_passed_over(takes: Takes, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(3):
        takes.take(NOON + 1.6 * number, 1.6 * number, 1.6 * number + 1.6)
    reader = reader_of(takes)
    takes.segments[0].path.unlink()
    takes.segments[1].path.write_bytes(b"torn")
    with caplog.at_level(logging.WARNING):
        found = units_of(reader, 0)
        again = units_of(reader, 0)
    zero = reader.strip.clock(0.0) - NOON
    assert found == again
    assert_alike(found, takes.expected(0, 3.2, 4.8, -zero))
    assert sum("is passed over" in line for line in caplog.messages) == 2
    reader.close()


def test_few_files_stay_open(takes: Takes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_OPEN_FILES", 1)
    for number in range(3):
        takes.take(NOON + 1.6 * number, 1.6 * number, 1.6 * number + 1.6)
    reader = reader_of(takes)
    zero = reader.strip.clock(0.0) - NOON
    for _ in range(2):
        assert_alike(units_of(reader, 0), takes.expected(0, 0.0, 4.8, -zero))
        assert len(reader._open) == 1
    for segment in takes.segments:
        takes.index.drop(segment)
    reader.refresh()
    assert len(reader._open) == 0
    assert reader.read(1) is None
    assert reader.keyframe_before(1.0) == 1.0
    reader.close()


def test_a_file_that_goes_bad_while_it_is_read(
    takes: Takes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    takes.take(NOON, 0.0, 1.6)
    takes.take(NOON + 1.6, 1.6, 3.2)
    reader = reader_of(takes)

    def fail(*_: object) -> None:
        raise MediaError("the disk is gone")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(GroupReader, "read", fail)
        group = reader.read(0)
    assert group is not None
    assert not group.runs
    assert "is passed over: the disk is gone" in caplog.text
    reader.refresh()
    assert [piece.segment.start for piece in reader.strip.pieces] == [takes.segments[1].start]
    reader.close()


def test_a_file_that_is_just_being_finished(takes: Takes, monkeypatch: pytest.MonkeyPatch) -> None:
    growing = takes.take(NOON, 0.0, 3.2, growing=True)
    reader = reader_of(takes, NOON + 3.2)
    whole = growing.path.read_bytes()
    growing.path.write_bytes(b"for a moment")
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == module.ATTEMPTS - 1:
            growing.path.write_bytes(whole)

    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=wait))
    assert reader.keyframe_before(1.0) == 1.0
    group = reader.read(1)
    assert group is not None
    assert group.runs
    assert len(waits) == module.ATTEMPTS - 1
    reader.close()


def test_nothing_to_play(takes: Takes) -> None:
    with pytest.raises(MediaError, match="/cam: nothing of it is recorded"):
        reader_of(takes)
    takes.take(NOON, 0.0, 1.6).path.write_bytes(b"")
    with pytest.raises(MediaError, match="/cam: nothing of it is recorded"):
        reader_of(takes)


def test_other_codecs_are_left_out(takes: Takes, tmp_path: Path) -> None:
    make_movie(tmp_path / "sound.wav", RECIPES["alaw.wav"])
    make_movie(tmp_path / "picture.mp4", replace(RECIPES["movie.mp4"], audio=""))
    sound = Takes(tmp_path / "recordings", tmp_path / "sound.wav")
    silent = Takes(tmp_path / "recordings", tmp_path / "picture.mp4")
    sound.take(NOON - 100, 0.0, 1.0)
    silent.take(NOON - 50, 0.0, 2.0)
    takes.take(NOON, 0.0, 1.6)
    reader = reader_of(takes)
    shown = [unit[1] for unit in units_of(reader, 0)]
    heard = [unit[1] for unit in units_of(reader, 1)]
    silence, talk = reader.strip.pieces[-2:]
    assert min(shown) == pytest.approx(silence.place, abs=0.001)
    assert len(shown) == 50 + 40
    assert talk.place - 0.1 < min(heard)
    reader.close()


def test_tracks_are_found_however_they_were_told(takes: Takes) -> None:
    takes.take(NOON, 0.0, 1.6)
    sight, sound = takes.tracks
    told = (replace(sight, payload_type=110, control="a"), replace(sound, config=b"\x11\x88", control="b"))
    reader = FootageReader(takes.index, takes.name, told)
    plain = reader_of(takes)
    for track in (0, 1):
        assert units_of(reader, track) == units_of(plain, track) != []
    reader.close()
    plain.close()


@pytest.mark.parametrize("name", ["mulaw.wav", "alaw.wav", "g722.wav"])
def test_sound_of_telephones_comes_back(tmp_path: Path, name: str) -> None:
    make_movie(tmp_path / name, RECIPES[name])
    takes = Takes(tmp_path / "recordings", tmp_path / name)
    for place in (0.0, 1.0):
        takes.take(NOON + place, place, place + 1.0)
    assert [track.codec for track in reader_of(takes).tracks] == ["l16"]
    reader = FootageReader(takes.index, takes.name, takes.tracks)
    found = units_of(reader, 0)
    assert [unit[1] for unit in found] == pytest.approx([0.02 * number for number in range(100)])
    if name != "g722.wav":
        assert found == takes.expected(0, 0.0, 2.0)
    reader.close()


def test_parameter_sets_are_those_of_each_file(takes: Takes, tmp_path: Path) -> None:
    make_movie(tmp_path / "other.mp4", replace(RECIPES["movie.mp4"], b_frames=0))
    other = Takes(tmp_path / "recordings", tmp_path / "other.mp4")
    takes.take(NOON, 0.0, 1.6)
    other.take(NOON + 2, 0.0, 2.0)
    reader = reader_of(takes)
    first, second = reader.read(0), reader.read(2)
    assert first is not None
    assert second is not None
    before, after = (parameter_sets(each.tracks[0], each.first_keyframe) for each in (takes, other))
    assert before
    assert before[0] != after[0]
    assert before[0] in first.data
    assert after[0] in second.data
    assert before[0] not in second.data
    reader.close()


@in_virtual_time
async def test_what_grows_is_played_as_far_as_it_is(takes: Takes) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    growing = takes.take(NOON, 0.0, 2.4, growing=True)
    reader = FootageReader(takes.index, takes.name, clock=lambda: NOON + loop.time() - began)
    footage = Footage(reader, GroupCache())
    assert await footage.load(1) is not None
    waiting = footage.load(2)
    await asyncio.sleep(4.0)
    assert not waiting.done()
    growing.path.unlink()
    takes.take(NOON, 0.0, 4.0, growing=True)
    group = await waiting
    assert group is not None
    assert max(run.pts for run in group.runs) > 2.9
    assert footage.duration == pytest.approx(4.0, abs=0.1)
    # It ends there: what follows after a while begins at a whole second.
    takes.end(takes.segments[-1])
    assert await footage.load(3) is not None
    rest, behind = await footage.load(4), await footage.load(5)
    assert rest is None or not rest.runs
    assert behind is None
    takes.take(NOON + 30, 4.0, 6.0)
    await footage.refresh()
    assert footage.npt(NOON + 20) == 5.0
    assert footage.npt(NOON - 7) == pytest.approx(-7.0, abs=0.1)
    assert footage.clock(5.5) == pytest.approx(NOON + 30.5, abs=0.1)
    group = await footage.load(5)
    assert group is not None
    assert group.runs
    footage.close()


@in_virtual_time
async def test_places_stay_while_the_oldest_files_go(takes: Takes) -> None:
    for number in range(3):
        takes.take(NOON + 1.6 * number, 1.6 * number, 1.6 * number + 1.6)
    footage = Footage(reader_of(takes), GroupCache())
    group = await footage.load(4)
    clock = footage.clock(4.0)
    for segment in takes.segments[:2]:
        segment.path.unlink()
        takes.index.drop(segment)
    await footage.refresh()
    assert footage.span == pytest.approx((3.2, 4.8), abs=0.1)
    assert footage.clock(4.0) == clock
    assert await footage.load(0) is None
    start, run = await footage.start_before(0.5)
    assert run is None
    assert start.index == 3
    _, run = await footage.start_before(4.5)
    assert run is not None
    assert run.pts == pytest.approx(4.0, abs=0.1)
    assert group is footage.cached(4)
    footage.close()


@in_virtual_time
async def test_who_gives_up_waiting_leaves_no_trace(takes: Takes) -> None:
    takes.take(NOON, 0.0, 1.6, growing=True)
    footage = Footage(reader_of(takes, NOON + 1.6), GroupCache())
    waiting = footage.load(1)
    await asyncio.sleep(1)
    footage.close()
    await asyncio.sleep(1)
    assert waiting.cancelled()
