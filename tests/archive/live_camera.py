"""A live path that a movie is published to in real time, recorded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.archive.takes import Takes
from tests.server.raw import until

from reelcast.archive.index import Index
from reelcast.archive.recording import Recording, RecordingPolicy
from reelcast.archive.shelf import Shelf
from reelcast.rtp.intake import ReceivedUnit
from reelcast.server.app import Server
from reelcast.server.live import Live

__all__ = ["Camera", "recorded_camera"]


@dataclass
class Camera:
    """A server whose /cam is live, and recorded.

    takes       has the movie's units: what is expected
    began       when the first of them was published, by time.monotonic
    published   pictures so far
    """

    url: str
    takes: Takes
    live: Live
    recording: Recording
    began: float
    published: int = 0

    async def publish(self, rounds: int) -> None:
        """Publish the movie, as often as told, as a camera would."""
        feeding = self.live.feed(self.takes.tracks, "a camera", lambda: None)
        length = max(round(seconds, 2) for track, _, seconds in self.takes.units if track.kind == "video")
        for number in range(rounds):
            place = number * (length + 0.04)
            for track, unit, seconds in self.takes.units:
                await asyncio.sleep(max(0.0, self.began + place + seconds - time.monotonic()))
                timestamp = unit.pts + round(place * track.clock_rate) & 0xFFFFFFFF
                received = replace(unit, pts=timestamp, dts=timestamp)
                arrival = time.monotonic()
                feeding.put(ReceivedUnit(track, received, place + seconds, None, "estimated", arrival))
                self.published += track.kind == "video"
        feeding.end("the movie is over")


@asynccontextmanager
async def recorded_camera(folder: Path, movie: Path, rounds: int = 1) -> AsyncIterator[Camera]:
    """A camera that begins at once, and is recorded in segments of two seconds."""
    takes = Takes(folder / "expected", movie)
    index = Index(folder / "recordings")
    live = Live("/cam")
    recording = Recording(live, folder / "recordings", RecordingPolicy(segment_seconds=2.0))
    shelf = Shelf(index)
    live.history = shelf.memory("/cam", recording)
    server = Server("127.0.0.1", 0)
    server.mount("/cam", live)
    server.play_back(shelf)
    recording.start()
    async with server:
        camera = Camera(f"rtsp://127.0.0.1:{server.port}/cam", takes, live, recording, time.monotonic() + 0.1)
        publishing = asyncio.create_task(camera.publish(rounds))
        await until(lambda: bool(live.tracks))
        try:
            yield camera
        finally:
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
    await recording.stop()
    shelf.close()
    index.close()
    takes.index.close()
