"""From pictures to access units, as they are wanted live: no frame waits for another.

    encoder = VideoEncoder("h264", 1280, 720, fps=25)
    units = encoder.encode(picture, seconds)
    print(encoder.track)

Encoders work in the thread that calls them and let other threads run meanwhile (PyAV lets go of the GIL). Times
are seconds on any axis, as long as it rises; those of the units are the same in units of the track's clock.
What a track's description needs of the bitstream is read from its first unit: there is no track before.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

import av.error
import numpy as np
from av.codec.context import CodecContext
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from numpy.typing import NDArray

from reelcast.errors import MediaError
from reelcast.media import annexb
from reelcast.media.lane import FIRST_DYNAMIC_TYPE
from reelcast.media.parameters import NAL_SYNTAXES
from reelcast.media.reader import reason_of
from reelcast.media.video_lanes import JPEG_TYPE, VIDEO_CLOCK, sequence_headers
from reelcast.rtp.payload.vp9 import profile_of
from reelcast.track import AccessUnit, Codec, Track

__all__ = [
    "ENCODE_ERRORS",
    "MIN_SIDE",
    "VIDEO_CODECS",
    "AnyPicture",
    "ArrayFormat",
    "VideoEncoder",
    "create_encoder",
    "start_encoder",
    "to_frame",
]

AnyPicture = NDArray[np.uint8] | VideoFrame
"""An array, uint8, shaped (height, width, 3) or (height, width); or a frame of PyAV's."""
ArrayFormat = Literal["bgr24", "rgb24"]
"""Order of the channels in arrays of three; arrays without a third axis are grey."""

ENCODE_ERRORS: Final = (av.error.FFmpegError, OSError, ValueError, MemoryError)
"""What PyAV raises where an encoder does not do its part."""
BITS_PER_PIXEL: Final = 0.1
"""Where no bit rate is asked for: 2.3 Mbit/s for 720p at 25 pictures a second."""
MIN_BIT_RATE: Final = 200_000
JPEG_QUANTISER: Final = 4
"""FFmpeg's scale from 1 to 31: hard to tell from the original."""
_QUANTISER_UNIT: Final = 118
"""FF_QP2LAMBDA: what FFmpeg counts quantisers in."""
MAX_THREADS: Final = 4
"""Each is a slice of the picture more, and costs bits."""
MIN_SIDE: Final = 16
"""Pixels: less than a macroblock is refused by most encoders."""


@dataclass(frozen=True, slots=True)
class _Recipe:
    """An encoder of FFmpeg's, what it wants and how it is told not to wait.

    rate_bounds    whether it can be told the most that a second may have
    bt709          whether its bitstream names the matrix of its colours, which then is that of HD
    """

    encoder: str
    options: Mapping[str, str]
    format: str = "yuv420p"
    rate_bounds: bool = False
    full_range: bool = False
    bt709: bool = True


_REALTIME: Final = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
_VIDEO: Final[dict[Codec, _Recipe]] = {
    "h264": _Recipe(
        "libx264",
        {"preset": "veryfast", "tune": "zerolatency", "forced-idr": "1", "sc_threshold": "0"},
        rate_bounds=True,
    ),
    "h265": _Recipe(
        "libx265",
        {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "forced-idr": "1",
            "x265-params": "log-level=none:scenecut=0",
        },
        rate_bounds=True,
    ),
    # VP8 has no way to name a matrix but BT.601 (RFC 6386 section 9.2); JPEG is that, of full range (JFIF).
    "vp8": _Recipe("libvpx", _REALTIME, bt709=False),
    "vp9": _Recipe("libvpx-vp9", {**_REALTIME, "row-mt": "1"}),
    "av1": _Recipe("libsvtav1", {"preset": "10", "svtav1-params": "rc=2:pred-struct=1:rtc=1"}),
    # Others than the standard's Huffman tables do not travel (RFC 2435 section 4.1).
    "jpeg": _Recipe("mjpeg", {"huffman": "default"}, "yuvj420p", full_range=True, bt709=False),
}
_BT601, _BT709 = 5, 1
"""FFmpeg's numbers of matrices (H.264 table E-5)."""
_LIMITED, _FULL = 1, 2

