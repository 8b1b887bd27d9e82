"""The small window that asks what to play."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from reelcast.errors import ReelcastError
from reelcast.player.launcher import DEFAULTS, NAMES, source_of
from reelcast.player.parts import label
from reelcast.player.source import Source
from reelcast.player.theme import Theme, palette, style_sheet, system_theme
from reelcast.rtsp.url import RtspUrl

__all__ = ["OpenDialog", "ask"]

WIDTH: Final = 440


def ask(parent: QWidget | None, before: Source | None = None, theme: Theme | None = None) -> Source | None:
    """Ask for a source; None where it is given up."""
    dialog = OpenDialog(before, theme or system_theme(), parent)
    return dialog.source if dialog.exec() else None


class OpenDialog(QDialog):
    """Host, port, RTP port and file; or a whole URL in place of the host.

    How media comes, how long is waited, and whom to trust, stays as it was `before`.
    """

    def __init__(self, before: Source | None, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.source: Source | None = None
        self._before = before or Source("")
        self.setWindowTitle("Open a stream")
        self.setPalette(palette(theme))
        self.setStyleSheet(style_sheet(theme))
        self.setMinimumWidth(WIDTH)
        self.fields = {name: QLineEdit(text) for name, text in zip(NAMES, _texts(before), strict=True)}
        self.fields["Host"].setPlaceholderText("a name, an address, or a whole rtsp:// URL")
        self.preview = label("faint")
        self.preview.setWordWrap(True)
        self.preview.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        buttons = QDialogButtonBox()
        self.open_button = QPushButton("Open")
        self.open_button.setProperty("lead", True)
        self.open_button.setDefault(True)
        buttons.addButton(self.open_button, QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.addButton("Cancel", QDialogButtonBox.ButtonRole.RejectRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        form = QFormLayout()
        form.setHorizontalSpacing(18)
        form.setVerticalSpacing(10)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for name, field in self.fields.items():
            form.addRow(name, field)
            field.textChanged.connect(self._read)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 22, 24, 20)
        column.setSpacing(16)
        column.addWidget(label("title", "Open a stream"))
        column.addLayout(form)
        column.addWidget(self.preview)
        column.addWidget(buttons)
        self._read()

    def _read(self) -> None:
        """Say what the fields mean; only what makes sense can be opened."""
        host = self.fields["Host"].text().strip()
        whole = "://" in host
        for name in ("Port", "File", "RTP port"):
            self.fields[name].setEnabled(not whole)
        try:
            if whole:
                RtspUrl.parse(host)
                source = Source(host)
            else:
                source = source_of(*(self.fields[name].text() for name in NAMES))
            self.source = replace(
                source,
                transport=self._before.transport,
                timeout=self._before.timeout,
                trust=self._before.trust,
            )
            self.preview.setText(source.url)
        except ReelcastError as error:
            self.source = None
            self.preview.setText(str(error))
        self.open_button.setEnabled(self.source is not None)


def _texts(before: Source | None) -> tuple[str, ...]:
    return DEFAULTS if before is None else (before.url, *DEFAULTS[1:])
