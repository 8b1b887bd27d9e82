"""`make demo` behind the making of its movies, in a folder where nothing else is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from scripts import demo
from tests.media.conftest import RECIPES, make_movie

from reelcast import player


@pytest.fixture
def place(movies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as a fresh clone is once its movies are made; the one that is played is short."""
    shutil.copy(movies / "movie.Mjpeg", tmp_path)
    make_movie(tmp_path / "movie.mp4", RECIPES["movie.mp4"])
    monkeypatch.setattr(demo, "ROOT", tmp_path)
    return tmp_path


def test_without_a_display_it_plays_to_the_end_and_leaves_a_picture(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(player, "available", lambda: "there is no display to open a window on")
    assert demo.main() == 0
    assert (place / demo.SNAPSHOT).stat().st_size > 0
    out, err = capfd.readouterr()
    assert out.splitlines()[0] == "Serving"
    assert "playing without a window" in out
    assert "0 lost" in out
    assert "Traceback" not in err


def test_movies_that_are_not_there_end_it(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in demo.MOVIES:
        (place / name).unlink()
    assert demo.main() != 0
    assert "movie.Mjpeg" in capfd.readouterr().err
