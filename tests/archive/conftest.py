"""A movie to record, and an index of what is recorded of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.archive.takes import Takes
from tests.media.conftest import RECIPES, make_movie

from reelcast.archive.index import Index


@pytest.fixture(scope="session")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds with B-frames and sound, a keyframe every 0.8 s."""
    path = tmp_path_factory.mktemp("takes") / "movie.mp4"
    make_movie(path, replace(RECIPES["movie.mp4"], frames=150, keyframe_every=20))
    return path


@pytest.fixture
def takes(tmp_path: Path, movie: Path) -> Takes:
    """A folder that is recorded into."""
    return Takes(tmp_path / "recordings", movie)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """Of a folder with nothing in it."""
    with Index(tmp_path) as index:
        yield index
