"""RTSPS with the peers: ffmpeg, which believes every server, and GStreamer, which has to be told whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from scripts.movies.marks import FRAME_RATE, read_mark
from tests.interop.conftest import SHORT_SECONDS
from tests.interop.peers import DEBIAN_PYTHON, run
from tests.interop.test_ffmpeg import assert_same, copy
from tests.interop.test_gstreamer import PLAYER, assert_in_order, play
from tests.media.conftest import RECIPES, make_movie

from reelcast.client.stream import connect
from reelcast.net.tls import Tls
from reelcast.server import Server

pytestmark = [pytest.mark.interop, pytest.mark.timeout(90)]

FRAMES = SHORT_SECONDS * FRAME_RATE


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of our own making."""
    return tmp_path_factory.mktemp("tls") / "tls.pem"


@pytest.fixture(scope="session")
def with_sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of pictures and sound."""
    path = tmp_path_factory.mktemp("sound") / "sound.mp4"
    make_movie(path, RECIPES["movie.mp4"])
    return path


@pytest.fixture
async def rtsps(short_movie: Path, with_sound: Path, certificate: Path) -> AsyncIterator[str]:
    """The URL that the names of the movies are put behind."""
    server = Server("127.0.0.1", 0, tls=Tls.self_signed(certificate, port=0))
    server.mount("/short.mp4", short_movie)
    server.mount("/sound.mp4", with_sound)
    async with server:
        yield f"rtsps://127.0.0.1:{server.tls_port}"


async def test_movies_arrive_unchanged(
    rtsps: str, with_sound: Path, certificate: Path, tmp_path: Path
) -> None:
    """All of them at the same time: ffmpeg to its own end, GStreamer and our client with a look at who it is."""

    async def ours() -> list[int | None]:
        async with connect(f"{rtsps}/short.mp4", trust=certificate) as stream:
            return [read_mark(frame.to_ndarray("gray8")) async for frame in stream.frames(every=True)]

    copied, played, marks = await asyncio.gather(
        copy(f"{rtsps}/sound.mp4", tmp_path / "received", "tcp"),
        play(f"{rtsps}/short.mp4", "tcp", tmp_path / "gst", f"trust {certificate}", "end"),
        ours(),
    )
    assert_same(copied, await copy(with_sound, tmp_path / "file"))
    assert_in_order(played.marks(), 0)
    assert len(played.marks()) == FRAMES
    assert marks == list(range(FRAMES))


async def test_rtspsrc_falls_back_from_udp(rtsps: str, certificate: Path, tmp_path: Path) -> None:
    """UDP, which it offers first, is refused with 461."""
    played = await play(f"{rtsps}/short.mp4", "udp+tcp", tmp_path / "gst", f"trust {certificate}", "run 1")
    assert_in_order(played.marks(), 0)


async def test_rtspsrc_that_does_not_trust(rtsps: str, tmp_path: Path) -> None:
    await run(DEBIAN_PYTHON, PLAYER, f"{rtsps}/short.mp4", "tcp", tmp_path / "gst", "run 1", code=1)
