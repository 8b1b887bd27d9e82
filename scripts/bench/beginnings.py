"""How soon a reader of a live stream has its first picture, whatever time lies between two keyframes."""

from __future__ import annotations

import asyncio
import time
from shutil import which
from typing import Final

import numpy as np
from scripts.bench.measure import Figures, lateness
from scripts.bench.published import publisher
from scripts.bench.rows import Transport
from scripts.bench.stations import Way, stations

from reelcast.client.stream import connect
from reelcast.errors import ReelcastError

__all__ = ["INTERVALS", "measure_beginnings"]

INTERVALS: Final = (0.5, 2.0, 10.0)
"""Seconds from keyframe to keyframe."""
RATE: Final = 25
READERS: Final = 8
"""Over each transport, one after another."""
PAUSE: Final = 0.37
"""Seconds between two readers, who so come at all times between two keyframes."""
TIMEOUT: Final = 20.0


def measure_beginnings(way: Way, interval: float, seconds: float) -> Figures:
    """Seconds from connecting to the first decoded frame, by transport; read first after `seconds`, or less."""
    if which("ffmpeg") is None:
        return {"failure": "ffmpeg is not installed"}
    group = str(round(interval * RATE))
    picture = ("-re", "-f", "lavfi", "-i", f"testsrc2=size=1280x720:rate={RATE}", "-pix_fmt", "yuv420p")
    coded = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-b:v", "2M", "-g", group)
    transports: tuple[Transport, ...] = ("udp", "tcp")
    try:
        with stations(way, "tcp") as places, publisher((*picture, *coded), places.publish, "tcp"):
            # There is some of the past to be caught up with.
            time.sleep(min(seconds, 2 * interval))
            found = {each: asyncio.run(_begin(places.read, each)) for each in transports}
    except ReelcastError as error:
        return {"failure": str(error)}
    return {each: lateness(np.array(times)) for each, times in found.items()}


async def _begin(url: str, transport: Transport) -> list[float]:
    times = []
    for _ in range(READERS + 1):
        begun = time.monotonic()
        async with connect(url, transport=transport, timeout=TIMEOUT, reconnect=False) as stream:
            async for _ in stream.frames():
                times.append(time.monotonic() - begun)
                break
        await asyncio.sleep(PAUSE)
    return times[1:]  # what a library loads when it is first used is no part of it
