"""Recordings in the background: a live path goes on whatever the disk does, and what it brings is on disk."""

from __future__ import annotations

import asyncio
import logging
import math
import subprocess
import sys
import threading
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.archive.disks import Disk
from tests.archive.tape import NOON, Tape, later, marks_in
from tests.server.raw import until

from reelcast.archive import recording as recording_module
from reelcast.archive.index import Index, Segment
from reelcast.archive.recording import Recording, RecordingPolicy
from reelcast.archive.writer import DISK_FAILED, NEW_SOURCE, STOPPED, TOO_SLOW, Writer
from reelcast.server.broadcast import Broadcast
from reelcast.server.live import Live

POLICY = RecordingPolicy(segment_seconds=4.0)


@pytest.fixture(scope="module")
def tape(movies: Path) -> Tape:
    """Six seconds: sound, and a keyframe every two seconds."""
    return Tape(movies / "movie.mp4", 6.0)


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_module, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(recording_module, "MAX_RETRY_SECONDS", 0.02)


def recording_of(tape: Tape, folder: Path, policy: RecordingPolicy = POLICY) -> Recording:
    return Recording(tape, folder, policy, clock=lambda: tape.now)


def found(folder: Path) -> tuple[list[Segment], list[str]]:
    """The segments, and the reasons of the gaps."""
    with Index(folder, read_only=True) as index:
        return index.segments("/cam"), [gap.reason for gap in index.gaps("/cam")]


def marks(folder: Path) -> list[int]:
    return [mark for each in found(folder)[0] for mark in marks_in(each)]


@pytest.mark.parametrize(
    "wrong",
    [{"segment_seconds": 0.0}, {"fragment_seconds": -1.0}, {"spool_bytes": 0}, {"suffix": ".avi"}],
)
def test_policies_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RecordingPolicy(**wrong)


async def test_a_live_path_is_recorded(tape: Tape, tmp_path: Path) -> None:
    recording = recording_of(tape, tmp_path)
    assert recording.statistics().segments == 0
    recording.start()
    tape.play()
    await recording.stop()
    await recording.stop()
    tape.play()
    assert marks(tmp_path) == list(range(150))
    segments, gaps = found(tmp_path)
    assert gaps == [STOPPED]
    statistics = recording.statistics()
    assert statistics.seconds == pytest.approx(6, abs=0.1)
    assert statistics.bytes == sum(each.size for each in segments)
    assert (statistics.segments, statistics.dropped, statistics.spooled) == (2, 0, 0)
    assert statistics.error == ""


