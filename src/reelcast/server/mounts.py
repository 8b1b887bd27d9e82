"""What is served where: paths of files, folders and sources, and the files that are open."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote
from weakref import WeakValueDictionary

from reelcast.errors import MediaError, ProtocolError
from reelcast.media.cache import DEFAULT_CACHE_BYTES, GroupCache
from reelcast.media.groups import GroupReader
from reelcast.media.library import Library
from reelcast.rtsp.authentication import unspeakable
from reelcast.server.broadcast import Broadcast
from reelcast.server.disk import Disk
from reelcast.server.feed import Era
from reelcast.server.file_source import FileSource
from reelcast.server.live import Live, LivePolicy
from reelcast.server.looping import LoopingFile
from reelcast.server.rewind import Rewindable
from reelcast.server.source import Recordings, Source

__all__ = ["RECORDED", "Found", "Mounts", "on_disk"]

log = logging.getLogger(__name__)

MAX_OPEN_FILES = 128
"""Files kept open between requests; one that is being played stays open however many others are asked for."""
FRESH = 0.1
"""Seconds for which a file is taken to be what it was: a reader that joins asks for it three times and more."""
TRACK_PREFIX = "trackID="
"""What the tracks of a live path begin with, which stand behind it."""
RECORDED = "recorded"
"""What follows a live path in the URL of its recordings."""

_Mounted = Path | Library | Source | Live
_Way = tuple[Path, bool]
"""A file, and whether it is kept whole where it is a transport stream."""


@dataclass(slots=True, eq=False)
class _Held:
    """A file that is open, or being opened; its time and size on disk, and when these were looked at.

    wanted   requests that wait for it, and have not taken it yet
    """

    stamp: tuple[int, int]
    seen: float
    task: asyncio.Task[FileSource]
    wanted: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A source, and what of it a URL means.

    path           the path it is served at, percent-encoded, without a trailing slash
    presentation   the same, decoded
    place          the path whose right it takes to read it: recordings are for who may read what is recorded
    source         what is served there
    control        what stands behind the path: a track's control attribute, "" for the presentation itself
    """

    path: str
    presentation: tuple[str, ...]
    place: tuple[str, ...]
    source: Source
    control: str


def on_disk(path: Path) -> Path | Library:
    """A file, or the library that a folder is; MediaError where there is neither, or no media in the folder."""
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        raise MediaError(f"{path}: {error.strerror}") from error
    if is_folder:
        library = Library(path)
        if not library.paths():
            advice = "name another, or --publish NAME to serve what is published"
            raise MediaError(f"{path}: no media files in this folder", advice=advice)
        return library
    if not is_file:
        elsewhere = str(path).startswith(("rtsp:", "rtsps:"))
        advice = "what another server has is relayed: --relay, or reelcast.Relay" if elsewhere else ""
        raise MediaError(f"{path}: no such file or folder", advice=advice)
    return path


