"""Pairs of ports for many flows, by recvmmsg and by the event loop alone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from reelcast.errors import TransportError
from reelcast.net import sink as module
from reelcast.net.sink import RECEIVE_BUFFER, Port, Sink
from reelcast.rtp.arrivals import Arrivals
from reelcast.rtp.packet import Packet
from reelcast.rtp.rtcp import ReceiverReport, compound


class Taker:
    """What a sink gave."""

    def __init__(self) -> None:
        self.packets: list[tuple[int, int, int]] = []
        self.reports: list[tuple[int, bytes]] = []
        self.news = asyncio.Event()

    def media(self, arrivals: Arrivals) -> None:
        columns = arrivals.flows.tolist(), arrivals.headers["sequence"].tolist(), arrivals.sizes.tolist()
        self.packets.extend(zip(*columns, strict=True))
        self.news.set()

    def report(self, flow: int, data: bytes) -> None:
        self.reports.append((flow, data))
        self.news.set()

    async def until(self, packets: int, reports: int = 0) -> None:
        async with asyncio.timeout(20):
            while (len(self.packets), len(self.reports)) != (packets, reports):
                self.news.clear()
                await self.news.wait()


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(20)
        yield sock


def packet(sequence: int, size: int = 100) -> bytes:
    return Packet(96, sequence, 0, 9, False, bytes(size - 12)).to_bytes()


def address(port: Port, number: int) -> tuple[str, int]:
    return "127.0.0.1", port.ports[number]


@pytest.mark.parametrize("portable", [False, True])
async def test_media_and_reports_come_with_their_flows(sender: socket.socket, portable: bool) -> None:
    taker = Taker()
    sink = Sink(taker.media, taker.report, portable=portable)
    ports = [await sink.open("127.0.0.1", flow) for flow in range(3)]
    report = compound(ReceiverReport(1))
    for flow, port in enumerate(ports):
        assert port.ports[0] % 2 == 0
        for sequence in range(4):
            sender.sendto(packet(sequence, 50 + flow), address(port, 0))
        sender.sendto(report, address(port, 1))
    await taker.until(12, 3)
    assert sorted(taker.packets) == [
        (flow, sequence, 50 + flow) for flow in range(3) for sequence in range(4)
    ]
    assert sorted(taker.reports) == [(flow, report) for flow in range(3)]
    sink.close()
    sink.close()


@pytest.mark.parametrize("portable", [False, True])
async def test_what_has_come_is_handed_over_at_the_end(sender: socket.socket, portable: bool) -> None:
    taker = Taker()
    sink = Sink(taker.media, taker.report, portable=portable)
    port = await sink.open("127.0.0.1", 7)
    sender.sendto(packet(1), address(port, 0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    sink.close()
    assert taker.packets == [(7, 1, 100)]


async def test_more_than_the_ring_holds(sender: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reelcast.net.drain.SLOTS", 4)
    taker = Taker()
    sink = Sink(taker.media, taker.report)
    port = await sink.open("127.0.0.1", 0)
    for sequence in range(30):
        sender.sendto(packet(sequence), address(port, 0))
    await taker.until(30)
    assert [sequence for _, sequence, _ in taker.packets] == list(range(30))
    sink.close()


async def test_reports_go_where_they_are_wanted(sender: socket.socket) -> None:
    taker = Taker()
    sink = Sink(taker.media, taker.report)
    port = await sink.open("127.0.0.1", 0)
    port.send_control(b"to nobody")
    port.report_to(*sender.getsockname())
    port.send_control(b"report")
    data, origin = sender.recvfrom(100)
    assert data == b"report"
    assert origin == address(port, 1)
    port.close()
    sink.close()


async def test_the_receive_buffer_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Sock(socket.socket):
        """Refuses to be forced, as the kernel does for ordinary users."""

        def setsockopt(self, *arguments: object) -> None:
            _, option, value = arguments
            assert value == RECEIVE_BUFFER
            assert isinstance(option, int)
            asked.append(option)
            if option == module._SO_RCVBUFFORCE:
                raise PermissionError

    with Sock() as sock:
        module._enlarge(sock)
    assert asked == [module._SO_RCVBUFFORCE, socket.SO_RCVBUF]


async def test_receive_offload_needs_more_than_the_event_loop() -> None:
    taker = Taker()
    with pytest.raises(TransportError, match="offload"):
        Sink(taker.media, taker.report, gro=True, portable=True)
