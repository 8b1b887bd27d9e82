"""The window, our client and our server together: a movie, from Setup to Teardown."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from tests.archive.takes import NOON, Takes
from tests.player.conftest import Wait

from reelcast.archive.shelf import Shelf
from reelcast.player.application import connect_source
from reelcast.player.sound import NullDevice
from reelcast.player.source import Source
from reelcast.player.status import Phase, Status
from reelcast.player.theme import DARK
from reelcast.player.window import Window
from reelcast.server.app import Server


@pytest.fixture
def url(movies: Path) -> Iterator[str]:
    server = Server("127.0.0.1", 0)
    server.mount("/movie", movies / "movie.mp4")
    server.mount("/live", movies / "movie.mp4", live=True)
    with served(server) as url:
        yield url


@contextmanager
def served(server: Server) -> Iterator[str]:
    """A server in a thread of its own: that of the tests is the window's."""
    loop, ready, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with server:
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(10)
    yield f"rtsp://127.0.0.1:{server.port}"
    loop.call_soon_threadsafe(over.set)
    thread.join()
    loop.close()


@pytest.fixture
def recording(movies: Path, tmp_path: Path) -> Iterator[str]:
    """What was recorded from noon on, for 20 s."""
    takes = Takes(tmp_path / "recordings", movies / "movie.mp4")
    takes.take(NOON, 0.0, 20.0)
    shelf = Shelf(takes.index)
    server = Server("127.0.0.1", 0)
    server.play_back(shelf)
    with served(server) as url:
        yield f"{url}/cam?recorded"
    shelf.close()
    takes.index.close()


@pytest.fixture
def player(application: QApplication) -> Iterator[Window]:
    window = Window(connect_source, NullDevice(), theme=DARK)
    window.show()
    yield window
    window.close()
    window.deleteLater()
    application.processEvents()


def place(window: Window) -> float:
    return window.engine.playout.position(time.monotonic()) or 0.0


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_movie(player: Window, wait: Wait, url: str, transport: str) -> None:
    def status() -> Status:
        return player.engine.status

    player.load(Source(f"{url}/movie", "udp" if transport == "udp" else "tcp"))
    player.engine.set_up()
    wait(lambda: status().phase is Phase.READY)
    assert status().duration == pytest.approx(20.0, abs=0.1)
    assert [each.track.codec for each in status().tracks] == ["h264", "aac"]
    player.engine.play()
    wait(lambda: place(player) > 0.5)
    assert status().transport == transport
    picture = player.picture.picture
    assert picture is not None
    assert (picture.width, picture.height) == (640, 360)
    player.engine.pause()
    wait(lambda: status().phase is Phase.PAUSED)
    stood = place(player)
    player.engine.play()
    wait(lambda: stood + 0.2 < place(player) < stood + 5.0)
    player.go_to_tenth(9)
    wait(lambda: place(player) > 18.0)
    player.step(100.0)
    wait(lambda: status().phase is Phase.ENDED)
    player.engine.play()
    wait(lambda: 0.0 < place(player) < 10.0 and status().phase is Phase.PLAYING)
    player.engine.tear_down()
    wait(lambda: status().phase is Phase.IDLE)
    assert status().error is None
    player.panels.dialogue.refresh(player.engine)
    text = player.panels.dialogue.text.toPlainText()
    for method in ("DESCRIBE", "SETUP", "PLAY", "PAUSE", "TEARDOWN"):
        assert f"{method} rtsp://" in text
    assert "RTSP/1.0 200 OK" in text


def test_a_part_of_a_movie(player: Window, wait: Wait, url: str) -> None:
    player.load(Source(f"{url}/movie", at=8.0, duration=1.0), play=True)
    wait(lambda: player.engine.status.phase is Phase.ENDED)
    assert place(player) == pytest.approx(9.0, abs=0.1)
    wait(lambda: player.controls.time.text() in ("0:08", "0:09"))
    assert player.controls.left.text() == "0:20"
    player.engine.seek(12.0)
    wait(lambda: place(player) >= 11.0 and player.engine.status.phase is Phase.PAUSED)


def test_a_part_of_a_recording(player: Window, wait: Wait, recording: str) -> None:
    player.load(Source(recording, at=datetime.fromtimestamp(NOON + 12.0, UTC), duration=0.5), play=True)
    wait(lambda: player.engine.status.phase is Phase.ENDED)
    assert place(player) == pytest.approx(12.5, abs=0.1)
    assert player.controls.left.text() == "0:20"


def test_a_live_stream(player: Window, wait: Wait, url: str) -> None:
    player.load(Source(f"{url}/live"), play=True)
    wait(lambda: player.engine.playout.counts.shown >= 5)
    assert player.engine.status.live
    wait(lambda: "behind" in player.controls.left.text())


def test_a_path_that_is_not_there(player: Window, wait: Wait, url: str) -> None:
    player.load(Source(f"{url}/nothing"), play=True)
    wait(player.message.isVisible)
    assert "404" in player.message.label.text()
    assert player.message.button.text() == "Retry"
    assert player.controls.buttons["setup"].isEnabled()
