"""The line over the picture that says what is wrong, or what to know, with what can be done about it."""

from __future__ import annotations

from typing import Final, Literal

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from reelcast.player.parts import restyle

__all__ = ["Message", "Tone"]

Tone = Literal["error", "waiting", "note"]
NOTE_MS: Final = 6000
"""Milliseconds that a mere note stays."""
MARGIN: Final = 16
MAX_WIDTH: Final = 860


class Message(QFrame):
    """One line at the foot of the picture; hidden while there is nothing to say.

    retried    the button was pressed
    """

    retried = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("message")
        self._over = parent
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.button = QPushButton("Retry")
        self.button.clicked.connect(self.retried)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(16, 10, 10, 10)
        layout.setSpacing(14)
        layout.addWidget(self.label, 1)
        layout.addWidget(self.button)
        self._layout = layout
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(NOTE_MS)
        self._timer.timeout.connect(self.hide)
        self._said: tuple[str, str] = ("", "")
        self.hide()

    def say(self, text: str, tone: Tone, *, retry: str = "") -> None:
        """Show `text`; with a button where `retry` names one. A note goes by itself, and is not shown twice."""
        if tone == "note" and self._said == (text, tone):
            return
        self._said = (text, tone)
        self.label.setText(text)
        self.button.setText(retry)
        self.button.setVisible(bool(retry))
        restyle(self, "tone", tone)
        if tone == "note":
            self._timer.start()
        else:
            self._timer.stop()
        self.show()
        self.place()

    def clear(self) -> None:
        """There is nothing to say any more; a note stays its time."""
        if self._said[1] != "note":
            self.hide()
        if not self._timer.isActive():
            self._said = ("", "")

    def place(self) -> None:
        """Stand at the foot of the parent, as wide as it allows."""
        space = self._over.size()
        width = min(MAX_WIDTH, space.width() - 2 * MARGIN)
        height = self._layout.totalHeightForWidth(width)
        self.setGeometry((space.width() - width) // 2, space.height() - height - MARGIN, width, height)
        self.raise_()
