"""The window: what is pressed, and what is shown; without a screen."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QCursor, QGuiApplication, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from tests.player.conftest import SOURCE, Wait
from tests.player.reel import Reel

from reelcast.client import events
from reelcast.errors import ReelcastError
from reelcast.player.controls import enabled_buttons
from reelcast.player.sound import NullDevice
from reelcast.player.source import Source
from reelcast.player.status import Phase, Status
from reelcast.player.theme import DARK, LIGHT
from reelcast.player.window import Window


def enabled(window: Window) -> set[str]:
    return {name for name, button in window.controls.buttons.items() if button.isEnabled()}


def press(window: Window, name: str) -> None:
    QTest.mouseClick(window.controls.buttons[name], Qt.MouseButton.LeftButton)


def playing(window: Window, wait: Wait) -> None:
    """Set up and play, until pictures are seen."""
    window.engine.set_up(play=True)
    wait(lambda: window.picture.picture is not None and enabled(window) == {"pause", "teardown"})


def is_in(window: Window, phase: Phase) -> bool:
    return window.engine.status.phase is phase


def place(window: Window) -> float:
    return window.engine.playout.position(time.monotonic()) or 0.0


@pytest.mark.parametrize(
    ("phase", "buttons"),
    [
        (Phase.IDLE, {"setup"}),
        (Phase.CONNECTING, {"teardown"}),
        (Phase.READY, {"play", "teardown"}),
        (Phase.PLAYING, {"pause", "teardown"}),
        (Phase.PAUSED, {"play", "teardown"}),
        (Phase.ENDED, {"play", "teardown"}),
    ],
)
def test_which_buttons_can_be_pressed(phase: Phase, buttons: set[str]) -> None:
    assert enabled_buttons(Status(SOURCE, phase)) == buttons
    assert enabled_buttons(Status(None, phase)) == set()


def test_the_four_buttons(window: Window, reel: Reel, wait: Wait) -> None:
    assert enabled(window) == {"setup"}
    press(window, "setup")
    wait(lambda: enabled(window) == {"play", "teardown"})
    assert window.header.phase.text() == "Ready"
    assert window.header.chips["transport"].text() == "UDP"
    press(window, "play")
    wait(lambda: enabled(window) == {"pause", "teardown"})
    wait(lambda: window.picture.picture is not None)
    press(window, "pause")
    wait(lambda: enabled(window) == {"play", "teardown"})
    assert window.header.phase.text() == "Paused"
    press(window, "teardown")
    wait(lambda: enabled(window) == {"setup"})
    assert reel.methods == ["open", "play", "pause", "close"]
    assert window.windowTitle() == "rtsp://reel/movie – reelcast"


def test_the_space_bar_does_what_comes_next(window: Window, reel: Reel, wait: Wait) -> None:
    for phase in (Phase.PLAYING, Phase.PAUSED, Phase.PLAYING):
        QTest.keyClick(window, Qt.Key.Key_Space)
        wait(partial(is_in, window, phase))
    assert reel.methods == ["open", "play", "pause", "play"]


@pytest.mark.parametrize(
    ("key", "target"),
    [
        (Qt.Key.Key_7, 7.0),
        (Qt.Key.Key_0, 0.0),
        (Qt.Key.Key_Right, 9.0),
        (Qt.Key.Key_Left, 0.0),
    ],
)
def test_keys_that_go_somewhere(window: Window, reel: Reel, wait: Wait, key: Qt.Key, target: float) -> None:
    playing(window, wait)
    window.engine.seek(4.0)
    wait(lambda: place(window) >= 4.0)
    window.engine.pause()
    wait(lambda: window.engine.status.phase is Phase.PAUSED)
    QTest.keyClick(window, key)
    wait(lambda: len(reel.calls) == 6)
    assert reel.calls[4][1] == pytest.approx(target, abs=1.0)


def test_the_end_of_the_movie_bounds_a_step(window: Window, reel: Reel, wait: Wait) -> None:
    playing(window, wait)
    window.step(1000.0)
    wait(lambda: reel.calls[-1] == ("play", 10.0, None))


def test_the_seek_bar(window: Window, reel: Reel, wait: Wait) -> None:
    bar = window.controls.seek_bar
    assert not bar.isEnabled()
    playing(window, wait)
    wait(bar.isEnabled)
    assert window.controls.left.text() == "0:10"
    middle = QPoint(bar.width() // 2, bar.height() // 2)
    QTest.mousePress(bar, Qt.MouseButton.LeftButton, pos=middle)
    assert bar.isSliderDown()
    QTest.mouseMove(bar, middle + QPoint(30, 0))
    QTest.mouseRelease(bar, Qt.MouseButton.LeftButton, pos=middle)
    wait(lambda: len(reel.calls) == 3)
    assert reel.calls[-1][1] == pytest.approx(5.0, abs=0.6)
    wait(lambda: window.controls.time.text() in ("0:05", "0:06"))
    QTest.mouseClick(bar, Qt.MouseButton.RightButton, pos=middle)
    assert len(reel.calls) == 3


def test_a_live_stream_says_how_far_it_is_behind(window: Window, reel: Reel, wait: Wait) -> None:
    reel.duration = None
    playing(window, wait)
    wait(lambda: re.fullmatch(r"\d+ ms behind|\d\.\d s behind", window.controls.left.text()) is not None)
    assert window.header.chips["live"].isVisible()
    assert not window.controls.seek_bar.isEnabled()
    assert not window.controls.speed.isEnabled()
    QTest.keyClick(window, Qt.Key.Key_Right)
    QTest.keyClick(window, Qt.Key.Key_5)
    assert reel.methods == ["open", "play"]


def test_volume_and_mute(window: Window) -> None:
    playout = window.engine.playout
    for _ in range(10):
        QTest.keyClick(window, Qt.Key.Key_Down)
    assert playout.volume == pytest.approx(0.25)
    assert window.controls.loudness.value() == 50
    QTest.keyClick(window, Qt.Key.Key_Up)
    assert playout.volume == pytest.approx(0.55**2)
    window.controls.loudness.setValue(100)
    assert playout.volume == 1.0
    window.set_volume(7.0)
    assert playout.volume == 1.0
    QTest.keyClick(window, Qt.Key.Key_M)
    assert playout.muted
    window.controls.tools["mute"].click()
    assert not playout.muted


def test_speed(window: Window, reel: Reel, wait: Wait) -> None:
    playing(window, wait)
    QTest.keyClick(window, Qt.Key.Key_Plus)
    wait(lambda: window.controls.speed.text() == "1.5×")
    QTest.keyClick(window, Qt.Key.Key_Minus)
    wait(lambda: window.controls.speed.text() == "1×")
    window.controls.speed.menu().actions()[-1].trigger()
    wait(lambda: window.controls.speed.text() == "4×")
    count = len(reel.calls)
    QTest.keyClick(window, Qt.Key.Key_Plus)
    assert len(reel.calls) == count


def test_an_error_is_a_line_with_a_retry(window: Window, reel: Reel, wait: Wait) -> None:
    reel.errors["open"] = [ReelcastError("no connection", url="rtsp://reel/movie", advice="is it on?")]
    press(window, "setup")
    wait(window.message.isVisible)
    assert window.message.label.text() == "rtsp://reel/movie: no connection; is it on?"
    assert window.message.property("tone") == "error"
    assert enabled(window) == {"setup"}
    QTest.mouseClick(window.message.button, Qt.MouseButton.LeftButton)
    wait(lambda: enabled(window) == {"pause", "teardown"})
    assert not window.message.isVisible()


def test_connecting_again(window: Window, reel: Reel, wait: Wait) -> None:
    playing(window, wait)
    window.controls.tools["retry"].click()
    wait(lambda: reel.methods == ["open", "play", "close", "open", "play"])
    QTest.keyClick(window, Qt.Key.Key_R)
    wait(lambda: reel.methods[5:] == ["close", "open", "play"])


def test_a_stream_that_is_looked_for(window: Window, reel: Reel, wait: Wait) -> None:
    playing(window, wait)
    stream = reel.streams[0]
    stream.on_event(events.Waiting(20.0, 3, ReelcastError("silent for 10 s")))
    wait(lambda: window.message.property("tone") == "waiting")
    assert re.fullmatch(
        r"The stream was lost: silent for 10 s\. Trying again in \d+ s\.", window.message.label.text()
    )
    assert window.header.phase.text() == "Connecting again"
    assert window.message.button.text() == "Retry now"
    stream.on_event(events.Connected("udp"))
    wait(lambda: not window.message.isVisible())


def test_a_notice_goes_by_itself_and_has_no_button(window: Window, reel: Reel, wait: Wait) -> None:
    playing(window, wait)
    reel.streams[0].on_event(events.FellBack(ReelcastError("nothing came over UDP")))
    wait(window.message.isVisible)
    assert "TCP" in window.message.label.text()
    assert not window.message.button.isVisible()
    window.message._timer.setInterval(0)
    window.message._timer.start()
    wait(lambda: not window.message.isVisible())


def test_a_damaged_picture_is_marked(window: Window, reel: Reel, wait: Wait) -> None:
    reel.corrupt = frozenset(range(5, 50))
    window.engine.set_up(play=True)
    wait(window.header.chips["damaged"].isVisible)
    wait(lambda: not window.header.chips["damaged"].isVisible())


def test_snapshot(window: Window, wait: Wait, tmp_path: Path) -> None:
    window._snapshots = tmp_path / "pictures"
    QTest.keyClick(window, Qt.Key.Key_S)
    assert window.message.label.text() == "There is no picture to save yet."
    playing(window, wait)
    window.controls.tools["snapshot"].click()
    (path,) = window._snapshots.iterdir()
    assert path.read_bytes().startswith(b"\x89PNG")
    assert window.message.label.text() == f"Saved {path}"
    window._snapshots = path
    QTest.keyClick(window, Qt.Key.Key_S)
    assert window.message.label.text().startswith("The picture could not be saved: ")


def test_full_screen(window: Window, application: QApplication, wait: Wait) -> None:
    QTest.keyClick(window, Qt.Key.Key_F)
    wait(window.isFullScreen)
    QCursor.setPos(window.controls.mapToGlobal(QPoint(20, 20)))
    window.full_screen.rest()
    assert window.controls.isVisible(), "it is being used"
    QCursor.setPos(window.picture.mapToGlobal(QPoint(60, 60)))
    application.processEvents()
    window.full_screen.rest()
    assert not window.controls.isVisible()
    application.processEvents()
    assert not window.header.isVisible()
    spot, button = QPointF(40, 40), Qt.MouseButton.NoButton
    keys = Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(
        window.picture, QMouseEvent(QEvent.Type.MouseMove, spot, spot, button, button, keys)
    )
    assert window.controls.isVisible()
    assert window.isFullScreen()
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert not window.isFullScreen()
    assert window.controls.isVisible()
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert not window.isFullScreen()
    QTest.mouseDClick(window.picture, Qt.MouseButton.LeftButton)
    assert window.isFullScreen()


def test_light_and_dark(window: Window, wait: Wait) -> None:
    dark = window.grab().toImage().pixelColor(3, 3)
    QTest.keyClick(window, Qt.Key.Key_L)
    assert window.theme is LIGHT
    assert window.grab().toImage().pixelColor(3, 3).lightness() > dark.lightness() + 100
    window.header.theme_button.click()
    assert window.theme is DARK


def test_it_follows_the_system_until_told_otherwise(
    application: QApplication, reel: Reel, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = Window(reel.connect, NullDevice())
    hints = QGuiApplication.styleHints()
    try:
        for theme in (LIGHT, DARK):
            monkeypatch.setattr("reelcast.player.window.system_theme", lambda theme=theme: theme)
            hints.colorSchemeChanged.emit(Qt.ColorScheme.Unknown)
            assert window.theme is theme
        window.switch_theme()
        assert window.theme is LIGHT
        hints.colorSchemeChanged.emit(Qt.ColorScheme.Dark)
        assert window.theme is LIGHT
    finally:
        window.close()
        window.deleteLater()


def test_the_picture_keeps_its_aspect_and_stands_in_the_middle(window: Window, wait: Wait) -> None:
    playing(window, wait)
    window.engine.pause()
    wait(lambda: window.engine.status.phase is Phase.PAUSED)
    window.picture.resize(400, 400)
    image = window.picture.grab().toImage()
    stage = image.pixelColor(200, 10)
    assert stage.name() == DARK.stage
    assert image.pixelColor(200, 200).name() != DARK.stage
    height = 400 * 36 // 64
    top = (400 - height) // 2
    assert image.pixelColor(200, top - 2).name() == DARK.stage
    assert image.pixelColor(200, top + 2).name() != DARK.stage


def test_the_end_is_told(window: Window, reel: Reel, wait: Wait) -> None:
    reel.duration = 0.3
    ended: list[bool] = []
    window.ended.connect(lambda: ended.append(True))
    playing(window, wait)
    wait(lambda: bool(ended))
    assert enabled(window) == {"play", "teardown"}
    press(window, "play")
    wait(lambda: len(ended) == 2)


def test_without_a_source_there_is_a_hint(application: QApplication, reel: Reel, wait: Wait) -> None:
    window = Window(reel.connect, NullDevice(), theme=LIGHT)
    try:
        window.show()
        assert enabled(window) == set()
        assert window.header.title.text() == "No stream"
        asked: list[bool] = []
        window.asked.connect(lambda: asked.append(True))
        wait(window.isActiveWindow)
        QTest.keyClick(window, Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier)
        window.header.open_button.click()
        assert len(asked) == 2
        window.load(SOURCE, play=True)
        wait(lambda: enabled(window) == {"pause", "teardown"})
    finally:
        window.close()
        window.deleteLater()


def test_a_password_is_shown_nowhere(window: Window, wait: Wait) -> None:
    window.load(Source("rtsp://user:secret@reel/movie"), play=True)
    wait(lambda: enabled(window) == {"pause", "teardown"})
    assert window.windowTitle() == "rtsp://reel/movie – reelcast"
    assert window.header.title.text() == window.header.title.toolTip() == "rtsp://reel/movie"


def test_a_part_of_a_movie(window: Window, reel: Reel, wait: Wait) -> None:
    window.load(replace(SOURCE, at=4.0, duration=0.4), play=True)
    wait(partial(is_in, window, Phase.ENDED))
    wait(lambda: window.controls.seek_bar.value() in range(439, 442))
    assert window.controls.time.text() == "0:04"
    assert reel.calls[1] == ("play", 4.0, None)
    assert window.controls.seek_bar.maximum() == 1000
    assert enabled(window) == {"play", "teardown"}


def test_closing_ends_the_session(window: Window, reel: Reel, wait: Wait) -> None:
    playing(window, wait)
    QTest.keyClick(window, Qt.Key.Key_Q, Qt.KeyboardModifier.ControlModifier)
    assert reel.methods == ["open", "play", "close"]
