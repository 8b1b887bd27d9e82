from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from av.video.frame import VideoFrame
from tests.media.coded import quiet

from reelcast.errors import MediaError
from reelcast.media.decode import VideoDecoder
from reelcast.media.encode import VIDEO_CODECS, VideoEncoder, create_encoder, start_encoder, to_frame
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload import depacketizer_for, packetizer_for
from reelcast.track import AccessUnit, Codec, Track

SIZE = (160, 128)
EPOCH = 1_800_000_000.0
"""Seconds: times are those of the wall clock, and their ticks need 48 bits."""


def grey(level: int, size: tuple[int, int] = SIZE) -> VideoFrame:
    return to_frame(np.full((size[1], size[0], 3), level, np.uint8))


def encoded(encoder: VideoEncoder, count: int, *, step: float = 0.04) -> list[AccessUnit]:
    with quiet():
        units = [unit for n in range(count) for unit in encoder.encode(grey(40 + 10 * n), EPOCH + n * step)]
        return units + encoder.flush()


def sent_and_received(track: Track, units: list[AccessUnit]) -> Iterator[AccessUnit]:
    """Units that went through packets."""
    packetizer, depacketizer = packetizer_for(track), depacketizer_for(track)
    number = 0
    for unit in units:
        for burst in packetizer.packetize(unit):
            place = 0
            for size in burst.sizes:
                packet = Packet.parse(burst.data[place : place + size])
                assert packet is not None
                yield from depacketizer.receive(replace(packet, sequence=number & 0xFFFF))
                place, number = place + size, number + 1


@pytest.mark.parametrize("codec", VIDEO_CODECS)
def test_every_picture_comes_out_at_once_and_with_its_time(codec: Codec) -> None:
    encoder = VideoEncoder(codec, *SIZE, fps=25)
    assert encoder.track is None
    with quiet():
        for number in range(5):
            (unit,) = encoder.encode(grey(40 + 20 * number), EPOCH + number * 0.04)
            assert unit.pts == unit.dts == round((EPOCH + number * 0.04) * 90_000)
            assert unit.duration == 3600
            assert unit.keyframe == (number == 0 or codec == "jpeg")
        assert encoder.flush() == []
    track = encoder.track
    assert track is not None
    assert (track.codec, track.width, track.height, track.frame_rate) == (codec, *SIZE, 25)


@pytest.mark.parametrize("codec", VIDEO_CODECS)
def test_what_is_encoded_can_be_sent_and_looked_at(codec: Codec) -> None:
    encoder = VideoEncoder(codec, *SIZE, fps=25)
    units = encoded(encoder, 5)
    track = encoder.track
    assert track is not None
    decoder = VideoDecoder(track)
    levels = [
        round(picture.to_ndarray("gray8").mean())
        for unit in sent_and_received(track, units)
        for picture in decoder.decode(unit)
    ]
    assert len(levels) >= 4
    assert all(abs(level - 40 - 10 * number) < 6 for number, level in enumerate(levels))


def test_colours_are_those_of_the_array() -> None:
    encoder = VideoEncoder("h264", *SIZE, fps=25)
    picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    picture[:] = (30, 120, 200)
    (unit,) = encoder.encode(to_frame(picture), 0.0)
    assert encoder.track is not None
    (shown,) = VideoDecoder(encoder.track).decode(unit)
    assert np.abs(shown.to_ndarray("bgr24").reshape(-1, 3).mean(0) - (30, 120, 200)).max() < 6
    (unit,) = encoder.encode(to_frame(picture, "rgb24"), 0.04, keyframe=True)
    (shown,) = VideoDecoder(encoder.track).decode(unit)
    assert np.abs(shown.to_ndarray("rgb24").reshape(-1, 3).mean(0) - (30, 120, 200)).max() < 6


