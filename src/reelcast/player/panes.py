"""What stands beside the picture in text: the RTSP dialogue, and the numbers of each track."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHeaderView,
    QPlainTextEdit,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from reelcast.client.stream import TrackStatistics
from reelcast.client.transcript import Utterance
from reelcast.player.engine import Engine
from reelcast.player.parts import heading, label
from reelcast.player.playout import Counts
from reelcast.player.theme import Theme
from reelcast.player.words import codec_text, rate_text, seconds_text

__all__ = ["DialoguePane", "TracksPane"]

MAX_BLOCKS: Final = 20_000
"""Lines of text that are kept."""
ROW_HEIGHT: Final = 24


class DialoguePane(QWidget):
    """The messages as they were sent and received, each way in its colour."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("pane")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setMaximumBlockCount(MAX_BLOCKS)
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setPlaceholderText("What is said to the server, and what it answers, is shown here.")
        self.text.setAccessibleName("RTSP dialogue")
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        font.setStyleHint(QFont.StyleHint.Monospace)
        self.text.setStyleSheet(f"font-family: '{font.family()}'; font-size: 11px;")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(heading("RTSP dialogue"))
        layout.addWidget(self.text)
        self._theme = theme
        self._shown = 0

    def set_theme(self, theme: Theme, engine: Engine) -> None:
        """Write all of it again, in other colours."""
        self._theme = theme
        self.text.clear()
        self._shown = 0
        self.refresh(engine)

    def refresh(self, engine: Engine) -> None:
        """Add what was said since."""
        spoken, lines = engine.spoken, list(engine.lines)
        new = min(spoken - self._shown, len(lines))
        self._shown = spoken
        for line in lines[len(lines) - new :]:
            self._add(line)

    def _add(self, line: Utterance) -> None:
        colour = self._theme.accent if line.sent else self._theme.good
        clock = time.strftime("%H:%M:%S", time.localtime(line.time))
        arrow = "→ sent" if line.sent else "← received"
        bar = self.text.verticalScrollBar()
        at_end = bar.value() >= bar.maximum() - 4
        cursor = QTextCursor(self.text.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        first = self.text.document().isEmpty()
        faint, spoken = QTextCharFormat(), QTextCharFormat()
        faint.setForeground(QColor(self._theme.faint))
        spoken.setForeground(QColor(colour))
        milliseconds = int(line.time % 1 * 1000)
        gap = "" if first else "\n"
        cursor.insertText(f"{gap}{clock}.{milliseconds:03} {arrow}\n", faint)
        cursor.insertText(line.text.replace("\r\n", "\n").strip("\n") + "\n", spoken)
        if at_end:
            bar.setValue(bar.maximum())


Row = tuple[str, Callable[[TrackStatistics], str]]

ROWS: Final[tuple[Row, ...]] = (
    ("Codec", lambda each: codec_text(each.track)),
    ("Format", lambda each: _format(each)),
    ("Frames", lambda each: f"{each.units:,}"),
    ("Dropped", lambda each: f"{each.dropped:,}"),
    ("Packets", lambda each: f"{each.packets.received:,}"),
    ("Received", lambda each: f"{each.packets.bytes / 1e6:,.2f} MB"),
    ("Lost", lambda each: f"{each.packets.lost:,}"),
    ("Late", lambda each: f"{each.packets.late:,}"),
    ("Reordered", lambda each: f"{each.packets.reordered:,}"),
    ("Repeated", lambda each: f"{each.packets.duplicates:,}"),
    ("Jitter", lambda each: f"{each.packets.jitter * 1000:.1f} ms"),
    ("Latency", lambda each: "–" if each.latency is None else seconds_text(max(0.0, each.latency))),
    ("Clock", lambda each: each.clock),
)


def _format(figures: TrackStatistics) -> str:
    track = figures.track
    if track.kind == "video":
        return f"{track.width} × {track.height}" if track.width else "–"
    channels = {1: "mono", 2: "stereo"}.get(track.channels, f"{track.channels} channels")
    return f"{track.clock_rate / 1000:g} kHz {channels}"


class TracksPane(QWidget):
    """A column for each track, a row for each number; below, what became of the pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.table = QTableWidget(len(ROWS), 0)
        self.table.setVerticalHeaderLabels([name for name, _ in ROWS])
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.table.setShowGrid(False)
        self.table.setFrameShape(QFrame.Shape.NoFrame)
        self.table.setAccessibleName("Tracks")
        self.table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        self.table.horizontalHeader().setDefaultAlignment(
            Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        )
        self.setMinimumHeight(6 * ROW_HEIGHT)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.pictures = label("faint")
        self.pictures.setWordWrap(True)
        self.pictures.setContentsMargins(14, 8, 14, 12)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(heading("Tracks"))
        layout.addWidget(self.table, 1)
        layout.addWidget(self.pictures)

    def refresh(self, tracks: Sequence[TrackStatistics], counts: Counts, bit_rate: float | None) -> None:
        """Show these."""
        if self.table.columnCount() != len(tracks):
            self.table.setColumnCount(len(tracks))
        self.table.setHorizontalHeaderLabels([each.track.kind.capitalize() for each in tracks])
        for column, each in enumerate(tracks):
            for row, (_, text) in enumerate(ROWS):
                self._write(row, column, text(each))
        rate = "" if bit_rate is None else f"{rate_text(bit_rate)} in all. "
        self.pictures.setText(
            f"{rate}Pictures: {counts.shown:,} shown, {counts.late:,} of them late, "
            f"{counts.skipped:,} left out; waited {counts.starved:,} times."
        )

    def _write(self, row: int, column: int, text: str) -> None:
        item = self.table.item(row, column)
        if item is None:
            item = QTableWidgetItem()
            item.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
            self.table.setItem(row, column, item)
        if item.text() != text:
            item.setText(text)
