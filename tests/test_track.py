"""What tells tracks apart, and what makes two of them the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reelcast.track import Track

SIGHT = Track("video", "h264", 90_000, 96, parameter_sets=(b"\x67",), width=640, control="trackID=1")
SOUND = Track("audio", "aac", 48_000, 97, channels=2, config=b"\x11\x90", control="trackID=2")


@pytest.mark.parametrize(
    ("track", "change", "identity", "essence"),
    [
        (SIGHT, {"parameter_sets": (b"\x68",), "width": 1280, "frame_rate": 50.0}, True, True),
        (SOUND, {"payload_type": 96}, True, True),
        (SOUND, {"config": b"\x11\x90\x56\xe5\x00"}, True, True),
        (SOUND, {"control": "streamid=1"}, False, True),
        (SOUND, {"clock_rate": 44_100}, True, False),
        (SOUND, {"channels": 1}, True, False),
        (SIGHT, {"codec": "h265"}, False, False),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else "",
)
def test_what_is_the_same_of_two(track: Track, change: dict[str, Any], identity: bool, essence: bool) -> None:
    other = replace(track, **change)
    assert (track.identity == other.identity) is identity
    assert (track.essence == other.essence) is essence


def test_tracks_that_are_equal_are_found_by_one_another() -> None:
    assert {SIGHT: 1}[replace(SIGHT)] == 1
    assert len({SIGHT, replace(SIGHT, width=1280), SOUND}) == 3
