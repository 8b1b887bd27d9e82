from __future__ import annotations

import itertools
import logging
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import pytest

from reelcast.errors import MediaError
from reelcast.media import container as container_module
from reelcast.media.container import ContainerDemuxer
from reelcast.rtp.payload import packetizer_for
from reelcast.rtp.payload.aac_config import parse_config
from reelcast.rtp.payload.nal_units import split_nal_units
from reelcast.track import AccessUnit

Movie = Callable[[str], Path]
TIMED = [
    "movie.mp4",
    "movie.mov",
    "movie.mkv",
    "movie.ts",
    "movie.avi",
    "b-frames.avi",
    "film.mp4",
    "film.ts",
    "jpeg.avi",
    "jpeg.mov",
]


@contextmanager
def opened(path: Path) -> Iterator[ContainerDemuxer]:
    with closing(ContainerDemuxer(path)) as demuxer:
        yield demuxer


def units_of(demuxer: ContainerDemuxer, index: int = 0) -> list[AccessUnit]:
    return [unit for track, unit in demuxer.units() if track == index]


def slices(data: bytes) -> list[bytes]:
    """The coded slices of an Annex B frame: what must be the same in every container."""
    return [nal for nal in split_nal_units(data) if nal[0] & 0x1F in (1, 5)]


@pytest.mark.parametrize("name", ["movie.mp4", "movie.mov", "movie.mkv", "movie.ts", "movie.avi"])
def test_tracks(movie: Movie, name: str) -> None:
    with opened(movie(name)) as demuxer:
        video, audio = demuxer.tracks
    assert (video.kind, video.codec, video.clock_rate, video.payload_type) == ("video", "h264", 90_000, 96)
    assert (video.width, video.height, video.frame_rate, video.control) == (160, 120, 25.0, "trackID=1")
    assert [nal[0] & 0x1F for nal in video.parameter_sets] == [7, 8]
    assert video.bit_rate > 0
    assert (audio.kind, audio.codec, audio.clock_rate, audio.payload_type) == ("audio", "aac", 48_000, 97)
    assert (audio.channels, audio.control) == (2, "trackID=2")
    config = parse_config(audio.config)
    assert config is not None
    assert (config.object_type, config.rate, config.channels) == (2, 48_000, 2)


@pytest.mark.parametrize("name", ["movie.mp4", "movie.mov", "movie.mkv", "film.mp4", "jpeg.mov", "sound.m4a"])
def test_times_are_those_of_the_container(movie: Movie, name: str) -> None:
    with av.open(str(movie(name))) as container:
        expected: dict[int, list[tuple[Fraction, Fraction | None]]] = {}
        for packet in container.demux():
            if packet.pts is not None:
                dts = None if packet.dts is None else packet.dts * packet.time_base
                expected.setdefault(packet.stream_index, []).append((packet.pts * packet.time_base, dts))
    with opened(movie(name)) as demuxer:
        for index, track in enumerate(demuxer.tracks):
            if track.codec == "l16":
                # Cut anew.
                continue
            demuxer.seek(0)
            units = units_of(demuxer, index)
            assert len(units) == len(expected[index])
            # Matroska counts milliseconds; audio is then counted by samples instead.
            slack = 96 if name.endswith(".mkv") and track.kind == "audio" else Fraction(1, 2)
            for unit, (pts, dts) in zip(units, expected[index], strict=True):
                assert abs(unit.pts - pts * track.clock_rate) <= slack
                assert dts is None or abs(unit.dts - dts * track.clock_rate) <= max(slack, 2)


@pytest.mark.parametrize("name", ["movie.mp4", "movie.mov", "movie.mkv", "movie.ts", "b-frames.avi"])
def test_frames_are_the_same_whatever_the_container(movie: Movie, name: str) -> None:
    with opened(movie("movie.mp4")) as first, opened(movie(name)) as second:
        one, other = units_of(first), units_of(second)
        assert [slices(unit.data) for unit in one] == [slices(unit.data) for unit in other]
        assert [unit.keyframe for unit in one] == [unit.keyframe for unit in other]
        first.seek(0)
        second.seek(0)
        assert [unit.data for unit in units_of(first, 1)] == [unit.data for unit in units_of(second, 1)]
        shift = other[0].pts
        assert [unit.pts for unit in one] == [unit.pts - shift for unit in other]
        assert any(unit.pts != unit.dts for unit in other)


