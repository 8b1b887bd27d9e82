"""Devices that a test machine does not have, by stand-ins for FFmpeg's."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import av
import pytest
from tests.media.conftest import Recipe, make_movie

from reelcast.errors import MediaError
from reelcast.media.capture import DeviceKind, open_device

REAL_OPEN = av.open


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, dict[str, str]]]:
    """A device of any name gives ten pictures; what is asked for is noted."""
    movie = tmp_path / "movie.avi"
    make_movie(movie, Recipe(video="mjpeg", audio="", frames=10))
    asked: list[tuple[str, str, dict[str, str]]] = []

    def stand_in(name: str, format: str, options: dict[str, str]) -> Any:
        asked.append((name, format, options))
        return REAL_OPEN(str(movie))

    monkeypatch.setattr(av, "open", stand_in)
    return asked


def test_pictures_as_they_come_until_the_device_is_gone(
    device: list[tuple[str, str, dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    with closing(open_device("webcam")) as camera:
        assert (camera.width, camera.height, camera.fps) == (160, 120, 25.0)
        assert camera.sample_rate is None
        shots = camera.shots()
        for _ in range(10):
            shot = next(shots)
            assert shot.picture is not None
            assert shot.pts is None
        with pytest.raises(MediaError, match="webcam /dev/video0 gives no more pictures"):
            next(shots)
    camera.close()
    assert list(camera.shots()) == []
    assert device == [("/dev/video0", "v4l2", {})]


def test_a_device_that_is_closed_gives_no_more(device: list[tuple[str, str, dict[str, str]]]) -> None:
    camera = open_device("webcam", "/dev/video9")
    for _ in camera.shots():
        camera.close()


@pytest.mark.parametrize(
    ("platform", "kind", "name", "expected"),
    [
        ("linux", "webcam", "", ("/dev/video0", "v4l2")),
        ("linux", "webcam", "/dev/video2", ("/dev/video2", "v4l2")),
        ("linux", "screen", "", (":7", "x11grab")),
        ("linux", "screen", ":1", (":1", "x11grab")),
        ("freebsd14", "webcam", "", ("/dev/video0", "v4l2")),
        ("darwin", "webcam", "", ("0:none", "avfoundation")),
        ("darwin", "screen", "", ("Capture screen 0:none", "avfoundation")),
        ("win32", "webcam", "HD Camera", ("video=HD Camera", "dshow")),
        ("win32", "webcam", "video=HD Camera", ("video=HD Camera", "dshow")),
        ("win32", "screen", "", ("desktop", "gdigrab")),
    ],
)
def test_each_system_has_devices_of_its_own(
    platform: str,
    kind: DeviceKind,
    name: str,
    expected: tuple[str, str],
    device: list[tuple[str, str, dict[str, str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("DISPLAY", ":7")
    open_device(kind, name, fps=30, size=(640, 480)).close()
    assert device == [(*expected, {"framerate": "30", "video_size": "640x480"})]


def test_screens_are_looked_at_so_often(
    device: list[tuple[str, str, dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    open_device("screen").close()
    assert device[0][2] == {"framerate": "25"}


@pytest.mark.parametrize(
    ("platform", "kind", "message", "advice"),
    [
        ("linux", "screen", "there is no screen", "run it in the session to be seen"),
        ("win32", "webcam", "there is no webcam", "name it as the Device Manager does"),
    ],
)
def test_devices_that_have_no_usual_name(
    platform: str, kind: DeviceKind, message: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(MediaError, match=message) as caught:
        open_device(kind)
    assert caught.value.advice.startswith(advice)


def test_devices_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(MediaError, match="webcam /dev/no-such-device cannot be had: ") as caught:
        open_device("webcam", "/dev/no-such-device")
    assert caught.value.advice.startswith("plug one in")


def test_a_device_that_breaks(
    device: list[tuple[str, str, dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        streams = REAL_OPEN

        def decode(self, video: int) -> Any:
            raise OSError(5, "Input/output error")

        def close(self) -> None:
            pass

    camera = open_device("webcam", "/dev/video0")
    container = camera._container
    assert container is not None
    container.close()
    monkeypatch.setattr(camera, "_container", Broken())
    with pytest.raises(MediaError, match="webcam /dev/video0 gives no more pictures: Input/output error"):
        next(camera.shots())
