"""The bar above the picture: what is played, how it stands, and what concerns the window as a whole."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from reelcast.player.icons import icon
from reelcast.player.parts import flat_button, label, restyle
from reelcast.player.status import Phase, Status
from reelcast.player.theme import Theme

__all__ = ["Header"]

REST: Final = 360
"""Pixels for all but the title; a long URL is cut where the window is narrow."""


class Header(QWidget):
    """The title, a word for the phase, and chips for what is special."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("header")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.title = label("title")
        self.phase = label("faint")
        self.chips = {name: label("chip") for name in ("live", "transport", "damaged")}
        self.chips["live"].setText("LIVE")
        self.chips["damaged"].setText("damaged")
        self.chips["damaged"].setToolTip("Packets were lost: this picture refers to one that did not come")
        restyle(self.chips["live"], "tone", "live")
        restyle(self.chips["damaged"], "tone", "warning")
        self.open_button = flat_button("Open another stream (Ctrl+O)")
        self.theme_button = flat_button("Light or dark (L)")
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 8, 10, 8)
        row.setSpacing(10)
        for widget in (self.title, self.phase, *self.chips.values()):
            row.addWidget(widget, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addStretch(1)
        row.addWidget(self.open_button)
        row.addWidget(self.theme_button)
        self.show_damage(False)

    def set_theme(self, theme: Theme) -> None:
        """Draw the icons anew."""
        self.theme_button.setIcon(icon("theme", theme.faint, theme.disabled))
        self.open_button.setIcon(icon("open", theme.faint, theme.disabled))

    def show_status(self, status: Status) -> None:
        """Say what is played, and how it stands."""
        url = status.source.shown if status.source else "No stream"
        self.title.setText(url)
        self.title.setToolTip(url)
        self.phase.setText("Connecting again" if status.waiting else status.phase.value)
        connected = status.phase not in (Phase.IDLE, Phase.CONNECTING)
        self.chips["live"].setVisible(status.live and connected)
        self.chips["transport"].setVisible(connected and bool(status.transport))
        self.chips["transport"].setText(status.transport.upper())
        if not connected:
            self.show_damage(False)

    def show_damage(self, damaged: bool) -> None:
        """Whether the picture that is shown is damaged."""
        self.chips["damaged"].setVisible(damaged)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Cut the title where it must be."""
        super().resizeEvent(event)
        self.title.setMaximumWidth(max(120, self.width() - REST))