def test_keyframes_and_start_codes(movie: Movie) -> None:
    for name in ("movie.mp4", "movie.ts", "movie.avi", "raw.h264"):
        with opened(movie(name)) as demuxer:
            units = units_of(demuxer)
        assert [number for number, unit in enumerate(units) if unit.keyframe] == [0, 25, 50]
        assert all(unit.data.startswith(b"\0\0\0\1") for unit in units)
        assert all(unit.data.count(b"\0\0\1") == unit.data.count(b"\0\0\0\1") for unit in units)


def test_matroska_audio_is_counted(movie: Movie) -> None:
    with opened(movie("movie.mkv")) as demuxer:
        audio = units_of(demuxer, 1)
    assert {later.pts - earlier.pts for earlier, later in itertools.pairwise(audio)} == {1024}


def test_priming_stays_before_the_start(movie: Movie) -> None:
    with opened(movie("sound.m4a")) as demuxer:
        (track,) = demuxer.tracks
        units = units_of(demuxer)
    assert units[0].pts == -1024
    assert units[1].pts == 0
    assert track.control == "trackID=1"


@pytest.mark.parametrize("name", [*TIMED, "raw.h264", "sound.wav"])
def test_decoding_times_rise(movie: Movie, name: str) -> None:
    with opened(movie(name)) as demuxer:
        for index in range(len(demuxer.tracks)):
            demuxer.seek(0)
            units = units_of(demuxer, index)
            assert all(earlier.dts < later.dts for earlier, later in itertools.pairwise(units))
            assert all(unit.pts >= unit.dts for unit in units)


@pytest.mark.parametrize("name", TIMED)
def test_seek_lands_on_the_last_keyframe(movie: Movie, name: str) -> None:
    with opened(movie(name)) as demuxer:
        everything = units_of(demuxer)
        keyframes = [unit for unit in everything if unit.keyframe]
        places = [unit.pts / 90_000 for unit in keyframes]
        for seconds in [*places, *(place + 0.01 for place in places), 0.5, 0.99, 1.49, 1.999, 2.5]:
            demuxer.seek(seconds)
            found = list(demuxer.units())
            video = [unit for index, unit in found if index == 0]
            wanted = [unit for unit in keyframes if unit.pts <= round(seconds * 90_000)] or everything
            assert video[0].data == wanted[-1].data
            assert video[0].pts == wanted[-1].pts
            assert len(video) == len(everything) - everything.index(wanted[-1])
            audio = [unit for index, unit in found if index == 1]
            heard = Fraction(audio[0].pts, demuxer.tracks[1].clock_rate)
            # A transport stream's first sound after the start is at most one packet of audio frames late.
            assert heard <= Fraction(video[0].pts, 90_000) + Fraction(1, 10 if name.endswith(".ts") else 40)


@pytest.mark.parametrize("name", [*TIMED, "raw.h264", "sound.wav", "sound.m4a"])
def test_before_the_start_is_the_start(movie: Movie, name: str) -> None:
    with opened(movie(name)) as demuxer:
        everything = list(demuxer.units())
        for seconds in (0.0, -1.0, -1e9):
            demuxer.seek(seconds)
            assert list(demuxer.units()) == everything


@pytest.mark.parametrize("name", [*TIMED, "raw.h264"])
def test_past_the_end_is_the_last_keyframe(movie: Movie, name: str) -> None:
    with opened(movie(name)) as demuxer:
        last = [unit for unit in units_of(demuxer) if unit.keyframe][-1]
        demuxer.seek(1e6)
        assert units_of(demuxer)[0] == last


def test_seeking_moves_a_reader_at_work(movie: Movie) -> None:
    with opened(movie("movie.mp4")) as demuxer:
        units = demuxer.units()
        next(units)
        demuxer.seek(2.0)
        index, unit = next(units)
        assert (index, unit.pts, unit.keyframe) == (0, 180_000, True)


def test_sound_alone_is_sought_by_its_units(movie: Movie) -> None:
    with opened(movie("sound.m4a")) as demuxer:
        demuxer.seek(1.0)
        unit = units_of(demuxer)[0]
        assert unit.pts <= 48_000 < unit.pts + 1024
    with opened(movie("sound.wav")) as demuxer:
        demuxer.seek(1.0)
        unit = units_of(demuxer)[0]
        assert unit.pts <= 44_100 < unit.pts + unit.duration


def test_raw_h264(movie: Movie) -> None:
    with opened(movie("raw.h264")) as demuxer:
        (track,) = demuxer.tracks
        units = units_of(demuxer)
        assert demuxer.duration == 3.0
        assert (track.frame_rate, track.width, track.height, len(track.parameter_sets)) == (25.0, 160, 120, 2)
        assert [unit.pts for unit in units] == [3600 * number for number in range(75)]
        for seconds, number in ((0.99, 0), (1.0, 25), (1.5, 25), (2.96, 50)):
            demuxer.seek(seconds)
            assert units_of(demuxer) == units[number:]


