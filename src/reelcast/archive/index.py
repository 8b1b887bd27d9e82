"""What is recorded, and what is not: a table of segments and one of gaps, beside the files (SQLite).

Every change is a transaction of its own, in a write-ahead log: a process that is killed leaves what it wrote, and
others may read meanwhile. The files are the truth, and what is known of them is brought in line with `recover`;
gaps are known here alone. Transactions are not waited for until they are on the platter: what a loss of power
takes, `recover` finds again.
"""

from __future__ import annotations

import logging
import math
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

from reelcast.archive.layout import find_files, name_of, start_of
from reelcast.errors import MediaError
from reelcast.media.demux import open_demuxer

__all__ = ["FILE_NAME", "SAME_SECONDS", "Gap", "Index", "Segment"]

FILE_NAME: Final = "index.sqlite3"
CUT_OFF: Final = "the recording was cut off"
"""Why a gap follows a segment that was growing when its process ended."""
SAME_SECONDS: Final = 1e-3
"""A gap this short is where two numbers were rounded."""
MAX_HEADER_BYTES: Final = 200
"""What a container begins with (Matroska's) before anything is in it; no recording is so small."""
VERSION: Final = 1
"""Of the tables, kept as the database's user_version."""
BUSY_SECONDS: Final = 5.0
"""To wait for another connection's transaction, which takes a millisecond: longer is a disk that hangs."""

TABLES: Final = """
create table if not exists segments (
    place text primary key, name text not null, start real not null, stop real not null,
    growing integer not null, size integer not null
) without rowid;
create index if not exists segments_by_time on segments (name, start);
create table if not exists gaps (
    name text not null, start real not null, stop real not null, reason text not null,
    primary key (name, start)
) without rowid;
"""

