"""Tracks as readers of a live path are told of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reelcast.server.offer import as_told, same_kind
from reelcast.track import Track

VIDEO = Track("video", "h264", 90_000, 96, parameter_sets=(b"\x67",), control="streamid=0")
AUDIO = Track("audio", "aac", 48_000, 97, channels=2, config=b"\x11\x90", control="streamid=1")


def test_payload_types_are_each_tracks_own() -> None:
    told = as_told((replace(AUDIO, payload_type=0), replace(AUDIO, payload_type=0), VIDEO))
    assert [track.payload_type for track in told] == [0, 97, 98]


def test_controls_are_ours() -> None:
    assert [track.control for track in as_told((VIDEO, AUDIO))] == ["trackID=1", "trackID=2"]


@pytest.mark.parametrize(
    ("after", "same"),
    [
        ((VIDEO, AUDIO), True),
        ((replace(VIDEO, parameter_sets=(b"\x68",), width=640), AUDIO), True),
        ((VIDEO,), False),
        ((AUDIO, VIDEO), False),
        ((VIDEO, replace(AUDIO, config=b"\x12\x10")), False),
        ((VIDEO, replace(AUDIO, clock_rate=44_100)), False),
        ((VIDEO, replace(AUDIO, channels=1)), False),
        ((VIDEO, replace(AUDIO, payload_type=98)), False),
        ((replace(VIDEO, codec="h265"), AUDIO), False),
    ],
    ids=[
        "all",
        "other parameter sets",
        "one less",
        "another order",
        "other sound",
        "another rate",
        "other channels",
        "another payload type",
        "another codec",
    ],
)
def test_whether_readers_can_go_on(after: tuple[Track, ...], same: bool) -> None:
    assert same_kind((VIDEO, AUDIO), after) is same
