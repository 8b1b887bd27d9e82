"""Many cameras in one process, their units received and not decoded: what that costs, and whether anything is lost.

usage: cameras.py URL TRANSPORT COUNT SECONDS    prints its figures as JSON
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import reelcast
from reelcast.client.stream import Stream, Transport

__all__ = ["watch_all"]

TIMEOUT = 20.0


class Reader:
    """One camera's units, counted."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.units = 0
        self.octets = 0

    async def read(self) -> None:
        async for received in self.stream.units():
            self.units += 1
            self.octets += len(received.unit.data)

    @property
    def missing(self) -> tuple[int, int]:
        """Packets lost, and units that were received and not taken."""
        figures = self.stream.statistics()
        return sum(each.packets.lost for each in figures), sum(each.dropped for each in figures)


async def watch_all(url: str, transport: Transport, count: int, seconds: float) -> dict[str, Any]:
    """Open them at once; then count for some seconds."""
    begun = time.monotonic()
    streams = [
        reelcast.connect(url, transport=transport, timeout=TIMEOUT, reconnect=False) for _ in range(count)
    ]
    await asyncio.gather(*(stream.open() for stream in streams))
    opened = time.monotonic() - begun
    readers = [Reader(stream) for stream in streams]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(reader.read()) for reader in readers]
        await asyncio.sleep(1.0)  # what each stream began with is taken
        before, cpu = [(reader.units, reader.octets) for reader in readers], time.process_time()
        await asyncio.sleep(seconds)
        cpu = time.process_time() - cpu
        counted = [
            (reader.units - units, reader.octets - octets)
            for reader, (units, octets) in zip(readers, before, strict=True)
        ]
        missing = [reader.missing for reader in readers]
        for task in tasks:
            task.cancel()
    await asyncio.gather(*(stream.close() for stream in streams))
    return {
        "cpu_s": cpu,
        "seconds": seconds,
        "open_s": opened,
        "units": sum(units for units, _ in counted),
        "least_units": min(units for units, _ in counted),
        "bytes": sum(octets for _, octets in counted),
        "lost": sum(lost for lost, _ in missing),
        "dropped": sum(dropped for _, dropped in missing),
    }


if __name__ == "__main__":
    way: Transport = "udp" if sys.argv[2] == "udp" else "tcp"
    print(json.dumps(asyncio.run(watch_all(sys.argv[1], way, int(sys.argv[3]), float(sys.argv[4])))))
