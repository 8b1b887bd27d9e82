"""What more than one test file needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripts.make_movies import ROOT, make

TEST_MOVIES = ("movie.Mjpeg", "movie.mp4", "movie-bframes.mp4")


@pytest.fixture(scope="session")
def movies() -> Path:
    """The folder with the sample movies; they are made once and kept from run to run."""
    folder = ROOT / "build" / "movies"
    for name in TEST_MOVIES:
        make(name, folder)
    return folder
