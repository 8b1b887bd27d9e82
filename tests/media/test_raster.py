"""Pictures for a screen: their size, and their pixels."""

from __future__ import annotations

import numpy as np
import pytest
from av.video.frame import VideoFrame

from reelcast.media.raster import Scaler


@pytest.fixture
def grey() -> VideoFrame:
    return VideoFrame.from_ndarray(np.full((36, 64, 3), 100, np.uint8), format="rgb24")


@pytest.mark.parametrize("size", [(64, 36), (32, 18), (200, 113), (0, 0)])
def test_a_raster_has_the_size_that_is_wanted(grey: VideoFrame, size: tuple[int, int]) -> None:
    raster = Scaler().raster(grey, *size)
    assert (raster.width, raster.height) == (max(1, size[0]), max(1, size[1]))
    assert raster.stride >= 4 * raster.width
    assert len(raster.data) >= raster.stride * raster.height
    middle = raster.stride * (raster.height // 2) + 4 * (raster.width // 2)
    assert raster.data[middle : middle + 3] == bytes([100] * 3)


def test_blue_comes_first() -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[:, :, 0] = 255
    raster = Scaler().raster(VideoFrame.from_ndarray(red, format="rgb24"), 16, 16)
    assert raster.data[:3] == bytes([0, 0, 255])
