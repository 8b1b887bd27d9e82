"""A client that knows no more of RTSP than its bytes, so that it shares no mistake with what it tests."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import struct
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from types import TracebackType
from typing import Self

PATIENCE = 20.0
"""Seconds after which something that should have come counts as missing."""


@dataclass(frozen=True)
class Answer:
    """A response: `headers` has their names in lower case, and the last of each; `lines` has all as they came."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    line: str = ""
    at: float = field(default=0.0, compare=False)
    lines: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> str:
        return self.headers[name.lower()]

    @property
    def session(self) -> str:
        return self["Session"].partition(";")[0]

    def transport(self, name: str) -> str:
        """A parameter of the Transport header."""
        found = re.search(rf';{name}="?([^;"]*)', self["Transport"])
        assert found, f"no {name} in {self['Transport']}"
        return found[1]

    def pair(self, name: str) -> tuple[int, int]:
        """A parameter of the Transport header that is two numbers."""
        first, second = self.transport(name).split("-")
        return int(first), int(second)

    @property
    def rtp_info(self) -> list[tuple[str, int, int]]:
        """URL, sequence number and timestamp of each entry."""
        entries = (
            dict(part.split("=", 1) for part in entry.split(";")) for entry in self["RTP-Info"].split(",")
        )
        return [(entry["url"], int(entry["seq"]), int(entry["rtptime"])) for entry in entries]

    @property
    def range(self) -> tuple[float, float]:
        """Start and end of an npt Range."""
        unit, _, text = self["Range"].partition("=")
        assert unit == "npt"
        start, end = text.split("-")
        return float(start), float(end)


@dataclass(frozen=True)
class Rtp:
    """An RTP packet without CSRC: this server sends no other. `payload` is what stands behind an extension."""

    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes

    @classmethod
    def read(cls, data: bytes) -> Rtp:
        first, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", data)
        assert first in (0x80, 0x90)
        start = 12 if first == 0x80 else 16 + 4 * int.from_bytes(data[14:16])
        return cls(second > 127, second & 127, sequence, timestamp, ssrc, data[start:])


def rtcp_kinds(data: bytes) -> list[int]:
    """The packet types of a compound: 200 SR, 202 SDES, 203 BYE."""
    kinds: list[int] = []
    while data:
        first, kind, words = struct.unpack_from("!BBH", data)
        assert first >> 6 == 2
        kinds.append(kind)
        data = data[4 + 4 * words :]
    return kinds


def receiver_report(ssrc: int) -> bytes:
    """An empty receiver report of a reader that has lost nothing, about one source."""
    return struct.pack("!BBHII", 0x81, 201, 7, 0x1234, ssrc) + bytes(20)


def gaps(packets: list[Rtp]) -> list[tuple[int, int]]:
    """Where sequence numbers do not follow one another."""
    numbers = (packet.sequence for packet in packets)
    return [(a, b) for a, b in pairwise(numbers) if b != (a + 1) & 0xFFFF]


