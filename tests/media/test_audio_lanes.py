"""Streams of sound as tracks: what passes as it is, what is decoded, and what a broken stream comes to."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from reelcast.errors import PayloadError
from reelcast.media import audio_lanes
from reelcast.media.audio_lanes import adapt_audio
from reelcast.media.codecs import name_of, wants_first
from reelcast.media.lane import Lane
from reelcast.rtp.payload.aac_config import AudioConfig, build_config, parse_config
from reelcast.track import Track

Movie = Callable[[str], Path]


def adapted(path: Path, extradata: bytes | None, first: bytes | None = None) -> Lane:
    """The lane of a file's stream, its header's words replaced; `first` is its first packet if not given."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        if first is None:
            first = next(bytes(packet) for packet in container.demux(stream))
        stream.codec_context.extradata = extradata
        return adapt_audio(stream, name_of(stream), first)


def converted(path: Path) -> tuple[Lane, list[bytes]]:
    """The lane of a file's first stream of sound, and all that comes out of it."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert not wants_first(stream)
        lane = adapt_audio(stream, name_of(stream), b"")
        return lane, [lane.convert(bytes(packet)) for packet in container.demux(stream) if packet.size]


def coded(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def summary(track: Track) -> tuple[str, int, int, int]:
    return track.codec, track.clock_rate, track.channels, track.payload_type


def adts(
    raw: bytes, *, profile: int = 1, rate: int = 3, channels: int = 2, blocks: int = 0, crc: bool = False
) -> bytes:
    """An ADTS frame (ISO/IEC 14496-3 section 1.A.2.2)."""
    size = 7 + 2 * crc + len(raw)
    head = (
        0xFFF << 44 | (not crc) << 40 | profile << 38 | rate << 34 | channels << 30 | size << 13 | 0x7FF << 2
    )
    return (head | blocks).to_bytes(7) + bytes(2 * crc) + raw


@pytest.mark.parametrize("crc", [False, True])
def test_adts(movie: Movie, crc: bool) -> None:
    lane = adapted(movie("sound.aac"), None, adts(b"raw", rate=4, channels=1, crc=crc))
    assert parse_config(lane.track.config) == AudioConfig(2, 44_100, 1)
    assert (lane.track.clock_rate, lane.track.channels) == (44_100, 1)
    assert lane.convert(adts(b"raw", crc=crc)) == b"raw"
    assert lane.length is not None
    assert lane.length(b"raw") == 1024


@pytest.mark.parametrize("channels", range(1, 8))
def test_adts_channels(movie: Movie, channels: int) -> None:
    lane = adapted(movie("sound.aac"), None, adts(b"raw", channels=channels))
    assert lane.track.channels == (8 if channels == 7 else channels)


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"raw data without a header",
        adts(b"raw", channels=0),
        adts(b"raw", rate=13),
        adts(b"raw", blocks=1),
        adts(b"raw")[:-1],
        adts(b""),
    ],
)
def test_adts_that_tells_nothing(movie: Movie, first: bytes) -> None:
    with pytest.raises(PayloadError, match="AAC configuration"):
        adapted(movie("sound.aac"), None, first)


def test_aac_whose_stream_tells_the_channels(movie: Movie) -> None:
    config = build_config(48_000, 2)
    with av.open(str(movie("sound.m4a"))) as container:
        stream = container.streams.audio[0]
        stream.codec_context.extradata = bytes((config[0], config[1] & 0x87))
        with pytest.raises(PayloadError, match="channels of its own making"):
            adapt_audio(stream, "aac", b"")


def test_sbr_runs_on_the_clock_of_its_core(movie: Movie) -> None:
    with av.open(str(movie("sound.m4a"))) as container:
        stream = container.streams.audio[0]
        # HE-AAC, signalled explicitly: 24 kHz within 48 kHz.
        stream.codec_context.extradata = bytes.fromhex("2b118800")
        track = adapt_audio(stream, "aac", b"").track
    assert track.clock_rate == 24_000


@pytest.mark.parametrize(("name", "frame"), [("sound.wav", b"\1\2\3\4\5\6\7"), ("mulaw.wav", b"\1\2\3")])
def test_pcm_is_cut_to_whole_samples(movie: Movie, name: str, frame: bytes) -> None:
    with av.open(str(movie(name))) as container:
        stream = container.streams.audio[0]
        assert not wants_first(stream)
        lane = adapt_audio(stream, name_of(stream), b"")
    data = lane.convert(frame)
    assert data == (b"\2\1\4\3" if name == "sound.wav" else frame)
    assert lane.length is not None
    assert lane.length(data) == (1 if name == "sound.wav" else 3)


@pytest.mark.parametrize(
    ("name", "track", "rate", "samples"),
    [
        ("opus.webm", ("opus", 48_000, 2, 96), 48_000, {960}),
        ("opus.ogg", ("opus", 48_000, 2, 96), 48_000, {960}),
        ("sound.mp3", ("mpa", 90_000, 2, 14), 44_100, {1152}),
        ("sound.mp2", ("mpa", 90_000, 2, 14), 48_000, {1152}),
        ("low.mp3", ("mpa", 90_000, 1, 14), 8_000, {576}),
        ("g722.wav", ("g722", 8_000, 1, 9), 8_000, {512, 128}),
    ],
)
def test_passed_as_it_is(
    movie: Movie, name: str, track: tuple[str, int, int, int], rate: int, samples: set[int]
) -> None:
    lane, found = converted(movie(name))
    assert (summary(lane.track), lane.rate) == (track, rate)
    assert lane.length is not None
    assert found == coded(movie(name))
    assert set(map(lane.length, found)) <= samples
    assert lane.frame == (1 if name == "g722.wav" else 0)


@pytest.mark.parametrize(
    "name", ["flac.mkv", "sound.flac", "flac24.flac", "s24.wav", "s32.wav", "float.wav", "u8.wav", "alac.m4a"]
)
def test_decoded(movie: Movie, name: str, tmp_path: Path) -> None:
    """What ffmpeg makes of it when it is told to write 16 bits, packet by packet."""
    lane, found = converted(movie(name))
    assert lane.track.codec == "l16"
    assert lane.frame == 2 * lane.track.channels
    assert lane.length is not None
    assert sum(map(lane.length, found)) == 2 * lane.track.clock_rate
    expected = tmp_path / "expected"
    options = ("-f", "s16be", "-c:a", "pcm_s16be")
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(movie(name)), *options, str(expected)], check=True)
    assert b"".join(found) == expected.read_bytes()


def test_surround_becomes_stereo(movie: Movie) -> None:
    lane, found = converted(movie("surround.flac"))
    assert summary(lane.track) == ("l16", 48_000, 2, 96)
    assert len(b"".join(found)) == 2 * 48_000 * 4


@pytest.mark.parametrize("name", ["flac.mkv", "alac.m4a"])
def test_a_broken_packet_is_nothing(movie: Movie, name: str) -> None:
    packets = coded(movie(name))
    lane, found = converted(movie(name))
    with av.open(str(movie(name))) as container:
        stream = container.streams.audio[0]
        again = adapt_audio(stream, name_of(stream), b"")
        assert again.convert(b"\1\2\3") == b""
        assert [again.convert(packet) for packet in packets] == found
    assert lane.track.codec == "l16"


@pytest.mark.parametrize("name", ["sound.mp3", "opus.ogg"])
def test_a_frame_that_is_none_is_nothing(movie: Movie, name: str) -> None:
    lane, _ = converted(movie(name))
    frame = coded(movie(name))[1]
    assert lane.length is not None
    assert lane.convert(frame) == frame
    for broken in (b"", b"\xff\xff", frame[:-1] if name == "sound.mp3" else b"\x03\x3f"):
        assert lane.convert(broken) == b""
        assert lane.length(broken) == 0 or name == "sound.mp3"


def test_opus_of_many_channels(movie: Movie) -> None:
    head = b"OpusHead\1\6" + bytes(8) + b"\1"
    with pytest.raises(PayloadError, match="Opus of 2 channels, RTP carries mono and stereo"):
        adapted(movie("opus.ogg"), head)


def test_opus_mono_in_its_header(movie: Movie) -> None:
    head = b"OpusHead\1\1" + bytes(9)
    assert adapted(movie("opus.ogg"), head).track.channels == 1


@pytest.mark.parametrize(
    ("limit", "value", "reason"),
    [
        ("MAX_SAMPLE_RATE", 1000, r"[12] channels at \d+ Hz are not possible"),
        ("MAX_CHANNELS", 0, r"[12] channels at \d+ Hz are not possible"),
    ],
)
def test_impossible_streams(
    movie: Movie, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, reason: str
) -> None:
    monkeypatch.setattr(audio_lanes, limit, value)
    for name in ("sound.mp3", "sound.wav", "s24.wav", "g722.wav"):
        with pytest.raises(PayloadError, match=reason):
            converted(movie(name))


def test_g722_of_another_rate(movie: Movie, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio_lanes, "_G722_RATE", 8_000)
    with pytest.raises(PayloadError, match=r"G\.722 of 1 channels at 16000 Hz"):
        converted(movie("g722.wav"))


def test_other_codecs(movie: Movie) -> None:
    with pytest.raises(PayloadError, match="no RTP payload format"):
        converted(movie("ac3.mkv"))
