"""What a station records, and what it plays of that: a recording a live path, a shelf a folder."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

from reelcast.archive.footage import Footage
from reelcast.archive.index import FILE_NAME, Index
from reelcast.archive.recording import Recording, RecordingPolicy, RecordingStatistics
from reelcast.archive.retention import Retention
from reelcast.archive.shelf import Shelf
from reelcast.server.live import Live

__all__ = ["Recordings"]

log = logging.getLogger(__name__)


class Recordings:
    """See `reelcast.server.source.Recordings`; used in the event loop of its server."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}
        self._shelves: dict[Path, Shelf | None] = {}

    # What is recorded

    def record(self, live: Live, folder: Path, policy: RecordingPolicy) -> None:
        """Record a live path from now on; where that is done already, as is said now."""
        turn = self._turns.get(live.name)
        if turn is not None and turn.goes_on(live, folder, policy):
            turn.recording.policy = policy
            return
        self.end(live)
        self.look_into([folder])
        turn = self._turns[live.name] = _Turn(live, folder, policy, turn)
        turn.task.add_done_callback(partial(self._forget, live.name, turn))
        log.info("%s: recorded to %s", live.name, folder)

    def end(self, live: Live) -> None:
        """Record it no longer; the last file is finished behind that."""
        turn = self._turns.get(live.name)
        if turn is not None:
            turn.end()

    async def close(self) -> None:
        """Record no longer, and play nothing; returns when all files are finished."""
        turns = list(self._turns.values())
        for turn in turns:
            turn.end()
        await asyncio.gather(*(turn.task for turn in turns))
        for shelf in self._shelves.values():
            if shelf is not None:
                shelf.close()
        self._shelves.clear()

    def statistics(self, live: Live) -> RecordingStatistics | None:
        """How the recording of a live path does; None where it is not recorded."""
        turn = self._turns.get(live.name)
        return None if turn is None or turn.over.is_set() else turn.recording.statistics()

    def _forget(self, name: str, turn: _Turn, _: asyncio.Task[None]) -> None:
        if self._turns.get(name) is turn:
            del self._turns[name]

    # What is played

    def look_into(self, folders: Iterable[Path]) -> None:
        """Look for recordings in these folders too."""
        for folder in folders:
            self._shelves.setdefault(folder, None)

    async def find(self, name: str) -> Footage | None:
        """The recordings of a live path, from the first folder that has some. Raises MediaError."""
        for folder, shelf in list(self._shelves.items()):
            if shelf is None and (folder / FILE_NAME).exists():
                shelf = self._shelves[folder] = Shelf(Index(folder, read_only=True))
            found = None if shelf is None else await shelf.find(name)
            if found is not None:
                return found
        return None


class _Turn:
    """One recording of a path, from when the one before has finished its file.

    over   it was told to end
    task   done when it has
    """

    def __init__(self, live: Live, folder: Path, policy: RecordingPolicy, former: _Turn | None) -> None:
        self.recording = Recording(live, folder, policy)
        self.over = asyncio.Event()
        self._live = live
        self._folder = folder
        self.task = asyncio.get_running_loop().create_task(self._run(former))

    def goes_on(self, live: Live, folder: Path, policy: RecordingPolicy) -> bool:
        """Whether this is what is wanted, but for what of it is kept: that changes while it goes on."""
        now = self.recording.policy
        same = replace(policy, **{item.name: getattr(now, item.name) for item in fields(Retention)})
        return not self.over.is_set() and self._live is live and self._folder == folder and now == same

    def end(self) -> None:
        """Stop recording."""
        self.over.set()

    async def _run(self, former: _Turn | None) -> None:
        if former is not None:
            # Two that write one path would take each other's file for one that was cut off.
            await former.task
        if not self.over.is_set():
            self.recording.start()
            await self.over.wait()
        await self.recording.stop()