def test_long_raw_files_are_not_measured(movie: Movie, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container_module, "MAX_MEASURED_BYTES", 100)
    with opened(movie("raw.h264")) as demuxer:
        assert demuxer.duration is None
        demuxer.seek(2.5)
        assert units_of(demuxer)[0].pts == 0


def test_a_container_without_duration_is_measured(movie: Movie, tmp_path: Path) -> None:
    path = tmp_path / "live.mkv"
    with av.open(str(movie("movie.mkv"))) as source:
        stream = source.streams.video[0]
        # Nothing is written back into a live Matroska: no duration, no cues.
        with av.open(str(path), "w", options={"live": "1"}) as target:
            copy = target.add_stream_from_template(stream)
            for packet in source.demux(stream):
                if packet.size:
                    packet.stream = copy
                    target.mux(packet)
    with opened(path) as demuxer:
        assert demuxer.duration == pytest.approx(3.0, abs=0.05)
        demuxer.seek(1.5)
        assert units_of(demuxer)[0].pts == 90_000


@pytest.mark.parametrize(
    ("name", "codec", "payload_type", "rate", "channels", "width"),
    [
        ("sound.wav", "l16", 10, 44_100, 2, 4),
        ("mulaw.wav", "pcmu", 0, 8_000, 1, 1),
        ("alaw.wav", "pcma", 8, 8_000, 1, 1),
    ],
)
def test_pcm(
    movie: Movie, name: str, codec: str, payload_type: int, rate: int, channels: int, width: int
) -> None:
    with opened(movie(name)) as demuxer:
        (track,) = demuxer.tracks
        units = units_of(demuxer)
        assert demuxer.duration == pytest.approx(2.0)
    assert (track.codec, track.payload_type, track.clock_rate, track.channels) == (
        codec,
        payload_type,
        rate,
        channels,
    )
    assert track.bit_rate == 8 * width * rate
    assert sum(unit.duration for unit in units) == 2 * rate
    assert [unit.pts for unit in units] == [
        sum(unit.duration for unit in units[:number]) for number in range(len(units))
    ]


SOUNDS = [
    *("opus.webm", "opus.ogg", "sound.mp3", "low.mp3", "sound.mp2", "sound.aac", "sound.m4a", "sound.flac"),
    *("flac.mkv", "alac.m4a", "sound.wav", "s24.wav", "u8.wav", "mulaw.wav", "g722.wav"),
]


@pytest.mark.parametrize("name", [*SOUNDS, "movie.mkv", "film.flv", "movie.ts"])
def test_sound_behind_a_seek_is_as_in_sequence(movie: Movie, name: str) -> None:
    """The same bytes at the same times, whatever precision the container has."""
    with opened(movie(name)) as demuxer:
        index = len(demuxer.tracks) - 1
        demuxer.seek(0)
        everything = units_of(demuxer, index)
        rate = demuxer.tracks[index].clock_rate
        for seconds in (0.3, 0.777, 1.0, 1.234, 1.9):
            demuxer.seek(seconds)
            found = units_of(demuxer, index)
            assert found == everything[-len(found) :]
            if index == 0:
                # What is decoded begins with the packet in which that place is.
                assert 0 <= seconds - found[0].pts / rate < 0.1


@pytest.mark.parametrize("name", SOUNDS)
def test_sound_has_no_gaps(movie: Movie, name: str) -> None:
    with opened(movie(name)) as demuxer:
        (track,) = demuxer.tracks
        units = units_of(demuxer)
        assert demuxer.duration is not None
    for earlier, later in itertools.pairwise(units):
        assert later.pts == earlier.pts + earlier.duration
    end = (units[-1].pts + units[-1].duration) / track.clock_rate
    assert end == pytest.approx(demuxer.duration, abs=0.04)
    assert end >= 1.99


@pytest.mark.parametrize(
    ("name", "ticks"), [("opus.ogg", -312), ("sound.mp3", -2255), ("sound.m4a", -1024), ("sound.mp2", 0)]
)
def test_what_the_encoder_puts_first_is_before_the_start(movie: Movie, name: str, ticks: int) -> None:
    """Opus pre-skip (RFC 7845 section 4.2), and the delay of MP3 and AAC encoders."""
    with opened(movie(name)) as demuxer:
        assert units_of(demuxer)[0].pts == ticks


