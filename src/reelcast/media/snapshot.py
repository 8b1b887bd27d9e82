"""A picture as an image file, by the encoders that PyAV brings."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Final

import av.error
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

from reelcast.errors import MediaError
from reelcast.media.decode import Picture
from reelcast.media.output import check_place

__all__ = ["IMAGE_SUFFIXES", "check_image", "save_picture"]

IMAGE_SUFFIXES: Final = (".jpg", ".jpeg", ".png")
"""Lower-case file name endings that say how a picture is coded."""
JPEG_QUANTISER: Final = 2
"""The finest that FFmpeg's encoder has for all its tables: about quality 95 of other programs."""


def check_image(path: Path) -> None:
    """MediaError where a picture could not be saved there; to be asked before one is fetched."""
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        rest = f", not as {path.suffix}" if path.suffix else ": give the file such a name"
        raise MediaError(f"{path}: a picture is saved as .jpg or .png{rest}")
    check_place(path)


def save_picture(picture: Picture, path: Path) -> None:
    """Write a picture to a .jpg or .png file, over one that may be there.

    Raises MediaError for another suffix, and where the file cannot be written.
    """
    check_image(path)
    rgb = picture.frame.reformat(format="rgb24", threads=1)
    try:
        image = _png(rgb) if path.suffix.lower() == ".png" else _jpeg(rgb)
        path.write_bytes(image)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MediaError(f"{path}: the picture cannot be saved: {reason}") from error


def _png(rgb: VideoFrame) -> bytes:
    return _encode("png", rgb)


def _jpeg(rgb: VideoFrame) -> bytes:
    # JFIF wants BT.601 in full range, whatever matrix the stream has: hence the way by RGB.
    frame = rgb.reformat(
        format="yuvj420p",
        dst_colorspace=Colorspace.ITU601,
        dst_color_range=ColorRange.JPEG,
        threads=1,
    )
    return _encode("mjpeg", frame)


def _encode(codec: str, frame: VideoFrame) -> bytes:
    context = CodecContext.create(codec, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height = frame.width, frame.height
    context.pix_fmt = frame.format.name
    context.time_base = Fraction(1, 25)
    context.thread_count = 1
    if codec == "mjpeg":
        context.color_range = ColorRange.JPEG
        context.qmin = context.qmax = JPEG_QUANTISER
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*context.encode(frame), *context.encode(None)))
