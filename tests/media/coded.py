"""Short tracks in every codec there is a decoder for, encoded here: grey that grows lighter, and a tone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import cast

import av
import av.logging
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.codec.context import CodecContext
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext

from reelcast.track import AccessUnit, Codec, Track

SIZE = (160, 128)
FRAMES = 12
STEP = 16
"""Levels by which each frame is lighter than the one before it; the first is 40."""
TONE_HZ = 1000
TONE_LEVEL = 0.5
FRAME_TICKS = 3600

VIDEO = {
    "h264": ("libx264", {"preset": "ultrafast", "x264-params": "bframes=0:keyint=6:scenecut=0:log-level=-1"}),
    "h265": (
        "libx265",
        {"preset": "ultrafast", "x265-params": "bframes=0:keyint=6:scenecut=0:log-level=-1:pools=1"},
    ),
    "jpeg": ("mjpeg", {}),
    "vp8": ("libvpx", {"g": "6", "lag-in-frames": "0", "deadline": "realtime"}),
    "vp9": ("libvpx-vp9", {"g": "6", "lag-in-frames": "0", "deadline": "realtime"}),
    "av1": ("libsvtav1", {"preset": "12", "svtav1-params": "keyint=6:lookahead=0:pred-struct=1:lp=1"}),
}
"""Encoders and their options by our names."""
AUDIO = {
    "aac": ("aac", 48_000, 2, 48_000),
    "opus": ("libopus", 48_000, 2, 48_000),
    "mpa": ("mp2", 48_000, 2, 90_000),
    "pcmu": ("pcm_mulaw", 8_000, 1, 8_000),
    "pcma": ("pcm_alaw", 8_000, 1, 8_000),
    "l16": ("pcm_s16be", 44_100, 2, 44_100),
    "g722": ("g722", 16_000, 1, 8_000),
}
"""Encoders, sample rates, channels and the RTP clock."""


@cache
def video(codec: str, size: tuple[int, int] = SIZE) -> tuple[Track, tuple[AccessUnit, ...]]:
    """A track and its units, a keyframe every six; parameter sets stand in the keyframes."""
    encoder, options = VIDEO[codec]
    context = CodecContext.create(encoder, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height = size
    context.pix_fmt = "yuvj420p" if codec == "jpeg" else "yuv420p"
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    context.thread_count = 1
    context.options = dict(options)
    packets: list[Packet[Stream]] = []
    with quiet():
        for number in range(FRAMES):
            grey = np.full((size[1], size[0], 3), 40 + STEP * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24").reformat(format=context.pix_fmt)
            frame.pts, frame.time_base = number, context.time_base
            packets += context.encode(frame)
        packets += context.encode(None)
    track = Track("video", cast(Codec, codec), 90_000, 96, width=size[0], height=size[1], frame_rate=25.0)
    units = tuple(_unit(packet, FRAME_TICKS) for packet in packets)
    if codec in ("h264", "h265"):
        track = replace(track, parameter_sets=tuple(parameter_sets(codec, units[0].data)))
    return track, units


@cache
def audio(codec: str) -> tuple[Track, tuple[AccessUnit, ...]]:
    """A track and its units: a second of a tone."""
    encoder, rate, channels, clock = AUDIO[codec]
    context = CodecContext.create(encoder, "w")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate = rate
    context.layout = "mono" if channels == 1 else "stereo"
    context.format = "fltp" if codec == "aac" else "s16"
    context.open()
    size = context.frame_size or rate // 50
    packets: list[Packet[Stream]] = []
    for start in range(0, rate, size):
        wave = TONE_LEVEL * np.sin(2 * np.pi * TONE_HZ / rate * np.arange(start, start + size))
        planar = np.repeat(wave[None, :], channels, axis=0)
        if codec == "aac":
            frame = av.AudioFrame.from_ndarray(planar.astype(np.float32), "fltp", context.layout.name)
        else:
            packed = (planar.T.reshape(1, -1) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(packed, "s16", context.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        packets += context.encode(frame)
    packets += context.encode(None)
    config = bytes(context.extradata or b"") if codec == "aac" else b""
    track = Track("audio", cast(Codec, codec), clock, 97, channels=channels, config=config)
    return track, tuple(_unit(packet, 0, Fraction(clock, rate)) for packet in packets)


def parameter_sets(codec: str, data: bytes) -> Iterator[bytes]:
    """The parameter sets that a keyframe begins with."""
    for nal in re.split(b"\0\0\0?\1", data):
        if nal and (nal[0] & 0x1F in (7, 8) if codec == "h264" else nal[0] >> 1 & 0x3F in (32, 33, 34)):
            yield nal


@contextmanager
def quiet() -> Iterator[None]:
    """Without what FFmpeg and its encoders have to say."""
    before = av.logging.get_level()
    av.logging.set_level(None)
    try:
        yield
    finally:
        av.logging.set_level(before)


def _unit(packet: Packet[Stream], ticks: int, scale: Fraction = Fraction(1)) -> AccessUnit:
    pts = round((packet.pts or 0) * scale) * (ticks or 1)
    return AccessUnit(bytes(packet), pts, pts, packet.is_keyframe, ticks)
