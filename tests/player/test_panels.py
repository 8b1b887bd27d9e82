"""The panels around the picture: shown on demand, and what they show."""

from __future__ import annotations

import re

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget
from tests.player.conftest import Wait
from tests.player.test_window import playing, press

from reelcast.player.panes import ROWS
from reelcast.player.theme import DARK
from reelcast.player.window import Window


@pytest.mark.parametrize(("key", "name"), [("P", "plots"), ("T", "tracks"), ("D", "dialogue")])
def test_panels_are_shown_on_demand(window: Window, wait: Wait, key: str, name: str) -> None:
    panel = getattr(window.panels, name)
    assert isinstance(panel, QWidget)
    playing(window, wait)
    assert not panel.isVisible()
    QTest.keyClick(window, getattr(Qt.Key, f"Key_{key}"))
    assert panel.isVisible()
    window.controls.panels[name].click()
    assert not panel.isVisible()


def test_the_dialogue_is_shown_in_two_colours(window: Window, wait: Wait) -> None:
    window.controls.panels["dialogue"].click()
    press(window, "setup")
    text = window.panels.dialogue.text
    wait(lambda: "open response" in text.toPlainText())
    lines = text.toPlainText().splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} → sent", lines[0])
    assert lines[1] == "open request"
    colours = {
        line: text.document()
        .findBlockByLineNumber(lines.index(line))
        .begin()
        .fragment()
        .charFormat()
        .foreground()
        for line in ("open request", "open response")
    }
    assert colours["open request"].color().name() == DARK.accent
    assert colours["open response"].color().name() == DARK.good
    window.switch_theme()
    assert text.toPlainText().splitlines() == lines


def test_the_tracks_are_shown_with_their_numbers(window: Window, wait: Wait) -> None:
    window.controls.panels["tracks"].click()
    playing(window, wait)
    table = window.panels.tracks.table
    wait(lambda: table.columnCount() == 2 and table.item(0, 0) is not None)

    def cell(name: str, column: int) -> str:
        names = [name for name, _ in ROWS]
        item = table.item(names.index(name), column)
        return item.text() if item is not None else ""

    wait(lambda: cell("Packets", 0) not in ("", "0"))
    assert [cell("Codec", 0), cell("Codec", 1)] == ["H.264", "PCMU"]
    assert [cell("Format", 0), cell("Format", 1)] == ["64 × 36", "8 kHz mono"]
    assert cell("Jitter", 0) == "1.2 ms"
    assert cell("Latency", 0) == "20 ms"
    assert cell("Clock", 1) == "sender"
    wait(lambda: "Mbit/s in all" in window.panels.tracks.pictures.text())


def test_the_plots_show_the_latest_values(window: Window, wait: Wait) -> None:
    window.controls.panels["plots"].click()
    playing(window, wait)
    wait(lambda: window.panels.plots.values["Bitrate"].text() != "–")
    assert window.panels.plots.values["Jitter"].text() == "1.2 ms"
    assert window.panels.plots.values["Loss"].text() == "0.0 %"
    assert window.panels.plots.values["Latency"].text() == "20 ms"
    window.switch_theme()
    wait(lambda: len(window.engine.figures.samples) >= 2)
