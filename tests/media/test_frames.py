"""The images of a file as they are in it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reelcast.errors import MediaError
from reelcast.media.frames import JpegFrames
from reelcast.media.mjpeg import MjpegDemuxer, write_frames
from reelcast.track import AccessUnit

IMAGES = [b"\xff\xd8" + bytes(1000) + bytes([number]) + b"\xff\xd9" for number in range(10)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "movie.Mjpeg"
    write_frames(path, IMAGES)
    return path


def test_images_come_in_order_with_their_times(path: Path) -> None:
    frames = JpegFrames(path)
    assert frames.path == path
    assert frames.track.codec == "jpeg"
    assert frames.read(3, 1 << 20) == [(number / 25, IMAGES[number]) for number in range(3)]
    assert [image for _, image in frames.read(9, 1500)] == IMAGES[3:5]
    assert [image for _, image in frames.read(99, 1 << 20)] == IMAGES[5:]
    assert frames.read(1, 1) == []
    frames.close()
    frames.close()
    assert frames.read(1, 1) == []


def test_of_a_container_only_the_images(movie: Callable[[str], Path]) -> None:
    frames = JpegFrames(movie("jpeg.avi"))
    images = frames.read(100, 1 << 30)
    assert [round(due * 25) for due, _ in images] == list(range(10))
    assert {image[:2] for _, image in images} == {b"\xff\xd8"}
    frames.close()


@pytest.mark.parametrize("name", ["movie.mp4", "sound.wav"])
def test_what_has_no_images(movie: Callable[[str], Path], name: str) -> None:
    with pytest.raises(MediaError, match=r"not a movie of JPEG images"):
        JpegFrames(movie(name))


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such file"):
        JpegFrames(tmp_path / "movie.Mjpeg")


def test_closing_does_not_wait_for_a_read(path: Path) -> None:
    frames = JpegFrames(path)
    units = frames._units
    inside, go_on = threading.Event(), threading.Event()

    def slow() -> Iterator[AccessUnit]:
        inside.set()
        go_on.wait(5)
        yield from units

    frames._units = slow()
    found: list[list[tuple[float, bytes]]] = []
    thread = threading.Thread(target=lambda: found.append(frames.read(5, 1 << 20)))
    thread.start()
    assert inside.wait(5)
    frames.close()
    assert isinstance(frames._demuxer, MjpegDemuxer)
    assert not frames._demuxer._file.closed
    go_on.set()
    thread.join(5)
    assert [image for _, image in found[0]] == IMAGES[:1]
    assert frames._demuxer._file.closed
