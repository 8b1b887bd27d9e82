"""The index: what is put in is found again, by others too, and after the worst."""

from __future__ import annotations

import math
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tests.media.recordings import received, recorded

from reelcast.archive.index import CUT_OFF, FILE_NAME, Gap, Index, Segment
from reelcast.archive.layout import place_of
from reelcast.errors import MediaError

PAGE = 4096
"""Bytes, of SQLite."""
NOON = 1_700_000_000.0


def segment(folder: Path, number: int, name: str = "/cam", *, growing: bool = False) -> Segment:
    """The segment of a minute."""
    start = NOON + 60 * number
    return Segment(folder / place_of(name, start, ".mp4"), name, start, start + 60, growing, 1000 + number)


def test_segments_are_found_by_time(tmp_path: Path) -> None:
    with Index(tmp_path) as index:
        minutes = [segment(tmp_path, number) for number in range(5)]
        for each in reversed(minutes):
            index.put(each)
        index.put(segment(tmp_path, 2, "/other"))
        assert index.segments("/cam") == minutes
        assert index.segments("/cam", NOON + 60, NOON + 120) == minutes[1:2]
        assert index.segments("/cam", NOON + 90, NOON + 121) == minutes[1:3]
        assert index.segments("/cam", NOON + 300) == []
        assert index.span("/cam") == (NOON, NOON + 300)
        assert index.span("/nobody") is None
        assert index.names() == ["/cam", "/other"]
        assert index.size() == 6012
        assert index.size("/cam") == 5010


def test_a_segment_grows(tmp_path: Path) -> None:
    with Index(tmp_path) as index:
        growing = replace(segment(tmp_path, 0), growing=True, end=NOON + 1)
        index.put(growing)
        assert index.oldest() == []
        index.put(replace(growing, end=NOON + 2, size=5000))
        (found,) = index.segments("/cam")
        assert (found.end, found.size, found.growing) == (NOON + 2, 5000, True)
        index.put(replace(growing, growing=False))
        assert [each.start for each in index.oldest()] == [NOON]


def test_the_oldest_are_found_of_one_path_or_of_all(tmp_path: Path) -> None:
    with Index(tmp_path) as index:
        for number, name in enumerate(["/a", "/b", "/a", "/b"]):
            index.put(segment(tmp_path, number, name))
        assert [each.name for each in index.oldest(count=3)] == ["/a", "/b", "/a"]
        assert [each.start for each in index.oldest("/b", 9)] == [NOON + 60, NOON + 180]


def test_gaps_last_until_recording_goes_on(tmp_path: Path) -> None:
    with Index(tmp_path) as index:
        index.note(Gap("/cam", NOON, math.inf, "nobody published"))
        index.note(Gap("/other", NOON, math.inf, "nobody published"))
        assert index.gaps("/cam") == [Gap("/cam", NOON, math.inf, "nobody published")]
        index.resume("/cam", NOON + 5)
        assert index.gaps("/cam") == [Gap("/cam", NOON, NOON + 5, "nobody published")]
        assert index.gaps("/cam", NOON + 5) == []
        assert index.gaps("/cam", NOON + 4, NOON + 9) != []
        assert index.gaps("/other")[0].end == math.inf
        # One that recording goes on before the beginning of was none.
        index.resume("/other", NOON)
        assert index.gaps("/other") == []


def test_gaps_go_with_the_segments_before_them(tmp_path: Path) -> None:
    with Index(tmp_path) as index:
        first, second = segment(tmp_path, 0), segment(tmp_path, 2)
        index.put(first)
        index.put(second)
        index.note(Gap("/cam", first.end, second.start, "nobody published"))
        index.note(Gap("/cam", second.end, math.inf, "nobody published"))
        index.drop(first)
        assert index.segments("/cam") == [second]
        assert [gap.start for gap in index.gaps("/cam")] == [second.end]


READER = """
import sys
from pathlib import Path
from reelcast.archive.index import Index

with Index(Path(sys.argv[1]), read_only=True) as index:
    for line in sys.stdin:
        print(len(index.segments("/cam")), flush=True)
"""


