"""Readers by the hundred: each joins, reports, stays and leaves as a single player would.

All run in one event loop. Media does not pass through them: ports and frames go to the flows' accounts in
arrays, and a reader is only asked for its reports.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from reelcast.client.options import is_encrypted
from reelcast.client.trust import SYSTEM, Trust
from reelcast.errors import ProtocolError, ReelcastError
from reelcast.load.connection import Arena, Connection
from reelcast.load.description import Section, read_description
from reelcast.load.flows import Flows
from reelcast.net.shortcut import Shortcut
from reelcast.net.sink import Port, Sink
from reelcast.rtp.rtcp import Bye, ReceiverReport, SenderReport, SourceDescription, compound, parse
from reelcast.rtsp.headers import TransportSpec, parse_transport
from reelcast.rtsp.ranges import Range
from reelcast.rtsp.url import RtspUrl, without_userinfo

__all__ = ["MAX_TRACKS", "Crowd", "Reader", "Transport"]

MAX_TRACKS: Final = 8
"""Received of one presentation: no usual one has more, and accounts are kept for as many."""
REPORT_INTERVAL: Final = 5.0
"""Seconds between the receiver reports of a reader (RFC 3550 section 6.2)."""
REPORT_TICK: Final = 0.05
"""Seconds between looks at who has to report: a few of the readers each time, never all at once."""
MAX_FAREWELLS: Final = 200
"""Readers that leave at the same time."""

_NUMBER = re.compile(r"%d(?![0-9A-Fa-f])")
"""The place of the reader's number in the URL; "%d0" is an escaped byte."""

Transport = Literal["udp", "tcp", "both"]


@dataclass(slots=True)
class _Lane:
    """One flow of one reader, and how reports go back."""

    flow: int
    send_control: Callable[[bytes], None]
    ended: bool = False


class Reader:
    """One RTSP reader.

    started      when it began to connect, in seconds of the event loop's clock
    join_time    seconds from there to the response to PLAY, None before it
    failure      why it could not join, in a few words that are the same for all who fail alike
    dropped      whether its connection ended before it wanted to
    """

    def __init__(self, number: int, url: str, *, tcp: bool) -> None:
        self.number = number
        self.url = _NUMBER.sub(str(number), url)
        self.tcp = tcp
        self.started = 0.0
        self.join_time: float | None = None
        self.failure = ""
        self.dropped = False
        self.lanes: list[_Lane] = []
        self.ports: list[Port] = []
        self.connection: Connection | None = None
        self.uri = ""
        self.ssrc = random.getrandbits(32)

    @property
    def flows(self) -> list[int]:
        """The numbers of its flows."""
        return [lane.flow for lane in self.lanes]

    @property
    def ended(self) -> bool:
        """Whether the server has said goodbye on all tracks."""
        return bool(self.lanes) and all(lane.ended for lane in self.lanes)

    @property
    def present(self) -> bool:
        """Whether it plays, as far as it knows."""
        return self.join_time is not None and not self.dropped

    def lose(self, _: ReelcastError) -> None:
        """The connection has ended."""
        self.dropped = self.join_time is not None


