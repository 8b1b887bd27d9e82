"""Decoded pictures as rows of pixels for a screen: converted and scaled in one pass."""

from __future__ import annotations

from dataclasses import dataclass

from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

__all__ = ["Raster", "Scaler"]


@dataclass(frozen=True, slots=True)
class Raster:
    """Pixels of four bytes: blue, green, red, and one without meaning.

    data     height rows of `stride` bytes, of which 4 * width are pixels
    """

    data: memoryview
    width: int
    height: int
    stride: int


class Scaler:
    """Makes rasters; what it has learned of one picture's format and size serves the next."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def raster(self, frame: VideoFrame, width: int, height: int) -> Raster:
        """The whole picture, `width` x `height` pixels (1 x 1 at least).

        Averaged where it becomes smaller, interpolated by cubics where it becomes larger.
        """
        width, height = max(1, width), max(1, height)
        smaller = width * height < frame.width * frame.height
        scaled = self._reformatter.reformat(
            frame,
            width,
            height,
            "bgra",
            interpolation=Interpolation.AREA if smaller else Interpolation.BICUBIC,
            threads=1,
        )
        plane = scaled.planes[0]
        return Raster(memoryview(plane), width, height, plane.line_size)
