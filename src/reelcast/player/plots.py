"""How the stream arrives, drawn over the last two minutes: a small curve for each number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from PySide6.QtGui import QColor, QShowEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QWidget

from reelcast.player.figures import Sample
from reelcast.player.parts import label
from reelcast.player.theme import Theme
from reelcast.player.words import rate_text

__all__ = ["CURVES", "Curve", "PlotsPane"]

COLUMNS: Final = 2
AXIS_WIDTH: Final = 36
"""Pixels for its numbers."""
SPAN: Final = 120.0
"""Seconds that are shown at most, and in the beginning."""
SHORT_SPAN: Final = 30.0
HEADROOM: Final = 1.25
FLOOR: Final = 0.12
"""Parts of an axis above and below what is drawn on it, so that its numbers have room."""
MARK: Final = 0.8
"""The part of an axis at which its upper number stands."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One number over time.

    value    of a sample, None where it is not known; text: as it is read
    least    the top of the axis at least: what lies below is not blown up
    """

    name: str
    tip: str
    value: Callable[[Sample], float | None]
    text: Callable[[float], str]
    least: float


def _milliseconds(value: float) -> str:
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"


CURVES: Final = (
    Curve("Bitrate", "All tracks together", lambda each: each.bit_rate, rate_text, 100_000.0),
    Curve(
        "Frame interval",
        "The longest time between two pictures, twice a second",
        lambda each: each.interval,
        _milliseconds,
        80.0,
    ),
    Curve("Loss", "Packets that never came", lambda each: each.loss, lambda value: f"{value:.1f} %", 2.0),
    Curve(
        "Jitter",
        "How unevenly packets arrive (RFC 3550)",
        lambda each: each.jitter,
        _milliseconds,
        5.0,
    ),
    Curve("Buffer", "Received, and still to be played", lambda each: each.stored, _milliseconds, 400.0),
    Curve(
        "Latency",
        "From the sender's clock to its picture being received",
        lambda each: each.latency,
        _milliseconds,
        50.0,
    ),
)


class PlotsPane(QWidget):
    """The curves, one below the other, each with its latest value."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.values: dict[str, QLabel] = {}
        self._theme = theme
        self._plots: dict[str, Any] = {}
        self._lines: dict[str, Any] = {}
        self._base: dict[str, Any] = {}

    def showEvent(self, event: QShowEvent) -> None:
        """Make the curves, when they are wanted for the first time: loading pyqtgraph takes its time."""
        super().showEvent(event)
        if not self._plots:
            self._lay_out()

    def _lay_out(self) -> None:
        layout = QGridLayout(self)
        layout.setContentsMargins(14, 12, 14, 10)
        layout.setHorizontalSpacing(18)
        layout.setVerticalSpacing(2)
        for number, curve in enumerate(CURVES):
            row, column = divmod(number, COLUMNS)
            layout.addLayout(self._caption(curve), 2 * row, column)
            layout.addWidget(self._plot(curve), 2 * row + 1, column)
            layout.setRowStretch(2 * row + 1, 1)
        self.set_theme(self._theme)

    def set_theme(self, theme: Theme) -> None:
        """Draw in other colours."""
        self._theme = theme
        if not self._plots:
            return
        import pyqtgraph

        for curve, colour in zip(CURVES, theme.curves, strict=True):
            plot, line = self._plots[curve.name], self._lines[curve.name]
            plot.setBackground(theme.surface)
            axis = plot.getPlotItem().getAxis("left")
            axis.setPen(pyqtgraph.mkPen(None))
            axis.setTextPen(pyqtgraph.mkPen(theme.faint))
            line.setPen(pyqtgraph.mkPen(colour, width=1.6))
            under = QColor(colour)
            under.setAlpha(38)
            line.setBrush(under)
            self._base[curve.name].setPen(pyqtgraph.mkPen(theme.line))

    def refresh(self, samples: Sequence[Sample], now: float) -> None:
        """Draw these, where they are seen; `now` by the samples' clock."""
        if not self._plots:
            return
        times = np.array([each.time - now for each in samples])
        for curve in CURVES:
            found = [curve.value(each) for each in samples]
            known = [each for each in found if each is not None]
            self.values[curve.name].setText(curve.text(known[-1]) if known else "–")
            values = np.array([np.nan if each is None else each for each in found])
            self._lines[curve.name].setData(times, values)
            top = max(curve.least, HEADROOM * max(known, default=0.0))
            plot = self._plots[curve.name]
            plot.setYRange(-FLOOR * top, top, padding=0)
            plot.setXRange(-min(SPAN, max(SHORT_SPAN, -times.min(initial=0.0))), 0, padding=0)
            plot.getPlotItem().getAxis("left").setTicks([[(0, "0"), (top * MARK, _short(top * MARK))]])

    def _caption(self, curve: Curve) -> QHBoxLayout:
        name = label("faint", curve.name)
        name.setToolTip(curve.tip)
        row = QHBoxLayout()
        row.addWidget(name)
        row.addStretch(1)
        value = label("heading", "–")
        value.setAccessibleName(curve.name)
        self.values[curve.name] = value
        row.addWidget(value)
        return row

    def _plot(self, curve: Curve) -> QWidget:
        import pyqtgraph

        plot = pyqtgraph.PlotWidget()
        item = plot.getPlotItem()
        item.hideButtons()
        item.setMenuEnabled(False)
        item.hideAxis("bottom")
        item.getAxis("left").setWidth(AXIS_WIDTH)
        item.setMouseEnabled(x=False, y=False)
        plot.setMinimumHeight(44)
        plot.setAntialiasing(True)
        self._plots[curve.name] = plot
        self._lines[curve.name] = item.plot(fillLevel=0, connect="finite")
        self._base[curve.name] = item.addLine(y=0)
        widget: QWidget = plot
        return widget


def _short(value: float) -> str:
    """A number that fits beside an axis."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return _short(value / size) + unit
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"