class Crowd:
    """All readers of a run, and what they share.

    tracks     received of each presentation, at most
    timeout    seconds that each request may take
    trust      by what a server of rtsps:// is believed
    """

    def __init__(
        self,
        url: str,
        count: int,
        transport: Transport,
        *,
        flows: Flows,
        sink: Sink,
        arena: Arena,
        shortcut: Shortcut,
        tracks: int = MAX_TRACKS,
        timeout: float = 10.0,
        trust: Trust = SYSTEM,
    ) -> None:
        only_tcp = transport == "tcp" or is_encrypted(url)
        self.readers = [
            Reader(number, url, tcp=only_tcp or (transport == "both" and number % 2 == 1))
            for number in range(count)
        ]
        self._flows = flows
        self._sink = sink
        self._arena = arena
        self._shortcut = shortcut
        self._tracks = tracks
        self._timeout = timeout
        self._trust = trust
        self._lanes: dict[int, _Lane] = {}
        self._loop = asyncio.get_running_loop()
        self._cname = f"load-{os.getpid()}"

    @property
    def joined(self) -> int:
        """How many play, or have played."""
        return sum(reader.join_time is not None for reader in self.readers)

    @property
    def failures(self) -> Counter[str]:
        """How many could not join, by what was in the way."""
        return Counter(reader.failure for reader in self.readers if reader.failure)

    async def join(self, rate: float) -> None:
        """Let the readers in, `rate` a second; returns when each has joined or failed.

        A late start does not let the next one come sooner: that would be a bunch.
        """
        due = self._loop.time()
        async with asyncio.TaskGroup() as group:
            for reader in self.readers:
                await asyncio.sleep(due - self._loop.time())
                group.create_task(self._try(reader))
                due = max(due, self._loop.time() - 1 / rate) + 1 / rate

    async def report(self) -> None:
        """Send receiver reports, each reader's in its turn, until cancelled."""
        turns = self._turns()
        share = math.ceil(len(self.readers) * REPORT_TICK / REPORT_INTERVAL)
        while True:
            await asyncio.sleep(REPORT_TICK)
            for _ in range(share):
                reader = next(turns)
                if reader.present:
                    self._send_reports(reader)

    def _turns(self) -> Iterator[Reader]:
        while True:
            yield from self.readers

    async def leave(self) -> None:
        """TEARDOWN for all who play, and an end to all connections."""
        gate = asyncio.Semaphore(MAX_FAREWELLS)

        async def part(reader: Reader) -> None:
            assert reader.connection is not None
            async with gate:
                if reader.present:
                    await reader.connection.teardown(reader.uri)
                reader.connection.close()

        await asyncio.gather(*(part(reader) for reader in self.readers if reader.connection is not None))

    def take_report(self, flow: int, data: bytes) -> None:
        """RTCP of a flow's sender."""
        for report in parse(data):
            if isinstance(report, SenderReport):
                self._flows.sender_report(flow, report, self._loop.time())
            elif isinstance(report, Bye):
                self._lanes[flow].ended = True

    async def _try(self, reader: Reader) -> None:
        reader.started = self._loop.time()
        try:
            await self._join(reader)
        except (ReelcastError, OSError) as error:
            said = error.line if isinstance(error, ReelcastError) else str(error)
            reader.failure = said.replace(without_userinfo(reader.url), "URL")
            if reader.connection is not None:
                reader.connection.close()
            for port in reader.ports:
                port.close()

    async def _join(self, reader: Reader) -> None:
        url = RtspUrl.of_server(reader.url)
        connection = reader.connection = Connection(url, self._timeout, self._arena, self._trust)
        connection.on_lost = reader.lose
        await connection.open()
        response = await connection.describe()
        if response.status >= 300:
            raise ReelcastError(f"redirected to {response.headers.get('Location')}: give that URL")
        base = url.base(response.headers.get("Content-Base") or response.headers.get("Content-Location"))
        description = read_description(response.body)
        reader.uri = base.join(description.control).request_uri
        for number, section in enumerate(description.sections[: self._tracks]):
            uri = base.join(section.control).request_uri
            setup = self._setup_interleaved if reader.tcp else self._setup_ports
            lane = await setup(reader, connection, uri, section, number)
            self._lanes[lane.flow] = lane
            reader.lanes.append(lane)
        await connection.demand("PLAY", reader.uri, [("Range", str(Range(start=0.0)))])
        reader.join_time = self._loop.time() - reader.started
        connection.keep_alive(reader.uri)
        if reader.tcp:
            connection.hurry(self._shortcut)
        self._send_reports(reader)

    async def _setup_ports(
        self, reader: Reader, connection: Connection, uri: str, section: Section, _: int
    ) -> _Lane:
        flow = self._flows.add(section.clock_rate, ordered=False)
        ours, theirs = connection.hosts
        port = await self._sink.open(ours, flow)
        reader.ports.append(port)
        answer = await _agree(connection, uri, TransportSpec(client_port=port.ports))
        if answer.server_port is not None:
            port.report_to(theirs, answer.server_port[1])
        return _Lane(flow, port.send_control)

    async def _setup_interleaved(
        self, reader: Reader, connection: Connection, uri: str, section: Section, number: int
    ) -> _Lane:
        flow = self._flows.add(section.clock_rate, ordered=True)
        wanted = TransportSpec("RTP/AVP/TCP", interleaved=(2 * number, 2 * number + 1))
        channels = (await _agree(connection, uri, wanted)).interleaved or (2 * number, 2 * number + 1)
        connection.receive_on(channels, flow, lambda data: self.take_report(flow, data))
        return _Lane(flow, lambda data: connection.send_frame(channels[1], data))

    def _send_reports(self, reader: Reader) -> None:
        now = self._loop.time()
        for lane in reader.lanes:
            block = self._flows.report_block(lane.flow, now)
            report = ReceiverReport(reader.ssrc, () if block is None else (block,))
            lane.send_control(compound(report, SourceDescription(reader.ssrc, self._cname)))


async def _agree(connection: Connection, uri: str, wanted: TransportSpec) -> TransportSpec:
    """SETUP; what the server answers, or nothing in particular where that cannot be read."""
    response = await connection.demand("SETUP", uri, [("Transport", str(wanted))])
    specs = parse_transport(response.headers.get("Transport") or "")
    if not specs:
        return TransportSpec()
    if specs[0].tcp != wanted.tcp or specs[0].multicast:
        raise ProtocolError(f"the server insists on {specs[0].protocol}", 461)
    return specs[0]
