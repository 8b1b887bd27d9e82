"""TCP past the event loop: data comes, ends are met by asyncio, writing goes on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from reelcast.net.shortcut import Shortcut


class Receiver(asyncio.BufferedProtocol):
    """Keeps what comes, by whom it was brought, and how it ended."""

    def __init__(self) -> None:
        self.buffer = bytearray(16)
        self.received = b""
        self.news = asyncio.Event()
        self.ended = asyncio.Event()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.received += self.buffer[:nbytes]
        self.news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()

    async def until(self, data: bytes) -> None:
        async with asyncio.timeout(20):
            while self.received != data:
                self.news.clear()
                await self.news.wait()


@pytest.fixture
async def link() -> AsyncIterator[tuple[Receiver, socket.socket]]:
    """A connection's end in asyncio's hands, and its peer."""
    near, peer = socket.socketpair()
    near.setblocking(False)
    peer.setblocking(False)
    _, receiver = await asyncio.get_running_loop().create_connection(Receiver, sock=near)
    yield receiver, peer
    receiver.transport.close()
    peer.close()
    await receiver.ended.wait()


async def test_data_comes_in_order(link: tuple[Receiver, socket.socket]) -> None:
    receiver, peer = link
    shortcut = Shortcut()
    peer.send(b"before ")
    await receiver.until(b"before ")
    shortcut.take_over(receiver.transport, receiver)
    assert not receiver.transport.is_reading()
    peer.send(b"and behind, more than a buffer")
    await receiver.until(b"before and behind, more than a buffer")
    receiver.transport.write(b"back")
    assert peer.recv(10) == b"back"
    shortcut.close()
    shortcut.close()
    assert receiver.transport.is_reading()
    peer.send(b"!")
    await receiver.until(b"before and behind, more than a buffer!")


async def test_the_end_is_met_by_asyncio(link: tuple[Receiver, socket.socket]) -> None:
    receiver, peer = link
    shortcut = Shortcut()
    shortcut.take_over(receiver.transport, receiver)
    peer.send(b"last")
    peer.close()
    async with asyncio.timeout(20):
        await receiver.ended.wait()
    assert receiver.received == b"last"
    shortcut.close()


async def test_a_connection_that_we_close_is_let_go(link: tuple[Receiver, socket.socket]) -> None:
    receiver, peer = link
    shortcut = Shortcut()
    shortcut.take_over(receiver.transport, receiver)
    peer.send(b"never read")
    receiver.transport.close()
    shortcut.take_over(receiver.transport, receiver)
    await asyncio.sleep(0)
    await receiver.ended.wait()
    shortcut.close()
    assert receiver.received == b""


async def test_a_connection_that_still_writes_is_let_go(link: tuple[Receiver, socket.socket]) -> None:
    receiver, peer = link
    shortcut = Shortcut()
    shortcut.take_over(receiver.transport, receiver)
    receiver.transport.write(bytes(4 << 20))
    receiver.transport.close()
    peer.send(b"never read")
    async with asyncio.timeout(20):
        while not receiver.ended.is_set():
            await asyncio.get_running_loop().sock_recv(peer, 1 << 20)
            await asyncio.sleep(0)
    shortcut.close()
    assert receiver.received == b""


async def test_errors_are_left_to_asyncio(
    link: tuple[Receiver, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, peer = link
    outcomes = iter([BlockingIOError(), ConnectionResetError()])

    def fail(*_: object) -> int:
        raise next(outcomes)

    shortcut = Shortcut()
    shortcut.take_over(receiver.transport, receiver)
    monkeypatch.setattr("reelcast.net.shortcut.os.readv", fail)
    peer.send(b"data")
    await receiver.until(b"data")
    shortcut.close()


async def test_without_epoll_nothing_is_taken_over(
    link: tuple[Receiver, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, _ = link
    monkeypatch.delattr("reelcast.net.shortcut.select.epoll")
    shortcut = Shortcut()
    shortcut.take_over(receiver.transport, receiver)
    assert receiver.transport.is_reading()
    shortcut.close()
