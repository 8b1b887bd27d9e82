"""A live stream in virtual time, made of a film, and readers that are sent it over real carriers."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace

import pytest
from tests.groups import parsed
from tests.net.links import Recorder
from tests.server.film import Film, Label
from tests.server.raw import Ports

from reelcast.errors import ReelcastError
from reelcast.net import clock
from reelcast.net.carrier import Carrier, InterleavedCarrier, UdpCarrier
from reelcast.net.interleaved import InterleavedWriter
from reelcast.net.messages import Batching, Destination
from reelcast.net.udp import UdpPair
from reelcast.rtp.packet import Packet
from reelcast.rtp.rtcp import Bye, Report, SenderReport, parse
from reelcast.server import broadcast, feed, subscription
from reelcast.server.broadcast import Broadcast
from reelcast.server.feed import Portion
from reelcast.server.pacer import Pacer
from reelcast.server.source import Playing
from reelcast.track import Track

__all__ = ["Loop", "Reader", "Studio", "live_in_virtual_time", "now", "studio_of"]

DRAIN_SECONDS = 0.004
"""How often the readers over UDP look: the system's clock stands still while virtual time passes."""


def now() -> float:
    """The loop's time, which is all the time there is here."""
    return asyncio.get_running_loop().time()


def live_in_virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have broadcasts, their readers and their reports live in the loop's time."""
    monkeypatch.setattr(clock, "_OFFSET", 0.0)
    for module in (broadcast, subscription, feed):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=now))


class Loop:
    """See `reelcast.server.broadcast.Feed`: a film over and over, so many groups of it, then an error or none.

    started   how often it was asked for its groups
    """

    paced = True

    def __init__(self, film: Film, *, groups: int = 10_000, error: ReelcastError | None = None) -> None:
        self.tracks: tuple[Track, ...] = film.tracks
        self.leading = 0
        self.film = film
        self.started = 0
        self.closed = False
        self.error = error
        self.gate: asyncio.Event | None = None
        self._groups = groups

    async def portions(self, elapsed: float) -> AsyncIterator[Portion]:
        self.started += 1
        length = self.film.duration
        assert length is not None
        rounds, place = divmod(elapsed, length)
        index = (await self.film.start_before(place))[0].index
        shift = rounds * length
        for _ in range(self._groups):
            if self.gate is not None:
                await self.gate.wait()
            group = await self.film.load(index)
            assert group is not None
            yield Portion(group, shift)
            index, shift = (0, shift + length) if group.last else (index + 1, shift)
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.closed = True


@dataclass(frozen=True)
class Heard:
    """A packet, and when it came."""

    time: float
    packet: Packet

    @property
    def label(self) -> Label:
        return Label.of(self.packet)


@dataclass(frozen=True)
class Told:
    """A compound of reports, when it came, and behind how many packets of all tracks."""

    time: float
    track: int
    reports: list[Report]
    behind: int

    @property
    def is_goodbye(self) -> bool:
        return any(isinstance(report, Bye) for report in self.reports)

    @property
    def sender_report(self) -> SenderReport:
        (report,) = (report for report in self.reports if isinstance(report, SenderReport))
        return report


class Reader:
    """One session's player, and what it was sent; packets and reports by track."""

    def __init__(self, studio: Studio, tracks: tuple[int, ...]) -> None:
        self.studio = studio
        self.heard: dict[int, list[Heard]] = {0: [], 1: []}
        self.told: list[Told] = []
        self.player = studio.broadcast.player(self.ssrcs(*tracks), self.carrier(*tracks), studio.pacer)

    def ssrcs(self, *tracks: int) -> Mapping[int, int]:
        return {track: self.studio.broadcast.senders[track].ssrc for track in tracks}

    def carrier(self, *tracks: int) -> Carrier:
        raise NotImplementedError

    def collect(self) -> None:
        """Take in what has come."""

    def take(self, track: int, data: bytes, *, control: bool) -> None:
        now = asyncio.get_running_loop().time()
        if control:
            self.told.append(Told(now, track, parse(data), sum(map(len, self.heard.values()))))
        else:
            self.heard[track].append(Heard(now, parsed(data)))

    async def play(self, start: float | None = None) -> Playing:
        """Ask for it, and begin at once."""
        answer = await self.player.play(start, None)
        self.player.begin()
        return answer

    def packets(self, track: int, since: int = 0) -> list[Packet]:
        self.collect()
        return [one.packet for one in self.heard[track][since:]]

    def count(self, track: int) -> int:
        self.collect()
        return len(self.heard[track])

    def goodbyes(self, track: int) -> list[Told]:
        self.collect()
        return [one for one in self.told if one.track == track and one.is_goodbye]

    def gaps(self, track: int, since: int = 0) -> list[tuple[int, int]]:
        """Where sequence numbers do not follow one another."""
        numbers = [packet.sequence for packet in self.packets(track, since)]
        return [(a, b) for a, b in pairwise(numbers) if b != (a + 1) & 0xFFFF]


