"""What ties what is published to its server: one session after the other, by the ways that there are.

First connections that fail are errors; a server that was there once is looked for again, as `reconnect` says.
What is sent meanwhile is dropped and counted, and goes on with a keyframe.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from reelcast.client import events
from reelcast.client.departure import Departure, PublishedTrack
from reelcast.client.options import Options, is_encrypted
from reelcast.client.publication import Publication
from reelcast.client.recovery import Recovery, Steps
from reelcast.errors import (
    DeadlineError,
    ProtocolError,
    ReelcastError,
    RemoteError,
    TransportError,
)
from reelcast.rtsp.states import State
from reelcast.rtsp.url import without_userinfo
from reelcast.track import AccessUnit, Track

__all__ = ["Uplink", "Valves"]

log = logging.getLogger(__name__)

MAX_EARLY: Final = 256
"""Units kept while the first session is set up: what an encoder has made by then, and some seconds of a file."""
UNSUPPORTED_TRANSPORT: Final = 461

_Way = Literal["udp", "tcp"]


@dataclass(frozen=True, slots=True)
class Valves:
    """What who makes the units is told; called in the event loop.

    hold        with True when nothing more can be taken for now, with False when it can
    keyframe    when a session goes on with the next keyframe, which should come soon
    end         when it is over for good, with the reason; not behind `close`
    """

    hold: Callable[[bool], None]
    keyframe: Callable[[], None]
    end: Callable[[ReelcastError], None]


class Uplink:
    """Coded units to one RTSP URL, session after session."""

    def __init__(self, url: str, options: Options, valves: Valves) -> None:
        self._url = url
        self._options = options
        self._valves = valves
        ways = options.ways(encrypted=is_encrypted(url))
        self._all_ways: tuple[_Way, ...] = tuple(way for way in ways if way != "classroom")
        self._ways = self._all_ways
        self._publication: Publication | None = None
        self._tracks: tuple[Track, ...] = ()
        self._early: deque[tuple[int, AccessUnit]] | None = deque(maxlen=MAX_EARLY)
        self._dropped: list[int] = []
        self._sums: tuple[PublishedTrack, ...] = ()
        self._waiting: set[int] = set()
        self._lock = asyncio.Lock()
        steps = Steps(self._drop, self._bring_up, self._found, self._finish)
        self._recovery = Recovery(self.url, options, self._lock, steps)
        self._closed = False

    @property
    def url(self) -> str:
        """What it was made for, without user and password."""
        return without_userinfo(self._url)

    @property
    def transport(self) -> str:
        """How media goes: "udp" or "tcp"; what is tried next while there is no session."""
        return self._ways[0] if self._publication is None else self._publication.transport

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What is published; () before `begin`."""
        return self._tracks

    @property
    def state(self) -> State:
        """Recording; Init before `begin` has returned, while the server is lost, and when it is closed."""
        return State.INIT if self._publication is None else self._publication.state

    @property
    def recovering(self) -> bool:
        """Whether the server was lost, and is looked for."""
        return self._recovery.running

    def statistics(self) -> tuple[PublishedTrack, ...]:
        """What was sent so far, by track, over all sessions."""
        present = self._publication.departures if self._publication is not None else ()
        if not self._sums:
            return ()
        return tuple(
            _sum(before, present[index] if index < len(present) else None, dropped)
            for index, (before, dropped) in enumerate(zip(self._sums, self._dropped, strict=True))
        )

    async def open(self) -> None:
        """Connect, so that it is known whether there is a server; nothing where it is connected.

        Raises TransportError for no connection, DeadlineError for silence, ProtocolError for a URL of none.
        """
        async with self._lock:
            if self._publication is None:
                await self._connect(self._ways[0], self._deadline())

    async def begin(self, tracks: Sequence[Track]) -> None:
        """Announce these tracks and begin to send; raises as `open`, and RemoteError for a refusal."""
        self._tracks = tuple(tracks)
        self._dropped = [0] * len(tracks)
        self._sums = tuple(PublishedTrack(track) for track in tracks)
        async with self._lock:
            await self._bring_up()
        self._go_on()

    def put(self, index: int, unit: AccessUnit) -> None:
        """Send a unit of a track; its times count from the Unix epoch, in units of the track's clock."""
        publication = self._publication
        if self._early is not None:
            self._early.append((index, unit))
        elif (
            publication is None
            or publication.state is not State.RECORDING
            or not self._may_begin(index, unit)
        ):
            self._dropped[index] += 1
        else:
            publication.send(index, unit)

    def _may_begin(self, index: int, unit: AccessUnit) -> bool:
        """Whether a session has seen a keyframe of the track, or does now; sound has nothing else."""
        if unit.keyframe:
            self._waiting.discard(index)
        return index not in self._waiting

    async def close(self) -> None:
        """TEARDOWN, and the end of the connection. Closing twice is no error."""
        self._closed = True
        recovering = await self._recovery.stop()
        async with self._lock:
            active = self._publication is not None or recovering
            await self._drop()
        if active and self._tracks:
            self._options.tell(events.Ended(None))

    # How it is done.

    def _deadline(self) -> float | None:
        opening = self._options.timeouts.opening
        return None if opening is None else asyncio.get_running_loop().time() + opening

    async def _connect(self, way: _Way, deadline: float | None) -> Publication:
        publication = await Publication.open(self._url, way, self._options, deadline)
        publication.on_lost = self._end
        publication.on_full = self._valves.hold
        self._publication = publication
        return publication

    async def _bring_up(self) -> None:
        """A session that is recording; by another way where one does not work."""
        deadline = self._deadline()
        while True:
            way, *others = self._ways
            try:
                publication = self._publication
                if publication is None or publication.lost or publication.transport != way:
                    await self._drop()
                    publication = await self._connect(way, deadline)
                await publication.begin(self._tracks, deadline)
                return
            except (ProtocolError, RemoteError, DeadlineError, TransportError) as error:
                await self._drop()
                error.url = error.url or self.url
                self._ways = tuple(others) if error.status == UNSUPPORTED_TRANSPORT else ()
                if not self._ways:
                    self._ways = self._all_ways
                    raise
                log.info("%s; trying %s", error, self._ways[0])
                self._options.tell(events.FellBack(error))
            except BaseException:
                await self._drop()
                raise

    async def _drop(self) -> None:
        """End what there is of a session; its figures are kept."""
        self._sums = self.statistics()
        publication, self._publication = self._publication, None
        if publication is not None:
            with contextlib.suppress(ReelcastError):
                await publication.close()

    def _go_on(self) -> None:
        """A session is there: what waits is sent, and who makes the units may make more."""
        publication = self._publication
        if publication is None or publication.state is not State.RECORDING:
            return
        self._options.tell(events.Connected(publication.transport))
        self._waiting = {index for index, track in enumerate(self._tracks) if track.kind == "video"}
        early, self._early = self._early, None
        for index, unit in early or ():
            self.put(index, unit)
        self._valves.hold(publication.full)

    def _end(self, error: ReelcastError) -> None:
        """A session is over: it is made again, or all is over."""
        publication = self._publication
        if publication is None or publication.state is not State.RECORDING:
            # Whoever sets it up hears why.
            self._recovery.lost = error
            return
        self._valves.hold(True)
        if publication.transport == "udp" and not publication.reported:
            # Nothing says that datagrams arrive: what stands between may let none through.
            self._ways = tuple(way for way in self._all_ways if way == "tcp") or self._all_ways
        if self._closed or not self._options.reconnect.allows(1):
            self._finish(error)
        else:
            self._recovery.lose(error)

    def _found(self) -> None:
        self._valves.keyframe()
        self._go_on()

    def _finish(self, error: ReelcastError) -> None:
        self._valves.end(error)
        self._options.tell(events.Ended(error))


def _sum(before: PublishedTrack, now: Departure | None, dropped: int) -> PublishedTrack:
    """Figures up to the present session and in it; what the server says is of this one alone."""
    if now is None:
        return replace(before, dropped=dropped)
    told = now.told
    missed = None if told is None else max(told.cumulative_lost, 0)
    return PublishedTrack(
        before.track,
        before.units + now.units,
        dropped,
        before.packets + now.packets,
        before.bytes + now.octets,
        before.lost if missed is None else (before.lost or 0) + missed,
        before.jitter if told is None else told.jitter / before.track.clock_rate,
        now.round_trip if now.round_trip is not None else before.round_trip,
    )
