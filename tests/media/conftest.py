"""Small movies, made once in a run: up to three seconds of stripes that move, and a saw for sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

SIZE = (160, 120)
RATE = 48_000


@dataclass(frozen=True)
class Recipe:
    """What a movie is made of; an empty codec leaves the track out."""

    video: str = "libx264"
    audio: str = "aac"
    frames: int = 75
    b_frames: int = 2
    frame_rate: Fraction = Fraction(25)
    keyframe_every: int = 25
    format: str | None = None
    rate: int = RATE
    pixels: str = ""
    layout: str = "stereo"
    sample: str = ""


RECIPES = {
    "movie.mp4": Recipe(),
    "movie.mov": Recipe(),
    "movie.mkv": Recipe(),
    "movie.ts": Recipe(),
    "movie.avi": Recipe(b_frames=0),
    "b-frames.avi": Recipe(),
    "b-frames.h264": Recipe(audio="", format="h264"),
    "film.mp4": Recipe(frame_rate=Fraction(30000, 1001), frames=60, keyframe_every=15),
    "film.ts": Recipe(frame_rate=Fraction(30000, 1001), frames=60, keyframe_every=15, b_frames=0),
    "raw.h264": Recipe(audio="", b_frames=0, format="h264"),
    "jpeg.avi": Recipe(video="mjpeg", audio="pcm_s16le", frames=10),
    "jpeg.mov": Recipe(video="mjpeg", audio="pcm_s16be", frames=10),
    "jpeg444.mov": Recipe(video="mjpeg", audio="pcm_s16be", frames=5, pixels="yuvj444p"),
    "sound.wav": Recipe(video="", audio="pcm_s16le", frames=50, rate=44_100),
    "mulaw.wav": Recipe(video="", audio="pcm_mulaw", frames=50, rate=8_000),
    "alaw.wav": Recipe(video="", audio="pcm_alaw", frames=50, rate=8_000),
    "sound.m4a": Recipe(video="", frames=50),
    "sound.aac": Recipe(video="", frames=50, format="adts"),
    "opus.webm": Recipe(video="", audio="libopus", frames=50),
    "opus.ogg": Recipe(video="", audio="libopus", frames=50),
    "sound.mp3": Recipe(video="", audio="libmp3lame", frames=50, rate=44_100),
    "low.mp3": Recipe(video="", audio="libmp3lame", frames=50, rate=8_000),
    "sound.mp2": Recipe(video="", audio="mp2", frames=50),
    "g722.wav": Recipe(video="", audio="g722", frames=50, rate=16_000, layout="mono"),
    "film.flv": Recipe(),
    "flac.mkv": Recipe(video="", audio="flac", frames=50),
    "sound.flac": Recipe(video="", audio="flac", frames=50, layout="mono"),
    "flac24.flac": Recipe(video="", audio="flac", frames=50, sample="s32"),
    "surround.flac": Recipe(video="", audio="flac", frames=50, layout="5.1"),
    "alac.m4a": Recipe(video="", audio="alac", frames=50, sample="s16p"),
    "s24.wav": Recipe(video="", audio="pcm_s24le", frames=50, sample="s32"),
    "s32.wav": Recipe(video="", audio="pcm_s32le", frames=50, sample="s32"),
    "float.wav": Recipe(video="", audio="pcm_f32le", frames=50, sample="flt"),
    "u8.wav": Recipe(video="", audio="pcm_u8", frames=50, rate=8_000, sample="u8"),
    "mixed.mkv": Recipe(audio="ac3", frames=10),
    "ac3.mkv": Recipe(video="", audio="ac3", frames=10),
}


def make_movie(path: Path, recipe: Recipe) -> None:
    """Encode a movie with one thread, so that it is the same every time."""
    with av.open(str(path), "w", format=recipe.format) as container:
        video = _video(container, recipe) if recipe.video else None
        audio = _audio(container, recipe) if recipe.audio else None
        for number in range(recipe.frames):
            if video is not None:
                container.mux(video.encode(_picture(number, recipe)))
            if audio is not None:
                container.mux(audio.encode(_saw(number, audio, recipe)))
        if video is not None:
            container.mux(video.encode(None))
        if audio is not None:
            container.mux(audio.encode(None))


def _audio(container: OutputContainer, recipe: Recipe) -> AudioStream:
    stream = container.add_stream(recipe.audio, rate=recipe.rate)
    assert isinstance(stream, AudioStream)
    stream.codec_context.layout = "mono" if recipe.rate == 8_000 else recipe.layout
    if recipe.sample:
        stream.codec_context.format = recipe.sample
    return stream


def _video(container: OutputContainer, recipe: Recipe) -> VideoStream:
    stream = container.add_stream(recipe.video, rate=recipe.frame_rate)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = SIZE
    stream.codec_context.thread_count = 1
    if recipe.video == "mjpeg":
        stream.pix_fmt = recipe.pixels or "yuvj420p"
        stream.options = {"huffman": "default"}
    else:
        stream.pix_fmt = "yuv420p"
        every = recipe.keyframe_every
        groups = f"keyint={every}:min-keyint={every}:scenecut=0:bframes={recipe.b_frames}:b-adapt=0"
        stream.options = {"preset": "ultrafast", "x264-params": f"{groups}:threads=1"}
    return stream


def _picture(number: int, recipe: Recipe) -> av.VideoFrame:
    shade = (np.arange(SIZE[0], dtype=np.int64) + 5 * number) % 256
    pixels = np.broadcast_to(shade[None, :, None], (SIZE[1], SIZE[0], 3)).astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    frame.pts, frame.time_base = number, 1 / recipe.frame_rate
    return frame


def _saw(number: int, stream: AudioStream, recipe: Recipe) -> av.AudioFrame:
    begin = round(number * recipe.rate / recipe.frame_rate)
    count = round((number + 1) * recipe.rate / recipe.frame_rate) - begin
    channels = stream.codec_context.channels
    wave = (np.arange(begin, begin + count, dtype=np.int64) % 1000).astype(np.int16)
    samples = np.repeat(wave, channels).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=stream.codec_context.layout.name)
    frame.sample_rate, frame.pts, frame.time_base = recipe.rate, begin, Fraction(1, recipe.rate)
    return frame


@pytest.fixture(scope="session")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The path of a movie of RECIPES, made when first asked for."""
    folder = tmp_path_factory.mktemp("movies")

    def find(name: str) -> Path:
        path = folder / name
        if not path.exists():
            make_movie(path, RECIPES[name])
        return path

    return find