class Client:
    """One connection: requests go out as they are said, answers and frames are sorted apart.

    frames    what came on each interleaved channel
    order     what came, in order: an Answer, or a channel's number
    """

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.scheme = "rtsp"
        self.cseq = 0
        self.frames: dict[int, list[bytes]] = defaultdict(list)
        self.order: list[Answer | int] = []
        self._answers: asyncio.Queue[Answer] = asyncio.Queue()
        self._news = asyncio.Event()
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._task: asyncio.Task[None]
        self._deaf = False
        self.closed = asyncio.Event()

    @classmethod
    async def connect(
        cls,
        port: int,
        host: str = "127.0.0.1",
        *,
        local: str | None = None,
        receive_buffer: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> Self:
        client = cls(host, port)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if local is not None:
            sock.bind((local, 0))
        try:
            await asyncio.get_running_loop().sock_connect(sock, (host, port))
        except OSError:
            sock.close()
            raise
        name = None if tls is None else host
        client._reader, client._writer = await asyncio.open_connection(
            sock=sock, ssl=tls, server_hostname=name
        )
        client.scheme = "rtsp" if tls is None else "rtsps"
        client._task = asyncio.create_task(client._read())
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._deaf:
            self._writer.transport.abort()
        self._writer.close()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)

    def reset(self) -> None:
        """Close with a TCP reset, as a process that is killed does."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def finish_writing(self) -> None:
        """Close our half."""
        self._writer.write_eof()

    def stop_reading(self) -> None:
        """Leave what comes in the kernel's buffers."""
        self._task.cancel()
        self._deaf = True
        transport = self._writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()

    @property
    def local_port(self) -> int:
        """Our port, by which the server's log names us."""
        port: int = self._writer.get_extra_info("sockname")[1]
        return port

    @property
    def certificate(self) -> bytes | None:
        """What the server has shown."""
        connection = self._writer.get_extra_info("ssl_object")
        return None if connection is None else connection.getpeercert(binary_form=True)

    def url(self, path: str) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{path}"

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def say(self, method: str, uri: str, *headers: str, body: bytes = b"") -> None:
        """Send a request with the next CSeq; "/path" stands for its URL. Headers are whole lines."""
        self.cseq += 1
        target = self.url(uri) if uri.startswith("/") else uri
        lines = [f"{method} {target} RTSP/1.0", f"CSeq: {self.cseq}", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode() + body)

    async def ask(self, method: str, uri: str, *headers: str, body: bytes = b"") -> Answer:
        """Send a request and wait for its answer."""
        self.say(method, uri, *headers, body=body)
        answer = await self.answer()
        assert answer.headers.get("cseq") == str(self.cseq)
        return answer

    async def answer(self) -> Answer:
        """The next answer."""
        async with asyncio.timeout(PATIENCE):
            return await self._answers.get()

    async def setup(self, path: str, channels: int | None = None, *headers: str) -> Answer:
        """SETUP over TCP; with the server's choice of channels where none are given."""
        wanted = "" if channels is None else f";interleaved={channels}-{channels + 1}"
        return await self.ask("SETUP", path, f"Transport: RTP/AVP/TCP;unicast{wanted}", *headers)

    async def packets(self, channel: int, count: int) -> list[Rtp]:
        """The first RTP packets of a channel, waited for."""
        await self.until(lambda: len(self.frames[channel]) >= count)
        return [Rtp.read(data) for data in self.frames[channel]]

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until a condition holds; it is looked at whenever something comes."""
        async with asyncio.timeout(PATIENCE):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def gone(self) -> None:
        """Wait until the server has closed."""
        async with asyncio.timeout(PATIENCE):
            await self.closed.wait()

    async def _read(self) -> None:
        try:
            while True:
                first = await self._reader.readexactly(1)
                if first == b"$":
                    channel, length = struct.unpack("!BH", await self._reader.readexactly(3))
                    self.frames[channel].append(await self._reader.readexactly(length))
                    self.order.append(channel)
                else:
                    answer = await self._read_answer(first)
                    self.order.append(answer)
                    self._answers.put_nowait(answer)
                self._news.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed.set()
            self._news.set()

    async def _read_answer(self, first: bytes) -> Answer:
        head = (first + await self._reader.readuntil(b"\r\n\r\n")).decode()
        start, *lines = head.strip("\r\n").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(start.split(" ")[1]), headers, body, start, time.monotonic(), tuple(lines))


class Ports:
    """A reader's pair of UDP ports, bound to a given number or to any."""

    def __init__(self, host: str = "127.0.0.1", first: int = 0) -> None:
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.rtp, self.rtcp = self._bind_pair(host, first)
        self.pair: tuple[int, int] = (self.rtp.getsockname()[1], self.rtcp.getsockname()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()

    @property
    def transport(self) -> str:
        """The header that asks for these ports."""
        return f"Transport: RTP/AVP;unicast;client_port={self.pair[0]}-{self.pair[1]}"

    async def packets(self, count: int) -> list[Rtp]:
        """The next RTP packets, waited for."""
        return [Rtp.read(await self._next(self.rtp)) for _ in range(count)]

    async def report(self) -> bytes:
        """The next RTCP compound, waited for."""
        return await self._next(self.rtcp)

    def waiting(self) -> list[Rtp]:
        """The RTP packets that have come, not waited for."""
        return [Rtp.read(data) for data in self.datagrams()]

    def datagrams(self) -> list[bytes]:
        """The same as they came."""
        return _drain(self.rtp)

    def reports(self) -> list[bytes]:
        """The RTCP compounds that have come, not waited for."""
        return _drain(self.rtcp)

    async def _next(self, sock: socket.socket) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await asyncio.get_running_loop().sock_recv(sock, 65_536)

    def _bind_pair(self, host: str, first: int) -> tuple[socket.socket, socket.socket]:
        for _ in range(100):
            rtp, rtcp = (socket.socket(self._family, socket.SOCK_DGRAM) for _ in range(2))
            for sock in (rtp, rtcp):
                sock.setblocking(False)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            try:
                rtp.bind((host, first))
                rtcp.bind((host, rtp.getsockname()[1] + 1))
            except OSError:
                rtp.close()
                rtcp.close()
            else:
                return rtp, rtcp
        raise AssertionError("no two ports in a row are free")


def _drain(sock: socket.socket) -> list[bytes]:
    found: list[bytes] = []
    while True:
        try:
            found.append(sock.recv(65_536))
        except BlockingIOError:
            return found


async def until(true: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Wait until a condition holds that no event tells of; it is looked at every few milliseconds."""
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.003)
