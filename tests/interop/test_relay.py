"""A relay of a server of another make that is killed, and comes back as another camera: its readers stay."""

from __future__ import annotations

import asyncio
import signal
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest
from tests.free_port import free_port
from tests.interop.peers import DEBIAN_PYTHON, waiting_lines
from tests.interop.test_wall_clock import GST_LIVE, GST_SERVER

from reelcast.client.frame import Frame
from reelcast.client.reconnect import Reconnect
from reelcast.client.stream import connect
from reelcast.server.app import Server
from reelcast.server.live import Live, LivePolicy
from reelcast.station.relay import Relay

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

Way = Literal["udp", "tcp"]
SOON = Reconnect(first=0.1, longest=0.5)
FRAMES = 20
LARGER = GST_LIVE.replace("width=160,height=96", "width=320,height=192")
SIZES = (160, 96), (320, 192)


def camera(pipeline: str, port: int) -> tuple[str | Path, ...]:
    """How to start it."""
    return DEBIAN_PYTHON, GST_SERVER, "", "", pipeline, str(port)


class Reader:
    """Reads what is relayed in one session, to the end of the test; frames of both cameras."""

    def __init__(self, url: str, transport: Way) -> None:
        self.frames: list[Frame] = []
        self.stream = connect(url, transport=transport, timeout=20.0, reconnect=False)
        self._news = asyncio.Event()

    async def read(self) -> None:
        async with self.stream:
            async for frame in self.stream.frames(every=True, corrupt="flag"):
                self.frames.append(frame)
                self._news.set()

    async def come(self, size: tuple[int, int]) -> None:
        """Wait until there are frames of this size."""
        while sum(_size(frame) == size for frame in self.frames) < FRAMES:
            self._news.clear()
            await self._news.wait()


def _size(frame: Frame) -> tuple[int, int]:
    height, width = frame.to_ndarray("gray8").shape
    return width, height


@pytest.mark.parametrize("upstream", ["udp", "tcp"])
async def test_it_is_killed_and_comes_back_with_other_pictures(upstream: Way) -> None:
    server, port = Server("127.0.0.1", 0), free_port()
    async with server, asyncio.TaskGroup() as tasks:
        with waiting_lines(1, *camera(GST_LIVE, port), end=signal.SIGKILL):
            relay = Relay(f"rtsp://127.0.0.1:{port}/movie", transport=upstream, reconnect=SOON, timeout=20.0)
            server.mount("/cam", Live("/cam", LivePolicy(patience=40.0), origin=relay))
            url = f"rtsp://127.0.0.1:{server.port}/cam"
            readers = [Reader(url, "udp"), Reader(url, "tcp")]
            reading = [tasks.create_task(reader.read()) for reader in readers]
            for reader in readers:
                await reader.come(SIZES[0])
        with waiting_lines(1, *camera(LARGER, port)):
            for reader in readers:
                await reader.come(SIZES[1])
        for task, reader in zip(reading, readers, strict=True):
            frames = reader.frames
            assert all(a.pts < b.pts for a, b in pairwise(frames))
            assert {frame.segment for frame in frames} == {frames[0].segment}
            assert not any(frame.corrupt for frame in frames)
            (track,) = reader.stream.statistics()
            assert track.packets.lost == 0
            task.cancel()
    told = relay.statistics()
    assert (told.sessions, told.state) == (2, "resting")
