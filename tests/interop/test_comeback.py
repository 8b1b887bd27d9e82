"""A server of another make that is killed and started again: the stream goes on, on one timeline."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest
from tests.free_port import free_port
from tests.interop.peers import DEBIAN_PYTHON, waiting_lines
from tests.interop.test_wall_clock import GST_LIVE, GST_SERVER

from reelcast.client import events
from reelcast.client.frame import Frame
from reelcast.client.frames import Frames
from reelcast.client.reconnect import Reconnect
from reelcast.client.stream import connect

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

Way = Literal["udp", "tcp"]
SOON = Reconnect(first=0.1, longest=0.5)
FRAMES = 10


def started(port: int) -> tuple[str | Path, ...]:
    """How to start it, and to start it again."""
    return DEBIAN_PYTHON, GST_SERVER, "", "", GST_LIVE, str(port)


async def next_segment(frames: Frames, before: list[Frame]) -> list[Frame]:
    """Frames of the connection behind that one; what is still of that one is put there."""
    found: list[Frame] = []
    while len(found) < FRAMES:
        frame = await anext(frames)
        (before if frame.segment == before[-1].segment else found).append(frame)
    return found


async def comes_back(transport: Way) -> None:
    told: list[events.Event] = []
    lost = asyncio.Event()

    def hear(event: events.Event) -> None:
        told.append(event)
        if isinstance(event, events.Waiting):
            lost.set()

    port = free_port()
    with waiting_lines(1, *started(port)):
        stream = connect(
            f"rtsp://127.0.0.1:{port}/movie",
            transport=transport,
            timeout=20.0,
            reconnect=SOON,
            on_event=hear,
        )
        await stream.open()
        frames = stream.frames(every=True)
        before = [await anext(frames) for _ in range(FRAMES)]
    try:
        await lost.wait()
        with waiting_lines(1, *started(port)):
            after = await next_segment(frames, before)
            figures = stream.statistics()
            await stream.close()
    finally:
        await stream.close()
    assert after[0].key
    times = [frame.pts for frame in (*before, *after)]
    assert all(later > earlier for earlier, later in pairwise(times))
    # What is between them is the time that nothing came.
    gap, arrived = after[0].pts - before[-1].pts, after[0].arrival - before[-1].arrival
    assert gap == pytest.approx(arrived, abs=2.0)
    kinds = [type(event) for event in told]
    assert kinds[0] is events.Connected
    assert kinds.count(events.Connected) == 2
    assert kinds.index(events.Disconnected) < kinds.index(events.Waiting)
    assert kinds[-1] is events.Ended
    assert figures[0].units > len(before)


async def test_gst_rtsp_server_is_killed_and_started_again() -> None:
    await asyncio.gather(comes_back("udp"), comes_back("tcp"))