def test_keyframes_come_when_wanted_and_when_it_is_time() -> None:
    encoder = VideoEncoder("h264", *SIZE, fps=25, keyframe_seconds=0.4)
    assert [unit.keyframe for unit in encoded(encoder, 21)] == [number % 10 == 0 for number in range(21)]
    # Slower than was said: it is the time that counts.
    encoder = VideoEncoder("h264", *SIZE, fps=25, keyframe_seconds=0.4)
    assert [unit.keyframe for unit in encoded(encoder, 9, step=0.1)] == [n % 4 == 0 for n in range(9)]
    encoder = VideoEncoder("h264", *SIZE, fps=25)
    keys = [encoder.encode(grey(9), n / 25, keyframe=n == 3)[0].keyframe for n in range(6)]
    assert keys == [True, False, False, True, False, False]


def test_times_that_stand_still_go_on_by_a_tick() -> None:
    encoder = VideoEncoder("h264", *SIZE, fps=25)
    units = [encoder.encode(grey(9), seconds)[0] for seconds in (5.0, 5.0, 4.9, 5.04)]
    assert [unit.pts - 450_000 for unit in units] == [0, 1, 2, 3600]


def test_pictures_are_scaled_to_the_size_of_the_track() -> None:
    encoder = VideoEncoder("h264", 65, 49, fps=25)
    (unit,) = encoder.encode(grey(90, (640, 480)), 0.0)
    assert encoder.track is not None
    assert (encoder.track.width, encoder.track.height) == (64, 48)
    (shown,) = VideoDecoder(encoder.track).decode(unit)
    assert (shown.width, shown.height) == (64, 48)


def test_nothing_encoded_is_nothing_to_flush() -> None:
    assert VideoEncoder("h264", *SIZE, fps=25).flush() == []


@pytest.mark.parametrize(
    ("shape", "size", "format"),
    [
        ((48, 64, 3), (64, 48), "bgr24"),
        ((49, 65, 3), (64, 48), "bgr24"),
        ((48, 64), (64, 48), "gray"),
        ((48, 64, 1), (64, 48), "gray"),
    ],
)
def test_arrays_that_are_pictures(shape: tuple[int, ...], size: tuple[int, int], format: str) -> None:
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    frame = to_frame(array)
    assert (frame.width, frame.height, frame.format.name) == (*size, format)
    before = frame.to_ndarray().copy()
    array[:] = 0
    assert (frame.to_ndarray() == before).all()
    assert to_frame(frame) is frame


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (np.zeros((48, 64, 3), np.float32), "not float32"),
        (np.zeros((48, 64, 4), np.uint8), "(48, 64, 4)"),
        (np.zeros(64, np.uint8), "(64,)"),
        (None, "uint8 shaped (height, width, 3) or (height, width), not NoneType"),
        ("picture.jpg", "not str"),
        ([[0] * 64] * 48, "not list"),
        (np.zeros((8, 64, 3), np.uint8), "at least 16x16 pixels, not 64x8"),
    ],
)
def test_arrays_that_are_none(array: Any, complaint: str) -> None:
    with pytest.raises(ValueError) as caught:
        to_frame(array)
    assert complaint in str(caught.value)


def test_codecs_that_cannot_be_encoded() -> None:
    with pytest.raises(MediaError, match="mp2t is no codec of video that can be encoded; use one of h264"):
        VideoEncoder("mp2t", *SIZE, fps=25)
    with pytest.raises(MediaError, match="there is no libmissing"):
        create_encoder("h264", "libmissing")
    context = create_encoder("h264", "libx264")
    with quiet(), pytest.raises(MediaError, match="h264 cannot be encoded like this"):
        start_encoder(context, "h264")


def test_what_an_encoder_refuses_is_an_error_of_ours() -> None:
    encoder = VideoEncoder("h264", *SIZE, fps=25)
    encoder.encode(grey(9), 0.0)
    encoder.flush()
    with quiet(), pytest.raises(MediaError, match="a picture cannot be encoded as h264"):
        encoder.encode(grey(9), 1.0)
    with quiet(), pytest.raises(MediaError, match="the end cannot be encoded as h264"):
        encoder.flush()


def test_jpeg_of_a_bit_rate() -> None:
    encoder = VideoEncoder("jpeg", *SIZE, fps=25, bit_rate=400_000)
    units = encoded(encoder, 3)
    assert all(unit.data.startswith(b"\xff\xd8") for unit in units)