VIDEO_CODECS: Final = tuple(_VIDEO)


def to_frame(picture: AnyPicture, format: ArrayFormat = "bgr24") -> VideoFrame:
    """A picture for an encoder: a copy of an array, uint8, shaped (height, width, 3) or, grey, (height, width).

    The last row and column of an odd size are left out, for colour is shared by four pixels. A frame of PyAV's
    stays what it is, and is the encoder's from then on. Raises ValueError for anything else.
    """
    if isinstance(picture, VideoFrame):
        return picture
    if not isinstance(picture, np.ndarray):
        kind = type(picture).__name__
        raise ValueError(
            f"a picture is an array, uint8 shaped (height, width, 3) or (height, width), not {kind}"
        )
    shape = picture.shape
    if (
        picture.dtype != np.uint8
        or picture.ndim not in (2, 3)
        or (picture.ndim == 3 and shape[2] not in (1, 3))
    ):
        raise ValueError(
            f"a picture is uint8 shaped (height, width, 3) or (height, width), not {picture.dtype} {shape}"
        )
    if min(shape[:2]) < MIN_SIDE:
        raise ValueError(f"a picture has at least {MIN_SIDE}x{MIN_SIDE} pixels, not {shape[1]}x{shape[0]}")
    even = np.ascontiguousarray(picture[: shape[0] & ~1, : shape[1] & ~1])
    if picture.ndim == 2 or shape[2] == 1:
        return VideoFrame.from_ndarray(even.reshape(even.shape[:2]), format="gray")
    return VideoFrame.from_ndarray(even, format=format)


