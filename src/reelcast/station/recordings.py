"""What a station records, and what it plays of that: a recording a live path, a shelf a folder."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from weakref import WeakSet

from reelcast.archive.footage import Footage
from reelcast.archive.index import FILE_NAME, Index
from reelcast.archive.memory import Memory
from reelcast.archive.recording import Recording, RecordingPolicy, RecordingStatistics
from reelcast.archive.retention import Retention
from reelcast.archive.shelf import Shelf
from reelcast.errors import MediaError
from reelcast.server.disk import Disk
from reelcast.server.live import Live

__all__ = ["Recordings"]

log = logging.getLogger(__name__)


RETRY_SECONDS = 10.0
"""Until a folder is looked at again whose index could not be opened: the disk is full, or gone."""


class Recordings:
    """See `reelcast.server.source.Recordings`; used in the event loop of its server."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}
        self._folders: dict[Path, _Folder] = {}

    # What is recorded

    def record(self, live: Live, folder: Path, policy: RecordingPolicy) -> None:
        """Record a live path from now on; where that is done already, as is said now."""
        turn = self._turns.get(live.name)
        if turn is not None and turn.goes_on(live, folder, policy):
            turn.recording.policy = policy
            return
        self.end(live)
        self.look_into([folder])
        turn = self._turns[live.name] = _Turn(live, self._folders[folder], policy, turn)
        turn.task.add_done_callback(partial(self._forget, live.name, turn))
        log.info("%s: recorded to %s", live.name, folder)

    def end(self, live: Live) -> None:
        """Record it no longer; the last file is finished behind that."""
        turn = self._turns.get(live.name)
        if turn is not None:
            turn.over.set()

    async def close(self) -> None:
        """Record no longer, and play nothing; returns when all files are finished."""
        turns = list(self._turns.values())
        for turn in turns:
            turn.over.set()
        await asyncio.gather(*(turn.task for turn in turns))
        for folder in self._folders.values():
            folder.close()
        self._folders.clear()

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
            if folder not in self._folders:
                self._folders[folder] = _Folder(folder)

    async def find(self, name: str) -> Footage | None:
        """The recordings of a live path, from the first folder that has some. Raises MediaError."""
        for folder in list(self._folders.values()):
            shelf = await folder.shelf()
            found = None if shelf is None else await shelf.find(name)
            if found is not None:
                return found
        return None


class _Folder:
    """A folder of recordings; its index is opened when it is there, or is to be."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._disk = Disk()
        self._shelf: Shelf | None = None
        self._index: Index | None = None
        # Whoever watches a path goes on with its memory when it is no longer recorded; with the last it is gone.
        self._memories: WeakSet[Memory] = WeakSet()
        self._opening = asyncio.Lock()

    async def shelf(self, *, make: bool = False) -> Shelf | None:
        """What is in it; None where there is no index, and none is to be made. Raises MediaError."""
        async with self._opening:
            if self._shelf is None and (make or await self._disk.run((self.path / FILE_NAME).exists)):
                self._index = await self._disk.run(Index, self.path, read_only=not make)
                self._shelf = Shelf(self._index, self._disk)
        return self._shelf

    async def memory(self, name: str, recording: Recording) -> Memory:
        """What a path that is recorded here can be rewound by. Raises MediaError."""
        shelf = await self.shelf(make=True)
        assert shelf is not None
        memory = shelf.memory(name, recording)
        self._memories.add(memory)
        return memory

    def close(self) -> None:
        """Close all files."""
        for memory in self._memories:
            memory.close()
        if self._shelf is not None and self._index is not None:
            self._shelf.close()
            self._index.close()


class _Turn:
    """One recording of a path, from when the one before has finished its file.

    over   it was told to end
    task   done when it has
    """

    def __init__(self, live: Live, folder: _Folder, policy: RecordingPolicy, former: _Turn | None) -> None:
        self.recording = Recording(live, folder.path, policy)
        self.over = asyncio.Event()
        self._live = live
        self._folder = folder
        self.task = asyncio.get_running_loop().create_task(self._run(former))

    def goes_on(self, live: Live, folder: Path, policy: RecordingPolicy) -> bool:
        """Whether this is what is wanted, but for what of it is kept: that changes while it goes on."""
        now = self.recording.policy
        same = replace(policy, **{item.name: getattr(now, item.name) for item in fields(Retention)})
        return not self.over.is_set() and self._live is live and self._folder.path == folder and now == same

    async def _run(self, former: _Turn | None) -> None:
        if former is not None:
            # Two that write one path would take each other's file for one that was cut off.
            await former.task
        if self.over.is_set():
            return
        self.recording.start()
        memory = await self._remember()
        await self.over.wait()
        if self._live.history is memory:
            self._live.history = None
        await self.recording.stop()

    async def _remember(self) -> Memory | None:
        """Let the path be rewound, as soon as its index can be opened."""
        said = False
        while not self.over.is_set():
            try:
                memory = self._live.history = await self._folder.memory(self._live.name, self.recording)
            except MediaError as error:
                if not said:
                    log.warning("%s cannot be rewound yet: %s", self._live.name, error)
                said = True
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.over.wait(), RETRY_SECONDS)
            else:
                return memory
        return None
