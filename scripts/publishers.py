"""Many publishers of a movie in one process: `python -m scripts.publishers MOVIE URL COUNT`.

"%d" in the URL is the publisher's number.
They send over TCP, over and over, until standard input ends. A line is printed when all of them do; in the end one
with the units that were sent, those that were dropped, the worst delay in seconds, and the processor's seconds.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path

from reelcast.client.options import Options
from reelcast.client.reconnect import NEVER
from reelcast.client.timeouts import Timeouts
from reelcast.client.uplink import Uplink, Valves
from reelcast.errors import ReelcastError
from reelcast.media.demux import open_demuxer
from reelcast.track import AccessUnit

STAGGER = 0.037
"""Seconds from one publisher's beginning to the next one's: they are not in step."""


class Movie:
    """A movie over and over."""

    def __init__(self, path: Path) -> None:
        with closing(open_demuxer(path)) as demuxer:
            self.tracks = demuxer.tracks
            self._units = list(demuxer.units())
        rates = [track.clock_rate for track in self.tracks]
        self._length = max((unit.dts + unit.duration) / rates[number] for number, unit in self._units)

    def units(self) -> Iterator[tuple[float, int, AccessUnit]]:
        """When each unit is due, in seconds, of which track it is, and the unit."""
        for round_ in count():
            for number, unit in self._units:
                rate = self.tracks[number].clock_rate
                shift = round(round_ * self._length * rate)
                moved = replace(unit, pts=unit.pts + shift, dts=unit.dts + shift)
                yield moved.dts / rate, number, moved


async def publish(uplink: Uplink, movie: Movie, lateness: list[float]) -> None:
    """Publish in real time, until cancelled."""
    begun = time.monotonic()
    for due, number, unit in movie.units():
        await asyncio.sleep(max(0.0, begun + due - time.monotonic()))
        lateness[0] = max(lateness[0], time.monotonic() - begun - due)
        uplink.put(number, unit)


def failed(error: ReelcastError) -> None:
    print(f"a publisher has failed: {error}", file=sys.stderr)


async def run(movie: Movie, url: str, number: int) -> None:
    options = Options(Timeouts.of(20.0), "tcp", reconnect=NEVER)
    valves = Valves(lambda _: None, lambda: None, failed)
    uplinks = [Uplink(url.replace("%d", str(each)), options, valves) for each in range(number)]
    tasks: list[asyncio.Task[None]] = []
    lateness = [0.0]
    for uplink in uplinks:
        await uplink.open()
        await uplink.begin(movie.tracks)
        tasks.append(asyncio.create_task(publish(uplink, movie, lateness)))
        await asyncio.sleep(STAGGER)
    print("all publish", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    sums = [each for uplink in uplinks for each in uplink.statistics()]
    units, dropped = sum(each.units for each in sums), sum(each.dropped for each in sums)
    print(units, dropped, round(lateness[0], 3), round(time.process_time(), 1), flush=True)
    await asyncio.gather(*(uplink.close() for uplink in uplinks))


if __name__ == "__main__":
    asyncio.run(run(Movie(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])))
