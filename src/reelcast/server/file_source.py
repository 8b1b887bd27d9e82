"""A file as a source: its groups, read in a thread and shared by the sessions that play it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from reelcast.media.cache import GroupCache
from reelcast.media.groups import GROUP_SECONDS, GroupReader, leading_track
from reelcast.net.carrier import Carrier
from reelcast.rtp.group import Group, Run
from reelcast.server.disk import Disk
from reelcast.server.pacer import Pacer
from reelcast.server.playhead import Playhead
from reelcast.server.source import Calendar
from reelcast.track import Track

__all__ = ["FileSource"]


class Readable(Protocol):
    """What groups are read from, in a thread: see `GroupReader`."""

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What there is."""

    @property
    def duration(self) -> float | None:
        """Seconds, None where that is not known."""

    @property
    def first(self) -> int:
        """The number of the first group that there is."""

    def read(self, index: int) -> Group | None:
        """A group, None behind the end. Raises MediaError."""

    def keyframe_before(self, seconds: float) -> float:
        """The decoding time of the last place at or before `seconds` where decoding can start."""

    def close(self) -> None:
        """Let go of the files."""


class FileSource:
    """See `reelcast.server.source.Source`; the playheads of its sessions ask it for groups."""

    calendar: Calendar | None = None

    def __init__(self, reader: Readable, cache: GroupCache, disk: Disk | None = None) -> None:
        """`disk` is where the files are that it is read from; None for one that nothing else is on."""
        self.tracks: tuple[Track, ...] = reader.tracks
        self.origin = secrets.randbits(62)
        self._leading = leading_track(reader.tracks)
        self._reader = reader
        self._cache = cache
        self._disk = disk or Disk()
        # A file is read by one at a time: others would wait in threads that its neighbours need.
        self._turn = asyncio.Lock()
        self._loading: dict[int, asyncio.Task[Group | None]] = {}

    @classmethod
    async def open(
        cls, path: Path, cache: GroupCache, disk: Disk | None = None, *, whole_ts: bool = False
    ) -> FileSource:
        """Open a file, a transport stream whole if that is wanted; MediaError where it cannot be served."""
        disk = disk or Disk()
        return cls(await disk.run(GroupReader, path, whole_ts=whole_ts), cache, disk)

    @property
    def duration(self) -> float | None:
        """Seconds, None where the container does not say."""
        return self._reader.duration

    def ssrc(self, track: int) -> int | None:
        """Each session has its own numbers, since each may seek."""
        return None

    def player(self, ssrcs: Mapping[int, int], carrier: Carrier, pacer: Pacer) -> Playhead:
        """A playhead for one session."""
        return Playhead(self, ssrcs, carrier, pacer)

    def cached(self, index: int) -> Group | None:
        """A group that is in memory."""
        return self._cache.get(self, index)

    def load(self, index: int) -> asyncio.Task[Group | None]:
        """Read a group, None behind the end; all who want it share one task."""
        task = self._loading.get(index)
        if task is None:
            task = self._loading[index] = asyncio.get_running_loop().create_task(self._load(index))
            task.add_done_callback(_noted)
        return task

    async def start_before(self, seconds: float) -> tuple[Group, Run | None]:
        """The last place at or before `seconds` where decoding can start: a group, and the run in it.

        No run means the start of the file, where everything in it is sent. Raises MediaError.
        """
        wanted = int(max(0.0, seconds) // GROUP_SECONDS)
        opening = self._reader.first
        found = self._keyframe(await self._group(wanted), seconds)
        if found is None:
            async with self._turn:
                due = await self._disk.run(self._reader.keyframe_before, seconds)
            nearest = max(opening, min(wanted, int(max(0.0, due) // GROUP_SECONDS)))
            for index in range(nearest, opening - 1, -1):
                found = self._keyframe(await self._group(index), seconds)
                if found is not None:
                    break
        if found is None or (found[0].index <= opening and found[1] is self._first(found[0])):
            first = await self._group(opening)
            return first if first is not None else Group.build(opening, [], self.tracks, last=True), None
        return found

    def close(self) -> None:
        """Close the file and forget its groups."""
        for task in self._loading.values():
            task.cancel()
        self._cache.forget(self)
        self._reader.close()

    async def _group(self, index: int) -> Group | None:
        group = self.cached(index)
        # Shielded: one who gives up waiting must not end it for the others.
        return group if group is not None else await asyncio.shield(self.load(index))

    async def _load(self, index: int) -> Group | None:
        try:
            async with self._turn:
                group = await self._disk.run(self._reader.read, index)
            if group is not None:
                self._cache.put(self, group)
            return group
        finally:
            del self._loading[index]

    def _first(self, group: Group) -> Run | None:
        return next((run for run in group.runs if run.track == self._leading), None)

    def _keyframe(self, group: Group | None, seconds: float) -> tuple[Group, Run] | None:
        """The first run of the last keyframe in a group that is presented at or before `seconds`."""
        found: Run | None = None
        for run in group.runs if group is not None else ():
            if run.track == self._leading and run.keyframe and run.pts <= seconds + _SAME_TIME:
                found = run if found is None or run.burst != found.burst else found
        return None if group is None or found is None else (group, found)


def _noted(task: asyncio.Task[Group | None]) -> None:
    """Who wanted a group may have left: a failure then is nobody's, and no error of the event loop's."""
    if not task.cancelled():
        task.exception()


_SAME_TIME = 0.0005
"""A client that asks for the NPT it was told has it in milliseconds."""
