"""What becomes of a recording whose disk is full, or gone, or whose index is."""

from __future__ import annotations

import math
from contextlib import suppress
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.archive.disks import Disk
from tests.archive.tape import NOON, Tape, later, marks_in, times_in, writer_into

from reelcast.archive import held
from reelcast.archive.index import Index
from reelcast.archive.spool import Taken
from reelcast.archive.writer import DISK_FAILED, STOPPED, Writer
from reelcast.errors import MediaError


@pytest.fixture(scope="module")
def tape(movies: Path) -> Tape:
    """Six seconds, half a megabyte: sound, B-frames, and a keyframe every two seconds."""
    return Tape(movies / "movie-bframes.mp4", 6.0)


def written(writer: Writer, taken: Taken) -> bool:
    """Whether the disk had room for a unit."""
    try:
        writer.write(taken)
    except MediaError as error:
        if "No space left on device" not in str(error):
            raise
        return False
    return True


@pytest.mark.parametrize("room", [0, 100, 70_000, 400_000])
def test_a_disk_that_was_full_for_a_while_costs_nothing(
    tape: Tape, index: Index, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    disk = Disk(monkeypatch, room)
    writer = writer_into(index)
    failures = 0
    for taken in tape.taken():
        if not written(writer, taken):
            failures += 1
            assert DISK_FAILED in [gap.reason for gap in index.gaps("/cam")] or index.names() == []
            # The first attempts find less room than is needed for what is held.
            for more in (0, 2_000, 20_000, 400_000):
                disk.room = more
                with suppress(MediaError):
                    writer.retry()
                    break
        writer.tell()
    disk.room = math.inf
    writer.stop()
    assert failures >= 1
    segments = index.segments("/cam")
    assert [mark for each in segments for mark in marks_in(each)] == list(range(150))
    sent = [each.pts + NOON for each in tape.units if each.track.kind == "audio" and each.pts >= 0]
    found = [at for each in segments for at in times_in(each, "audio")]
    assert sorted(found) == pytest.approx(sent, abs=0.002)
    ends, starts = [each.end for each in segments], [each.start for each in segments]
    assert ends[:-1] == pytest.approx(starts[1:], abs=1e-5)
    assert [gap.reason for gap in index.gaps("/cam")] == [STOPPED]
    # Nothing lies about that the index does not know.
    assert set(index.folder.rglob("*.mp4")) == {each.path for each in segments}


def test_what_is_too_much_to_hold_is_a_gap(tape: Tape, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held.Held.__init__, "__defaults__", (100_000,))
    disk = Disk(monkeypatch, 300_000)
    writer = writer_into(index)
    for taken in tape.taken():
        if not written(writer, taken):
            disk.room = math.inf
            writer.retry()
    writer.stop()
    first, *_ = gaps = index.gaps("/cam")
    assert [gap.reason for gap in gaps] == [DISK_FAILED, STOPPED]
    marks = [mark for each in index.segments("/cam") for mark in marks_in(each)]
    missing = sorted(set(range(150)) - set(marks))
    assert missing == list(range(missing[0], missing[-1] + 1))
    assert first.start == pytest.approx(NOON + missing[0] / 25, abs=0.5)
    assert first.end == pytest.approx(NOON + (missing[-1] + 1) / 25)


def test_a_disk_that_fails_at_the_end(tape: Tape, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch, math.inf)
    writer = writer_into(index, segment_seconds=60.0)
    for taken in tape.taken():
        writer.write(taken)
    disk.room = 100
    with pytest.raises(MediaError, match="No space left on device"):
        writer.stop()
    (segment,) = index.segments("/cam")
    assert NOON + 4 < segment.end < NOON + 6
    assert len(marks_in(segment)) > 100
    assert [gap.reason for gap in index.gaps("/cam")] == [DISK_FAILED]
    # What was not on disk is held, and recorded when it can be.
    disk.room = math.inf
    writer.retry()
    writer.stop()
    assert [mark for each in index.segments("/cam") for mark in marks_in(each)] == list(range(150))


def test_a_folder_that_cannot_be_made(tape: Tape, index: Index) -> None:
    (index.folder / "cam").touch()
    writer = writer_into(index)
    first, *waiting = (each for each in tape.taken() if each.received.pts >= 0)
    with pytest.raises(MediaError, match=r"cam/2023-11-14: cannot be made: "):
        writer.write(first)
    (index.folder / "cam").unlink()
    writer.retry()
    for taken in waiting:
        writer.write(taken)
    writer.stop()
    assert [mark for each in index.segments("/cam") for mark in marks_in(each)] == list(range(150))


def test_a_disk_that_is_full_while_publishers_change(
    tape: Tape, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of the one cannot be finished; the other's begins when it is."""
    disk = Disk(monkeypatch, math.inf)
    writer = writer_into(index, segment_seconds=60.0)
    for taken in tape.taken():
        writer.write(taken)
    first, *rest = tape.taken(later(tape.units, 12.0, segment=1))
    disk.room = 100
    with pytest.raises(MediaError, match="No space left on device"):
        writer.write(first)
    with pytest.raises(MediaError, match="No space left on device"):
        writer.retry()
    disk.room = math.inf
    writer.retry()
    for taken in rest:
        writer.write(taken)
    writer.stop()
    marks = [mark for each in index.segments("/cam") for mark in marks_in(each)]
    assert marks == [*range(150), *range(150)]


def test_an_index_that_cannot_be_written_stops_nothing(
    tape: Tape, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = writer_into(index)

    def refuse(*_: object) -> None:
        raise MediaError("the index is gone")

    taken = list(tape.taken())
    with monkeypatch.context() as patch:
        patch.setattr(Index, "_change", refuse)
        for each in taken[:500]:
            writer.write(each)
            writer.tell()
        assert str(writer.failure) == "the index is gone"
    assert index.segments("/cam") == []
    for each in taken[500:]:
        writer.write(each)
    writer.stop()
    assert writer.failure is None
    assert [mark for each in index.segments("/cam") for mark in marks_in(each)] == list(range(150))


def test_an_index_that_is_lost_is_made_of_the_files(tape: Tape, tmp_path: Path) -> None:
    with Index(tmp_path) as index:
        writer = writer_into(index)
        for taken in tape.taken():
            writer.write(taken)
        writer.stop()
        before = index.segments("/cam")
    for path in tmp_path.glob("index.*"):
        path.unlink()
    with Index(tmp_path) as index:
        index.recover()
        after = index.segments("/cam")
    assert [each.path for each in after] == [each.path for each in before]
    assert [each.end for each in after] == pytest.approx([each.end for each in before], abs=0.03)


@cache
def tape_of(movie: Path) -> Tape:
    return Tape(movie, 6.0)


@settings(max_examples=25)
@given(
    st.sampled_from(["movie.mp4", "movie-bframes.mp4"]),
    st.lists(
        st.tuples(
            st.integers(0, 399),
            st.integers(1, 60),
            st.floats(-30, 30) | st.floats(-4e4, 4e4),
            st.integers(0, 1),
            st.sampled_from(["", "settle", "fail", "stop", "tell"]),
        ),
        max_size=6,
    ),
)
def test_whatever_comes_the_index_is_in_order(
    movies: Path,
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    rows: list[tuple[int, int, float, int, str]],
) -> None:
    tape = tape_of(movies / name)
    folder = tmp_path_factory.mktemp("any")
    with Index(folder) as index, pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        disk = Disk(patch, math.inf)
        writer = writer_into(index, segment_seconds=2.0)
        for first, count, shift, segment, act in rows:
            for taken in tape.taken(later(tape.units[first : first + count], shift, segment)):
                writer.write(taken)
            if act == "fail":
                disk.room = 0
            try:
                if act in ("settle", "fail"):
                    writer.settle()
                elif act == "stop":
                    writer.stop()
                elif act == "tell":
                    writer.tell()
            except MediaError:
                disk.room = math.inf
                writer.retry()
            disk.room = math.inf
        writer.stop()
        segments = index.segments("/cam")
        assert all(each.path.exists() and not each.growing for each in segments)
        assert all(each.start <= each.end for each in segments)
        assert all(earlier.end <= later.start + 1e-3 for earlier, later in pairwise(segments))
        gaps = index.gaps("/cam")
        assert all(earlier.end <= later.start + 1e-3 for earlier, later in pairwise(gaps))
