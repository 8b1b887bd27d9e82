"""One server for all tests that need no other: `reelcast serve` of the sample movies, as a user starts it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from scripts.make_movies import MOVIES
from scripts.movies.encode import Mp4
from tests.conftest import TEST_MOVIES
from tests.interop.peers import serving

SHORT_SECONDS = 6
FRAME_RATE = 25


@pytest.fixture(scope="session")
def rtsp(movies: Path) -> Iterator[str]:
    """The URL that the names of the sample movies are put behind."""
    with serving(*(movies / name for name in TEST_MOVIES)) as url:
        yield url


@pytest.fixture(scope="session")
def short_movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first seconds of the movie with B-frames, small, in a folder of its own."""
    recipe = MOVIES["movie-bframes.mp4"]
    assert isinstance(recipe, Mp4)
    path = tmp_path_factory.mktemp("short") / "short.mp4"
    Mp4(320, 180, bit_rate=400_000, gop=25, b_frames=recipe.b_frames).write(path, SHORT_SECONDS * FRAME_RATE)
    return path
