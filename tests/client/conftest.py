"""A server that says what it is told to, and a conversation with it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.client.scripted import ScriptedServer

from reelcast.client.dialogue import Dialogue
from reelcast.rtsp.url import RtspUrl


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


@pytest.fixture
async def dialogue(server: ScriptedServer) -> AsyncIterator[Dialogue]:
    dialogue = await Dialogue.connect(RtspUrl.parse(server.url), 5.0)
    yield dialogue
    dialogue.close()
