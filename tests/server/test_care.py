"""What is left behind is ended: what for, and what is said of it. The clock is the test's."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.server.raw import Client, until

from reelcast.server import care
from reelcast.server.app import Server
from reelcast.server.limits import Limits


@pytest_asyncio.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """A server that looks often."""
    monkeypatch.setattr(care, "CARE_SECONDS", 0.02)
    async with Server("127.0.0.1", 0, limits=Limits(idle_seconds=50, stalled_seconds=0.3)) as server:
        yield server


async def test_idle_connections_are_ended_by_the_hundred(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conformance H39: so many at once are taken in, held, and ended when they are idle."""
    count = 300
    clients = await asyncio.gather(*(Client.connect(server.port) for _ in range(count)))
    await until(lambda: len(server._connections) == count)
    async with await Client.connect(server.port) as busy:
        assert (await busy.ask("OPTIONS", "*")).status == 200
        for connection in server._connections:
            if connection.peer[1] != busy.local_port:
                connection.heard -= 60
        await until(lambda: len(server._connections) == 1)
        assert (await busy.ask("OPTIONS", "*")).status == 200
    for client in clients:
        await client.gone()
        await client.close()


async def test_who_takes_nothing_is_disconnected(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Conformance H22: what waits is bounded, in bytes and in time."""
    caplog.set_level(logging.WARNING)
    async with await Client.connect(server.port, receive_buffer=4096) as client:
        await until(lambda: len(server._connections) == 1)
        (connection,) = server._connections
        client.stop_reading()
        connection.writer.write(bytes(8 << 20))
        begun = time.monotonic()
        await until(lambda: not server._connections)
        assert time.monotonic() - begun > 0.2
        host, port = "127.0.0.1", client.local_port
        (line,) = (record.getMessage() for record in caplog.records)
        assert line.startswith(f"{host}:{port} has taken nothing for 0.3 s, ")
        assert line.endswith(" bytes wait for it: disconnected")


async def test_who_is_slow_is_not(server: Server) -> None:
    async with await Client.connect(server.port) as client:
        await until(lambda: len(server._connections) == 1)
        (connection,) = server._connections
        left = iter(range(1000, 0, -1))
        connection.writer.queued = lambda: next(left, 0)
        begun = time.monotonic()
        await until(lambda: time.monotonic() - begun > 0.6)
        connection.writer.queued = lambda: 0
        assert (await client.ask("OPTIONS", "*")).status == 200
