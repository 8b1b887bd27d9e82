"""The player without a screen, and without a device that sounds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

os.environ["QT_QPA_PLATFORM"] = "offscreen"

import pytest
from PySide6.QtWidgets import QApplication
from tests.player.reel import Reel

from reelcast.player.engine import Engine
from reelcast.player.sound import NullDevice
from reelcast.player.source import Source
from reelcast.player.theme import DARK
from reelcast.player.window import Window

PATIENCE = 30.0
"""Seconds after which a condition does not come true any more."""
SOURCE = Source("rtsp://reel/movie")

Wait = Callable[[Callable[[], bool]], None]


@pytest.fixture(scope="session")
def application() -> QApplication:
    application = QApplication.instance() or QApplication(["reelcast"])
    assert isinstance(application, QApplication)
    return application


@pytest.fixture
def wait(application: QApplication) -> Wait:
    """Let the window live until a condition is true."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        application.processEvents()
        while not condition():
            assert time.monotonic() < deadline, "it never came true"
            time.sleep(0.002)
            application.processEvents()

    return wait


@pytest.fixture
def reel() -> Reel:
    return Reel()


@pytest.fixture
def engine(reel: Reel) -> Iterator[Engine]:
    engine = Engine(reel.connect, NullDevice(), lambda: None)
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture
def window(application: QApplication, reel: Reel, wait: Wait) -> Iterator[Window]:
    """A window with a source, not yet set up."""
    window = Window(reel.connect, NullDevice(), theme=DARK)
    window.load(SOURCE)
    window.show()
    wait(lambda: window.controls.buttons["setup"].isEnabled() and window.isActiveWindow())
    yield window
    window.close()
    window.deleteLater()
    application.processEvents()
