"""What more than one test file needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings
from scripts.make_movies import ROOT, make

# The same examples in every run, however busy the machine is; `make fuzz` looks for new ones.
settings.register_profile("tests", deadline=None, derandomize=True)
settings.load_profile("tests")

TEST_MOVIES = ("movie.Mjpeg", "movie.mp4", "movie-bframes.mp4")


@pytest.fixture(scope="session")
def movies() -> Path:
    """The folder with the sample movies; they are made once and kept from run to run."""
    folder = ROOT / "build" / "movies"
    for name in TEST_MOVIES:
        make(name, folder)
    return folder
