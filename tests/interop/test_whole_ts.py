"""Transport streams sent whole: ffmpeg and GStreamer find in them what is in the file."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from tests.interop.peers import run
from tests.interop.test_ffmpeg import contents, parse_framemd5
from tests.interop.test_readers import TRANSPORTS, receive
from tests.interop.test_sound import PICTURES, RATE, TONE, X264, listen, pitch

from reelcast.server.app import Server

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "film.ts"
    # Tables before each keyframe, so that a reader need not wait for them.
    options = (*X264, "-c:a", "mp2", "-muxrate", "3M", "-mpegts_flags", "pat_pmt_at_frames")
    subprocess.run(["ffmpeg", "-v", "error", *PICTURES, *TONE, *options, path], check=True)
    return path


@pytest_asyncio.fixture
async def url(film: Path) -> AsyncIterator[str]:
    server = Server("127.0.0.1", 0)
    server.mount("/film", film, whole_ts=True)
    async with server:
        yield server.urls()[0]


async def frames(source: str | Path, target: Path, *options: str) -> list[list[tuple[int, str]]]:
    """Pictures and sound as they are coded."""
    await run(
        "ffmpeg", "-v", "error", *options, "-i", source, "-map", "0", "-c", "copy", "-f", "framemd5", target
    )
    found = list(parse_framemd5(target))
    return [contents(found, stream) for stream in (0, 1)]


async def test_ffmpeg_finds_all_frames(film: Path, url: str, tmp_path: Path) -> None:
    original = await frames(film, tmp_path / "file")
    copies = [frames(url, tmp_path / way, "-rtsp_transport", way) for way in TRANSPORTS]
    for received in await asyncio.gather(*copies):
        for ours, theirs in zip(received, original, strict=True):
            # Where a stream ends is not told in it: over RTP, ffmpeg never sees the last frames complete.
            assert ours == theirs[: len(ours)]
            assert len(ours) >= len(theirs) - 2


async def test_our_client_gets_every_packet_in_time(film: Path, url: str) -> None:
    expected = await asyncio.to_thread(film.read_bytes)
    for received in await asyncio.gather(*(receive(url, way) for way in TRANSPORTS)):
        assert received.lost == 0
        assert b"".join(unit.unit.data for unit in received.units) == expected
        # At a constant rate, so is the time of each packet.
        bits = 8 * np.cumsum([0] + [len(unit.unit.data) for unit in received.units[:-1]])
        times = np.array([unit.pts for unit in received.units])
        assert np.abs(times - bits / 3_000_000).max() < 0.01


async def test_our_client_seeks(film: Path, url: str) -> None:
    received = await receive(url, "tcp", 0.8)
    assert received.units[0].pts == pytest.approx(0.8, abs=0.005)
    data = await asyncio.to_thread(film.read_bytes)
    sent = b"".join(unit.unit.data for unit in received.units)
    assert data.endswith(sent)
    assert len(sent) == pytest.approx(len(data) - 0.8 * 3_000_000 / 8, abs=5000)


async def test_gstreamer_plays_it(url: str, tmp_path: Path) -> None:
    sound = await listen(url, "tcp", tmp_path / "played", "hear 0.2")
    assert pitch(sound, RATE) == pytest.approx(440, abs=6)
