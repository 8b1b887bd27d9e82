"""Recordings: what is in them, how they begin, and what becomes of them when something goes wrong."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from io import FileIO
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import av
import av.error
import av.logging
import numpy as np
import pytest
from av.frame import Frame
from av.packet import Packet
from av.stream import Stream
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scripts.movies.marks import beep_starts, flash_on, read_mark
from tests.media.coded import AUDIO, FRAME_TICKS, FRAMES, VIDEO, audio, quiet, video
from tests.media.recordings import NOON, Units, received, recorded

from reelcast.errors import MediaError
from reelcast.media import record
from reelcast.media.demux import open_demuxer
from reelcast.media.output import RECORDING_SUFFIXES, check_path
from reelcast.media.record import Recorder
from reelcast.track import Track


def packets(path: Path) -> dict[str, list[Packet[Stream]]]:
    """The packets of a file by kind of stream; a warning on the way is an error."""
    with av.logging.Capture() as logs, av.open(str(path)) as container:
        found: dict[str, list[Packet[Stream]]] = {}
        for packet in container.demux():
            if packet.size:
                found.setdefault(packet.stream.type, []).append(packet)
    assert [text for level, _, text in logs if level <= av.logging.WARNING] == []
    return found


def time_of(packet: Packet[Stream]) -> Fraction:
    assert packet.pts is not None
    return packet.pts * packet.time_base


@pytest.fixture(autouse=True)
def _warnings() -> Iterator[None]:
    before = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    yield
    av.logging.set_level(before)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
@pytest.mark.parametrize("name", ["movie.mp4", "movie-bframes.mp4"])
def test_a_movie_is_recorded_as_it_came(movies: Path, tmp_path: Path, name: str, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    units = received(movies / name)
    recorder = recorded(path, units)
    assert recorder.units == len([None for *_, seconds in units if seconds >= 0])
    assert recorder.seconds == pytest.approx(20, abs=0.1)
    assert recorder.bytes == path.stat().st_size
    assert recorder.skipped == 0
    demuxer = open_demuxer(path)
    again = list(demuxer.units())
    for index, track in enumerate(demuxer.tracks):
        sent = [(unit, seconds) for each, unit, seconds in units if each.kind == track.kind and seconds >= 0]
        came = [unit for each, unit in again if each == index]
        if suffix == ".ts" and track.kind == "video":
            # A delimiter stands in front of each unit: MPEG-TS wants it (ISO/IEC 13818-1 section 2.14).
            assert [unit.data[-50:] for unit in came] == [unit.data[-50:] for unit, _ in sent]
        else:
            assert [unit.data for unit in came] == [unit.data for unit, _ in sent]
        assert [unit.keyframe for unit in came] == [unit.keyframe for unit, _ in sent]
        # Matroska counts milliseconds.
        start = came[0].pts / track.clock_rate - sent[0][1]
        assert start == pytest.approx(0, abs=1e-3)
        for unit, (_, seconds) in zip(came, sent, strict=True):
            assert unit.pts / track.clock_rate == pytest.approx(seconds + start, abs=6e-4)
    demuxer.close()
    assert all(
        later.dts is None or later.dts > (earlier.dts or -9e9)
        for earlier, later in pairwise(packets(path)["video"])
    )


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_sight_and_sound_keep_their_distance(movies: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    recorded(path, received(movies / "movie-bframes.mp4", 3.0))
    with av.open(str(path)) as container:
        flashes: list[float] = []
        wave: list[NDArray[Any]] = []
        start: Fraction | None = None
        before = False
        for frame in container.decode():
            time = frame.pts * frame.time_base if frame.pts is not None and frame.time_base else Fraction(0)
            if isinstance(frame, av.VideoFrame):
                lit = flash_on(pixels(frame))
                if lit and not before:
                    flashes.append(float(time))
                before = lit
            elif isinstance(frame, av.AudioFrame):
                start = time if start is None else start
                wave.append(frame.to_ndarray())
    assert start is not None
    beeps = [float(start) + at for at in beep_starts(np.concatenate(wave, axis=1), 48_000)]
    assert len(flashes) == len(beeps) == 4
    # The first beep begins in the middle of what a decoder needs before it.
    for flash, beep in zip(flashes[1:], beeps[1:], strict=True):
        assert beep - flash == pytest.approx(0, abs=3e-3)


def test_motion_jpeg(movies: Path, tmp_path: Path) -> None:
    units = received(movies / "movie.Mjpeg", 1.0)
    for suffix in (".mp4", ".mov", ".mkv"):
        path = tmp_path / f"a{suffix}"
        recorded(path, units)
        came = packets(path)["video"]
        assert [bytes(packet) for packet in came] == [unit.data for _, unit, _ in units]
        assert len(marks_in(path)) == 25


def coded(codec: str) -> Units:
    track, units = video(codec) if codec in VIDEO else audio(codec)
    return [(track, unit, unit.pts / track.clock_rate) for unit in units]


HELD = {
    ".mp4": "h264 h265 vp9 av1 jpeg aac opus mpa l16 pcmu pcma g722",
    ".mov": "h264 h265 jpeg aac mpa l16 pcmu pcma g722",
    ".mkv": "h264 h265 vp8 vp9 av1 jpeg aac opus mpa l16 pcmu pcma g722",
    ".webm": "vp8 vp9 av1 opus",
    ".ts": "h264 h265 aac opus mpa",
}


@pytest.mark.parametrize(
    ("suffix", "codec"), [(suffix, codec) for suffix, codecs in HELD.items() for codec in codecs.split()]
)
def test_every_codec_that_a_container_holds(tmp_path: Path, suffix: str, codec: str) -> None:
    path = tmp_path / f"a{suffix}"
    units = coded(codec)
    with quiet():
        recorder = recorded(path, units)
    assert recorder.skipped == 0
    with quiet(), av.open(str(path)) as container:
        frames: list[Frame] = list(container.decode())
        tags = [stream.codec_context.codec_tag for stream in container.streams]
    if codec in VIDEO:
        assert len(frames) == FRAMES
        # QuickTime and Safari know H.265 by one of its two tags.
        assert codec != "h265" or suffix not in (".mp4", ".mov") or tags == ["hvc1"]
        return
    _, rate, channels, _ = AUDIO[codec]
    sounds = [frame for frame in frames if isinstance(frame, av.AudioFrame)]
    assert len(sounds) == len(frames)
    assert {(frame.sample_rate, frame.layout.nb_channels) for frame in sounds} == {(rate, channels)}
    assert sum(frame.samples for frame in sounds) == pytest.approx(rate, rel=0.05)


@pytest.mark.parametrize("suffix", HELD)
def test_what_a_container_cannot_hold(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    for codec in (*VIDEO, *AUDIO):
        if codec not in HELD[suffix].split():
            with pytest.raises(
                MediaError, match=rf"{suffix} cannot hold {codec} (video|audio): record to \.m"
            ) as caught:
                recorded(path, coded(codec))
            assert "\n" not in str(caught.value)
            assert not path.exists()


def test_advice_is_for_all_tracks(tmp_path: Path) -> None:
    tracks = [video("vp8")[0], audio("pcmu")[0]]
    with pytest.raises(MediaError, match=r"\.mp4 cannot hold vp8 video: record to \.mkv$"):
        Recorder(tmp_path / "a.mp4", tracks)
    with pytest.raises(MediaError, match=r"\.mp4 cannot hold mp2t video: leave that track out"):
        Recorder(tmp_path / "a.mp4", [Track("video", "mp2t", 90_000, 33)])


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("a.avi", r"a\.avi: a recording is \.mp4, \.mov, \.mkv, \.webm or \.ts: not \.avi"),
        ("a", r"a: a recording is .* or \.ts: give the file such a name"),
        ("nowhere/a.mp4", r"nowhere/a\.mp4: there is no folder .*nowhere"),
        ("folder.mp4", r"folder\.mp4: is a folder; choose another name"),
    ],
)
def test_names_that_will_not_do(tmp_path: Path, name: str, complaint: str) -> None:
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(MediaError, match=complaint):
        Recorder(tmp_path / name, [video("h264")[0]])
    with pytest.raises(MediaError, match="there is no track to record"):
        Recorder(tmp_path / "a.mp4", [])


def test_a_place_without_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(MediaError, match=r"a\.mp4: cannot be written; choose another place"):
        check_path(tmp_path / "a.mp4")


def test_a_file_begins_with_a_keyframe(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    sight, sound = coded("h264"), coded("pcmu")
    # Sound from before the keyframe waits, and is left out as far as it comes too early.
    units = sorted(sight[3:] + sound, key=lambda each: each[2])
    recorded(path, units)
    came = packets(path)
    assert len(came["video"]) == FRAMES - 6
    assert came["video"][0].is_keyframe
    assert time_of(came["video"][0]) == 0
    expected = [seconds - 0.24 for _, _, seconds in sound if seconds >= 0.24]
    assert [float(time_of(packet)) for packet in came["audio"]] == pytest.approx(expected, abs=6e-4)


def test_pictures_that_lead_the_first_keyframe_are_left_out(tmp_path: Path) -> None:
    track, units = video("h264")
    leading = replace(units[1], keyframe=False)
    times = [(units[0], 0.08), (leading, 0.04), (units[1], 0.12)]
    recorder = recorded(tmp_path / "a.mkv", [(track, unit, at) for unit, at in times])
    assert recorder.units == 2


def test_a_silent_track_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sight, (silent, mute) = coded("h264"), (audio("aac")[0], audio("mpa")[0])
    path = tmp_path / "a.mp4"
    monkeypatch.setattr(record, "START_SECONDS", 0.2)
    with Recorder(path, [sight[0][0], silent, mute]) as recorder:
        for track, unit, seconds in sight:
            assert recorder.units == 0 or seconds >= 0.2
            recorder.write(track, unit, seconds)
        assert recorder.units == FRAMES
        # What comes later has its place, if it could be described without a unit.
        recorder.write(*coded("aac")[0])
        recorder.write(*coded("mpa")[0])
        # Nobody announced this one, and in that there is nothing.
        recorder.write(*coded("opus")[0])
        recorder.write(silent, replace(coded("aac")[0][1], data=b""), 0.5)
        assert recorder.units == FRAMES
        recorder.write(silent, coded("aac")[5][1], 0.5)
    assert recorder.units == FRAMES + 1
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_silent_track_is_left_out_of_what_must_play_at_any_moment(
    movies: Path, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    units = [each for each in received(movies / "movie.mp4", 4.5) if each[0].kind == "video"]
    track, silent = units[0][0], audio("aac")[0]
    recorder = Recorder(path, [track, silent], silent=False)
    assert not recorder.begun
    assert recorder.holds(silent)
    for each in units:
        recorder.write(*each)
    assert recorder.begun
    assert (recorder.holds(track), recorder.holds(silent)) == (True, False)
    assert not recorder.holds(audio("opus")[0])
    assert recorder.playable > 2
    assert len(marks_in(path)) >= 50
    recorder.close()
    assert recorder.playable == recorder.end == pytest.approx(6.0, abs=0.1)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("fragment", [0.5, 2.0])
def test_what_is_playable_is_on_disk(movies: Path, tmp_path: Path, suffix: str, fragment: float) -> None:
    path = tmp_path / f"a{suffix}"
    units = received(movies / "movie-bframes.mp4", 5.9)
    recorder = Recorder(path, list(dict.fromkeys(row[0] for row in units)), fragment_seconds=fragment)
    grown: list[float] = []
    for track, unit, seconds in units:
        recorder.write(track, unit, seconds)
        if recorder.playable > (grown[-1] if grown else 0.0) + 0.9:
            grown.append(recorder.playable)
            found = packets(path)
            for kind in ("video", "audio"):
                due = [
                    at for each, _, at in units if each.kind == kind and 0 <= at < recorder.playable - 1e-6
                ]
                came = {round(float(time_of(packet)), 2) for packet in found[kind]}
                start = 0.0 if suffix != ".ts" else min(came)
                missing = [at for at in due if not any(abs(at - each + start) < 0.02 for each in came)]
                assert missing == []
    # Some of it comes a fragment late, and a cluster of Matroska's when the next begins.
    assert len(grown) >= (4 if fragment < 1 else 2)
    recorder.close()


def test_sound_alone_waits_for_no_picture(tmp_path: Path) -> None:
    recorder = recorded(tmp_path / "a.mp4", coded("aac")[:1])
    assert recorder.units == 1


def test_what_waits_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "MAX_WAITING", 10)
    track, units = video("h264")
    recorder = Recorder(tmp_path / "a.mp4", [track, audio("pcmu")[0]])
    for each, unit, _ in coded("pcmu"):
        recorder.write(each, unit, 0.0)
        assert len(recorder._waiting) <= 10
    for number in range(10):
        recorder.write(track, units[0], float(number))
    assert recorder.units == 0 or recorder._output is not None
    recorder.close()


def test_nothing_came(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"an old recording")
    track, units = video("h264")
    with Recorder(path, [track]) as recorder:
        recorder.write(track, units[1], 0.0)
        recorder.write(track, replace(units[0], data=b"junk"), 0.04)
        recorder.close()
        with pytest.raises(MediaError, match="the recording is closed"):
            recorder.write(track, units[0], 0.08)
    assert (recorder.units, recorder.bytes, recorder.skipped) == (0, 0, 0)
    assert path.read_bytes() == b"an old recording"


def test_parameter_sets_stand_before_each_keyframe_of_a_transport_stream(tmp_path: Path) -> None:
    track, units = video("h264")
    sets = b"".join(b"\0\0\0\1" + nal for nal in track.parameter_sets)
    bare = [replace(unit, data=unit.data.replace(sets, b"")) for unit in units]
    assert bare[0].data != units[0].data
    path = tmp_path / "a.ts"
    recorded(path, [(track, unit, unit.pts / 90_000) for unit in bare])
    for number, packet in enumerate(packets(path)["video"]):
        assert (sets in bytes(packet)) == (number in (0, 6))


def test_reordering_is_learned_where_it_is_not_told(movies: Path, tmp_path: Path) -> None:
    units = received(movies / "movie-bframes.mp4", 2.0)
    path = tmp_path / "a.mp4"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record, "told_reordering", lambda track: None if track.kind == "video" else 0)
        recorded(path, units)
    came = packets(path)["video"]
    assert len(marks_in(path)) == len(came) == 50
    assert {packet.duration for packet in came} == {FRAME_TICKS}


LEAPS = {"forth": 3600.0, "back": -3600.0, "gap": 30.0, "zero": -NOON}


@pytest.mark.parametrize("leap", LEAPS)
def test_times_leap(tmp_path: Path, leap: str) -> None:
    """The sound meets the break a little later than the picture; both go on together."""
    path = tmp_path / "a.mkv"
    sight, sound = coded("h264"), coded("l16")
    units = sorted((*sight, *sound), key=lambda each: each[2])
    shifted: Units = []
    for track, unit, seconds in units:
        late = seconds >= (0.24 if track.kind == "video" else 0.3)
        shifted.append((track, unit, seconds + (LEAPS[leap] if late else 0.0)))
    recorder = recorded(path, shifted)
    came = packets(path)
    assert recorder.skipped == 0
    assert len(came["video"]) == len(sight)
    gap = LEAPS[leap] if leap == "gap" else 0.0
    times = [float(time_of(packet)) for packet in came["video"]]
    assert times == pytest.approx([s + gap * (s >= 0.24) for _, _, s in sight], abs=6e-4)
    times = [float(time_of(packet)) for packet in came["audio"]]
    assert times == pytest.approx([s + gap * (s >= 0.3) for _, _, s in sound], abs=6e-4)


def test_sound_is_moved(tmp_path: Path) -> None:
    """Back by 100 ms: what overlaps is left out; forth by 200: there is a gap."""
    path = tmp_path / "a.mkv"
    units = [(track, unit, at + (0, -0.1, 0.1)[int(at / 0.3) % 3]) for track, unit, at in coded("pcmu")]
    recorder = recorded(path, units)
    assert recorder.skipped == 0
    times = [float(time_of(packet)) for packet in packets(path)["audio"]]
    kept = [at for *_, at in units]
    kept = [at for place, at in enumerate(kept) if at >= max(kept[: place + 1]) - 1e-6]
    assert 40 <= len(kept) < 50
    assert times == pytest.approx(kept, abs=6e-4)


def test_times_stand_still(tmp_path: Path) -> None:
    track, units = video("h264")
    recorder = recorded(tmp_path / "a.mp4", [(track, unit, 5.0) for unit in units])
    assert recorder.skipped == 0
    assert len(packets(tmp_path / "a.mp4")["video"]) == FRAMES


def test_a_stream_opened_again_goes_on(tmp_path: Path) -> None:
    """After a reconnect, the track may have other parameters."""
    track, units = video("h264")
    other, larger = video("h264", (320, 192))
    path = tmp_path / "a.mp4"
    with Recorder(path, [track]) as recorder:
        for unit in units:
            recorder.write(track, unit, unit.pts / 90_000)
        for unit in larger:
            recorder.write(other, unit, 10 + unit.pts / 90_000)
    with av.open(str(path)) as container:
        sizes = [frame.width for frame in container.decode(video=0)]
    assert sizes == FRAMES * [160] + FRAMES * [320]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
def test_a_file_plays_while_it_is_written(movies: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    units = received(movies / "movie-bframes.mp4", 6.0)
    with Recorder(path, list(dict.fromkeys(track for track, _, _ in units))) as recorder:
        for number, (track, unit, seconds) in enumerate(units):
            recorder.write(track, unit, seconds)
            if number == len(units) // 2:
                assert len(marks_in(path)) >= 25
    assert len(marks_in(path)) == 150


def pixels(frame: av.VideoFrame) -> NDArray[np.uint8]:
    return frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def marks_in(path: Path) -> list[int | None]:
    with quiet(), av.open(str(path)) as container:
        marks = [read_mark(pixels(frame)) for frame in container.decode(video=0)]
    # Where a file ends early, the last pictures may be without the B-frames between them.
    assert marks[:-2] == list(range(len(marks) - 2))
    return marks


WRITER = """
import sys
from pathlib import Path
from tests.media.recordings import received
from reelcast.media.record import Recorder

