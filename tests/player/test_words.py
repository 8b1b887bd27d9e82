"""Numbers as they are read."""

from __future__ import annotations

import pytest
from tests.player.reel import AUDIO, VIDEO

from reelcast.errors import ReelcastError
from reelcast.player.words import clock_text, codec_text, error_text, rate_text, seconds_text
from reelcast.track import Track


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"),
        (-4, "0:00"),
        (9.99, "0:09"),
        (65, "1:05"),
        (3599, "59:59"),
        (3600, "1:00:00"),
        (36_125, "10:02:05"),
    ],
)
def test_clock(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "40 ms"), (1.24, "1.2 s"), (60, "1 min"), (200, "3 min")]
)
def test_seconds(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(
    ("rate", "text"), [(0, "0 kbit/s"), (64_000, "64 kbit/s"), (2_345_678, "2.35 Mbit/s")]
)
def test_rate(rate: float, text: str) -> None:
    assert rate_text(rate) == text


@pytest.mark.parametrize(
    ("track", "text"), [(VIDEO, "H.264"), (AUDIO, "PCMU"), (Track("audio", "opus", 48_000, 96), "Opus")]
)
def test_codec(track: Track, text: str) -> None:
    assert codec_text(track) == text


def test_error() -> None:
    assert error_text(ReelcastError("no answer")) == "no answer"
    assert (
        error_text(ReelcastError("no answer", url="rtsp://a/", advice="wait")) == "rtsp://a/: no answer; wait"
    )