def test_another_process_reads_while_it_is_written(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", READER, str(tmp_path)]
    with Index(tmp_path) as index:
        index.put(segment(tmp_path, 0))
        with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
            assert reader.stdin is not None
            assert reader.stdout is not None
            for count in (1, 2, 3):
                print(file=reader.stdin, flush=True)
                assert reader.stdout.readline() == f"{count}\n"
                index.put(segment(tmp_path, count))
            reader.stdin.close()


def test_who_only_looks_changes_nothing(tmp_path: Path) -> None:
    with Index(tmp_path / "nowhere", read_only=True) as index:
        assert index.names() == []
    assert not (tmp_path / "nowhere").exists()
    with Index(tmp_path, read_only=True) as early:
        # What another process has only begun to make is none yet.
        (tmp_path / FILE_NAME).touch()
        assert early.names() == []
        with Index(tmp_path) as index:
            index.put(segment(tmp_path, 0))
            assert early.names() == ["/cam"]
    with Index(tmp_path, read_only=True) as index:
        assert index.names() == ["/cam"]
        assert index.span("/cam") is not None
        with pytest.raises(MediaError, match="readonly"):
            index.put(segment(tmp_path, 1))


def test_a_folder_without_the_right_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Index(tmp_path) as index:
        index.put(segment(tmp_path, 0))
    monkeypatch.setattr("os.access", lambda *_: False)
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with Index(tmp_path, read_only=True) as index:
            assert index.names() == ["/cam"]
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_threads_share_an_index(tmp_path: Path) -> None:
    with Index(tmp_path) as index, Index(tmp_path) as another:

        def write(to: Index, name: str) -> None:
            for number in range(20):
                to.put(segment(tmp_path, number, name))

        threads = [
            threading.Thread(target=write, args=(to, f"/{number}"))
            for number, to in enumerate([index, index, another])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [len(index.segments(name)) for name in index.names()] == [20, 20, 20]


def test_an_index_that_is_none_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database" * 1000)
    with Index(tmp_path) as index:
        index.put(segment(tmp_path, 0))
        assert index.names() == ["/cam"]
    assert (tmp_path / "index.broken").read_bytes().startswith(b"no database")


def test_an_index_that_is_damaged_within_is_made_anew(tmp_path: Path) -> None:
    """Its beginning is read at once, the rest when it is wanted."""
    with Index(tmp_path) as index:
        for number in range(400):
            index.put(segment(tmp_path, number))
    path = tmp_path / FILE_NAME
    whole = path.read_bytes()
    assert len(whole) > 4 * PAGE
    path.write_bytes(whole[:PAGE] + bytes([0xA5]) * (len(whole) - PAGE))
    with Index(tmp_path) as index:
        index.recover("/cam")
        index.put(segment(tmp_path, 0))
        assert index.names() == ["/cam"]
    assert (tmp_path / "index.broken").stat().st_size == len(whole)


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MediaError, match=r"/file: File exists$"):
        Index(tmp_path / "file")
    (tmp_path / "taken" / FILE_NAME).mkdir(parents=True)
    with pytest.raises(MediaError, match=r"index\.sqlite3: unable to open"):
        Index(tmp_path / "taken")
    with Index(tmp_path / "newer"):
        pass
    database = sqlite3.connect(tmp_path / "newer" / FILE_NAME)
    database.execute("pragma user_version = 7")
    database.close()
    with pytest.raises(MediaError, match="made by another version of reelcast: choose another folder"):
        Index(tmp_path / "newer")
    with (
        Index(tmp_path / "newer", read_only=True) as index,
        pytest.raises(MediaError, match="made by another version"),
    ):
        index.names()


def test_a_closed_index(tmp_path: Path) -> None:
    index = Index(tmp_path)
    index.close()
    index.close()
    with pytest.raises(MediaError, match=r"index\.sqlite3: .*closed"):
        index.names()


@pytest.fixture
def film(movies: Path, tmp_path: Path) -> Path:
    """A recording of two seconds."""
    path = tmp_path / "film.mp4"
    recorded(path, received(movies / "movie.mp4", 2.0))
    return path


def lay(film: Path, segment: Segment) -> None:
    segment.path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(film, segment.path)


def test_recovery_brings_the_index_in_line_with_the_files(tmp_path: Path, film: Path) -> None:
    folder = tmp_path / "archive"
    cut, gone, stranger, empty, junk = (segment(folder, number) for number in range(5))
    with Index(folder) as index:
        index.put(replace(cut, growing=True, end=cut.start + 0.5, size=1))
        index.put(gone)
        for each in (cut, stranger):
            lay(film, each)
        lay(film, segment(folder, 0, "/other"))
        empty.path.touch()
        junk.path.write_bytes(1000 * b"junk")
        index.recover("/cam")
        assert [(each.start, each.growing) for each in index.segments("/cam")] == [
            (cut.start, False),
            (stranger.start, False),
        ]
        for each in index.segments("/cam"):
            assert each.end - each.start == pytest.approx(2, abs=0.1)
            assert each.size == film.stat().st_size
        assert [(gap.end, gap.reason) for gap in index.gaps("/cam")] == [(math.inf, CUT_OFF)]
        assert not empty.path.exists()
        assert index.names() == ["/cam"]
        index.recover()
        assert index.names() == ["/cam", "/other"]
        # What cannot be played is nobody's, but it is not ours to remove.
        assert junk.path.exists()


def test_what_was_growing_ends_before_the_next(tmp_path: Path, film: Path) -> None:
    with Index(tmp_path) as index:
        cut = replace(segment(tmp_path, 0), growing=True)
        later = replace(
            segment(tmp_path, 0), start=cut.start + 1, path=tmp_path / place_of("/cam", cut.start + 1, ".mp4")
        )
        lay(film, cut)
        lay(film, later)
        index.put(cut)
        index.put(later)
        index.recover()
        assert index.segments("/cam")[0].end == later.start
        assert [gap.start for gap in index.gaps("/cam")] == [later.end]


def test_several_may_be_the_first(tmp_path: Path) -> None:
    """All recordings of a server begin at once, in a folder that is not there yet."""

    def open_at_once(folder: Path) -> None:
        together.wait()
        Index(folder).close()

    together = threading.Barrier(4)
    with ThreadPoolExecutor(4) as threads:
        for number in range(20):
            list(threads.map(open_at_once, [tmp_path / str(number)] * 4))


def test_what_is_new_and_what_is_oldest(tmp_path: Path) -> None:
    with Index(tmp_path) as index:
        assert index.beginning("/cam") is None
        minutes = [segment(tmp_path, number) for number in range(4)]
        for each in minutes:
            index.put(each)
        assert index.segments_from("/cam", NOON + 120) == minutes[2:]
        assert index.segments_from("/cam", NOON + 121) == minutes[3:]
        assert index.beginning("/cam") == NOON
        index.drop(minutes[0])
        assert index.beginning("/cam") == NOON + 60
