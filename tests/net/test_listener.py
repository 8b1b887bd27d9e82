"""Listening: everybody is let in, a few at a time; without descriptors they wait, and one line says so."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
import pytest_asyncio
from tests.server.raw import until

from reelcast.net import listener as module
from reelcast.net.listener import ACCEPT_AT_ONCE, Listener

PATIENCE = 20


class Guests:
    """Keeps account of who has come, and in how many turns of the event loop."""

    def __init__(self) -> None:
        self.transports: list[asyncio.BaseTransport] = []

    def __call__(self) -> asyncio.Protocol:
        return _Guest(self)

    async def come(self, count: int) -> None:
        await until(lambda: len(self.transports) >= count)


class _Guest(asyncio.Protocol):
    def __init__(self, guests: Guests) -> None:
        self._guests = guests

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._guests.transports.append(transport)


class Exhausted:
    """Stands for a listening socket where the system has nothing more to give for a while."""

    def __init__(self, sock: socket.socket, times: int, number: int = errno.EMFILE) -> None:
        self.asked = 0
        self.times = times
        self.number = number
        self._socket = sock
        self.fileno = sock.fileno
        self.close = sock.close

    def accept(self) -> tuple[socket.socket, object]:
        self.asked += 1
        if self.asked <= self.times:
            raise OSError(self.number, os.strerror(self.number))
        return self._socket.accept()


@pytest_asyncio.fixture
async def guests() -> AsyncIterator[Guests]:
    guests = Guests()
    yield guests
    for transport in guests.transports:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()
    await asyncio.sleep(0)


@pytest_asyncio.fixture
async def listener(guests: Guests) -> AsyncIterator[Listener]:
    listener = await Listener.open("127.0.0.1", 0, guests)
    yield listener
    listener.close()


@pytest.fixture
def knocking() -> Iterator[ExitStack]:
    """Closes the connections of a test."""
    with ExitStack() as stack:
        yield stack


def knock(stack: ExitStack, listener: Listener, count: int) -> None:
    """Connect so often; the kernel says yes before anybody has accepted."""
    for _ in range(count):
        stack.enter_context(socket.create_connection(("127.0.0.1", listener.port), PATIENCE))


async def test_nothing_small_waits_for_an_answer_to_what_went_before(
    listener: Listener, guests: Guests
) -> None:
    """TCP would hold back what does not fill a packet, for a round trip: a picture's end, and all sound."""
    with socket.create_connection(("127.0.0.1", listener.port)):
        await guests.come(1)
        accepted = guests.transports[0].get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_everybody_is_let_in_a_few_at_a_time(
    listener: Listener, guests: Guests, knocking: ExitStack
) -> None:
    """Conformance H39."""
    knock(knocking, listener, 3 * ACCEPT_AT_ONCE + 1)
    assert guests.transports == []
    seen = 0
    async with asyncio.timeout(PATIENCE):
        while len(guests.transports) < 3 * ACCEPT_AT_ONCE + 1:
            await asyncio.sleep(0)
            assert len(guests.transports) - seen <= 2 * ACCEPT_AT_ONCE
            seen = len(guests.transports)


async def test_who_has_gone_again_concerns_nobody(
    listener: Listener, guests: Guests, knocking: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_socket", Exhausted(listener._socket, 1, errno.ECONNABORTED))
    knock(knocking, listener, 2)
    await guests.come(2)


async def test_who_has_gone_before_it_is_looked_at_is_let_in_all_the_same(
    listener: Listener, guests: Guests, knocking: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """macOS sets nothing of a connection whose other side has gone; the next in the row are not to wait for it."""

    class Gone(socket.socket):
        def setsockopt(self, *_: object) -> None:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    class Accepting(Exhausted):
        def accept(self) -> tuple[socket.socket, object]:
            sock, address = super().accept()
            return Gone(sock.family, sock.type, sock.proto, fileno=sock.detach()), address

    monkeypatch.setattr(listener, "_socket", Accepting(listener._socket, 0))
    knock(knocking, listener, 2)
    await guests.come(2)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
async def test_without_descriptors_they_wait(
    listener: Listener,
    guests: Guests,
    knocking: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
) -> None:
    """Conformance H38."""
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.02)
    caplog.set_level(logging.WARNING)
    exhausted = Exhausted(listener._socket, 3, number)
    monkeypatch.setattr(listener, "_socket", exhausted)
    knock(knocking, listener, 2)
    await guests.come(2)
    # It was not asked in vain more often than the pauses say, and once they go on another lack is told anew.
    assert exhausted.asked - 3 <= 2 + 2
    exhausted.asked, exhausted.times = 0, 2
    knock(knocking, listener, 1)
    await guests.come(3)
    assert [record.getMessage() for record in caplog.records] == [
        f"new connections must wait: {os.strerror(number)}"
    ] * 2


async def test_it_closes_while_it_waits(
    guests: Guests, knocking: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = await Listener.open("127.0.0.1", 0, guests)
    monkeypatch.setattr(listener, "_socket", Exhausted(listener._socket, 1))
    knock(knocking, listener, 1)
    await until(lambda: listener._pause is not None)
    listener.close()


async def test_it_closes_while_somebody_enters(guests: Guests, knocking: ExitStack) -> None:
    listener = await Listener.open("127.0.0.1", 0, guests)
    knock(knocking, listener, 2)
    listener._accept()
    assert len(listener._entering) == 2
    listener.close()
    await until(lambda: not listener._entering)


async def test_a_loop_that_watches_no_sockets(
    guests: Guests, knocking: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    watch = loop.add_reader

    def refuse(*_: object) -> None:
        monkeypatch.setattr(loop, "add_reader", watch)
        raise NotImplementedError

    monkeypatch.setattr(loop, "add_reader", refuse)
    listener = await Listener.open("127.0.0.1", 0, guests)
    knock(knocking, listener, 2)
    await guests.come(2)
    listener.close()


async def test_a_port_in_use(listener: Listener, guests: Guests) -> None:
    with pytest.raises(OSError) as caught:
        await Listener.open("127.0.0.1", listener.port, guests)
    assert caught.value.errno == errno.EADDRINUSE


async def test_a_port_that_is_shared(guests: Guests) -> None:
    first = await Listener.open("127.0.0.1", 0, guests, reuse_port=True)
    second = await Listener.open("127.0.0.1", first.port, guests, reuse_port=True)
    assert first.port == second.port
    first.close()
    second.close()
