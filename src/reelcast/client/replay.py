"""A file published as it is: not encoded again, at the pace of its own times, once or for ever."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from reelcast.client.departure import PublishedTrack
from reelcast.client.options import Options
from reelcast.client.uplink import Uplink, Valves
from reelcast.errors import MediaError, ReelcastError
from reelcast.media.demux import open_demuxer
from reelcast.net.clock import unix_now
from reelcast.track import AccessUnit, Track

__all__ = ["Replay"]

T = TypeVar("T")

READ_AHEAD: Final = 64
"""Units read in one go in another thread: half a second of a file with sound."""
MAX_LATE: Final = 0.5
"""Seconds by which units may be late and are caught up on; what is later moves all that follows, from the next
picture on that is shown behind all before it: the order in which pictures are shown stays as it is."""


class Replay:
    """Publishes a file; used by `async with` and `run`.

    position    seconds of the presentation sent, over all rounds

    Raises MediaError where the file cannot be read, or nothing in it can be carried.
    """

    def __init__(self, path: Path, url: str, options: Options, *, loop: bool = False) -> None:
        self.position = 0.0
        self._path = path
        self._loop = loop
        self._demuxer = open_demuxer(path)
        self._uplink = Uplink(url, options, Valves(self._hold, lambda: None, self._fail))
        self._free = asyncio.Event()
        self._failure: ReelcastError | None = None
        self._reading: asyncio.Future[Any] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reading is not None:
            await asyncio.wait([self._reading])
        self._demuxer.close()
        await self._uplink.close()

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What is published."""
        return self._demuxer.tracks

    @property
    def duration(self) -> float | None:
        """Of one round, seconds; None where it is not known."""
        return self._demuxer.duration

    @property
    def transport(self) -> str:
        """How media goes: "udp" or "tcp"."""
        return self._uplink.transport

    @property
    def dropped(self) -> int:
        """Units left out, because the server was away."""
        return sum(each.dropped for each in self._uplink.statistics())

    def statistics(self) -> tuple[PublishedTrack, ...]:
        """What was sent so far, by track, and what the server says of it."""
        return self._uplink.statistics()

    async def run(self, duration: float | None = None) -> None:
        """Publish it to its end, or for some seconds.

        Raises ReelcastError where the server refuses it or is lost for good, MediaError where the file cannot be
        read any more.
        """
        await self._uplink.open()
        await self._uplink.begin(self.tracks)
        begun = unix_now()
        leading = next((index for index, track in enumerate(self.tracks) if track.kind == "video"), 0)
        last = -math.inf
        async for index, unit, shift in self._rounds():
            rate = self.tracks[index].clock_rate
            due = shift + unit.dts / rate
            if duration is not None and due >= duration:
                return
            late = await self._wait(begun + due)
            shown = shift + unit.pts / rate
            if index == leading and shown > last:
                last = shown
                begun += late if late > MAX_LATE else 0.0
            # The same for all units of a track, so that their times stay as far apart as they are.
            offset = round((begun + shift) * rate)
            self._uplink.put(index, replace(unit, pts=unit.pts + offset, dts=unit.dts + offset))
            self.position = max(self.position, due)

    async def _wait(self, due: float) -> float:
        """Until a Unix time, and until the server takes more; how late it is then, in seconds."""
        await _until(due)
        await self._free.wait()
        if self._failure is not None:
            raise self._failure
        return unix_now() - due

    async def _rounds(self) -> AsyncIterator[tuple[int, AccessUnit, float]]:
        """Units of round after round, each with the seconds by which its round is later than the file."""
        shift = 0.0
        while True:
            first: dict[int, float] = {}
            end = 0.0
            units = self._demuxer.units()
            while batch := await self._read(partial(_some, units)):
                for index, unit in batch:
                    rate = self.tracks[index].clock_rate
                    first.setdefault(index, unit.pts / rate)
                    end = max(end, (unit.pts + unit.duration) / rate)
                    yield index, unit, shift
            if not first or end <= 0.0:
                raise MediaError(f"{self._path}: nothing in it can be published")
            if not self._loop:
                return
            # What begins before 0 (the priming of AAC) must not run into the end of the round before.
            shift += end + max(0.0, -min(first.values()))
            await self._read(partial(self._demuxer.seek, 0.0))

    async def _read(self, work: Callable[[], T]) -> T:
        """Have the file read in another thread; who gives up waiting leaves it reading."""
        reading = asyncio.ensure_future(asyncio.to_thread(work))
        self._reading = reading
        return await asyncio.shield(reading)

    # What the uplink calls.

    def _hold(self, held: bool) -> None:
        if held:
            self._free.clear()
        else:
            self._free.set()

    def _fail(self, error: ReelcastError) -> None:
        self._failure = error
        self._free.set()


async def _until(due: float) -> None:
    early = due - unix_now()
    if early > 0:
        await asyncio.sleep(early)


def _some(units: Iterator[tuple[int, AccessUnit]]) -> list[tuple[int, AccessUnit]]:
    """The next units; none at the end."""
    return list(islice(units, READ_AHEAD))