class Mounts:
    """A table of paths; the longest that fits a URL wins.

    recordings   of live paths, where any are kept
    publishing   the policy of the live paths that publishers make; None where they make none
    on_made      called with each of those
    """

    def __init__(self, cache_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self.recordings: list[Recordings] = []
        self.publishing: LivePolicy | None = LivePolicy()
        self.on_made: Callable[[Live], None] = lambda _: None
        self._cache = GroupCache(cache_bytes)
        self._mounted: dict[tuple[str, ...], _Mounted] = {}
        self._whole: set[tuple[str, ...]] = set()
        self._open: OrderedDict[_Way, _Held] = OrderedDict()
        self._users: dict[Source, int] = {}
        self._disks: WeakValueDictionary[Path, Disk] = WeakValueDictionary()

    def add(self, path: str, what: Source | Live | Library | Path, *, whole_ts: bool = False) -> None:
        """Serve a file, a folder (recursively) or a source at `path`, which may be "/".

        With `whole_ts`, files that are transport streams are one track, not what is in them.
        Raises MediaError where the file or folder is missing, or a folder holds no media; ValueError for what
        cannot be served at all.
        """
        segments = _segments(path)
        if not isinstance(what, Path | Library | Live) and not hasattr(what, "player"):
            raise ValueError(
                f"{path}: a file, a folder or a source can be served, not a {type(what).__name__}"
            )
        self._mounted[segments] = on_disk(what) if isinstance(what, Path) else what
        self._whole.discard(segments)
        if whole_ts:
            self._whole.add(segments)

    def looped(self, path: str, file: Path, era: Era) -> Broadcast:
        """A file as an endless live stream, for `path`. Raises MediaError where it cannot be served."""
        return Broadcast(LoopingFile(FileSource(GroupReader(file), self._cache)), era, path)

    def publish_to(self, path: str, policy: LivePolicy | None = None) -> Live:
        """The live path of this name, for a publisher; made where nothing is served there, until it is over.

        Raises ProtocolError 405 where something else is served, 403 where none is made.
        """
        segments = _segments(path)
        what = self._mounted.get(segments)
        if isinstance(what, Live):
            return what
        if what is not None:
            raise ProtocolError(f"{path} is no live path: it cannot be published to", 405)
        policy = policy or self.publishing
        if policy is None:
            raise ProtocolError(f"{path} is none of the paths that can be published to", 403)
        live = Live("/" + "/".join(segments), policy)
        live.on_over = lambda: self._forget(segments, live)
        self._mounted[segments] = live
        self.on_made(live)
        return live

    async def check_publishing(self, path: str) -> None:
        """Whether there is any sense in announcing what is to be published there.

        Raises ProtocolError 405 where something else than a live path is served; 403 where another publisher is at
        it and may not be displaced, where no live path is made, and for names that mean something else, or cannot
        be shown.
        """
        segments = _segments(path)
        what = self._mounted.get(segments)
        if isinstance(what, Live):
            what.check_free()
        elif what is not None or await self.find_file(list(segments)) is not None:
            raise ProtocolError(f"{path} is no live path: it cannot be published to", 405)
        elif self.publishing is None:
            raise ProtocolError(f"{path} is none of the paths that can be published to", 403)
        elif not segments or segments[-1] == RECORDED or segments[-1].startswith(TRACK_PREFIX):
            raise ProtocolError(f"{path} cannot be published to: it names what is behind a path", 403)
        elif any(map(unspeakable, segments)):
            # Its name stands in the log, where a line's end would begin what looks like another.
            raise ProtocolError(f"{path} cannot be published to: a name is without control characters", 403)

    def _forget(self, segments: tuple[str, ...], live: Live) -> None:
        if self._mounted.get(segments) is live:
            del self._mounted[segments]

    def remove(self, path: str) -> None:
        """No longer serve `path`; sessions that play it go on. Raises KeyError where nothing is there."""
        if self._mounted.pop(_segments(path), None) is None:
            raise KeyError(path)

    def at(self, path: str) -> Source | Live | Path | Library | None:
        """What is served at exactly this path."""
        return self._mounted.get(_segments(path))

    def live_paths(self) -> list[Live]:
        """All live paths."""
        return [what for what in self._mounted.values() if isinstance(what, Live)]

    def mount_of(self, path: str) -> str | None:
        """The path that something is served at which `path` is, or is below; None where there is none."""
        segments = _segments(path)
        for cut in range(len(segments), -1, -1):
            if segments[:cut] in self._mounted:
                return "/" + "/".join(segments[:cut])
        return None

    def paths(self) -> Iterator[str]:
        """All paths that can be asked for now, percent-encoded."""
        for segments, what in self._mounted.items():
            path = "".join("/" + quote(segment) for segment in segments)
            if isinstance(what, Library):
                yield from (f"{path}/{inside.lstrip('/')}" for inside in what.paths())
            else:
                yield path or "/"

    async def find(self, segments: list[str]) -> Found | None:
        """What the decoded segments of a URL's path name, None where nothing is there.

        A last segment that names nothing by itself is taken as the control attribute of a track.
        Raises MediaError where a file cannot be served.
        """
        for control in ("", segments[-1] if segments else ""):
            names = tuple(segments[:-1] if control else segments)
            for cut in range(len(names), -1, -1):
                what = self._mounted.get(names[:cut])
                whole = names[:cut] in self._whole
                source = None if what is None else await self._source(what, list(names[cut:]), whole)
                if source is not None:
                    return Found("/" + "/".join(map(quote, names)), names, names, source, control)
            for recordings in self.recordings if names[-1:] == (RECORDED,) else ():
                recorded = await recordings.find("/" + "/".join(names[:-1]))
                if recorded is not None:
                    return Found("/" + "/".join(map(quote, names)), names, names[:-1], recorded, control)
        return None

    async def find_file(self, segments: list[str]) -> tuple[Path, Disk] | None:
        """The file that is served at a path of these segments, and where it is; None for nothing, or no file."""
        for cut in range(len(segments), -1, -1):
            what = self._mounted.get(tuple(segments[:cut]))
            if isinstance(what, Path | Library):
                disk = self._disk(what)
                path = await _path(what, segments[cut:], disk)
                if path is not None:
                    return path, disk
        return None

    def hold(self, source: Source) -> None:
        """Keep a source open while a session uses it."""
        self._users[source] = self._users.get(source, 0) + 1
        if isinstance(source, Broadcast | Rewindable):
            source.hold()

    def release(self, source: Source) -> None:
        """A session no longer uses the source."""
        if isinstance(source, Broadcast | Rewindable):
            source.release()
        self._users[source] -= 1
        if self._users[source]:
            return
        del self._users[source]
        if isinstance(source, FileSource) and not any(_opened(task) is source for task in self._tasks()):
            source.close()
        self._tidy()

    def start(self) -> None:
        """Fetch for the live paths what is fetched always."""
        for live in self.live_paths():
            live.start()

    def close(self) -> None:
        """Close everything that is open."""
        for what in self._mounted.values():
            if isinstance(what, Broadcast | Live):
                what.close()
        for task in self._tasks():
            _close(task)
        self._open.clear()

    async def _source(self, what: _Mounted, rest: list[str], whole: bool) -> Source | None:
        if isinstance(what, Live):
            return None if rest else await _live(what)
        if not isinstance(what, Path | Library):
            return None if rest else what
        disk = self._disk(what)
        path = await _path(what, rest, disk)
        return None if path is None else await self._file(path, whole, disk)

    def _disk(self, what: Path | Library) -> Disk:
        """Where files are that are served together: what one of them keeps waiting keeps no other folder's."""
        return self._disks.setdefault(what.root if isinstance(what, Library) else what.parent, Disk())

    async def _file(self, path: Path, whole: bool, disk: Disk) -> FileSource:
        """Open a file, or take it as it is open; again where it has changed on disk."""
        way = path, whole
        held = self._open.get(way)
        if held is None or time.monotonic() - held.seen > FRESH:
            held = await self._look(way, disk)
        self._open.move_to_end(way)
        held.wanted += 1
        try:
            return await asyncio.shield(held.task)
        except MediaError:
            if self._open.get(way) is held:
                del self._open[way]
            raise
        finally:
            held.wanted -= 1

    async def _look(self, way: _Way, disk: Disk) -> _Held:
        """A file as it is now."""
        path, whole = way
        try:
            status = await disk.run(os.stat, path)
        except OSError as error:
            raise MediaError(f"{path.name}: {error.strerror}") from error
        stamp, now = (status.st_mtime_ns, status.st_size), time.monotonic()
        held = self._open.get(way)
        if held is not None and (held.stamp == stamp or held.wanted):
            # What others wait for must stay open; that it has changed is seen the next time.
            held.seen = now
            return held
        if held is not None:
            log.info("%s has changed; it is opened again", path.name)
            self._drop(way)
        opening = FileSource.open(path, self._cache, disk, whole_ts=whole)
        held = self._open[way] = _Held(stamp, now, asyncio.get_running_loop().create_task(opening))
        self._tidy()
        return held

    def _tidy(self) -> None:
        for way, held in list(self._open.items()):
            if len(self._open) <= MAX_OPEN_FILES:
                return
            if held.task.done() and not held.wanted and _opened(held.task) not in self._users:
                self._drop(way)

    def _tasks(self) -> Iterator[asyncio.Task[FileSource]]:
        return (held.task for held in self._open.values())

    def _drop(self, way: _Way) -> None:
        """Forget an open file; where sessions still play it, it closes when the last of them is gone."""
        task = self._open.pop(way).task
        if _opened(task) not in self._users:
            _close(task)


def _segments(path: str) -> tuple[str, ...]:
    if not isinstance(path, str):
        raise ValueError(f"a path to serve at is a string such as '/movie', not {path!r}")
    return tuple(unquote(segment) for segment in path.split("/") if segment)


async def _live(live: Live) -> Source:
    """A live path as it is played: it can be rewound where it is recorded."""
    broadcast = await live.source()
    return broadcast if live.history is None else Rewindable(broadcast, live.history)


async def _path(what: Path | Library, rest: list[str], disk: Disk) -> Path | None:
    """The file that the rest of a path names, below what is mounted."""
    if isinstance(what, Library):
        return await disk.run(what.find, rest) if rest else None
    return None if rest else what


def _opened(task: asyncio.Task[FileSource]) -> FileSource | None:
    """What a task has opened; None where it is still at it, or has failed."""
    if not task.done() or task.cancelled() or task.exception() is not None:
        return None
    return task.result()


def _close(task: asyncio.Task[FileSource]) -> None:
    source = _opened(task)
    if source is not None:
        source.close()
    elif not task.done():
        # Not cancelled: others may be waiting for it.
        task.add_done_callback(_close)
