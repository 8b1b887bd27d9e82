"""What is recorded, and what is rewound, as ffmpeg and GStreamer see it: by the numbers in the pictures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from tests.archive.live_camera import recorded_camera
from tests.archive.takes import NOON, Takes
from tests.interop.conftest import FRAME_RATE, SHORT_SECONDS
from tests.interop.test_ffmpeg import MAX_OVERTAKEN
from tests.interop.test_gstreamer import assert_in_order, play
from tests.interop.test_live import assert_endless, complaints, shown

from reelcast.archive.shelf import Shelf
from reelcast.server.app import Server

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

TRANSPORTS = ("udp", "tcp")
FRAMES = SHORT_SECONDS * FRAME_RATE


@asynccontextmanager
async def recorded(folder: Path, movie: Path) -> AsyncIterator[str]:
    """The URL of a recording: two segments, and a third behind an hour of nothing."""
    takes = Takes(folder / "recordings", movie)
    takes.take(NOON, 0.0, 2.0)
    takes.take(NOON + 2.0, 2.0, 4.0)
    takes.take(NOON + 3600.0, 4.0, 6.0)
    shelf = Shelf(takes.index)
    server = Server("127.0.0.1", 0)
    server.play_back(shelf)
    async with server:
        yield f"rtsp://127.0.0.1:{server.port}/cam?recorded"
    shelf.close()
    takes.index.close()


async def test_ffmpeg_reads_a_recording(short_movie: Path, tmp_path: Path) -> None:
    async with recorded(tmp_path, short_movie) as url:

        async def copy(transport: str) -> None:
            path = tmp_path / f"{transport}.mp4"
            source = ("-rtsp_transport", transport, "-i", url)
            assert await complaints(*source, "-map", "0", "-c", "copy", path) == ""
            marks, times = await asyncio.to_thread(shown, path)
            # The first picture has no time in ffmpeg, and may be left out for that.
            first = int(marks[0] == 1)
            assert_in_order(marks, first)
            assert len(marks) >= FRAMES - first - (MAX_OVERTAKEN if transport == "udp" else 0)
            # Of the hour no more than a second is left.
            assert max(after - before for before, after in pairwise(times)) < 2.0

        await asyncio.gather(*map(copy, TRANSPORTS))


async def test_gstreamer_reads_a_recording(short_movie: Path, tmp_path: Path) -> None:
    async with recorded(tmp_path, short_movie) as url:
        plays = await asyncio.gather(
            *(
                play(url, transport, tmp_path / transport, "show 50", "seek 1.5", "show 25")
                for transport in TRANSPORTS
            )
        )
    for played in plays:
        assert len(played.marks()) >= FRAME_RATE
        assert_in_order(played.marks(), 0)
        assert_in_order(played.marks(1), FRAME_RATE)


async def test_gstreamer_halts_what_is_live(short_movie: Path, tmp_path: Path) -> None:
    async with recorded_camera(tmp_path, short_movie, rounds=4) as camera:
        plays = await asyncio.gather(
            *(
                play(camera.url, transport, tmp_path / transport, "show 75", "pause 3", "show 75")
                for transport in TRANSPORTS
            )
        )
    for played in plays:
        assert len(played.marks()) >= 5 * FRAME_RATE
        assert_endless(played.marks(), 0)
