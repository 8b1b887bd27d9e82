"""What the classroom's programs do, in our own words: they take each read for a message and each word by its place.

Nothing of reelcast is used here, so that it shares no mistake with what it tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import NamedTuple, Self

__all__ = ["Frame", "Pupil", "Teacher", "cut", "rtp"]

PATIENCE = 20.0


class Frame(NamedTuple):
    """A datagram as the client takes it apart."""

    version: int
    marker: int
    payload_type: int
    number: int
    timestamp: int
    ssrc: int
    image: bytes

    @classmethod
    def of(cls, data: bytes) -> Frame:
        first, second, number, timestamp, ssrc = struct.unpack_from("!BBHII", data)
        assert first & 0x3F == 0
        return cls(first >> 6, second >> 7, second & 0x7F, number, timestamp, ssrc, data[12:])


def rtp(number: int, image: bytes, *, marker: int = 0, seconds: int = 1_700_000_000) -> bytes:
    """A datagram as the server packs it."""
    return struct.pack("!BBHII", 0x80, marker << 7 | 26, number & 0xFFFF, seconds, 0) + image


def cut(image: bytes, size: int) -> list[bytes]:
    """An image in pieces, as the editions for large movies send it."""
    return [image[at : at + size] for at in range(0, len(image), size)]


class Pupil:
    """The client: writes a request without an end, reads 1024 bytes, and believes that they are the reply.

    replies    each as its lines
    """

    def __init__(self, port: int, file: str = "movie.Mjpeg", host: str = "127.0.0.1") -> None:
        self.file = file
        self.session = 0
        self.cseq = 0
        self.replies: list[list[str]] = []
        self.tcp = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.udp = socket.socket(self.tcp.family, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        for sock in (self.tcp, self.udp):
            sock.setblocking(False)
        self.udp.bind((host, 0))
        self.rtp_port: int = self.udp.getsockname()[1]
        self._address = host, port

    async def __aenter__(self) -> Self:
        await asyncio.get_running_loop().sock_connect(self.tcp, self._address)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.tcp.close()
        self.udp.close()

    def request(self, method: str) -> bytes:
        """The next request, byte for byte as the assignment words it."""
        self.cseq += 1
        last = f"Session: {self.session}"
        if method == "SETUP":
            last = f"Transport: RTP/UDP; client_port= {self.rtp_port}"
        return f"{method} {self.file} RTSP/1.0\nCSeq: {self.cseq}\n{last}".encode()

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.tcp, data)

    async def reply(self) -> int:
        """The next read: its status, once its sequence number and its session were found in their places."""
        async with asyncio.timeout(PATIENCE):
            data = await asyncio.get_running_loop().sock_recv(self.tcp, 1024)
        lines = data.decode("utf-8").split("\n")
        self.replies.append(lines)
        assert int(lines[1].split(" ")[1]) == self.cseq
        session = int(lines[2].split(" ")[1])
        self.session = self.session or session
        assert self.session == session
        return int(lines[0].split(" ")[1])

    async def ask(self, method: str) -> int:
        await self.send(self.request(method))
        return await self.reply()

    async def frame(self) -> Frame:
        """The next datagram, waited for."""
        async with asyncio.timeout(PATIENCE):
            return Frame.of(await asyncio.get_running_loop().sock_recv(self.udp, 65_536))

    async def frames(self, count: int) -> list[Frame]:
        return [await self.frame() for _ in range(count)]

    def waiting(self) -> list[Frame]:
        """The datagrams that have come, not waited for."""
        found: list[Frame] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(Frame.of(self.udp.recv(65_536)))
        return found

    def reset(self) -> None:
        """Close with a TCP reset, as a process that is killed does."""
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.tcp.close()

    async def gone(self) -> None:
        """Wait until the server has closed."""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError):
                while await asyncio.get_running_loop().sock_recv(self.tcp, 1024):
                    pass


class Teacher:
    """The server: reads 256 bytes, takes them for a request, and sends the datagrams that it was given in turn.

    requests   each as its lines; silent: methods that get no answer; number: of the session
    status     of its answers by method, where they are not 200
    """

    def __init__(self, datagrams: Iterable[bytes], pace: float = 0.001) -> None:
        self.requests: list[list[str]] = []
        self.silent: set[str] = set()
        self.status: dict[str, str] = {}
        self.number = 451_917
        self.connections = 0
        self.reply: Callable[[list[str]], bytes] = self._reply
        self._datagrams = iter(list(datagrams))
        self._pace = pace
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending: asyncio.Task[None] | None = None
        self._listener = socket.socket()
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._connections: list[socket.socket] = []

    async def __aenter__(self) -> Self:
        self._listener.setblocking(False)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(5)
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for sock in (*self._connections, self._listener, self._udp):
            sock.close()

    @property
    def methods(self) -> list[str]:
        return [lines[0].split(" ")[0] for lines in self.requests]

    def hang_up(self) -> None:
        """Close the connections, as a program that ends does."""
        for sock in self._connections:
            sock.shutdown(socket.SHUT_RDWR)

    def _start(self, work: object) -> asyncio.Task[None]:
        assert asyncio.iscoroutine(work)
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        return task

    async def _accept(self) -> None:
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(self._listener)
            self.connections += 1
            self._connections.append(sock)
            self._start(self._serve(sock))

    async def _serve(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        port = 0
        with contextlib.suppress(ConnectionError):
            while data := await loop.sock_recv(sock, 256):
                lines = data.decode("utf-8").split("\n")
                self.requests.append(lines)
                method = lines[0].split(" ")[0]
                if method == "SETUP":
                    port = int(lines[2].split(" ")[3])
                if method == "PLAY":
                    self._sending = self._start(self._send(port))
                elif self._sending is not None:
                    self._sending.cancel()
                if method not in self.silent:
                    await loop.sock_sendall(sock, self.reply(lines))

    def _reply(self, lines: list[str]) -> bytes:
        status = self.status.get(lines[0].split(" ")[0], "200 OK")
        cseq = lines[1].split(" ")[1]
        return f"RTSP/1.0 {status}\nCSeq: {cseq}\nSession: {self.number}".encode()

    async def _send(self, port: int) -> None:
        while True:
            await asyncio.sleep(self._pace)
            datagram = next(self._datagrams, None)
            if datagram is None:
                return
            self._udp.sendto(datagram, ("127.0.0.1", port))
