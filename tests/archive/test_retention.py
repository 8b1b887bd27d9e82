"""What is kept: the oldest goes first, with its row and its folders, and what is being written never."""

from __future__ import annotations

import errno
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.archive.tape import NOON

from reelcast.archive.index import Gap, Index, Segment
from reelcast.archive.layout import place_of
from reelcast.archive.retention import Retention, sweep
from reelcast.errors import MediaError

DAY = 86_400.0
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """Of two paths a day each: three finished segments, and one that grows; a thousand bytes each."""
    with Index(tmp_path) as index:
        for name in ("/a", "/garden/b"):
            for number in range(4):
                start = NOON + number * DAY + (name != "/a")
                path = tmp_path / place_of(name, start, ".mp4")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(bytes(1000))
                index.put(Segment(path, name, start, start + 60, number == 3, 1000))
                index.note(Gap(name, start + 60, start + DAY, "nothing came"))
        yield index


def days(index: Index, name: str) -> list[int]:
    return [round((each.start - NOON) / DAY) for each in index.segments(name)]


@pytest.mark.parametrize(
    ("retention", "removed", "kept", "others"),
    [
        (Retention(), 0, [0, 1, 2, 3], [0, 1, 2, 3]),
        (Retention(keep_seconds=9 * DAY), 0, [0, 1, 2, 3], [0, 1, 2, 3]),
        (Retention(keep_seconds=2.5 * DAY), 1, [1, 2, 3], [0, 1, 2, 3]),
        (Retention(keep_seconds=0.0), 3, [3], [0, 1, 2, 3]),
        (Retention(keep_bytes=4000), 0, [0, 1, 2, 3], [0, 1, 2, 3]),
        (Retention(keep_bytes=2999), 2, [2, 3], [0, 1, 2, 3]),
        (Retention(keep_bytes=0), 3, [3], [0, 1, 2, 3]),
        (Retention(total_bytes=5000), 3, [2, 3], [1, 2, 3]),
        (Retention(total_bytes=0), 6, [3], [3]),
        (Retention(keep_seconds=2.5 * DAY, total_bytes=6000), 2, [1, 2, 3], [1, 2, 3]),
    ],
)
def test_the_oldest_go_first(
    index: Index, retention: Retention, removed: int, kept: list[int], others: list[int]
) -> None:
    assert sweep(index, "/a", retention, NOON + 3 * DAY + 5) == removed
    assert (days(index, "/a"), days(index, "/garden/b")) == (kept, others)
    for name in ("/a", "/garden/b"):
        assert {each.path for each in index.segments(name)} == set((index.folder / name[1:]).glob("*/*.mp4"))
    # No folder of a day is left empty, and no gap in front of what is left.
    assert len(list((index.folder / "a").iterdir())) == len(kept)
    assert len(index.gaps("/a")) == len(kept)


def test_room_is_made_on_the_disk(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    def usage(folder: Path) -> Usage:
        there = sum(path.stat().st_size for path in folder.rglob("*.mp4"))
        return Usage(10_000, there, 10_000 - there)

    monkeypatch.setattr("shutil.disk_usage", usage)
    assert sweep(index, "/a", Retention(reserve_bytes=4000), NOON) == 2
    assert (days(index, "/a"), days(index, "/garden/b")) == ([1, 2, 3], [1, 2, 3])
    # There is never more to remove than there is.
    assert sweep(index, "/a", Retention(reserve_bytes=99_999), NOON) == 4


def test_a_disk_that_is_gone(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorders go on behind it, as behind whatever a disk does."""

    def fail(folder: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("shutil.disk_usage", fail)
    with pytest.raises(MediaError, match="Input/output error"):
        sweep(index, "/a", Retention(), NOON)


def test_what_is_gone_already_is_no_obstacle(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in index.segments("/a"):
        each.path.unlink()
    assert sweep(index, "/a", Retention(keep_bytes=0), NOON) == 3
    assert days(index, "/a") == [3]


def test_a_path_that_is_over_leaves_nothing(index: Index) -> None:
    for each in index.segments("/garden/b"):
        index.put(replace(each, growing=False))
    sweep(index, "/garden/b", Retention(keep_bytes=0), NOON)
    assert not (index.folder / "garden").exists()
    assert index.names() == ["/a"]
