"""Publishing without an event loop: the same, waited for; from any thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from itertools import pairwise

import numpy as np
import pytest
from tests.client.recorder import RecordingServer
from tests.client.scripted import reply
from tests.client.test_client_publish import picture

import reelcast
from reelcast.errors import RemoteError
from reelcast.rtsp.states import State


@pytest.fixture
async def server() -> AsyncIterator[RecordingServer]:
    async with RecordingServer() as server:
        yield server


async def test_programs_without_an_event_loop(server: RecordingServer) -> None:
    def program() -> None:
        with reelcast.publish(server.url, transport="tcp", sample_rate=8_000, audio_codec="pcmu") as out:
            assert out.url == server.url
            assert out.state is State.INIT
            for number in range(5):
                out.write(picture(number), pts=number / 25, wait=True)
                out.write_audio(np.zeros((320, 1), np.float32), pts=number / 25)
            while not out.statistics() or out.statistics()[0].units < 5:
                time.sleep(0.01)
            assert out.transport == "tcp"
            assert [track.codec for track in out.tracks] == ["h264", "pcmu"]
            assert repr(out).startswith("<SyncPublisher rtsp://")
        assert out.dropped == 0
        out.close()

    await asyncio.to_thread(program)
    assert len(server.units(0)) == 5
    assert server.methods[-1] == "TEARDOWN"


async def test_errors_reach_programs_without_an_event_loop(server: RecordingServer) -> None:
    server.answers["ANNOUNCE"] = reply(403)

    def program() -> None:
        with reelcast.publish(server.url) as out:
            while True:
                out.write(picture())

    with pytest.raises(RemoteError, match="403"):
        await asyncio.to_thread(program)


async def test_many_threads_may_write(server: RecordingServer) -> None:
    def program() -> None:
        with reelcast.publish(server.url, transport="tcp") as out:

            def write() -> None:
                for _ in range(5):
                    out.write(picture(), wait=True)

            threads = [threading.Thread(target=write) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    await asyncio.to_thread(program)
    times = [unit.pts for unit in server.units()]
    assert len(times) == 20
    assert all((later - earlier) & 0xFFFFFFFF < 1 << 31 for earlier, later in pairwise(times))
