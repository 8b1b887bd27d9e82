"""Streams of PyAV's made of tracks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.media.coded import AUDIO, SIZE, VIDEO, audio, quiet, video

from reelcast.errors import MediaError
from reelcast.media.parameters import extradata, parameter_sets, picture_size, template
from reelcast.rtp.payload.av1_obu import SEQUENCE_HEADER, kind_of, split_obus
from reelcast.track import AccessUnit, Track


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quiet():
        yield


@pytest.mark.parametrize("codec", VIDEO)
@pytest.mark.parametrize("told", [SIZE, (0, 0), (640, 480)])
def test_video(codec: str, told: tuple[int, int]) -> None:
    track, units = video(codec)
    stream = template(replace(track, width=told[0], height=told[1]), units[0])
    assert isinstance(stream, VideoStream)
    # The first unit knows its size better than a description.
    assert (stream.codec_context.width, stream.codec_context.height) == SIZE
    assert stream.codec_context.extradata or codec in ("jpeg", "vp8", "vp9")
    stream.container.close()


@pytest.mark.parametrize("codec", sorted({*AUDIO} - {"g722"}))
def test_audio(codec: str) -> None:
    track, units = audio(codec)
    _, rate, channels, _ = AUDIO[codec]
    for first in (units[0], None):
        if first is None and codec == "mpa":
            with pytest.raises(MediaError, match="mpa audio cannot be described: no frame of MPEG audio"):
                template(track, first)
            continue
        stream = template(track, first)
        assert isinstance(stream, AudioStream)
        context = stream.codec_context
        assert (context.sample_rate, context.channels) == (rate, channels)
        assert (context.extradata or b"").startswith(b"OpusHead" if codec == "opus" else track.config)
        stream.container.close()


def test_layers_of_mpeg_audio() -> None:
    track, units = audio("mpa")
    assert template(track, units[0]).codec_context.codec.canonical_name == "mp2"
    third = AccessUnit(bytes.fromhex("fffb9064") + bytes(413), 0, 0)
    assert template(track, third).codec_context.codec.canonical_name == "mp3"


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_parameter_sets(codec: str) -> None:
    track, units = video(codec)
    old = replace(track, parameter_sets=tuple(nal + b"\x01" for nal in track.parameter_sets))
    assert parameter_sets(old, units[0].data) == track.parameter_sets
    assert parameter_sets(old, units[1].data) == old.parameter_sets
    assert parameter_sets(track) == track.parameter_sets
    assert parameter_sets(replace(track, parameter_sets=track.parameter_sets[:1])) == ()
    assert extradata(track) == b"".join(b"\0\0\0\1" + nal for nal in track.parameter_sets)


def test_extradata_of_av1_is_in_the_low_overhead_format() -> None:
    track, units = video("av1")
    header = next(each for each in split_obus(units[0].data) if kind_of(each) == SEQUENCE_HEADER)
    data = extradata(replace(track, parameter_sets=(header, b"")))
    assert list(split_obus(data)) == [header]
    assert len(data) > len(header)


@pytest.mark.parametrize("codec", VIDEO)
def test_what_does_not_begin_a_track(codec: str) -> None:
    track, _ = video(codec)
    for first in (AccessUnit(b"", 0, 0), AccessUnit(b"junk", 0, 0), None):
        if codec not in ("h264", "h265"):
            with pytest.raises(MediaError, match=f"{codec} video cannot be described"):
                template(track, first)
    if codec in ("h264", "h265"):
        with pytest.raises(MediaError, match=f"{codec} video cannot be described: its first unit is broken"):
            template(replace(track, parameter_sets=()), None)


@pytest.mark.parametrize("codec", [*VIDEO, *AUDIO])
@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=80), st.lists(st.binary(max_size=20), max_size=3).map(tuple), st.binary(max_size=9))
def test_any_bytes(codec: str, data: bytes, sets: tuple[bytes, ...], config: bytes) -> None:
    kind, clock = ("video", 90_000) if codec in VIDEO else ("audio", 8_000)
    track = replace(
        (video(codec) if codec in VIDEO else audio(codec))[0],
        parameter_sets=sets,
        config=config,
        clock_rate=clock,
    )
    assert track.kind == kind
    with suppress(MediaError):
        template(track, AccessUnit(data, 0, 0)).container.close()


def test_codecs_without_a_name_in_matroska() -> None:
    with pytest.raises(MediaError, match="mp2t video cannot be described: containers have no name for it"):
        template(Track("video", "mp2t", 90_000, 33), None)


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_the_size_of_pictures_is_by_the_parameter_sets(codec: str) -> None:
    track, _ = video(codec, (320, 192))
    assert picture_size(replace(track, width=1, height=1)) == (320, 192)
    assert picture_size(replace(track, parameter_sets=(b"", b"\x67junk"), width=7, height=5)) == (7, 5)


def test_the_size_of_other_pictures_is_told() -> None:
    assert picture_size(video("vp8")[0]) == SIZE
