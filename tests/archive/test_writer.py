"""From units to segments: nothing between two of them is lost, and what stands between them is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.archive.tape import NOON, Tape, marks_in, times_in, writer_into

from reelcast.archive.index import Index
from reelcast.archive.writer import STOPPED, Writer


@pytest.fixture(scope="module", params=["movie.mp4", "movie-bframes.mp4"])
def tape(request: pytest.FixtureRequest, movies: Path) -> Tape:
    """Ten seconds: sound, and a keyframe every two seconds."""
    return Tape(movies / request.param, 10.0)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index(tmp_path) as index:
        yield index


def record(writer: Writer, tape: Tape) -> None:
    for taken in tape.taken():
        writer.write(taken)
        writer.tell()
    writer.stop()


def test_segments_stand_on_the_grid_and_lose_nothing(tape: Tape, index: Index) -> None:
    record(writer_into(index), tape)
    segments = index.segments("/cam")
    assert [(each.start, each.end) for each in segments[:-1]] == [(NOON, NOON + 4), (NOON + 4, NOON + 8)]
    assert segments[-1].end == pytest.approx(NOON + 10, abs=0.1)
    assert [each.path.name for each in segments][1] == "22-14-04.000000Z.mp4"
    assert all(each.path.stat().st_size == each.size and not each.growing for each in segments)
    marks = [mark for each in segments for mark in marks_in(each)]
    assert marks == list(range(250))
    for kind in ("video", "audio"):
        sent = [each.pts + NOON for each in tape.units if each.track.kind == kind and each.pts >= 0]
        found = [at for each in segments for at in times_in(each, kind)]
        assert sorted(found) == pytest.approx(sorted(sent), abs=0.002)
    assert [(gap.start, gap.reason) for gap in index.gaps("/cam")] == [(segments[-1].end, STOPPED)]
