"""Recordings in the background: a live path goes on whatever the disk does, and what it brings is on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.archive.tape import NOON, Tape, marks_in
from tests.server.raw import until

from reelcast.archive.index import Index
from reelcast.archive.recording import Recording, RecordingPolicy

POLICY = RecordingPolicy(segment_seconds=4.0)


@pytest.fixture(scope="module")
def tape(movies: Path) -> Tape:
    """Ten seconds: sound, and a keyframe every two seconds."""
    return Tape(movies / "movie.mp4", 10.0)


async def test_a_live_path_is_recorded(tape: Tape, tmp_path: Path) -> None:
    recording = Recording(tape, tmp_path, POLICY, clock=lambda: NOON)
    assert recording.statistics().segments == 0
    recording.start()
    tape.play()
    await recording.stop()
    await recording.stop()
    tape.play()
    with Index(tmp_path, read_only=True) as index:
        segments = index.segments("/cam")
    assert [mark for each in segments for mark in marks_in(each)] == list(range(250))
    statistics = recording.statistics()
    assert statistics.seconds == pytest.approx(10, abs=0.1)
    assert statistics.bytes == sum(each.size for each in segments)
    assert (statistics.segments, statistics.dropped, statistics.spooled) == (3, 0, 0)
    assert statistics.error == ""


async def test_what_came_is_on_disk_when_nothing_comes(
    tape: Tape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reelcast.archive.recording.IDLE_SECONDS", 0.0)
    recording = Recording(tape, tmp_path, POLICY, clock=lambda: NOON)
    recording.start()
    half = len(tape.units) // 2
    tape.play(tape.units[:half])
    await until(lambda: recording.statistics().seconds > 4.9)
    # The frames between two keyframes go on where they were left.
    tape.play(tape.units[half:])
    await recording.stop()
    with Index(tmp_path, read_only=True) as index:
        segments = index.segments("/cam")
        assert len(index.gaps("/cam")) == 1
    assert [mark for each in segments for mark in marks_in(each)] == list(range(250))
