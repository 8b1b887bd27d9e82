"""A window on all of the screen: its bars go when the mouse rests, and come back when it moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QCursor
from PySide6.QtWidgets import QWidget

__all__ = ["FullScreen"]

HIDE_MS: Final = 2500
"""Milliseconds without a move of the mouse after which the picture is alone."""


class FullScreen(QObject):
    """Takes a window to the full screen and back.

    bars      that are hidden, and watched for moves of the mouse like the picture
    picture   what stays
    restore   shows again what the bars are, each as it was
    """

    def __init__(
        self, window: QWidget, picture: QWidget, bars: tuple[QWidget, ...], restore: Callable[[], None]
    ) -> None:
        super().__init__(window)
        self._window = window
        self._bars = bars
        self._restore = restore
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(HIDE_MS)
        self._timer.timeout.connect(self.rest)
        for watched in (picture, *bars):
            watched.setMouseTracking(True)
            watched.installEventFilter(self)

    def toggle(self) -> None:
        """The full screen, or the window again."""
        if self._window.isFullScreen():
            self._window.showNormal()
        else:
            self._window.showFullScreen()
        self.move()

    def leave(self) -> None:
        """The window again, if it is not one."""
        if self._window.isFullScreen():
            self.toggle()

    def move(self) -> None:
        """The mouse has moved: show the bars, for a while."""
        self._timer.stop()
        self._window.unsetCursor()
        self._restore()
        if self._window.isFullScreen():
            self._timer.start()

    def rest(self) -> None:
        """The mouse rests: leave the picture alone, unless a bar is being used."""
        if self._window.isFullScreen() and not any(map(_is_pointed_at, self._bars)):
            for bar in self._bars:
                bar.hide()
            self._window.setCursor(Qt.CursorShape.BlankCursor)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Look out for moves of the mouse."""
        if event.type() is QEvent.Type.MouseMove and self._window.isFullScreen():
            self.move()
        return False


def _is_pointed_at(bar: QWidget) -> bool:
    return bar.isVisible() and bar.rect().contains(bar.mapFromGlobal(QCursor.pos()))
