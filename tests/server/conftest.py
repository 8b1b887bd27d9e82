"""A folder of short movies, and a server that serves it on a free port."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from tests.media.conftest import RECIPES, make_movie
from tests.server.raw import Ports

from reelcast.server.app import Server
from reelcast.server.session import Sessions

SHORT_SECONDS = 3.0


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """short.mp4: 3 s, a keyframe a second, video and audio; brief.mp4: 0.4 s of the same; others."""
    folder = tmp_path_factory.mktemp("served")
    recipe = RECIPES["movie.mp4"]
    make_movie(folder / "short.mp4", recipe)
    make_movie(folder / "brief.mp4", replace(recipe, frames=10))
    make_movie(folder / "video.mp4", replace(recipe, audio="", b_frames=0))
    make_movie(folder / "sound.wav", RECIPES["sound.wav"])
    (folder / "sub").mkdir()
    shutil.copy(folder / "brief.mp4", folder / "sub" / "a movie #1.mp4")
    (folder / "broken.mp4").write_bytes(b"no movie at all" * 100)
    return folder


@pytest_asyncio.fixture
async def server(folder: Path) -> AsyncIterator[Server]:
    server = Server("127.0.0.1", 0)
    server.mount("/", folder)
    async with server:
        yield server


@pytest.fixture
def sessions(server: Server) -> Sessions:
    """The sessions of `server`."""
    return server._sessions


@pytest.fixture
def ports() -> Iterator[Ports]:
    with Ports() as ports:
        yield ports


@pytest.fixture
def more_ports() -> Iterator[Ports]:
    with Ports() as ports:
        yield ports