class VideoEncoder:
    """One track of video.

    codec               one of VIDEO_CODECS
    width, height       of the coded pictures; others are scaled to it
    fps                 frames a second that are to be expected; their times count all the same
    bit_rate            bits a second; None for what suits the size, and for JPEG a good quality
    keyframe_seconds    between two keyframes at most

    Raises MediaError where there is no such encoder, or it refuses.
    """

    def __init__(
        self,
        codec: Codec,
        width: int,
        height: int,
        *,
        fps: float,
        bit_rate: int | None = None,
        keyframe_seconds: float = 2.0,
    ) -> None:
        recipe = _VIDEO.get(codec)
        if recipe is None:
            raise MediaError(
                f"{codec} is no codec of video that can be encoded; use one of {', '.join(_VIDEO)}"
            )
        self.codec: Codec = codec
        self.width, self.height = width & ~1, height & ~1
        self._recipe = recipe
        self._fps = fps
        self._step = max(1, round(VIDEO_CLOCK / fps))
        self._bit_rate = bit_rate or max(MIN_BIT_RATE, round(BITS_PER_PIXEL * width * height * fps))
        self._context = self._open(fps, bit_rate, keyframe_seconds)
        self._every = round(keyframe_seconds * VIDEO_CLOCK)
        self._origin: int | None = None
        self._last = self._keyframe = 0
        self._track: Track | None = None

    @property
    def track(self) -> Track | None:
        """What it makes; None before the first unit. Payload type and control are to be given yet."""
        return self._track

    def encode(self, picture: VideoFrame, seconds: float, *, keyframe: bool = False) -> list[AccessUnit]:
        """A picture shown at a time; as a keyframe if wanted, or if the last one is long ago.

        A time that is not later than the last is moved a tick behind it. Raises MediaError.
        """
        place = round(seconds * VIDEO_CLOCK)
        if self._origin is None:
            # Encoders calculate with times: small numbers are safe in all of them.
            self._origin, self._last = place, -1
        place = max(place - self._origin, self._last + 1)
        self._last = place
        due = place == 0 or keyframe or place - self._keyframe >= self._every
        recipe = self._recipe
        try:
            frame = picture.reformat(
                self.width,
                self.height,
                recipe.format,
                dst_colorspace=_BT709 if recipe.bt709 else _BT601,
                dst_color_range=_FULL if recipe.full_range else _LIMITED,
                threads=1,
            )
            frame.pts, frame.time_base = place, Fraction(1, VIDEO_CLOCK)
            frame.pict_type = PictureType.I if due else PictureType.NONE
            return self._units(self._context.encode(frame))
        except ENCODE_ERRORS as error:
            raise MediaError(f"a picture cannot be encoded as {self.codec}: {reason_of(error)}") from error

    def flush(self) -> list[AccessUnit]:
        """What still waits, at the end; the encoder takes no more."""
        try:
            return self._units(self._context.encode(None)) if self._origin is not None else []
        except ENCODE_ERRORS as error:
            raise MediaError(f"the end cannot be encoded as {self.codec}: {reason_of(error)}") from error

    def _open(self, fps: float, bit_rate: int | None, keyframe_seconds: float) -> VideoCodecContext:
        recipe = self._recipe
        context = create_encoder(self.codec, recipe.encoder)
        assert isinstance(context, VideoCodecContext)
        context.width, context.height, context.pix_fmt = self.width, self.height, recipe.format
        context.time_base, context.framerate = Fraction(1, VIDEO_CLOCK), Fraction(fps).limit_denominator(1001)
        context.gop_size = max(1, round(keyframe_seconds * fps))
        context.max_b_frames = 0
        context.thread_count = min(MAX_THREADS, os.cpu_count() or 1)
        context.color_range = _FULL if recipe.full_range else _LIMITED
        if recipe.bt709:
            context.colorspace = context.color_primaries = context.color_trc = _BT709
        options = dict(recipe.options)
        if self.codec == "jpeg" and bit_rate is None:
            context.qscale, context.global_quality = True, JPEG_QUANTISER * _QUANTISER_UNIT
        else:
            context.bit_rate = self._bit_rate
        if recipe.rate_bounds:
            # A buffer of a second: a keyframe may have some of the seconds' bits, a scene of noise not more.
            options |= {"maxrate": str(self._bit_rate), "bufsize": str(self._bit_rate)}
        context.options = options
        start_encoder(context, self.codec)
        return context

    def _units(self, packets: Iterable[Packet[Stream]]) -> list[AccessUnit]:
        units = []
        for packet in packets:
            data = bytes(packet)
            if self.codec in NAL_SYNTAXES:
                data = annexb.with_long_start_codes(data)
            assert self._origin is not None
            place = packet.pts or 0
            keyframe = packet.is_keyframe or self.codec == "jpeg"
            if keyframe:
                self._keyframe = place
            pts = self._origin + place
            units.append(AccessUnit(data, pts, pts, keyframe, self._step))
            if self._track is None:
                self._track = self._describe(data)
        return units

    def _describe(self, data: bytes) -> Track:
        sets: tuple[bytes, ...] = ()
        if self.codec in NAL_SYNTAXES:
            sets = annexb.parameter_sets(NAL_SYNTAXES[self.codec], data)
        elif self.codec == "av1":
            sets = sequence_headers(data)
        return Track(
            kind="video",
            codec=self.codec,
            clock_rate=VIDEO_CLOCK,
            payload_type=JPEG_TYPE if self.codec == "jpeg" else FIRST_DYNAMIC_TYPE,
            parameter_sets=sets,
            width=self.width,
            height=self.height,
            frame_rate=self._fps,
            bit_rate=0 if self.codec == "jpeg" else self._bit_rate,
            profile=profile_of(data) if self.codec == "vp9" else 0,
        )


def create_encoder(codec: Codec, name: str) -> CodecContext:
    """FFmpeg's encoder of a name; MediaError where this PyAV was built without it."""
    # SVT-AV1 writes to the terminal what it thinks of its settings; FFmpeg's own log says what is an error.
    os.environ.setdefault("SVT_LOG", "1")
    try:
        return CodecContext.create(name, "w")
    except ENCODE_ERRORS as error:
        advice = "choose another codec, or install a PyAV that has it"
        raise MediaError(f"{codec} cannot be encoded here: there is no {name}", advice=advice) from error


def start_encoder(context: CodecContext, codec: Codec) -> None:
    """Open it; MediaError where it does not want what it is asked for."""
    try:
        context.open()
    except ENCODE_ERRORS as error:
        raise MediaError(f"{codec} cannot be encoded like this: {reason_of(error)}") from error
