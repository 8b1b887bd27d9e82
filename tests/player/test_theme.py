"""Colours that can be read, and a style sheet that Qt understands."""

from __future__ import annotations

import itertools
import re

import pytest
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication

from reelcast.player.theme import DARK, LIGHT, Theme, palette, style_sheet

READABLE = 4.5
"""The contrast that text needs (WCAG 2.1, success criterion 1.4.3)."""

themes = pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)


def luminance(colour: str) -> float:
    """WCAG 2.1's relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@themes
def test_text_can_be_read(theme: Theme) -> None:
    pairs = [
        *itertools.product(
            (theme.text,), (theme.window, theme.surface, theme.raised, theme.hover, theme.stage)
        ),
        *itertools.product((theme.faint, theme.good, theme.accent), (theme.surface,)),
        (theme.text, theme.danger_surface),
        (theme.text, theme.warning_surface),
        (theme.on_accent, theme.accent),
        (theme.faint, theme.stage),
    ]
    for text, behind in pairs:
        assert contrast(text, behind) >= READABLE, f"{text} on {behind}"


@themes
def test_the_style_sheet_is_whole(application: QApplication, theme: Theme) -> None:
    sheet = style_sheet(theme)
    assert "$" not in sheet
    assert sheet.count("{") == sheet.count("}")
    assert all(QColor(colour).isValid() for colour in re.findall(r"#[0-9a-f]{6}", sheet))
    assert palette(theme).window().color().name() == theme.surface
