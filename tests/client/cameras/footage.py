"""Real frames for cameras to send, encoded once in a run: five of video, five of audio."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext

from reelcast.rtp.payload.nal_units import split_nal_units
from reelcast.track import AccessUnit, Codec, Track

__all__ = ["FRAMES", "SIZE", "Footage", "footage", "parameter_sets", "sprop"]

FRAMES = 5
SIZE = (160, 120)
_GROUP = 3
_VIDEO_STEP = 3_600
_AAC_RATE = 16_000
_AAC_SAMPLES = 1_024
_PCM_SAMPLES = 160


@dataclass(frozen=True)
class Footage:
    """What one track carries: the units begin at time 0 and are evenly spaced."""

    track: Track
    units: tuple[AccessUnit, ...]


@cache
def footage(codec: Codec) -> Footage:
    """The frames of a codec."""
    if codec == "h264":
        return _h264()
    if codec == "h265":
        return _h265()
    if codec == "jpeg":
        return _jpeg()
    if codec == "aac":
        return _aac()
    if codec == "opus":
        return _opus()
    return _pcm(codec)


@cache
def parameter_sets() -> tuple[bytes, ...]:
    """SPS and PPS of the H.264 frames."""
    nals = split_nal_units(footage("h264").units[0].data)
    return tuple(nal for nal in nals if nal[0] & 0x1F in (7, 8))


def sprop(*sets: bytes) -> str:
    """As sprop-parameter-sets has them (RFC 6184 section 8.1)."""
    return ",".join(b64encode(nal).decode() for nal in sets or parameter_sets())


def _encoded(name: str, pixels: str, options: dict[str, str]) -> list[bytes]:
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height = SIZE
    context.pix_fmt, context.time_base = pixels, Fraction(1, 25)
    context.thread_count = 1
    context.options = options
    frames = [*map(_picture, range(FRAMES)), None]
    return [bytes(packet) for frame in frames for packet in context.encode(frame)]


def _picture(number: int) -> av.VideoFrame:
    """Noise, so that a frame fills several packets; another in every frame."""
    noise = np.random.default_rng(number).integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8)
    frame = av.VideoFrame.from_ndarray(noise, format="rgb24")
    frame.pts, frame.time_base = number, Fraction(1, 25)
    return frame


def _h264() -> Footage:
    groups = f"keyint={_GROUP}:min-keyint={_GROUP}:scenecut=0:bframes=0:threads=1"
    packets = _encoded("libx264", "yuv420p", {"preset": "ultrafast", "crf": "35", "x264-params": groups})
    return Footage(Track("video", "h264", 90_000, 96), _annex_b(packets))


def _h265() -> Footage:
    groups = f"keyint={_GROUP}:min-keyint={_GROUP}:scenecut=0:bframes=0:frame-threads=1:pools=none:info=0"
    options = {"preset": "ultrafast", "crf": "35", "x265-params": f"{groups}:log-level=none"}
    return Footage(Track("video", "h265", 90_000, 96), _annex_b(_encoded("libx265", "yuv420p", options)))


def _annex_b(packets: list[bytes]) -> tuple[AccessUnit, ...]:
    return tuple(
        AccessUnit(
            b"".join(b"\0\0\0\1" + nal for nal in split_nal_units(packet)),
            number * _VIDEO_STEP,
            number * _VIDEO_STEP,
            number % _GROUP == 0,
        )
        for number, packet in enumerate(packets)
    )


def _jpeg() -> Footage:
    packets = _encoded("mjpeg", "yuvj420p", {"huffman": "default", "qmin": "20", "qmax": "20"})
    units = tuple(
        AccessUnit(packet, number * _VIDEO_STEP, number * _VIDEO_STEP)
        for number, packet in enumerate(packets)
    )
    return Footage(Track("video", "jpeg", 90_000, 26), units)


def _aac() -> Footage:
    context = av.CodecContext.create("aac", "w")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.format, context.layout = (
        _AAC_RATE,
        av.AudioFormat("fltp"),
        av.AudioLayout("mono"),
    )
    context.time_base = Fraction(1, _AAC_RATE)
    packets = []
    for number in range(FRAMES):
        wave = np.sin(np.arange(_AAC_SAMPLES, dtype=np.float32) / (5 + number)).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = _AAC_RATE, number * _AAC_SAMPLES
        packets += context.encode(frame)
    packets += context.encode(None)
    units = tuple(
        AccessUnit(bytes(packet), number * _AAC_SAMPLES, number * _AAC_SAMPLES, duration=_AAC_SAMPLES)
        for number, packet in enumerate(packets[:FRAMES])
    )
    track = Track("audio", "aac", _AAC_RATE, 97, channels=1, config=bytes(context.extradata or b""))
    return Footage(track, units)


def _opus() -> Footage:
    """Nobody decodes it: the first byte says 20 ms of full band (RFC 6716 section 3.1)."""
    units = tuple(
        AccessUnit(b"\xf8" + bytes((number,)) * 60, number * 960, number * 960, duration=960)
        for number in range(FRAMES)
    )
    return Footage(Track("audio", "opus", 48_000, 96, channels=2), units)


def _pcm(codec: Codec) -> Footage:
    track = Track("audio", codec, 8_000, 8, channels=1)
    if codec == "pcmu":
        track = replace(track, payload_type=0)
    units = tuple(
        AccessUnit(bytes((number + place) % 251 for place in range(_PCM_SAMPLES)), place, place)
        for number, place in enumerate(range(0, FRAMES * _PCM_SAMPLES, _PCM_SAMPLES))
    )
    return Footage(track, units)
