from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import av
import pytest
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from reelcast.errors import PayloadError
from reelcast.media.codecs import Lane, adapt, name_of, wants_first
from reelcast.rtp.payload.aac_config import AudioConfig, build_config, parse_config

Movie = Callable[[str], Path]


def adapted(
    path: Path, kind: Literal["video", "audio"], extradata: bytes | None, first: bytes | None = None
) -> Lane:
    """The lane of a file's stream, its header's words replaced; `first` is its first packet if not given."""
    with av.open(str(path)) as container:
        stream = container.streams.best(kind)
        assert isinstance(stream, VideoStream | AudioStream)
        if first is None:
            first = next(bytes(packet) for packet in container.demux(stream))
        stream.codec_context.extradata = extradata
        assert wants_first(stream)
        return adapt(stream, first)


def adts(
    raw: bytes, *, profile: int = 1, rate: int = 3, channels: int = 2, blocks: int = 0, crc: bool = False
) -> bytes:
    """An ADTS frame (ISO/IEC 14496-3 section 1.A.2.2)."""
    size = 7 + 2 * crc + len(raw)
    head = (
        0xFFF << 44 | (not crc) << 40 | profile << 38 | rate << 34 | channels << 30 | size << 13 | 0x7FF << 2
    )
    return (head | blocks).to_bytes(7) + bytes(2 * crc) + raw


@pytest.mark.parametrize("extradata", [None, b"", b"\1\2\3", b"\0\0\0\1\x67"])
def test_parameter_sets_come_from_the_first_keyframe(movie: Movie, extradata: bytes | None) -> None:
    lane = adapted(movie("movie.ts"), "video", extradata)
    assert [nal[0] & 0x1F for nal in lane.track.parameter_sets] == [7, 8]
    assert lane.length is None


def test_h264_without_parameter_sets(movie: Movie) -> None:
    with pytest.raises(PayloadError, match="no SPS and PPS"):
        adapted(movie("movie.mp4"), "video", None)


@pytest.mark.parametrize("crc", [False, True])
def test_adts(movie: Movie, crc: bool) -> None:
    lane = adapted(movie("sound.aac"), "audio", None, adts(b"raw", rate=4, channels=1, crc=crc))
    assert parse_config(lane.track.config) == AudioConfig(2, 44_100, 1)
    assert (lane.track.clock_rate, lane.track.channels) == (44_100, 1)
    assert lane.convert(adts(b"raw", crc=crc)) == b"raw"
    assert lane.length is not None
    assert lane.length(b"raw") == 1024


@pytest.mark.parametrize("channels", range(1, 8))
def test_adts_channels(movie: Movie, channels: int) -> None:
    lane = adapted(movie("sound.aac"), "audio", None, adts(b"raw", channels=channels))
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
        adapted(movie("sound.aac"), "audio", None, first)


def test_aac_whose_stream_tells_the_channels(movie: Movie) -> None:
    config = build_config(48_000, 2)
    with av.open(str(movie("sound.m4a"))) as container:
        stream = container.streams.audio[0]
        stream.codec_context.extradata = bytes((config[0], config[1] & 0x87))
        with pytest.raises(PayloadError, match="channels of its own making"):
            adapt(stream, b"")


def test_sbr_runs_on_the_clock_of_its_core(movie: Movie) -> None:
    with av.open(str(movie("sound.m4a"))) as container:
        stream = container.streams.audio[0]
        # HE-AAC, signalled explicitly: 24 kHz within 48 kHz.
        stream.codec_context.extradata = bytes.fromhex("2b118800")
        track = adapt(stream, b"").track
    assert track.clock_rate == 24_000


@pytest.mark.parametrize(("name", "frame"), [("sound.wav", b"\1\2\3\4\5\6\7"), ("mulaw.wav", b"\1\2\3")])
def test_pcm_is_cut_to_whole_samples(movie: Movie, name: str, frame: bytes) -> None:
    with av.open(str(movie(name))) as container:
        stream = container.streams.audio[0]
        assert not wants_first(stream)
        lane = adapt(stream, b"")
    data = lane.convert(frame)
    assert data == (b"\2\1\4\3" if name == "sound.wav" else frame)
    assert lane.length is not None
    assert lane.length(data) == (1 if name == "sound.wav" else 3)


def test_an_image_that_cannot_be_carried(movie: Movie) -> None:
    with pytest.raises(PayloadError, match="JPEG"):
        adapted(movie("jpeg.avi"), "video", None, b"")


def test_other_codecs(movie: Movie) -> None:
    with av.open(str(movie("flac.mkv"))) as container:
        stream = container.streams.audio[0]
        assert name_of(stream) == "flac"
        with pytest.raises(PayloadError, match="no RTP payload format"):
            adapt(stream, b"")
