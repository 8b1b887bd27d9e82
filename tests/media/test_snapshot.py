"""Pictures as files: read back by another library, and what cannot be written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scripts.movies.marks import read_mark
from tests.media.coded import video

from reelcast.errors import MediaError
from reelcast.media.decode import Picture, VideoDecoder
from reelcast.media.demux import open_demuxer
from reelcast.media.snapshot import save_picture


@pytest.fixture(scope="module")
def picture(movies: Path) -> Picture:
    demuxer = open_demuxer(movies / "movie.mp4")
    decoder = VideoDecoder(demuxer.tracks[0])
    for index, unit in demuxer.units():
        if index == 0 and (found := decoder.decode(unit)):
            demuxer.close()
            return found[0]
    raise AssertionError("the movie has no picture")


@pytest.mark.parametrize(("name", "format"), [("a.png", "PNG"), ("a.jpg", "JPEG"), ("A.JPEG", "JPEG")])
def test_a_picture_comes_back(picture: Picture, tmp_path: Path, name: str, format: str) -> None:
    (tmp_path / name).write_bytes(b"what was there before")
    save_picture(picture, tmp_path / name)
    with Image.open(tmp_path / name) as image:
        assert image.format == format
        saved = np.asarray(image.convert("RGB"))
    expected = picture.to_ndarray("rgb24")
    assert saved.shape == expected.shape
    assert read_mark(saved) == 0
    difference = saved.astype(np.int64) - expected
    if format == "PNG":
        assert not difference.any()
    else:
        # Colours are those of the stream, not those of another matrix or range.
        assert np.abs(difference.mean(axis=(0, 1))).max() < 2
        assert (difference**2).mean() < 20


def test_odd_sizes(tmp_path: Path) -> None:
    track, units = video("jpeg", (99, 65))
    (small,) = VideoDecoder(track).decode(units[0])
    for name in ("a.png", "a.jpg"):
        save_picture(small, tmp_path / name)
        with Image.open(tmp_path / name) as image:
            assert image.size == (99, 65)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("a.bmp", r"a\.bmp: a picture is saved as \.jpg or \.png, not as \.bmp"),
        ("a", r"a: a picture is saved as \.jpg or \.png: give the file such a name"),
        ("nowhere/a.png", r"nowhere/a\.png: there is no folder .*nowhere"),
        ("folder.png", r"folder\.png: is a folder; choose another name"),
        ("full.png", r"full\.png: the picture cannot be saved: No space left on device"),
    ],
)
def test_what_cannot_be_saved(picture: Picture, tmp_path: Path, name: str, complaint: str) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "full.png").symlink_to("/dev/full")
    with pytest.raises(MediaError, match=complaint) as caught:
        save_picture(picture, tmp_path / name)
    assert "\n" not in str(caught.value)
