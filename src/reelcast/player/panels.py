"""The panels around the picture: plots and tracks beside it, the dialogue below it; each shown on demand."""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QWidget

from reelcast.player.engine import Engine
from reelcast.player.panes import DialoguePane, TracksPane
from reelcast.player.parts import named
from reelcast.player.plots import PlotsPane
from reelcast.player.status import Status
from reelcast.player.theme import Theme

__all__ = ["Panels"]

SIDE_SIZES: Final = (740, 380)
"""Pixels for the picture, and for what stands beside it."""
PANE_SIZES: Final = (300, 330)
"""Pixels for the plots, and for the tracks below them."""
DIALOGUE_SIZES: Final = (500, 220)
"""Pixels for the picture, and for the dialogue below it."""
SIDE_WIDTH: Final = 280
"""Pixels of what stands beside the picture, at least."""


class Panels:
    """What an engine has to say beside its pictures; nothing is done for a panel that is hidden.

    middle    the picture, and the panels around it
    bars      what of it is hidden where the picture is to be alone
    """

    def __init__(self, engine: Engine, picture: QWidget, theme: Theme) -> None:
        self.plots = PlotsPane(theme)
        self.tracks = TracksPane()
        self.dialogue = DialoguePane(theme)
        self.middle = QSplitter(Qt.Orientation.Horizontal)
        self._engine = engine
        self._side = named("side", QSplitter(Qt.Orientation.Vertical))
        self._known = Status().tracks
        self.bars: tuple[QWidget, ...] = (self._side, self.dialogue)
        self._lay_out(picture)
        self.show(frozenset())

    def show(self, names: Set[str]) -> None:
        """Show those of "plots", "tracks" and "dialogue" that are named, and no others."""
        self.plots.setVisible("plots" in names)
        self.tracks.setVisible("tracks" in names)
        self._side.setVisible(not names.isdisjoint({"plots", "tracks"}))
        self.dialogue.setVisible("dialogue" in names)

    def look(self) -> None:
        """Refresh the numbers, where there are new ones."""
        if self._engine.status.tracks is not self._known:
            self.refresh()

    def refresh(self) -> None:
        """Show the latest."""
        self._known = self._engine.status.tracks
        samples = self._engine.figures.samples
        latest = samples[-1] if samples else None
        if self.plots.isVisible():
            self.plots.refresh(list(samples), latest.time if latest else 0.0)
        if self.tracks.isVisible():
            rate = latest.bit_rate if latest else None
            self.tracks.refresh(self._known, self._engine.playout.counts, rate)
        self.hear()

    def hear(self) -> None:
        """Show what has been said since."""
        if self.dialogue.isVisible():
            self.dialogue.refresh(self._engine)

    def set_theme(self, theme: Theme) -> None:
        """Draw them in other colours."""
        self.plots.set_theme(theme)
        self.dialogue.set_theme(theme, self._engine)

    def _lay_out(self, picture: QWidget) -> None:
        self._side.addWidget(self.plots)
        self._side.addWidget(self.tracks)
        self._side.setMinimumWidth(SIDE_WIDTH)
        self._side.setSizes(list(PANE_SIZES))
        left = QSplitter(Qt.Orientation.Vertical)
        left.addWidget(picture)
        left.addWidget(self.dialogue)
        self.middle.addWidget(left)
        self.middle.addWidget(self._side)
        for splitter, sizes in ((self.middle, SIDE_SIZES), (left, DIALOGUE_SIZES)):
            splitter.setStretchFactor(0, 1)
            splitter.setSizes(list(sizes))
        for splitter in (self.middle, left, self._side):
            splitter.setChildrenCollapsible(False)
