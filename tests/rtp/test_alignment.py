"""Tracks whose times are brought in step by the sender's clock."""

from __future__ import annotations

import pytest

from reelcast.rtp.alignment import Alignment
from reelcast.rtp.intake import Clock, ReceivedUnit
from reelcast.track import AccessUnit, Track

VIDEO = Track("video", "h264", 90_000, 96)
AUDIO = Track("audio", "pcmu", 8_000, 0, channels=1)
OTHER = Track("audio", "aac", 48_000, 97, channels=2)


def unit(
    track: Track, pts: float, time: float | None, clock: Clock = "sender", segment: int = 0
) -> ReceivedUnit:
    return ReceivedUnit(track, AccessUnit(b"", 0, 0), pts, time, clock, arrival=0.0, segment=segment)


def test_sound_is_moved_to_its_picture() -> None:
    alignment = Alignment()
    assert alignment.place(unit(AUDIO, 1.0, 1000.0, "estimated")) == 1.0
    assert alignment.place(unit(VIDEO, 1.0, 1000.0, "estimated")) == 1.0
    assert alignment.place(unit(AUDIO, 2.0, 1001.3)) == 2.0  # the picture's clock is not known yet
    assert alignment.place(unit(VIDEO, 2.0, 1001.0)) == 2.0
    # Both are known now: what sounds at 1001.3 is shown at 2.3.
    assert alignment.place(unit(AUDIO, 2.02, 1001.32)) == pytest.approx(2.32)
    # Reports that differ a little move nothing.
    assert alignment.place(unit(AUDIO, 2.04, 1001.35)) == pytest.approx(2.34)
    assert alignment.place(unit(VIDEO, 3.0, 1002.0)) == 3.0
    # A new report of more weight does.
    assert alignment.place(unit(AUDIO, 3.0, 1002.1)) == pytest.approx(3.1)


@pytest.mark.parametrize("difference", [0.0, 0.015, -0.015, 3600.0])
def test_what_is_in_step_or_has_nothing_in_common_stays(difference: float) -> None:
    alignment = Alignment()
    alignment.place(unit(VIDEO, 1.0, 1000.0))
    assert alignment.place(unit(AUDIO, 1.0, 1000.0 + difference)) == 1.0


def test_without_video_the_first_track_leads() -> None:
    alignment = Alignment()
    alignment.place(unit(AUDIO, 1.0, 1000.0))
    assert alignment.place(unit(OTHER, 1.0, 1000.5)) == 1.5
    assert alignment.place(unit(AUDIO, 1.0, 1000.0)) == 1.0


def test_a_new_segment_begins_anew() -> None:
    alignment = Alignment()
    alignment.place(unit(VIDEO, 1.0, 1000.0))
    assert alignment.place(unit(AUDIO, 1.0, 1000.5)) == 1.5
    assert alignment.place(unit(AUDIO, 9.0, 2000.5, segment=1)) == 9.0
    alignment.place(unit(VIDEO, 9.0, 2000.3, segment=1))
    assert alignment.place(unit(AUDIO, 9.0, 2000.5, segment=1)) == pytest.approx(9.2)


def test_the_gaps_of_a_recording_move_nothing() -> None:
    """Tracks come to a gap one after the other."""
    alignment = Alignment()
    assert alignment.place(unit(VIDEO, 1.0, 1000.0, "camera")) == 1.0
    assert alignment.place(unit(AUDIO, 1.0, 1000.5, "camera")) == 1.5
    assert alignment.place(unit(VIDEO, 2.0, 1005.0, "camera")) == 2.0
    assert alignment.place(unit(AUDIO, 1.5, 1001.0, "camera")) == 2.0
    assert alignment.place(unit(AUDIO, 2.0, 1005.5, "camera")) == 2.5


def test_camera_clocks_count_and_missing_ones_do_not() -> None:
    alignment = Alignment()
    alignment.place(unit(VIDEO, 1.0, 1000.0, "camera"))
    assert alignment.place(unit(AUDIO, 1.0, None)) == 1.0
    assert alignment.place(unit(AUDIO, 1.0, 1000.25, "camera")) == 1.25