async def test_publishers_that_come_and_go(
    tape: Tape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a server's live path: the timestamps of the first leap, the clock of the second was never set."""
    live = Live("/cam")
    now = [NOON]
    monkeypatch.setattr(Broadcast, "elapsed", property(lambda _: now[0] - NOON + 100))
    recording = Recording(live, tmp_path, RecordingPolicy(segment_seconds=60.0), clock=lambda: now[0])
    recording.start()
    began = time.time() - time.monotonic()
    for turn, shift in enumerate((0.0, 7.0)):
        feeding = live.feed(tape.tracks, "a publisher", lambda: None)
        for each in tape.units:
            now[0] = (each.time or 0.0) + shift
            leap = 10**6 * (turn == 0 and each.pts >= 2.0)
            unit = replace(each.unit, pts=(each.unit.pts + leap) & 0xFFFFFFFF)
            arrival = now[0] - began
            feeding.put(replace(each, unit=unit, time=0.0 if turn else now[0], arrival=arrival))
        feeding.end()
    await recording.stop()
    live.close()
    first, second = found(tmp_path)[0]
    assert found(tmp_path)[1] == [NEW_SOURCE, STOPPED]
    assert (first.start, first.end) == pytest.approx((NOON, NOON + 6), abs=0.1)
    assert (second.start, second.end) == pytest.approx((NOON + 7, NOON + 13), abs=0.1)
    assert marks_in(first) == marks_in(second) == list(range(150))


async def test_one_that_was_never_started_is_stopped(tape: Tape, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    await recording_of(tape, folder).stop()
    assert not folder.exists()


async def test_disks_that_hang_keep_nobody_else_waiting(
    tape: Tape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More recordings than the event loop has threads for what blocks."""
    disk = threading.Event()
    monkeypatch.setattr(Recording, "_run", lambda _: disk.wait())
    recordings = [recording_of(tape, tmp_path) for _ in range(40)]
    for each in recordings:
        each.start()
    stopping = [asyncio.create_task(each.stop()) for each in recordings]
    assert await asyncio.to_thread(lambda: "read") == "read"
    assert not any(task.done() for task in stopping)
    disk.set()
    await asyncio.gather(*stopping)


async def test_what_came_is_on_disk_when_nothing_comes(
    tape: Tape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_module, "IDLE_SECONDS", 0.0)
    recording = recording_of(tape, tmp_path)
    recording.start()
    half = len(tape.units) // 2
    tape.play(tape.units[:half])
    await until(lambda: [each.growing for each in found(tmp_path)[0]] == [False])
    assert found(tmp_path)[0][0].end > NOON + 2.9
    # The frames between two keyframes go on where they were left.
    tape.play(tape.units[half:])
    await recording.stop()
    assert marks(tmp_path) == list(range(150))
    assert found(tmp_path)[1] == [STOPPED]


async def test_a_disk_that_is_full_for_a_while(
    tape: Tape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk(monkeypatch, 200_000)
    recording = recording_of(tape, tmp_path)
    with caplog.at_level(logging.INFO, "reelcast.archive"):
        recording.start()
        tape.play()
        await until(lambda: "No space left on device" in recording.statistics().error)
        # It is tried again and again, and said once.
        await until(lambda: len(found(tmp_path)[1]) == 1)
        assert found(tmp_path)[1] == [DISK_FAILED]
        disk.room = math.inf
        await until(lambda: not recording.statistics().error)
        await recording.stop()
    assert marks(tmp_path) == list(range(150))
    assert sum("No space left on device" in message for message in caplog.messages) == 1
    assert "/cam: recording goes on" in caplog.messages


async def test_old_recordings_make_room(tape: Tape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch, 200_000)
    swept: list[tuple[str, object, float]] = []

    def sweep(index: Index, name: str, retention: object, now: float) -> int:
        swept.append((name, retention, now))
        # Before the first fragment there is nothing to make room for.
        if disk.room < 150_000:
            disk.room = math.inf
        return 0

    monkeypatch.setattr(recording_module, "sweep", sweep)
    recording = recording_of(tape, tmp_path)
    recording.start()
    tape.play()
    await recording.stop()
    assert swept[-1][:2] == ("/cam", POLICY)
    assert marks(tmp_path) == list(range(150))


async def test_a_disk_that_stays_full_does_not_keep_the_server_from_ending(
    tape: Tape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Disk(monkeypatch, 200_000)
    recording = recording_of(tape, tmp_path)
    recording.start()
    tape.play()
    await until(lambda: "No space left on device" in recording.statistics().error)
    await recording.stop()
    assert any("what was not yet on disk is lost" in message for message in caplog.messages)
    assert recording.statistics().spooled == 0
    segments, gaps = found(tmp_path)
    assert len(segments) == 1
    assert gaps == [DISK_FAILED]


async def test_a_disk_that_is_full_is_not_called_slow(
    tape: Tape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Disk(monkeypatch, 0)
    length = sum(len(each.unit.data) + 600 for each in tape.units)
    recording = recording_of(tape, tmp_path, RecordingPolicy(spool_bytes=length))
    recording.start()
    tape.play()
    await until(lambda: "No space left on device" in recording.statistics().error)
    tape.play(later(tape.units, 6.0))
    await recording.stop()
    assert any("the disk takes nothing" in message for message in caplog.messages)
    assert not any("too slow" in message for message in caplog.messages)


async def test_a_disk_that_hangs_costs_whole_groups_of_pictures(
    tape: Tape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It takes nothing for a while. The event loop goes on; the spool holds what it can."""
    disk = Disk(monkeypatch, math.inf)
    disk.free.clear()
    length = sum(len(each.unit.data) + 600 for each in tape.units)
    recording = recording_of(tape, tmp_path, RecordingPolicy(segment_seconds=60.0, spool_bytes=length))
    recording.start()
    tape.play()
    await until(disk.hangs.is_set)
    for number in range(1, 4):
        tape.play(later(tape.units, 6.0 * number))
    statistics = recording.statistics()
    assert length / 2 < statistics.spooled <= length
    assert statistics.dropped > 0
    disk.free.set()
    await until(lambda: recording.statistics().spooled == 0)
    tape.play(later(tape.units, 24.0))
    await recording.stop()
    assert sum("the disk is too slow" in message for message in caplog.messages) == 1
    first, second = found(tmp_path)[0]
    assert found(tmp_path)[1] == [TOO_SLOW, STOPPED]
    assert second.start == NOON + 24
    assert marks_in(second) == list(range(150))
    kept = marks_in(first)
    assert kept == [number % 150 for number in range(len(kept))]
    assert len(kept) >= 150


async def test_a_disk_that_hangs_is_nothing_to_others(
    tape: Tape, movies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch, math.inf)
    disk.part = "other"
    disk.free.clear()
    other = Tape(movies / "movie.mp4", 2.0, "/other")
    recordings = [recording_of(each, tmp_path) for each in (other, tape)]
    for each in recordings:
        each.start()
    other.play()
    await until(disk.hangs.is_set)
    tape.play()
    await recordings[1].stop()
    assert marks(tmp_path) == list(range(150))
    disk.free.set()
    await recordings[0].stop()


async def test_a_folder_that_cannot_be_written_yet(
    tape: Tape, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "disk"
    folder.touch()
    recording = recording_of(tape, folder)
    recording.start()
    tape.play()
    await until(lambda: "disk: " in recording.statistics().error)
    folder.unlink()
    await until(lambda: recording.statistics().segments > 1)
    assert recording.statistics().error == ""
    await recording.stop()
    assert marks(folder) == list(range(150))
    assert sum("it is tried again" in message for message in caplog.messages) == 1


async def test_one_that_never_can_be_written_is_stopped(tape: Tape, tmp_path: Path) -> None:
    (tmp_path / "disk").touch()
    recording = recording_of(tape, tmp_path / "disk")
    recording.start()
    await until(lambda: recording.statistics().error != "")
    await recording.stop()


async def test_a_mistake_of_ours_is_not_the_end(
    tape: Tape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write = Writer.write
    mistakes = iter([RuntimeError("a mistake")])

    def mistaken(self: Writer, *arguments: Any) -> None:
        for mistake in mistakes:
            raise mistake
        write(self, *arguments)

    monkeypatch.setattr(Writer, "write", mistaken)
    recording = recording_of(tape, tmp_path)
    recording.start()
    tape.play()
    await recording.stop()
    assert "/cam: recording has failed; it is begun anew" in caplog.messages
    assert marks(tmp_path) == list(range(150))


CHILD = """
import sys
from pathlib import Path
from tests.archive.tape import Tape, later, writer_into
from reelcast.archive.index import Index

movie, folder, start = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
tape = Tape(movie, 10.0)
index = Index(folder)
index.recover()
writer = writer_into(index)
print("ready", flush=True)
for taken in tape.taken(later(tape.units, start)):
    writer.write(taken)
    writer.tell()
    print(taken.received.pts - start, flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize(("name", "kills"), [("movie.mp4", (137, 391)), ("movie-bframes.mp4", (40, 533))])
def test_a_process_that_is_killed(movies: Path, tmp_path: Path, name: str, kills: tuple[int, ...]) -> None:
    """Every recorded second up to the last fragment is there, by the numbers in its pixels."""
    for run, kill in enumerate(kills):
        start = 20.0 * run
        arguments = [sys.executable, "-c", CHILD, str(movies / name), str(tmp_path), str(start)]
        with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            reached = 0.0
            for _ in range(kill):
                reached = max(reached, float(child.stdout.readline()))
                child.stdin.write("\n")
                child.stdin.flush()
            child.kill()
        with Index(tmp_path) as index:
            index.recover()
            segments = index.segments("/cam", NOON + start)
            assert all(earlier.end == after.start for earlier, after in pairwise(segments))
            numbers = [mark for each in segments for mark in marks_in(each)]
            assert numbers == list(range(len(numbers)))
            assert len(numbers) / 25 > reached - 1.3
            assert [gap.end for gap in index.gaps("/cam") if gap.start >= NOON + start] == [math.inf] * bool(
                segments
            )
