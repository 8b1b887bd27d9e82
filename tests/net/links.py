"""A connection over loopback with small buffers, for what writes media into one."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from reelcast.net.interleaved import InterleavedWriter


class Lost(asyncio.Protocol):
    """Notes that the connection is gone, and has its writer let go of the socket, as a server does."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.writer: InterleavedWriter | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        assert self.writer is not None
        self.writer.release()
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

    def reset(self) -> None:
        """Have the client break the connection off."""
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.client.close()


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
        lost.writer = InterleavedWriter(transport, direct=direct)
        try:
            yield Link(lost.writer, transport, client, lost)
        finally:
            transport.abort()
            await lost.gone.wait()


class Recorder(asyncio.Transport):
    """A transport without a socket that can be used, such as TLS has; it can be filled and closed."""

    def __init__(self, **extra: object) -> None:
        super().__init__(extra)
        self.written = b""
        self.waiting = 0
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def is_closing(self) -> bool:
        return self.closed
