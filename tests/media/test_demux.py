from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from reelcast.errors import MediaError
from reelcast.media.container import ContainerDemuxer
from reelcast.media.demux import MEDIA_SUFFIXES, open_demuxer
from reelcast.media.mjpeg import MjpegDemuxer, write_frames

Movie = Callable[[str], Path]


def jpegs(movie: Movie) -> list[bytes]:
    with closing(open_demuxer(movie("jpeg.avi"))) as demuxer:
        return [unit.data for index, unit in demuxer.units() if index == 0]


def test_the_content_decides(movie: Movie, tmp_path: Path) -> None:
    with closing(open_demuxer(movie("movie.mp4"))) as demuxer:
        assert isinstance(demuxer, ContainerDemuxer)
    frames = jpegs(movie)
    for name in ("movie.Mjpeg", "movie.mp4"):
        write_frames(tmp_path / name, frames)
        with closing(open_demuxer(tmp_path / name)) as demuxer:
            assert isinstance(demuxer, MjpegDemuxer)
            assert [unit.data for _, unit in demuxer.units()] == frames


def test_suffixes() -> None:
    assert {".mp4", ".mkv", ".ts", ".h264", ".mjpeg", ".mjpg", ".wav"} <= MEDIA_SUFFIXES
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in MEDIA_SUFFIXES)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.mp4")
    cases = {
        "missing.mp4": "no such file",
        "fifo.mp4": "not a regular file",
        ".": "not a regular file",
        "nul\0.mp4": "no such file",
    }
    for name, words in cases.items():
        with pytest.raises(MediaError, match=words):
            open_demuxer(tmp_path / name)


def test_empty_and_nonsense(tmp_path: Path) -> None:
    path = tmp_path / "film.mjpeg"
    for data, words in ((b"", "is empty"), (b"nonsense" * 100, "cannot be read")):
        path.write_bytes(data)
        with pytest.raises(MediaError, match=rf"film\.mjpeg: {words}"):
            open_demuxer(path)