def test_a_guessed_duration_is_measured_once(
    movie: Movie, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames of 32 kbit/s, then of 256: by the rate of the first, the file would be eight times as long."""
    path = tmp_path / "two.mp3"
    slow, fast = bytes.fromhex("fffb14c0") + bytes(92), bytes.fromhex("fffbd4c0") + bytes(764)
    path.write_bytes(slow * 125 + fast * 125)
    measured = 250 * 1152 / 48_000
    with opened(path) as demuxer:
        assert demuxer.duration == measured
    monkeypatch.setattr(ContainerDemuxer, "_measure_timed", None)
    with opened(path) as demuxer:
        assert demuxer.duration == measured
    monkeypatch.setattr(container_module, "MAX_COUNTED_BYTES", 0)
    with opened(path) as demuxer:
        assert demuxer.duration is not None
        assert demuxer.duration > measured + 1


def test_lengths_are_not_kept_for_ever(movie: Movie, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container_module, "MAX_KNOWN_LENGTHS", 1)
    for name in ("sound.aac", "sound.mp2", "sound.aac"):
        with opened(movie(name)) as demuxer:
            assert demuxer.duration == pytest.approx(2.0, abs=0.05)
        assert len(container_module._measured) == 1


def test_samples_are_big_endian(movie: Movie) -> None:
    heard = {}
    for name in ("sound.wav", "jpeg.mov"):
        with opened(movie(name)) as demuxer:
            index = len(demuxer.tracks) - 1
            heard[name] = b"".join(unit.data for unit in units_of(demuxer, index))
    # A saw of 0, 1, 2, ... on both channels.
    for data in heard.values():
        assert data[:16] == b"".join(number.to_bytes(2) * 2 for number in range(4))


@pytest.mark.parametrize("name", ["sound.aac", "movie.ts"])
def test_adts_is_taken_off(movie: Movie, name: str) -> None:
    with opened(movie(name)) as demuxer:
        track = demuxer.tracks[-1]
        units = units_of(demuxer, len(demuxer.tracks) - 1)
    assert track.config == bytes.fromhex("1190")
    assert not any(unit.data.startswith(b"\xff\xf1") for unit in units)
    packetizer = packetizer_for(track)
    assert sum(burst.duration for unit in units for burst in packetizer.packetize(unit)) > 0


@pytest.mark.parametrize("name", ["jpeg.avi", "jpeg.mov"])
def test_jpeg(movie: Movie, name: str) -> None:
    with opened(movie(name)) as demuxer:
        video, audio = demuxer.tracks
        units = units_of(demuxer)
    assert (video.codec, video.payload_type, video.control) == ("jpeg", 26, "trackID=1")
    assert (audio.codec, audio.payload_type, audio.control) == ("l16", 97, "trackID=2")
    assert len(units) == 10
    assert all(unit.keyframe and unit.data.startswith(b"\xff\xd8") for unit in units)


def test_what_cannot_be_carried_is_left_out(movie: Movie, caplog: pytest.LogCaptureFixture) -> None:
    with opened(movie("mixed.mkv")) as demuxer:
        assert [track.codec for track in demuxer.tracks] == ["h264"]
        assert {index for index, _ in demuxer.units()} == {0}
    assert "mixed.mkv: track 2 (ac3) is left out: there is no RTP payload format" in caplog.text
    with opened(movie("jpeg444.mov")) as demuxer:
        assert [(track.codec, track.control) for track in demuxer.tracks] == [("l16", "trackID=1")]
        assert len(units_of(demuxer)) > 0
    assert "jpeg444.mov: track 1 (mjpeg) is left out: the JPEG" in caplog.text


def test_nothing_left_is_an_error(movie: Movie, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        MediaError, match=r"ac3\.mkv: nothing in it can be carried over RTP; found track 1 \(ac3\)"
    ):
        ContainerDemuxer(movie("ac3.mkv"))
    monkeypatch.setattr(container_module, "MAX_TRACKS", 1)
    with opened(movie("movie.mp4")) as demuxer:
        assert len(demuxer.tracks) == 1


def test_subtitles_and_cover_art(movie: Movie, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, cover, words = tmp_path / "film.mkv", tmp_path / "cover.jpg", tmp_path / "words.srt"
    with opened(movie("jpeg.mov")) as demuxer:
        cover.write_bytes(units_of(demuxer)[0].data)
    words.write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n\n")
    inputs = [argument for source in (movie("movie.mkv"), words) for argument in ("-i", str(source))]
    attached = ["-attach", str(cover), "-metadata:s:t", "mimetype=image/jpeg"]
    copied = ["-map", "0", "-map", "1", "-c", "copy", "-c:s", "srt"]
    subprocess.run(["ffmpeg", "-v", "error", *inputs, *copied, *attached, str(path)], check=True)
    with opened(path) as demuxer:
        assert [track.codec for track in demuxer.tracks] == ["h264", "aac"]
    assert "track 3 (subtitles) is left out" in caplog.text
    assert len(caplog.records) == 1


def test_the_packetizers_take_every_unit(movie: Movie) -> None:
    for name in (*TIMED, "raw.h264", "sound.wav", "sound.aac"):
        with opened(movie(name)) as demuxer:
            packetizers = [packetizer_for(track) for track in demuxer.tracks]
            bursts = [
                burst for index, unit in demuxer.units() for burst in packetizers[index].packetize(unit)
            ]
        assert len(bursts) > 10


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 2000, b"\0\0\0\x18ftypisom" + b"\0" * 12, b"RIFF\xff\xff\xff\xffWAVE"]
)
def test_broken_files(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(data)
    with pytest.raises(MediaError, match=r"broken\.mp4: ") as caught:
        ContainerDemuxer(path)
    assert "\n" not in str(caught.value)


def test_other_files_are_never_opened_for_a_playlist(movie: Movie, tmp_path: Path) -> None:
    secret = movie("movie.ts")
    texts = {
        "list.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{secret}\n#EXT-X-ENDLIST\n",
        "join.mp4": f"ffconcat version 1.0\nfile {secret.name}\n",
        "words.mp4": "v=0\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n",
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(MediaError):
            ContainerDemuxer(path)


def test_a_file_that_is_replaced(movie: Movie, tmp_path: Path) -> None:
    path = tmp_path / "movie.mp4"
    path.write_bytes(movie("movie.mp4").read_bytes())
    with opened(path) as demuxer:
        path.write_bytes(movie("sound.wav").read_bytes())
        with pytest.raises(MediaError, match="replaced"):
            demuxer.seek(0)
        assert list(demuxer.units()) == []
        path.unlink()
    with opened(movie("movie.mp4")) as demuxer:
        demuxer.close()
        assert list(demuxer.units()) == []


def test_joined_transport_streams_go_on(movie: Movie, tmp_path: Path) -> None:
    path = tmp_path / "joined.ts"
    path.write_bytes(movie("film.ts").read_bytes() * 3)
    with opened(path) as demuxer:
        video = units_of(demuxer)
        demuxer.seek(0)
        audio = units_of(demuxer, 1)
    assert len(video) > 170
    gaps = [later.dts - earlier.dts for earlier, later in itertools.pairwise(video)]
    assert min(gaps) > 0
    assert max(gaps) < 90_000
    assert abs(audio[-1].pts / 48_000 - video[-1].pts / 90_000) < 0.5


def drain(path: Path) -> int:
    """Open a file, read some, seek, read on: whatever happens is a MediaError or goes well."""
    count = 0
    with suppress(MediaError), opened(path) as demuxer:
        for seconds in (None, 1.2):
            if seconds is not None:
                demuxer.seek(seconds)
            for _, unit in itertools.islice(demuxer.units(), 500):
                assert abs(unit.pts) < 2**40
                count += 1
    return count


@pytest.mark.parametrize(
    "name", ["movie.mp4", "movie.mkv", "movie.ts", "movie.avi", "raw.h264", "jpeg.avi", "sound.wav"]
)
def test_mutated_and_truncated_files(
    movie: Movie, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    original = movie(name).read_bytes()
    path = tmp_path / name
    chance = random.Random(name)
    for _ in range(25):
        data = bytearray(original)
        for _ in range(chance.choice((1, 4, 30, 200))):
            data[chance.randrange(min(len(data), chance.choice((64, 2000, len(data)))))] = chance.randrange(
                256
            )
        path.write_bytes(data)
        drain(path)
        path.write_bytes(original[: chance.randrange(len(original))])
        drain(path)


def test_a_truncated_stream_is_served_as_far_as_it_goes(movie: Movie, tmp_path: Path) -> None:
    for name in ("movie.ts", "movie.mkv", "movie.avi"):
        path = tmp_path / name
        data = movie(name).read_bytes()
        path.write_bytes(data[: len(data) // 2])
        assert drain(path) > 20


def test_libraries_are_loaded_when_needed() -> None:
    program = "import sys, reelcast.media.demux; assert 'av' not in sys.modules"
    subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
