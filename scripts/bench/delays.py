"""How long a live stream takes to a crowd of readers: from what sends it to what receives it.

The movie is published from here, a unit at a time and without any spreading, as ffmpeg does. Of the readers most
are `reelcast load`; the first and the last to join are here too, with the same clock as the publisher. What is
relayed counts from where the relay's source has it: another reader of that source, here, stands for the relay.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from itertools import count
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scripts.bench.measure import Figures, lateness
from scripts.bench.published import until_published
from scripts.bench.rows import Stream as Movie
from scripts.bench.rows import Transport
from scripts.bench.servers import Movies
from scripts.bench.stations import Places, Way, stations

from reelcast.client.options import Options
from reelcast.client.publication import Publication
from reelcast.client.stream import Stream, connect
from reelcast.client.timeouts import Timeouts
from reelcast.errors import ReelcastError
from reelcast.media.demux import open_demuxer
from reelcast.net.clock import unix_now
from reelcast.rtp.intake import ReceivedUnit
from reelcast.track import AccessUnit, Track

__all__ = ["DELAY_CASES", "READERS", "Delays", "measure_delays"]

DELAY_CASES: Final[tuple[tuple[Way, Movie, Transport], ...]] = (
    ("published", "sd", "udp"),
    ("published", "sd", "tcp"),
    ("published", "hd", "udp"),
    ("published", "hd", "tcp"),
    ("relayed", "sd", "udp"),
    ("relayed", "sd", "tcp"),
)
READERS: Final = 100
PROBES: Final = 2
"""Readers here that come before the others, and as many that come behind them."""
TIMEOUT: Final = 20.0
SETTLING: Final = 4.0
"""Seconds in which the others start and join."""
TAIL: Final = 256
"""Bytes at the end of a unit by which it is known again; what stands before them may be told anew on the way."""

_Note = Callable[[str, bytes, float], None]
"""Takes the kind of a unit's track, the unit, and when it was sent or received."""


class Delays:
    """When units were sent, and how much later they came to whoever reads them."""

    def __init__(self, units: Iterable[bytes]) -> None:
        """`units` are all that will be sent, again and again; those that look alike are not counted."""
        alike = Counter(unit[-TAIL:] for unit in units)
        self._known = {tail for tail, number in alike.items() if number == 1}
        self._sent: dict[bytes, list[float]] = defaultdict(list)
        self._received: list[tuple[str, bytes, float]] = []
        self.counting = False

    def send(self, kind: str, data: bytes, now: float) -> None:
        """A unit is sent."""
        self._sent[data[-TAIL:]].append(now)

    def receive(self, kind: str, data: bytes, now: float) -> None:
        """A reader has it whole."""
        tail = data[-TAIL:]
        if self.counting and tail in self._known:
            self._received.append((kind, tail, now))

    def found(self, kind: str) -> NDArray[np.float64]:
        """Seconds from one to the other, of all units of a kind that were received."""
        moments = [(self._sent[tail], now) for each, tail, now in self._received if each == kind]
        # Two readers of one source may have a unit in either order, so that what was sent may be noted later.
        return np.array([min((now - at for at in sent), key=abs) for sent, now in moments if sent])


def measure_delays(
    way: Way, movie: Movie, transport: Transport, movies: Movies, readers: int, seconds: float
) -> Figures:
    """Delays in seconds, of pictures and of sound, over a window with all readers there."""
    with closing(open_demuxer(movies.hd if movie == "hd" else movies.sd)) as demuxer:
        tracks, units = demuxer.tracks, list(demuxer.units())
    delays = Delays(unit.data for _, unit in units)
    gc.collect()
    gc.freeze()
    try:
        with stations(way, transport) as places:
            asyncio.run(_measure(delays, tracks, units, places, transport, readers, seconds))
    except ReelcastError as error:
        return {"failure": str(error)}
    finally:
        gc.unfreeze()
    return {kind: lateness(delays.found(kind)) for kind in ("video", "audio")}


async def _measure(
    delays: Delays,
    tracks: Sequence[Track],
    units: Sequence[tuple[int, AccessUnit]],
    places: Places,
    transport: Transport,
    readers: int,
    seconds: float,
) -> None:
    relayed = places.read != places.publish
    options = Options(Timeouts.of(TIMEOUT), transport)
    publication = await Publication.open(places.publish, transport, options)
    await publication.begin(tracks)
    sending = asyncio.create_task(_send(publication, units, None if relayed else delays.send))
    load = None
    try:
        await until_published(places.read)
        async with AsyncExitStack() as stack:
            if relayed:
                await stack.enter_async_context(_reader(places.publish, transport, delays.send))
            for _ in range(PROBES):
                await stack.enter_async_context(_reader(places.read, transport, delays.receive))
            load = await _load(places.read, transport, max(readers - 2 * PROBES, 1), seconds)
            await asyncio.sleep(SETTLING)
            for _ in range(PROBES):
                await stack.enter_async_context(_reader(places.read, transport, delays.receive))
            await asyncio.sleep(1.0)  # what a stream begins with is taken
            delays.counting = True
            await asyncio.sleep(seconds)
            delays.counting = False
    finally:
        if load is not None:
            load.terminate()
            await load.wait()
        sending.cancel()
        await asyncio.wait([sending])
        await publication.close()


async def _send(
    publication: Publication, units: Sequence[tuple[int, AccessUnit]], note: _Note | None
) -> None:
    """Publish them again and again, each when it is due."""
    tracks = [departure.track for departure in publication.departures]
    length = max((unit.dts + unit.duration) / tracks[index].clock_rate for index, unit in units)
    begun = unix_now()
    for number in count():
        for index, unit in units:
            track = tracks[index]
            shift = begun + number * length
            await asyncio.sleep(shift + unit.dts / track.clock_rate - unix_now())
            offset = round(shift * track.clock_rate)
            # Without a duration, it is sent in one go.
            placed = replace(unit, pts=unit.pts + offset, dts=unit.dts + offset, duration=0)
            if note is not None:
                note(track.kind, unit.data, time.monotonic())
            publication.send(index, placed)
            # Nor does sound wait to share a packet with more of it.
            publication.departures[index].flush()


def _reader(url: str, transport: Transport, note: _Note) -> Stream:
    def take(received: ReceivedUnit) -> None:
        note(received.track.kind, received.unit.data, time.monotonic())

    return connect(url, transport=transport, timeout=TIMEOUT, reconnect=False, on_unit=take)


async def _load(url: str, transport: Transport, readers: int, seconds: float) -> asyncio.subprocess.Process:
    words = ("load", url, "-n", readers, "--transport", transport, "--duration", seconds + SETTLING, "--json")
    quiet = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "reelcast", *map(str, words), stdout=quiet, stderr=quiet
    )