_opening = threading.Lock()

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of a recording.

    path      where it is
    name      live path that was recorded ("/cam")
    start     Unix seconds of the file's time 0
    end       Unix seconds up to which it counts, and is on disk. Units of the file that are shown at `end` or
              later belong to the next segment
    growing   whether it is being written
    size      bytes on disk
    """

    path: Path
    name: str
    start: float
    end: float
    growing: bool
    size: int


@dataclass(frozen=True, slots=True)
class Gap:
    """A time of which there is no recording, in Unix seconds, and the reason in a few words.

    `end` is infinite as long as it lasts.
    """

    name: str
    start: float
    end: float
    reason: str


class Index:
    """The index of the recordings in a folder; any number of threads and processes may have one each.

    folder      of the recordings; it is made if it is missing
    read_only   for who only looks: nothing is made, and no right to write is needed. A folder that nobody
                has recorded into yet is empty

    An Index may be used by several threads, one after the other. Raises MediaError, here and at each call, where
    the index cannot be read or written: the disk is full, or it is no index.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.folder = folder.absolute()
        self._lock = threading.Lock()
        self._path = self.folder / FILE_NAME
        # Of who only looks, as long as nobody has begun to record: another look may find more.
        self._unborn = read_only
        # One at a time: another that opens it may find it broken, and make it anew.
        with _opening, self._translated():
            self._database = self._connect(":memory:") if read_only else self._open_to_write()
            if read_only:
                self._database.executescript(TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the index; closing twice does nothing."""
        with self._translated():
            self._database.close()

    # Who looks

    def names(self) -> list[str]:
        """The live paths of which there are recordings, sorted."""
        return [str(row[0]) for row in self._rows("select distinct name from segments order by name")]

    def segments(self, name: str, start: float = -math.inf, end: float = math.inf) -> list[Segment]:
        """The segments of a live path that hold something of [start, end), by time."""
        rows = self._rows(
            "select place, name, start, stop, growing, size from segments"
            " where name = ? and start < ? and stop > ? order by start",
            (name, end, start),
        )
        return [self._segment(row) for row in rows]

    def segments_from(self, name: str, start: float) -> list[Segment]:
        """The segments of a live path that begin at a time or later, by time: quick, where that is not long ago."""
        rows = self._rows(
            "select place, name, start, stop, growing, size from segments"
            " where name = ? and start >= ? order by start",
            (name, start),
        )
        return [self._segment(row) for row in rows]

    def beginning(self, name: str) -> float | None:
        """The first recorded instant of a live path; None where there is none."""
        ((start,),) = self._rows("select min(start) from segments where name = ?", (name,))
        return None if start is None else float(start)

    def oldest(self, name: str | None = None, count: int = 1) -> list[Segment]:
        """The first finished segments of a live path, or of all."""
        rows = self._rows(
            "select place, name, start, stop, growing, size from segments"
            " where not growing and (? is null or name = ?) order by start limit ?",
            (name, name, count),
        )
        return [self._segment(row) for row in rows]

    def gaps(self, name: str, start: float = -math.inf, end: float = math.inf) -> list[Gap]:
        """The gaps of a live path that meet [start, end), by time."""
        rows = self._rows(
            "select name, start, stop, reason from gaps"
            " where name = ? and start < ? and stop > ? order by start",
            (name, end, start),
        )
        return [Gap(*row) for row in rows]

    def span(self, name: str) -> tuple[float, float] | None:
        """From the first to the last recorded instant of a live path; None where there is none."""
        ((start, end),) = self._rows("select min(start), max(stop) from segments where name = ?", (name,))
        return None if start is None else (start, end)

    def size(self, name: str | None = None) -> int:
        """Bytes of all segments of a live path, or of all."""
        ((size,),) = self._rows("select total(size) from segments where ? is null or name = ?", (name, name))
        return int(size)

    # Who records

    def put(self, segment: Segment) -> None:
        """Add a segment, or say anew what is known of it."""
        self._change(
            "insert or replace into segments (place, name, start, stop, growing, size)"
            " values (?, ?, ?, ?, ?, ?)",
            (
                segment.path.relative_to(self.folder).as_posix(),
                segment.name,
                segment.start,
                segment.end,
                segment.growing,
                segment.size,
            ),
        )

    def note(self, gap: Gap) -> None:
        """Add a gap, or say anew how long it is."""
        self._change(
            "insert or replace into gaps (name, start, stop, reason) values (?, ?, ?, ?)",
            (gap.name, gap.start, gap.end, gap.reason),
        )

    def resume(self, name: str, start: float) -> None:
        """The gap of a live path that still lasts, if there is one, ends; one that proves empty is none."""
        self._change("update gaps set stop = ? where name = ? and stop = ?", (start, name, math.inf))
        self._change("delete from gaps where name = ? and stop < start + ?", (name, SAME_SECONDS))

    def drop(self, segment: Segment) -> None:
        """Forget a segment, and the gaps that end before what is left of its live path begins."""
        self._change(
            "delete from segments where place = ?", (segment.path.relative_to(self.folder).as_posix(),)
        )
        self._change(
            "delete from gaps where name = ?1"
            " and stop <= coalesce((select min(start) from segments where name = ?1), 9e99)",
            (segment.name,),
        )

    def recover(self, name: str | None = None) -> None:
        """Bring the index in line with the files, of one live path or of all, while nobody records these.

        Segments that were growing are looked into for their end; files without a segment are taken in;
        segments whose file is gone are dropped. A gap has begun where the last one ends. Files in which
        nothing is yet, which a process that was killed leaves, are removed.
        """
        where = "select place, name, start, stop, growing, size from segments where ? is null or name = ?"
        known = {segment.path: segment for segment in map(self._segment, self._rows(where, (name, name)))}
        found: dict[str, list[tuple[float, Path]]] = {}
        gone = dict(known)
        for place in find_files(self.folder, name):
            path = self.folder / place
            segment = gone.pop(path, None)
            whose = name or (name_of(place) if segment is None else segment.name)
            found.setdefault(whose, []).append((start_of(place) or 0.0, path))
        for path, segment in gone.items():
            log.warning("%s: is gone; left out of the index", path)
            self.drop(segment)
        for whose, files in found.items():
            for (start, path), (limit, _) in pairwise([*sorted(files), (math.inf, self._path)]):
                if path not in known or known[path].growing:
                    self._take_in(path, whose, start, limit)
            span = self.span(whose)
            if span is not None and not self.gaps(whose, span[1]):
                self.note(Gap(whose, span[1], math.inf, CUT_OFF))

    def _take_in(self, path: Path, name: str, start: float, limit: float) -> None:
        """Put in a file that was left behind, with the end that it has, or that the next one sets it."""
        try:
            size = path.stat().st_size
            if size <= MAX_HEADER_BYTES:
                path.unlink()
            seconds = _length(path) if size > MAX_HEADER_BYTES else 0.0
        except (MediaError, OSError) as error:
            log.warning("%s: left out of the index: %s", path, error)
            seconds = 0.0
        if not seconds:
            place = path.relative_to(self.folder).as_posix()
            self._change("delete from segments where place = ?", (place,))
            return
        end = min(start + seconds, limit)
        self.put(Segment(path, name, start, end, growing=False, size=size))
        log.info("%s: taken into the index: %.1f s", path, end - start)

    # The database

    def _segment(self, row: tuple[str, str, float, float, int, int]) -> Segment:
        place, name, start, end, growing, size = row
        return Segment(self.folder / place, name, start, end, bool(growing), size)

    def _rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._translated():
            if self._unborn:
                self._look_again()
            return self._database.execute(statement, values).fetchall()

    def _change(self, statement: str, values: Sequence[object]) -> None:
        with self._translated():
            self._database.execute(statement, values)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """One thread at a time; what SQLite and the file system have to say becomes a MediaError."""
        with self._lock:
            try:
                yield
            except OSError as error:
                raise MediaError(f"{error.filename or self._path}: {error.strerror or error}") from error
            except sqlite3.Error as error:
                raise MediaError(f"{self._path}: {error}") from error

    def _open_to_write(self) -> sqlite3.Connection:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            return self._prepared()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            # Gaps are lost with it; the segments are in the files.
            broken = self._path.with_suffix(".broken")
            log.error("%s: %s; it is kept as %s, and made anew", self._path, error, broken.name)
            self._path.replace(broken)
            for suffix in ("-wal", "-shm"):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)
            return self._prepared()

    def _prepared(self) -> sqlite3.Connection:
        database = self._connect(self._path)
        try:
            _log_ahead(database)
            database.execute("pragma synchronous = normal")
            self._is_made(database)
            database.executescript(f"begin immediate; {TABLES} pragma user_version = {VERSION}; commit;")
            # Some milliseconds; damage that is met later would be met for ever.
            ((found,),) = database.execute("pragma quick_check(1)").fetchall()
            if found != "ok":
                raise sqlite3.DatabaseError("database disk image is malformed")
        except BaseException:
            database.close()
            raise
        return database

    def _look_again(self) -> None:
        """Open what is there by now, if that has its tables already."""
        if not self._path.exists():
            return
        address = f"file:{quote(str(self._path))}?mode=ro"
        # Where nobody writes, and nobody here may, there is no log beside it, and none can be made.
        if not os.access(self.folder, os.W_OK) and not Path(f"{self._path}-wal").exists():
            address += "&immutable=1"
        database = self._connect(address)
        try:
            if self._is_made(database):
                self._database, database = database, self._database
                self._unborn = False
        finally:
            database.close()

    def _is_made(self, database: sqlite3.Connection) -> bool:
        """Whether there are tables; MediaError where they are not ours."""
        ((version,),) = database.execute("pragma user_version").fetchall()
        if version not in (0, VERSION):
            raise MediaError(f"{self._path}: made by another version of reelcast: choose another folder")
        return bool(version)

    def _connect(self, address: Path | str) -> sqlite3.Connection:
        return sqlite3.connect(
            address,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            uri=isinstance(address, str) and address.startswith("file:"),
        )


def _log_ahead(database: sqlite3.Connection) -> None:
    """Have a write-ahead log. Of several that begin one at once some are refused, and not made to wait."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            database.execute("pragma journal_mode = wal")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.001)
        else:
            return


def _length(path: Path) -> float:
    """Seconds of a recording, however it ended."""
    with closing(open_demuxer(path)) as demuxer:
        return max(
            (
                (unit.pts + unit.duration) / demuxer.tracks[track].clock_rate
                for track, unit in demuxer.units()
            ),
            default=0.0,
        )