class TcpReader(Reader):
    """Behind a connection that takes everything, or, while `line.waiting` bytes wait in it, nothing at once."""

    def __init__(self, studio: Studio, tracks: tuple[int, ...]) -> None:
        self.line = _Line(self._written)
        self._writer = InterleavedWriter(self.line)
        super().__init__(studio, tracks)

    def carrier(self, *tracks: int) -> Carrier:
        return InterleavedCarrier(self._writer, {track: (2 * track, 2 * track + 1) for track in tracks})

    def _written(self, data: bytes) -> None:
        while data:
            mark, channel, length = struct.unpack_from("!cBH", data)
            assert mark == b"$", "a frame is torn"
            assert len(data) >= 4 + length
            self.take(channel // 2, data[4 : 4 + length], control=bool(channel % 2))
            data = data[4 + length :]


class _Line(Recorder):
    def __init__(self, written: Callable[[bytes], None]) -> None:
        super().__init__()
        self._written = written

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        self._written(data)


class UdpReader(Reader):
    """At ports of its own, a pair for each track."""

    def __init__(self, studio: Studio, tracks: tuple[int, ...]) -> None:
        self._ports = {track: studio.stack.enter_context(Ports()) for track in (0, 1)}
        super().__init__(studio, tracks)

    def carrier(self, *tracks: int) -> Carrier:
        pair = self.studio.pair
        addresses = {track: [("127.0.0.1", port) for port in self._ports[track].pair] for track in tracks}
        return UdpCarrier(
            pair,
            {
                track: (Destination(pair.family, rtp), Destination(pair.family, rtcp))
                for track, (rtp, rtcp) in addresses.items()
            },
        )

    def collect(self) -> None:
        for track, ports in self._ports.items():
            for data in ports.datagrams():
                self.take(track, data, control=False)
        for track, ports in self._ports.items():
            for data in ports.reports():
                self.take(track, data, control=True)


class Studio:
    """A broadcast in its surroundings."""

    def __init__(self, feed: Loop, pair: UdpPair, stack: ExitStack) -> None:
        self.feed = feed
        self.pair = pair
        self.stack = stack
        self.broadcast = Broadcast(feed)
        self.pacer = Pacer(pair.batch.flush)

    def tcp(self, *tracks: int) -> TcpReader:
        return TcpReader(self, tracks or (0, 1))

    def udp(self, *tracks: int) -> UdpReader:
        reader = UdpReader(self, tracks or (0, 1))
        collecting = asyncio.create_task(self._collect(reader))
        self.stack.callback(collecting.cancel)
        return reader

    def reader(self, transport: str, *tracks: int) -> Reader:
        return self.tcp(*tracks) if transport == "tcp" else self.udp(*tracks)

    def media_time(self, track: int, packet: Packet) -> float:
        """The place of a packet on the stream's time axis, in seconds (of the first 13 hours)."""
        sender = self.broadcast.senders[track]
        return ((packet.timestamp - sender.offset + (1 << 30)) % (1 << 32) - (1 << 30)) / sender.clock_rate

    @staticmethod
    async def _collect(reader: Reader) -> None:
        while True:
            await asyncio.sleep(DRAIN_SECONDS)
            reader.collect()


@asynccontextmanager
async def studio_of(feed: Loop) -> AsyncIterator[Studio]:
    """A studio whose readers collect what they are sent."""
    pair = await UdpPair.open("127.0.0.1", 0, Batching.detect(), lambda *_: None, lambda *_: None)
    with ExitStack() as stack:
        studio = Studio(feed, pair, stack)
        try:
            yield studio
        finally:
            studio.broadcast.close()
            studio.pacer.close()
            pair.close()
