"""What is to be made of pictures and samples, and what makes no sense."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from reelcast.media.programme import Programme


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"codec": "aac"}, "codec must be one of 'h264', "),
        ({"audio_codec": "h264"}, "audio_codec must be one of 'aac', "),
        ({"pixel_format": "rgba"}, "pixel_format must be one of 'bgr24', 'rgb24', not 'rgba'"),
        ({"fps": 0}, "fps must be a number more than 0, not 0"),
        ({"fps": math.inf}, "fps must be a number more than 0, not inf"),
        ({"fps": None}, "fps must be a number more than 0, not None"),
        ({"fps": "25"}, "fps must be a number more than 0, not '25'"),
        ({"keyframe_seconds": -1}, "keyframe_seconds must be a number more than 0"),
        ({"keyframe_seconds": math.inf}, "keyframe_seconds must be a number more than 0"),
        ({"bit_rate": "2M"}, "bit_rate must be a whole number more than 0, not '2M'"),
        ({"sample_rate": 0}, "sample_rate must be a whole number more than 0"),
        ({"channels": 1.5}, "channels must be a whole number more than 0, not 1.5"),
        ({"codec": None}, "say the sample_rate of the sound"),
        *(
            ({"size": size}, r"size must be \(width, height\), of at least 16 pixels each, not ")
            for size in (
                "640x480",
                (640, 480, 3),
                (0, 0),
                (-640, 480),
                640,
                (None, 480),
                "64",
                (math.nan, 480),
            )
        ),
        ({"size": (640.5, 480)}, "size must be a whole number more than 0, not 640.5"),
    ],
)
def test_programmes_that_make_no_sense(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Programme(**options)


def test_numbers_of_other_kinds_become_those_of_python() -> None:
    given: dict[str, Any] = {
        "fps": np.float32(25),
        "size": np.array([320, 240]),
        "bit_rate": 2e6,
        "sample_rate": 48000.0,
        "channels": np.int64(2),
    }
    programme = Programme(**given)
    assert programme == Programme(25.0, size=(320, 240), bit_rate=2_000_000, sample_rate=48_000, channels=2)
    values = (
        programme.fps,
        *(programme.size or ()),
        programme.bit_rate,
        programme.sample_rate,
        programme.channels,
    )
    assert [type(value) for value in values] == [float, int, int, int, int, int]


def test_kinds() -> None:
    assert Programme().kinds == ("video",)
    assert Programme(sample_rate=48_000).kinds == ("video", "audio")
    assert Programme(codec=None, sample_rate=48_000).kinds == ("audio",)
