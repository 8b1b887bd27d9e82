"""Recordings, as ffmpeg of Debian plays them: without a word of warning, and every pixel as in the movie."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.interop.peers import find_program
from tests.media.recordings import received, recorded

pytestmark = pytest.mark.interop

SECONDS = 4.0
FRAMES = 100


def ffmpeg(*arguments: str | Path) -> tuple[str, str]:
    """What it prints, and what it has to say."""
    command = [find_program("ffmpeg"), "-v", "warning", "-nostdin", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    return done.stdout, done.stderr


def pictures(path: Path) -> list[str]:
    """Checksums of the first decoded pictures."""
    printed, said = ffmpeg("-i", path, "-map", "0:v", "-frames:v", str(FRAMES), "-f", "framemd5", "-")
    assert said == ""
    return [line.rsplit(",", 1)[1].strip() for line in printed.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
@pytest.mark.parametrize("name", ["movie.mp4", "movie-bframes.mp4"])
def test_a_recording(movies: Path, tmp_path: Path, name: str, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    recorded(path, received(movies / name, SECONDS))
    assert ffmpeg("-i", path, "-f", "null", "-") == ("", "")
    found = pictures(path)
    assert len(found) == FRAMES
    assert found == pictures(movies / name)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_motion_jpeg(movies: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    units = received(movies / "movie.Mjpeg")[:25]
    recorded(path, units)
    assert ffmpeg("-i", path, "-f", "null", "-") == ("", "")
