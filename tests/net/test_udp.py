"""Pairs of UDP ports: bound together, heard, and told when nobody listens at the other end."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import pytest
from tests.free_port import free_pair
from tests.net.readers import AVAILABLE, HOSTS, Reader, closed_port, everything, flight_with, needs_ipv6

from reelcast.errors import TransportError
from reelcast.net import udp as udp_module
from reelcast.net.messages import Batching, Destination
from reelcast.net.udp import Address, UdpPair

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no error queue here")


class Ears:
    """What a pair hears."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[bytes, Address]] = asyncio.Queue()
        self.unreachable: asyncio.Queue[Address] = asyncio.Queue()

    def on_datagram(self, data: bytes, address: Address) -> None:
        self.heard.put_nowait((data, address))

    def on_unreachable(self, address: Address) -> None:
        self.unreachable.put_nowait(address)


@asynccontextmanager
async def opened(
    host: str = "127.0.0.1", port: int = 0, batching: Batching = Batching.PLAIN
) -> AsyncIterator[tuple[UdpPair, Ears]]:
    ears = Ears()
    pair = await UdpPair.open(host, port, batching, ears.on_datagram, ears.on_unreachable)
    try:
        yield pair, ears
    finally:
        pair.close()


@HOSTS
async def test_an_even_port_and_the_next(host: str) -> None:
    for _ in range(10):
        async with opened(host) as (pair, _):
            low, high = pair.ports
            assert low % 2 == 0
            assert high == low + 1
            assert (pair.rtp.socket.getsockname()[1], pair.rtcp.socket.getsockname()[1]) == (low, high)
            assert pair.family == (socket.AF_INET6 if ":" in host else socket.AF_INET)


async def test_the_port_that_is_asked_for() -> None:
    port = free_pair()
    for _ in range(2):
        # The second time says that closing frees both.
        async with opened(port=port) as (pair, _):
            assert pair.ports == (port, port + 1)


@needs_ipv6
async def test_the_same_ports_for_both_families() -> None:
    port = free_pair()
    async with opened("0.0.0.0", port), opened("::", port) as (pair, _):
        assert pair.ports == (port, port + 1)


@pytest.mark.parametrize(
    ("taken", "words"),
    [(0, "cannot bind UDP port {0} on 127.0.0.1: "), (1, "cannot bind UDP port {0} and the one above it")],
    ids=["RTP", "RTCP"],
)
async def test_a_port_in_use(taken: int, words: str) -> None:
    port = free_pair()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", port + taken))
        with pytest.raises(TransportError) as caught:
            async with opened(port=port):
                pass
        assert str(caught.value).startswith(words.format(port))
        # What was bound before it failed is free again.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
            again.bind(("127.0.0.1", port + 1 - taken))


async def test_no_pair_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    bind = udp_module._bind
    tried = 0

    def only_without_a_number(host: str, port: int) -> socket.socket:
        nonlocal tried
        if port:
            raise OSError(24, "Too many open files")
        tried += 1
        return bind(host, port)

    monkeypatch.setattr(udp_module, "_bind", only_without_a_number)
    with pytest.raises(
        TransportError, match=r"cannot bind a pair of UDP ports on 127\.0\.0\.1: Too many open files$"
    ):
        async with opened():
            pass
    assert tried == udp_module.PAIR_ATTEMPTS


@pytest.mark.parametrize(
    ("limit", "given"), [(1 << 30, 4 << 20), (2 << 20, 2 << 20), (70_000, 65_536), (9, 0)]
)
def test_a_system_that_refuses_large_buffers(limit: int, given: int) -> None:
    class Strict(socket.socket):
        granted = 0

        def setsockopt(self, *args: Any) -> None:
            if args[2] > limit:
                raise OSError(errno.ENOBUFS, "No buffer space available")
            self.granted = args[2]

    with Strict(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        udp_module.ask_for_buffer(sock, socket.SO_RCVBUF, 4 << 20)
        assert sock.granted == given


async def test_an_address_that_is_not_ours() -> None:
    with pytest.raises(TransportError, match=r"cannot bind a UDP port on 192\.0\.2\.1"):
        async with opened("192.0.2.1"):
            pass


@HOSTS
@pytest.mark.parametrize("endpoint", [False, True], ids=["add_reader", "endpoint"])
async def test_hears(host: str, endpoint: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if endpoint:

        def refuse(*_: Any) -> None:
            raise NotImplementedError

        # As Windows' default loop does.
        monkeypatch.setattr(asyncio.get_running_loop(), "add_reader", refuse)
    async with opened(host) as (pair, ears):
        with ExitStack() as stack:
            reader = Reader(stack, host)
            for port in pair.ports:
                for number in range(100):
                    reader.socket.sendto(b"%d" % number, (host, port))
                for number in range(100):
                    data, address = await asyncio.wait_for(ears.heard.get(), 20)
                    assert (data, address) == (b"%d" % number, reader.socket.getsockname())
            pair.rtcp.send(b"report", reader.destination)
            assert reader.received() == [b"report"]


@pytest.mark.parametrize("batching", AVAILABLE, ids=lambda value: value.name)
async def test_sends(batching: Batching) -> None:
    flight = flight_with(1000, 1000, 7)
    async with opened(batching=batching) as (pair, _):
        with ExitStack() as stack:
            reader = Reader(stack)
            pair.batch.add(flight, flight.group.runs[0], reader.destination)
            pair.batch.flush()
            assert reader.received() == everything(flight)


@linux_only
async def test_tells_who_is_unreachable() -> None:
    async with opened() as (pair, ears):
        with ExitStack() as stack:
            gone = [closed_port(stack) for _ in range(3)]
            for destination in gone:
                pair.rtp.send(b"packet", destination)
                pair.rtcp.send(b"report", destination)
            told = [await asyncio.wait_for(ears.unreachable.get(), 20) for _ in range(6)]
            assert sorted(told) == sorted(2 * [destination.address for destination in gone])
            # It hears on.
            reader = Reader(stack)
            reader.socket.sendto(b"alive", ("127.0.0.1", pair.ports[0]))
            assert (await asyncio.wait_for(ears.heard.get(), 20))[0] == b"alive"
            pair.rtp.send(b"packet", reader.destination)
            assert reader.received() == [b"packet"]
        assert ears.unreachable.empty()


@linux_only
@needs_ipv6
async def test_tells_who_is_unreachable_over_ipv6() -> None:
    async with opened("::1") as (pair, ears):
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as reader:
            reader.bind(("::1", 0))
            address = reader.getsockname()
        pair.rtp.send(b"packet", Destination(socket.AF_INET6, address))
        assert (await asyncio.wait_for(ears.unreachable.get(), 20))[:2] == address[:2]


async def test_what_is_reported_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    deferred: list[int] = []
    monkeypatch.setattr(udp_module, "defer", deferred.append)
    async with opened() as (pair, _):
        assert deferred == [pair.rtp.socket.fileno(), pair.rtcp.socket.fileno()]


async def test_closed_ports_hear_nothing() -> None:
    async with opened() as (pair, ears):
        ports = pair.ports
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reader:
        for port in ports:
            reader.sendto(b"late", ("127.0.0.1", port))
    await asyncio.sleep(0)
    assert ears.heard.empty()
