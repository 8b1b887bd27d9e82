"""From units to segments: nothing between two of them is lost, and what stands between them is said."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from scripts.movies.marks import draw_mark
from tests.archive.tape import NOON, Tape, later, marks_in, times_in, writer_into
from tests.media.coded import FRAMES, audio, parameter_sets, quiet, video

from reelcast.archive.index import CUT_OFF, Gap, Index, Segment
from reelcast.archive.spool import Taken
from reelcast.archive.writer import NEW_SOURCE, NOTHING_CAME, STOPPED, TOO_SLOW, Writer
from reelcast.rtp.intake import ReceivedUnit
from reelcast.track import AccessUnit, Track


@pytest.fixture(scope="module", params=["movie.mp4", "movie-bframes.mp4"])
def tape(request: pytest.FixtureRequest, movies: Path) -> Tape:
    """Ten seconds: sound, and a keyframe every two seconds."""
    return Tape(movies / request.param, 10.0)


@pytest.fixture(scope="module")
def plain(movies: Path) -> Tape:
    """The same without B-frames, four seconds of it."""
    return Tape(movies / "movie.mp4", 4.0)


def record(writer: Writer, taken: Iterable[Taken]) -> None:
    for number, each in enumerate(taken):
        writer.write(each)
        if number % 50 == 0:
            writer.tell()
    writer.stop()


def gaps(index: Index) -> list[tuple[float, float, str]]:
    """Start and end to a tenth of a second from noon, and the reason."""
    return [(round(gap.start - NOON, 1), round(gap.end - NOON, 1), gap.reason) for gap in index.gaps("/cam")]


def check_all_is_there(tape: Tape, segments: list[Segment]) -> None:
    """Every frame by its number, every unit by its time, once."""
    last = max(each.pts for each in tape.units if each.track.kind == "video")
    assert [mark for each in segments for mark in marks_in(each)] == list(range(round(last * 25) + 1))
    for kind in ("video", "audio"):
        sent = [each.pts + NOON for each in tape.units if each.track.kind == kind and each.pts >= 0]
        found = [at for each in segments for at in times_in(each, kind)]
        assert sorted(found) == pytest.approx(sorted(sent), abs=0.002)


def test_segments_stand_on_the_grid_and_lose_nothing(tape: Tape, index: Index) -> None:
    writer = writer_into(index)
    record(writer, tape.taken())
    segments = index.segments("/cam")
    assert [(each.start, each.end) for each in segments[:-1]] == [(NOON, NOON + 4), (NOON + 4, NOON + 8)]
    assert segments[-1].end == pytest.approx(NOON + 10, abs=0.1)
    assert segments[1].path == index.folder / "cam" / "2023-11-14" / "22-14-04.000000Z.mp4"
    assert all(each.path.stat().st_size == each.size and not each.growing for each in segments)
    check_all_is_there(tape, segments)
    assert gaps(index) == [(10.0, math.inf, STOPPED)]
    assert writer.bytes == sum(each.size for each in segments)
    assert writer.seconds == pytest.approx(10, abs=0.1)
    assert (writer.segments, writer.corrupt) == (3, 0)


@pytest.mark.parametrize("delay", [0.5, -0.5])
def test_sound_stands_with_its_time_however_late_it_comes(plain: Tape, index: Index, delay: float) -> None:
    order = sorted(
        enumerate(plain.units),
        key=lambda row: row[1].pts + (delay if row[1].track.kind == "audio" else 0.0),
    )
    record(writer_into(index, segment_seconds=2.0), plain.taken(each for _, each in order))
    segments = index.segments("/cam")
    assert [each.start for each in segments] == [NOON, NOON + 2]
    check_all_is_there(plain, segments)


def test_a_track_that_stops_is_not_waited_for(tape: Tape, index: Index) -> None:
    units = [each for each in tape.units if each.track.kind == "video" or each.pts < 1.9]
    writer = writer_into(index, segment_seconds=2.0)
    for taken in tape.taken(units):
        writer.write(taken)
    writer.tell()
    segments = index.segments("/cam")
    # The next one waited for it, and the one behind that did no more.
    assert [each.growing for each in segments] == [False, False, False, False, True]
    writer.stop()
    assert [mark for each in index.segments("/cam") for mark in marks_in(each)] == list(range(250))


def test_a_segment_grows_as_far_as_it_can_be_played(tape: Tape, index: Index) -> None:
    writer = writer_into(index, segment_seconds=60.0)
    ends = [NOON]
    for number, taken in enumerate(tape.taken()):
        writer.write(taken)
        writer.tell()
        segments = index.segments("/cam")
        if segments and segments[0].end > ends[-1]:
            assert segments[0].growing
            ends.append(segments[0].end)
            if number % 3 == 0:
                expected = [
                    each.pts + NOON
                    for each in tape.units
                    if each.track.kind == "video" and each.pts + NOON < ends[-1] - 0.001
                ]
                assert sorted(times_in(segments[0], "video")) == pytest.approx(sorted(expected), abs=0.002)
    # Every second, and what has come is never more than one and a half ahead of it.
    assert all(later - earlier < 1.3 for earlier, later in pairwise(ends))
    assert ends[-1] > NOON + 8.5
    writer.stop()


def test_another_publisher_begins_another_segment(plain: Tape, index: Index) -> None:
    writer = writer_into(index, segment_seconds=60.0)
    again = later(plain.units, 6.5, segment=1)
    # It comes in the middle of a group of pictures: what is before its first keyframe is of no use.
    middle = next(number for number, each in enumerate(again) if each.pts > 7.5)
    record(writer, plain.taken(plain.units + again[middle:]))
    _, second = index.segments("/cam")
    assert second.start == pytest.approx(NOON + 8.5)
    assert marks_in(second) == list(range(50, 100))
    assert gaps(index)[0] == (4.0, 8.5, NEW_SOURCE)
    assert writer.left_out > 0


def test_what_was_silent_for_long_begins_another_segment(plain: Tape, index: Index) -> None:
    record(writer_into(index, segment_seconds=3600.0), plain.taken(plain.units + later(plain.units, 4 + 11)))
    first, second = index.segments("/cam")
    assert (first.start, second.start) == pytest.approx((NOON, NOON + 15))
    assert gaps(index)[0] == (4.0, 15.0, NOTHING_CAME)


def test_a_short_silence_is_within_a_segment(plain: Tape, index: Index) -> None:
    record(writer_into(index, segment_seconds=3600.0), plain.taken(plain.units + later(plain.units, 4 + 9)))
    (segment,) = index.segments("/cam")
    assert marks_in(segment) == [*range(100), *range(100)]
    assert segment.end == pytest.approx(NOON + 17, abs=0.1)


def test_what_the_spool_left_out_is_a_gap(plain: Tape, index: Index) -> None:
    taken = list(plain.taken())
    place = next(number for number, each in enumerate(taken) if each.received.pts >= 2.0)
    taken = [*taken[: place - 30], replace(taken[place], after=29), *taken[place + 1 :]]
    record(writer_into(index), taken)
    first, second = index.segments("/cam")
    assert second.start == NOON + 2
    assert first.end < NOON + 1.9
    (start, end, reason), _ = gaps(index)
    assert (round(first.end - NOON, 1), 2.0, TOO_SLOW) == (start, end, reason)


def test_a_recording_that_was_killed_is_followed_by_a_gap(plain: Tape, index: Index) -> None:
    record(writer_into(index), plain.taken())
    index.resume("/cam", NOON + 4)
    assert index.gaps("/cam") == []
    index.recover("/cam")
    (gap,) = index.gaps("/cam")
    assert (gap.end, gap.reason) == (math.inf, CUT_OFF)
    # It is known already.
    index.note(replace(gap, reason="somebody said so"))
    index.recover()
    assert [gap.reason for gap in index.gaps("/cam")] == ["somebody said so"]


def test_nothing_is_put_before_what_is_there(plain: Tape, index: Index) -> None:
    record(writer_into(index), plain.taken())
    # The clock was set back by two seconds meanwhile.
    record(writer_into(index), plain.taken(later(plain.units, 2.0)))
    first, second = index.segments("/cam")
    assert second.start >= first.end
    assert {gap.reason for gap in index.gaps("/cam")} == {STOPPED}


def test_a_clock_that_was_days_ahead_is_set_back(plain: Tape, index: Index) -> None:
    """What was recorded under a wrong time stays there; what follows stands under the right one."""
    wrong = later(plain.units, 3 * 86_400.0)
    record(writer_into(index, segment_seconds=60.0), plain.taken([*wrong, *plain.units]))
    assert [each.start for each in index.segments("/cam")] == pytest.approx([NOON, NOON + 3 * 86_400])
    assert all(marks_in(each) == list(range(100)) for each in index.segments("/cam"))


SIGHT, PICTURES = video("h264")
LARGE, LARGER = video("h264", (320, 192))
SOUND, TONE = audio("aac")
SIGHT = replace(SIGHT, control="trackID=1")
LARGE = replace(LARGE, control="trackID=1")
SOUND = replace(SOUND, control="trackID=2")


def units_of(track: Track, units: Iterable[AccessUnit], start: float) -> list[ReceivedUnit]:
    return [
        ReceivedUnit(track, unit, at, NOON + at, "sender", at)
        for unit in units
        for at in [start + unit.pts / track.clock_rate]
    ]


def with_tracks(units: Iterable[ReceivedUnit], *tracks: Track) -> Iterator[Taken]:
    return (Taken(each, tracks, each.time or 0.0) for each in units)


LENGTH = FRAMES / 25


def test_another_picture_size_begins_another_segment(index: Index) -> None:
    small = [each for number in range(3) for each in units_of(SIGHT, PICTURES, number * LENGTH)]
    large = [each for number in range(3, 6) for each in units_of(LARGE, LARGER, number * LENGTH)]
    record(writer_into(index, segment_seconds=60.0), (*with_tracks(small, SIGHT), *with_tracks(large, LARGE)))
    first, second = index.segments("/cam")
    assert first.end == second.start == pytest.approx(NOON + 3 * LENGTH)
    assert [len(times_in(each, "video")) for each in (first, second)] == [36, 36]


def test_other_parameter_sets_begin_none(index: Index) -> None:
    writer = writer_into(index, segment_seconds=60.0)
    for number in range(6):
        # Cameras have been seen that change to and fro with each keyframe.
        changed = replace(SIGHT, parameter_sets=(*SIGHT.parameter_sets, bytes([0x68, number % 2])))
        for taken in with_tracks(units_of(changed, PICTURES, number * LENGTH), changed):
            writer.write(taken)
    writer.stop()
    assert len(index.segments("/cam")) == 1


def test_other_tracks_begin_another_segment(index: Index) -> None:
    sight = units_of(SIGHT, PICTURES, 0.0)
    both = units_of(SIGHT, PICTURES, LENGTH)
    both += [each for each in units_of(SOUND, TONE, LENGTH) if each.pts < 2 * LENGTH]
    both.sort(key=lambda each: each.pts)
    record(writer_into(index), (*with_tracks(sight, SIGHT), *with_tracks(both, SIGHT, SOUND)))
    first, second = index.segments("/cam")
    assert times_in(first, "audio") == []
    assert len(times_in(second, "audio")) > 10
    assert [gap.reason for gap in index.gaps("/cam")] == [STOPPED]
    assert writer_into(index).left_out == 0


def test_a_track_that_is_silent_keeps_no_file_from_playing(index: Index) -> None:
    """Until it is heard: then there is a file with it, from the next keyframe on."""
    rounds = 20
    sight = [each for number in range(rounds) for each in units_of(SIGHT, PICTURES, number * LENGTH)]
    writer = writer_into(index, segment_seconds=4.0)
    for taken in with_tracks(sight, SIGHT, SOUND):
        writer.write(taken)
    writer.tell()
    *_, growing = index.segments("/cam")
    assert growing.growing
    assert growing.end > growing.start
    # Only the first waited for it.
    begun = rounds * LENGTH
    both = [each for number in range(4) for each in units_of(SIGHT, PICTURES, begun + number * LENGTH)]
    both += [each for each in units_of(SOUND, TONE, begun + 0.1) if each.pts < begun + 4 * LENGTH]
    both.sort(key=lambda each: each.pts)
    for taken in with_tracks(both, SIGHT, SOUND):
        writer.write(taken)
    writer.stop()
    segments = index.segments("/cam")
    assert len(segments) == 4
    assert segments[3].start == pytest.approx(NOON + begun + LENGTH / 2)
    assert sum(len(times_in(each, "video")) for each in segments) == (rounds + 4) * FRAMES
    assert [bool(times_in(each, "audio")) for each in segments] == [False, False, False, True]
    assert [gap.reason for gap in index.gaps("/cam")] == [STOPPED]


def test_sound_alone(index: Index) -> None:
    sound = [each for number in range(6) for each in units_of(SOUND, TONE, number + 0.1)]
    times = {round(each.pts, 3): each for each in sound}
    units = [times[at] for at in sorted(times)]
    record(writer_into(index, segment_seconds=2.0), with_tracks(units, SOUND))
    segments = index.segments("/cam")
    assert [round(each.start - NOON, 1) for each in segments] == [0.1, 2.0, 4.0, 6.0]
    assert sum(len(times_in(each, "audio")) for each in segments) == pytest.approx(len(units), abs=1)
    assert all(earlier.end == later.start for earlier, later in pairwise(segments))


def test_one_picture_in_each_segment(index: Index) -> None:
    units = [each for number in range(5) for each in units_of(SIGHT, PICTURES[:1], 9.0 * number)]
    record(writer_into(index, segment_seconds=2.0), with_tracks(units, SIGHT))
    segments = index.segments("/cam")
    assert [round(each.start - NOON) for each in segments] == [0, 9, 18, 27, 36]
    assert [len(times_in(each, "video")) for each in segments] == 5 * [1]
    assert [each.end for each in segments[:-1]] == [each.start for each in segments[1:]]


@pytest.mark.parametrize("codec", ["vp8", "h265"])
def test_other_codecs(index: Index, codec: str) -> None:
    """The pictures of VP8 are nothing for MP4; then it is Matroska."""
    track, pictures = video(codec)
    track = replace(track, control="trackID=1")
    units = [each for number in range(5) for each in units_of(track, pictures, number * LENGTH)]
    with quiet():
        record(writer_into(index, segment_seconds=1.0), with_tracks(units, track))
    segments = index.segments("/cam")
    assert {each.path.suffix for each in segments} == {".mkv" if codec == "vp8" else ".mp4"}
    assert len(segments) == 3
    assert sum(len(times_in(each, "video")) for each in segments) == 5 * FRAMES


def test_what_no_container_takes_is_left_out(index: Index) -> None:
    whole = Track("video", "mp2t", 90_000, 33, control="trackID=1")
    writer = writer_into(index)
    record(writer, with_tracks(units_of(whole, PICTURES, 0.0), whole))
    assert index.names() == []
    assert writer.left_out == FRAMES
    # Sound beside it is recorded.
    both = [*units_of(whole, PICTURES, 0.1), *units_of(SOUND, TONE, 0.1)]
    record(writer, with_tracks(both, whole, SOUND))
    assert len(times_in(index.segments("/cam")[0], "audio")) > 40


def open_groups() -> Iterator[ReceivedUnit]:
    """Two seconds, in groups of eight pictures of which the first two are shown before the keyframe."""
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height = 320, 192
    context.pix_fmt = "yuv420p"
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    context.options = {
        "x264-params": "open-gop=1:bframes=2:b-adapt=0:keyint=9:min-keyint=9:scenecut=0:log-level=-1"
    }
    packets: list[Packet[Stream]] = []
    for number in range(50):
        image = np.zeros((192, 320, 3), np.uint8)
        draw_mark(image, number)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = number, context.time_base
        packets += context.encode(frame)
    packets += context.encode(None)
    sets = tuple(parameter_sets("h264", bytes(packets[0])))
    track = Track("video", "h264", 90_000, 96, parameter_sets=sets, control="trackID=1")
    for packet in packets:
        assert packet.pts is not None
        unit = AccessUnit(bytes(packet), 0, 0, packet.is_keyframe)
        at = packet.pts / 25
        yield ReceivedUnit(track, unit, at, NOON + at, "sender", at)


def test_segments_shorter_than_a_track_is_waited_for(index: Index) -> None:
    """Sound that has stopped is still waited for in one segment while the next but one begins."""
    sight = [each for number in range(6) for each in units_of(SIGHT, PICTURES, number * LENGTH)]
    sound = [each for each in units_of(SOUND, TONE, 0.1) if each.pts < 0.4]
    units = sorted((*sight, *sound), key=lambda each: each.pts)
    record(writer_into(index, segment_seconds=0.24), with_tracks(units, SIGHT, SOUND))
    segments = index.segments("/cam")
    assert len(segments) == 12
    assert sum(len(times_in(each, "video")) for each in segments) == 6 * FRAMES
    assert sum(len(times_in(each, "audio")) for each in segments) == len(sound)


def test_pictures_that_lead_a_keyframe_are_not_lost(index: Index) -> None:
    """They are shown before it, and need what came before: the segment that ends has both."""
    units = list(open_groups())
    assert any(before.unit.keyframe and each.pts < before.pts for before, each in pairwise(units))
    record(writer_into(index, segment_seconds=0.5), with_tracks(units, units[0].track))
    segments = index.segments("/cam")
    assert len(segments) == 4
    assert [mark for each in segments for mark in marks_in(each)] == list(range(50))


def test_what_came_behind_a_loss_is_recorded_and_counted(plain: Tape, index: Index) -> None:
    units = [replace(each, corrupt=1 < each.pts < 2) for each in plain.units]
    writer = writer_into(index)
    record(writer, plain.taken(units))
    assert writer.corrupt == sum(each.corrupt for each in units)
    assert len(times_in(index.segments("/cam")[0], "video")) == 100


def test_what_settles_goes_on_without_a_gap(tape: Tape, index: Index) -> None:
    writer = writer_into(index, segment_seconds=60.0)
    for number, taken in enumerate(tape.taken()):
        writer.write(taken)
        if number % 200 == 150:
            writer.settle()
            assert gaps(index)[-1][1:] == (math.inf, NOTHING_CAME)
    writer.settle()
    assert index.span("/cam") == pytest.approx((NOON, NOON + 10), abs=0.1)
    writer.stop()
    segments = index.segments("/cam")
    assert len(segments) == 4
    assert all(earlier.end == later.start for earlier, later in pairwise(segments))
    check_all_is_there(tape, segments)
    assert len(gaps(index)) == 1


def test_what_settles_and_does_not_go_on(plain: Tape, index: Index) -> None:
    writer = writer_into(index, segment_seconds=60.0)
    for taken in plain.taken():
        writer.write(taken)
    writer.settle()
    (before,) = index.segments("/cam")
    record(writer, plain.taken(later(plain.units, 6.0, segment=1)))
    first, _ = index.segments("/cam")
    assert first == before
    assert gaps(index)[0] == (4.0, 6.0, NEW_SOURCE)


def test_an_hour_in_a_moment(index: Index) -> None:
    """Publishers that come and go, clocks that leap: the index is in order, and every second is accounted for."""
    writer = writer_into(index, segment_seconds=60.0)
    keys = [each for each in PICTURES if each.keyframe][:1]
    taken: list[Taken] = []
    for second in range(3600):
        feeding, broken = divmod(second, 600)
        if broken >= 570:
            continue  # half a minute of nothing
        leap = 1e5 * (second // 900)
        for part in range(5):
            at = second + part / 5
            each = ReceivedUnit(SIGHT, keys[0], at + leap, NOON + at, "sender", at, segment=feeding)
            taken.append(Taken(each, (SIGHT,), NOON + at + 0.1))
    record(writer, taken)
    segments = index.segments("/cam")
    everything: list[Segment | Gap] = sorted(
        [*segments, *index.gaps("/cam")], key=lambda each: (each.start, each.end)
    )
    assert everything[0].start == NOON
    assert all(earlier.end == pytest.approx(later.start) for earlier, later in pairwise(everything))
    assert len(segments) == pytest.approx(60, abs=3)
    assert sum(each.end - each.start for each in segments) == pytest.approx(6 * 570, abs=3)
    assert sum(len(times_in(each, "video")) for each in segments) == 6 * 570 * 5
