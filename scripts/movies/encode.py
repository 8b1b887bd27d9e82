"""The movies' containers and codecs: classroom MJPEG, and MP4 with H.264 and AAC.

The same bytes come out on every run with the same library versions: one encoder thread, no dates, no version
strings. A movie appears under its name only when it is whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from os import getpid
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream
from PIL import Image as PillowImage
from scripts.movies.marks import BORDER, FRAME_RATE, MARK_TOP
from scripts.movies.scene import Scene
from scripts.movies.sound import RATE, soundtrack

__all__ = ["MAX_MJPEG_FRAME", "Mjpeg", "Mp4"]

MAX_MJPEG_FRAME = 20_000
"""Bytes; the classroom client reads a frame with one recv of 20,480 bytes, RTP header included."""
SEI = 6
"""nal_unit_type of supplemental enhancement information (ISO 14496-10 table 7-1)."""
AUDIO_BIT_RATE = 128_000
GRAIN_SEED = 6184
LUMA_BLACK, LUMA_WHITE = 16, 235
"""The limited range of eight-bit luma (ITU-R BT.709)."""


@dataclass(frozen=True, slots=True)
class Mjpeg:
    """JPEG frames, each behind its length as five ASCII digits.

    The JPEGs are baseline, 4:2:0 and use the standard Huffman tables: all that RFC 2435 can carry.
    """

    width: int
    height: int
    quality: int

    def write(self, path: Path, frames: int) -> None:
        """Make the first `frames` frames of the movie; ValueError where one comes out too large."""
        scene = Scene(self.width, self.height)
        with _whole(path) as part, part.open("wb") as file:
            for number in range(frames):
                jpeg = BytesIO()
                PillowImage.fromarray(scene.frame(number)).save(
                    jpeg, "JPEG", quality=self.quality, subsampling="4:2:0", optimize=False, progressive=False
                )
                if jpeg.tell() >= MAX_MJPEG_FRAME:
                    raise ValueError(f"frame {number} of {path.name} has {jpeg.tell()} bytes")
                file.write(b"%05d" % jpeg.tell() + jpeg.getvalue())


@dataclass(frozen=True, slots=True)
class Mp4:
    """H.264 of one slice a frame and a fixed group of pictures, and AAC LC; the index stands in front.

    bit_rate      of the video, bits a second; also its ceiling, over a buffer of one second
    gop           frames from one keyframe to the next
    b_frames      between two other frames, always as many; the middle one of three is a reference
    grain         peak of the noise laid over the luma, in levels: it gives the encoder something to do
    preset        x264's name for how hard it tries
    """

    width: int
    height: int
    bit_rate: int
    gop: int
    b_frames: int = 0
    grain: int = 0
    preset: str = "veryfast"

    def write(self, path: Path, frames: int) -> None:
        """Make the first `frames` frames of the movie."""
        options = {"movflags": "+faststart", "fflags": "+bitexact"}
        with _whole(path) as part, av.open(part, "w", format="mp4", options=options) as container:
            video, audio = self._video(container), _audio(container)
            container.start_encoding()
            # x264 puts its version and settings in front of the first frame; they are no part of the picture.
            strip = BitStreamFilterContext(f"filter_units=remove_types={SEI}", video, video)
            for picture, sound in zip(self._pictures(frames), _sound(frames), strict=True):
                for packet in video.encode(picture):
                    container.mux(strip.filter(packet))
                container.mux(audio.encode(sound))
            for packet in video.encode(None):
                container.mux(strip.filter(packet))
            container.mux(strip.filter(None))
            container.mux(audio.encode(None))

    def _video(self, container: OutputContainer) -> VideoStream:
        options = {
            "preset": self.preset,
            "profile": "high",
            "threads": "1",
            "sc_threshold": "0",
            "b_strategy": "0",
            "b-pyramid": "normal" if self.b_frames else "none",
            "maxrate": str(self.bit_rate),
            "bufsize": str(self.bit_rate),
        }
        video = container.add_stream("libx264", rate=FRAME_RATE, options=options)
        video.width, video.height, video.pix_fmt = self.width, self.height, "yuv420p"
        video.bit_rate, video.gop_size, video.max_b_frames = self.bit_rate, self.gop, self.b_frames
        video.colorspace, video.color_range = Colorspace.ITU709, ColorRange.MPEG
        video.color_primaries, video.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        return video

    def _pictures(self, frames: int) -> Iterator[av.VideoFrame]:
        """The scene as the encoder takes it, with its grain."""
        scene = Scene(self.width, self.height)
        random = np.random.default_rng(GRAIN_SEED)
        spare = 64
        plate = random.integers(
            -self.grain, self.grain, (self.height + spare, self.width + spare), np.int16, endpoint=True
        )
        # What is read back stays clean: the border and the row of cells.
        edge = round(BORDER * self.height)
        rows, columns = slice(edge, round((MARK_TOP - BORDER) * self.height)), slice(edge, self.width - edge)
        for number in range(frames):
            rgb = av.VideoFrame.from_ndarray(scene.frame(number), format="rgb24")
            picture = rgb.reformat(format="yuv420p", dst_colorspace="itu709", dst_color_range=ColorRange.MPEG)
            if self.grain:
                planes = picture.to_ndarray()
                luma = planes[: self.height][rows, columns]
                down, across = random.integers(0, spare, 2)
                noise = plate[down : down + luma.shape[0], across : across + luma.shape[1]]
                luma[:] = (luma + noise).clip(LUMA_BLACK, LUMA_WHITE)
                picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
                picture.colorspace, picture.color_range = Colorspace.ITU709, ColorRange.MPEG
            picture.pts, picture.time_base = number, Fraction(1, FRAME_RATE)
            yield picture


def _audio(container: OutputContainer) -> AudioStream:
    audio = container.add_stream("aac", rate=RATE)
    audio.layout, audio.format = "stereo", "fltp"
    audio.bit_rate = AUDIO_BIT_RATE
    return audio


def _sound(frames: int) -> Iterator[av.AudioFrame]:
    """The sound of each frame's time, so that sight and sound lie side by side in the file."""
    sound = soundtrack(-(-frames // FRAME_RATE))
    size = RATE // FRAME_RATE
    for number in range(frames):
        piece = np.ascontiguousarray(sound[:, number * size : (number + 1) * size])
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, number * size, Fraction(1, RATE)
        yield frame


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A name to write to, which becomes `path` when all went well and vanishes when not."""
    part = path.with_name(f"{path.name}.{getpid()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
