"""The window as a program of its own."""

from __future__ import annotations

import signal
from collections.abc import Callable

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from reelcast.client.events import Event
from reelcast.client.stream import connect
from reelcast.client.transcript import Utterance
from reelcast.player.dialog import ask
from reelcast.player.sound import Device
from reelcast.player.source import Source, Stream
from reelcast.player.window import Window

__all__ = ["connect_source", "run"]

SIGNAL_MS = 200
"""Between moments in which Python may notice a signal: Qt's loop alone never gives it one."""


def connect_source(
    source: Source, on_event: Callable[[Event], None], on_message: Callable[[Utterance], None]
) -> Stream:
    """The stream of a source, not yet open."""
    return connect(
        source.url,
        transport=source.transport,
        timeout=source.timeout,
        play=False,
        rtp_port=source.rtp_port,
        dialect=source.dialect,
        trust=source.trust,
        on_event=on_event,
        on_message=on_message,
    )


def run(source: Source | None, *, play: bool, leave_at_end: bool) -> int:
    """See `reelcast.player.run`."""
    application = QApplication.instance() or QApplication(["reelcast"])
    assert isinstance(application, QApplication)
    application.setApplicationDisplayName("reelcast")
    application.setDesktopFileName("reelcast")
    source = source or ask(None)
    if source is None:
        return 0
    window = Window(connect_source, Device())
    window.asked.connect(lambda: _open_another(window))
    if leave_at_end:
        window.ended.connect(window.close)
    signal.signal(signal.SIGINT, lambda *_: window.close())
    beat = QTimer(window)
    beat.timeout.connect(lambda: None)
    beat.start(SIGNAL_MS)
    window.load(source, play=play)
    window.show()
    return application.exec()


def _open_another(window: Window) -> None:
    source = ask(window, window.engine.status.source)
    if source is not None:
        window.load(source)