units = received(Path(sys.argv[1]), 6.5)
recorder = Recorder(Path(sys.argv[2]), list(dict.fromkeys(track for track, _, _ in units)))
for track, unit, seconds in units:
    recorder.write(track, unit, seconds)
print("written", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_killed_recording_plays(movies: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    arguments = [sys.executable, "-c", WRITER, str(movies / "movie-bframes.mp4"), str(path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGKILL)
    # Of 163 frames at most those of the last second are missing, and of a keyframe's interval in Matroska.
    assert len(marks_in(path)) >= 130


class Limited(FileIO):
    """A file on a disk that is soon full."""

    room = 300_000

    def write(self, data: Any) -> int:
        if self.tell() >= self.room:
            raise OSError(28, "No space left on device")
        return super().write(data[: self.room - self.tell()])


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
@pytest.mark.parametrize("room", [300_000, 0])
def test_a_full_disk(
    movies: Path,
    tmp_path: Path,
    suffix: str,
    room: int,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / f"a{suffix}"
    units = received(movies / "movie.mp4", 6.0)
    monkeypatch.setattr(Limited, "room", room)
    recorder = Recorder(path, list(dict.fromkeys(track for track, _, _ in units)))

    def limited(self: Path, mode: str, buffering: int) -> IO[bytes]:
        return Limited(self, mode)

    def write_all() -> None:
        for track, unit, seconds in units:
            recorder.write(track, unit, seconds)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", limited)
        with pytest.raises(MediaError, match=r"recording stopped: No space left on device; [^\n]*$"):
            write_all()
    with pytest.raises(MediaError, match="recording stopped"):
        recorder.write(*units[0])
    recorder.close()
    assert capfd.readouterr() == ("", "")
    if room:
        assert len(marks_in(path)) >= 25
    else:
        assert not path.exists()


def test_a_disk_that_fills_up_at_the_end(
    movies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.mp4"
    units = received(movies / "movie.mp4", 3.0)
    monkeypatch.setattr(Limited, "room", 1 << 30)
    monkeypatch.setattr(Path, "open", lambda self, mode, buffering: Limited(self, mode))
    recorder = Recorder(path, list(dict.fromkeys(track for track, _, _ in units)))
    for track, unit, seconds in units:
        recorder.write(track, unit, seconds)
    monkeypatch.setattr(Limited, "room", recorder.bytes + 1000)
    with pytest.raises(
        MediaError, match="recording stopped: No space left on device; what is there can be played"
    ):
        recorder.close()
    monkeypatch.undo()
    assert len(marks_in(path)) >= 50


def test_a_file_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Path, mode: str, buffering: int) -> None:
        raise PermissionError(13, "Permission denied")

    recorder = Recorder(tmp_path / "a.mp4", [video("jpeg")[0]])
    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(MediaError, match=r"a\.mp4: cannot be written: Permission denied"):
        recorder.write(*coded("jpeg")[0])


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([".mp4", ".mkv", ".ts"]),
    st.lists(
        st.tuples(
            st.sampled_from(["h264", "aac"]),
            st.integers(0, FRAMES - 1),
            st.none() | st.binary(max_size=40),
            st.floats(-5, 5) | st.floats(-1e10, 1e10),
        ),
        max_size=30,
    ),
)
def test_any_units_at_any_time(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, rows: list[tuple[str, int, bytes | None, float]]
) -> None:
    path = tmp_path_factory.mktemp("any") / f"a{suffix}"
    tracks = {codec: coded(codec) for codec in ("h264", "aac")}
    with quiet(), Recorder(path, [units[0][0] for units in tracks.values()]) as recorder:
        for codec, number, junk, seconds in rows:
            track, unit, _ = tracks[codec][number]
            recorder.write(track, unit if junk is None else replace(unit, data=junk), seconds)
    assert path.exists() == (recorder.bytes > 0)
    assert recorder.units - recorder.skipped == 0 or path.exists()
    if path.exists():
        # What holds next to nothing is no file to libavformat at times.
        with quiet(), suppress(av.error.FFmpegError), av.open(str(path)) as container:
            for packet in container.demux():
                assert packet.dts is None or packet.pts is None or packet.dts <= packet.pts


def test_suffixes() -> None:
    assert set(HELD) == set(RECORDING_SUFFIXES)
