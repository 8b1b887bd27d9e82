"""The connection under a conversation: opened, watched, and lost once."""

from __future__ import annotations

import asyncio

import pytest
from tests.client.scripted import ScriptedServer

from reelcast.client.transcript import Utterance
from reelcast.client.wire import Wire
from reelcast.errors import ReelcastError, TransportError
from reelcast.rtsp.message import Headers, Request
from reelcast.rtsp.url import RtspUrl


class Watched(Wire):
    """Knows what became of it, as every dialogue does."""

    def __init__(self, url: str, shown: list[Utterance]) -> None:
        super().__init__(RtspUrl.parse(url), shown.append, lambda message: str(message.cseq))
        self.losses: list[ReelcastError] = []
        self.on_lost = self.losses.append
        self.ended = asyncio.Event()

    async def open(self) -> None:
        """Connect."""
        await self._connect(5.0)

    def write(self) -> None:
        """Say one thing."""
        request = Request("OPTIONS", "*", Headers([("CSeq", "7")]))
        self._open_transport().write(request.to_bytes())
        self._note(request, sent=True)

    def close(self) -> None:
        """End it."""
        self._closing = True
        self._open_transport().close()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over: told twice, as where what came made no sense first."""
        self._fail(TransportError("first"))
        self._fail(TransportError("second"))
        self.ended.set()


async def test_a_connection_that_is_lost(server: ScriptedServer) -> None:
    shown: list[Utterance] = []
    wire = Watched(server.url, shown)
    with pytest.raises(TransportError):
        wire.write()
    await wire.open()
    assert wire.hosts == ("127.0.0.1", "127.0.0.1")
    wire.write()
    await server.until(lambda: bool(server.requests))
    assert [(said.sent, said.text) for said in shown] == [(True, "7")]
    assert not wire.lost
    server.hang_up()
    await wire.ended.wait()
    assert wire.lost
    assert [str(error) for error in wire.losses] == ["first"]
    with pytest.raises(TransportError, match="first"):
        wire.write()


async def test_a_connection_that_is_closed(server: ScriptedServer) -> None:
    wire = Watched(server.url, [])
    await wire.open()
    wire.close()
    await wire.ended.wait()
    assert wire.lost
    assert wire.losses == []


async def test_a_server_that_is_not_there() -> None:
    with pytest.raises(TransportError, match="cannot connect"):
        await Watched("rtsp://127.0.0.1:1/", []).open()
