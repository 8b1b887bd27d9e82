"""Interleaved writing: the bytes that arrive are those that were written, however little the kernel takes."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.groups import AUDIO, VIDEO, burst, group_of

from reelcast.net import interleaved as interleaved_module
from reelcast.net.flight import Flight
from reelcast.net.interleaved import InterleavedWriter
from reelcast.rtp.sender import Sender, stamp

BOTH_WAYS = pytest.mark.parametrize("direct", [True, False], ids=["writev", "portable"])


def flight_with(*sizes: int, frames: int = 1) -> Flight:
    group = group_of(
        pair
        for number in range(frames)
        for pair in ((0, burst(VIDEO, 3600 * number, sizes)), (1, burst(AUDIO, 320 * number, (160,))))
    )
    senders = {0: Sender(1, 0, 0, 90_000), 1: Sender(2, 0, 0, 8_000)}
    return Flight(group, stamp(group, senders, {0: 0, 1: 2}))


def joined(flight: Flight, first: int = 0, count: int | None = None) -> bytes:
    return b"".join(flight.packets(first, len(flight.group) - first if count is None else count))


class Lost(asyncio.Protocol):
    """Notes that the connection is gone."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()


@dataclass
class Link:
    """A connection over loopback with small buffers: our end, and the client's socket."""

    writer: InterleavedWriter
    transport: asyncio.Transport
    client: socket.socket
    lost: Lost
    received: bytearray = field(default_factory=bytearray)

    async def read(self, count: int) -> None:
        """Read at most so many bytes, once."""
        self.received += await asyncio.get_running_loop().sock_recv(self.client, count)

    async def read_all(self, count: int) -> bytes:
        """Read on until there are so many bytes altogether."""
        while len(self.received) < count:
            await self.read(65_536)
        return bytes(self.received)


@asynccontextmanager
async def linked(*, direct: bool, buffer: int = 4096) -> AsyncIterator[Link]:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.connect(listener.getsockname())
        client.setblocking(False)
        ours, _ = listener.accept()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        transport, lost = await loop.create_connection(Lost, sock=ours)
        try:
            yield Link(InterleavedWriter(transport, direct=direct), transport, client, lost)
        finally:
            transport.abort()
            await lost.gone.wait()


@BOTH_WAYS
async def test_written_at_once(direct: bool) -> None:
    flight = flight_with(1400, 1400, 7)
    async with linked(direct=direct, buffer=1 << 16) as link:
        assert link.writer.idle
        link.writer.write_packets(flight, 0, 4)
        assert link.writer.idle
        assert await link.read_all(1) == joined(flight)


@BOTH_WAYS
async def test_a_part(direct: bool) -> None:
    flight = flight_with(1400, 1400, 7, frames=3)
    async with linked(direct=direct, buffer=1 << 16) as link:
        link.writer.write_packets(flight, 2, 5)
        link.writer.write_packets(flight, 3, 0)
        expected = joined(flight, 2, 5)
        assert await link.read_all(len(expected)) == expected


@BOTH_WAYS
async def test_a_slow_reader(direct: bool) -> None:
    flight = flight_with(*[1400] * 30, frames=12)
    async with linked(direct=direct) as link:
        sent, waits = 0, 0
        while sent < len(flight.group):
            if link.writer.idle:
                count = min(31, len(flight.group) - sent)
                link.writer.write_packets(flight, sent, count)
                sent += count
            else:
                assert link.writer.queued > 0
                waits += 1
                await link.read(3000)
        assert waits > 12
        expected = joined(flight)
        assert await link.read_all(len(expected)) == expected
        assert link.writer.idle
        assert link.writer.queued == 0


@BOTH_WAYS
async def test_other_bytes_keep_their_place(direct: bool) -> None:
    flight = flight_with(*[1400] * 30)
    async with linked(direct=direct) as link:
        link.writer.write(b"response")
        link.writer.write_packets(flight, 0, 31)
        assert not link.writer.idle
        link.writer.write(b"report")
        expected = b"response" + joined(flight) + b"report"
        assert await link.read_all(len(expected)) == expected


@BOTH_WAYS
async def test_more_packets_than_one_call_takes(direct: bool) -> None:
    flight = flight_with(*[3] * 1200)
    for buffer in (1 << 20, 4096):
        async with linked(direct=direct, buffer=buffer) as link:
            link.writer.write_packets(flight, 0, 1201)
            assert await link.read_all(len(joined(flight))) == joined(flight)


@BOTH_WAYS
async def test_the_last_call_of_several_takes_less(direct: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interleaved_module, "_IOV_PACKETS", 2)
    flight = flight_with(*[1400] * 40)
    async with linked(direct=direct) as link:
        link.writer.write_packets(flight, 0, 41)
        assert not link.writer.idle
        assert await link.read_all(len(joined(flight))) == joined(flight)


@BOTH_WAYS
async def test_shared_bytes(direct: bool) -> None:
    data = bytes(range(256)) * 400
    view = memoryview(data)
    async with linked(direct=direct) as link:
        assert link.writer.write_shared(view[:1000])
        assert not link.writer.write_shared(view[1000:])
        assert link.writer.queued > 0
        assert await link.read_all(len(data)) == data
        assert link.writer.idle


async def test_shared_bytes_that_the_kernel_has_no_room_for() -> None:
    async with linked(direct=True) as link:
        filling = bytes(1 << 20)
        sent = os.write(link.transport.get_extra_info("socket").fileno(), filling)
        assert link.writer.idle
        assert not link.writer.write_shared(memoryview(b"x" * 5000))
        assert link.writer.queued > 0
        assert await link.read_all(sent + 5000) == filling[:sent] + b"x" * 5000


@BOTH_WAYS
async def test_the_client_is_gone(direct: bool) -> None:
    flight = flight_with(*[1400] * 30)
    async with linked(direct=direct) as link:
        link.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        link.client.close()
        assert not link.writer.closing
        link.writer.write_packets(flight, 0, 31)
        link.writer.write_shared(memoryview(b"more"))
        await asyncio.wait_for(link.lost.gone.wait(), 5)
        assert link.writer.closing


class Recorder(asyncio.Transport):
    """A transport without a socket that can be used, such as TLS has."""

    def __init__(self, **extra: object) -> None:
        super().__init__(extra)
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False


def test_without_a_socket_of_its_own() -> None:
    flight = flight_with(100, 100)
    with socket.socket() as sock:
        for transport in (Recorder(), Recorder(socket=sock, sslcontext=object())):
            writer = InterleavedWriter(transport)
            writer.write_packets(flight, 0, 3)
            assert writer.write_shared(memoryview(b"shared"))
            assert transport.written == joined(flight) + b"shared"


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_elsewhere(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr("sys.platform", platform)
    assert interleaved_module._load_writev() is None
