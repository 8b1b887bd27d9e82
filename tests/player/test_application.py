"""The window as a program: what is asked, and how it ends."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from tests.player.conftest import SOURCE
from tests.player.reel import Reel

from reelcast import player
from reelcast.player import application as module
from reelcast.player.sound import NullDevice
from reelcast.player.source import Source
from reelcast.player.status import Phase
from reelcast.player.window import Window


@pytest.fixture(autouse=True)
def reel(application: QApplication, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reel]:
    """A stream that needs no server, a device that nobody hears, and Python's own way with Ctrl-C behind it."""
    reel = Reel()
    monkeypatch.setattr(module, "connect_source", reel.connect)
    monkeypatch.setattr(module, "Device", NullDevice)
    before = signal.getsignal(signal.SIGINT)
    yield reel
    signal.signal(signal.SIGINT, before)


def window() -> Window | None:
    found = [each for each in QApplication.topLevelWidgets() if isinstance(each, Window) and each.isVisible()]
    return found[0] if found else None


def when(condition: Callable[[Window], bool], action: Callable[[Window], object]) -> None:
    """Do something with the window, as soon as it is so."""

    def look() -> None:
        shown = window()
        if shown is not None and condition(shown):
            action(shown)
        else:
            QTimer.singleShot(5, look)

    QTimer.singleShot(0, look)


def test_it_is_ready_for_setup_and_closed_by_hand(reel: Reel) -> None:
    when(lambda shown: shown.controls.buttons["setup"].isEnabled(), Window.close)
    assert player.run(SOURCE, play=False) == 0
    assert reel.calls == []


def test_it_plays_at_once_and_leaves_at_the_end(reel: Reel) -> None:
    reel.duration = 0.3
    assert player.run(SOURCE, leave_at_end=True) == 0
    assert reel.methods == ["open", "play", "close"]


def test_ctrl_c_closes_it(reel: Reel) -> None:
    when(
        lambda shown: shown.engine.status.phase is Phase.PLAYING,
        lambda shown: signal.raise_signal(signal.SIGINT),
    )
    assert player.run(SOURCE) == 0
    assert reel.methods[-1] == "close"


def test_without_a_source_it_asks(reel: Reel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ask", lambda parent, before=None: SOURCE)
    when(lambda shown: shown.engine.status.phase is Phase.PLAYING, Window.close)
    assert player.run(None) == 0
    monkeypatch.setattr(module, "ask", lambda parent, before=None: None)
    assert player.run(None) == 0


def test_another_source_is_asked_for(reel: Reel, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Source | None] = [None, Source("rtsp://reel/other")]
    asked: list[Source | None] = []

    def ask(parent: object, before: Source | None = None) -> Source | None:
        asked.append(before)
        return answers.pop(0)

    monkeypatch.setattr(module, "ask", ask)

    def twice(shown: Window) -> None:
        shown.asked.emit()
        shown.asked.emit()
        when(lambda shown: shown.header.title.text() == "rtsp://reel/other", Window.close)

    when(lambda shown: shown.controls.buttons["setup"].isEnabled(), twice)
    assert player.run(SOURCE, play=False) == 0
    assert asked == [SOURCE, SOURCE]
