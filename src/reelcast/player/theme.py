"""How the player looks: two sets of colours, and the style sheet made of one."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QGuiApplication, QPalette

__all__ = ["DARK", "LIGHT", "Theme", "palette", "style_sheet", "system_theme"]


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours as #rrggbb.

    window     behind everything; surface: panels and bars; raised: what can be pressed; hover: under the mouse
    line       between things; text, faint: what is read, and what is only looked up
    accent     what is chosen or in progress; on_accent: text on it
    good, warning, danger    how things stand; danger_surface, warning_surface: behind such a line
    stage      around the picture
    curves     of the plots
    """

    name: str
    window: str
    surface: str
    raised: str
    hover: str
    line: str
    text: str
    faint: str
    disabled: str
    accent: str
    on_accent: str
    good: str
    warning: str
    danger: str
    danger_surface: str
    warning_surface: str
    stage: str
    curves: tuple[str, ...]


DARK = Theme(
    name="dark",
    window="#12141a",
    surface="#191c24",
    raised="#252a35",
    hover="#303644",
    line="#2a2f3b",
    text="#e8eaf0",
    faint="#949bab",
    disabled="#545b6b",
    accent="#7aa2ff",
    on_accent="#0c1428",
    good="#5fd08a",
    warning="#f2c063",
    danger="#ff7d7d",
    danger_surface="#3a2026",
    warning_surface="#372d1c",
    stage="#0a0b0e",
    curves=("#7aa2ff", "#5fd08a", "#ff7d7d", "#f2c063", "#c39bff", "#5fd0d0"),
)

LIGHT = Theme(
    name="light",
    window="#f3f4f7",
    surface="#ffffff",
    raised="#eceef3",
    hover="#e0e3eb",
    line="#dfe2e9",
    text="#1c2030",
    faint="#5d6476",
    disabled="#a9afbd",
    accent="#3563e0",
    on_accent="#ffffff",
    good="#167a41",
    warning="#a06a00",
    danger="#c8373c",
    danger_surface="#fdecec",
    warning_surface="#fdf4e0",
    stage="#e6e8ee",
    curves=("#3563e0", "#167a41", "#c8373c", "#a06a00", "#7a4fd0", "#0f8a90"),
)


def system_theme() -> Theme:
    """What the desktop is set to; dark where it does not say, as suits pictures."""
    scheme = QGuiApplication.styleHints().colorScheme()
    return LIGHT if scheme is Qt.ColorScheme.Light else DARK


def palette(theme: Theme) -> QPalette:
    """For what style sheets do not reach: menus of the system, selections, placeholders."""
    colours = QPalette()
    for role, value in (
        (QPalette.ColorRole.Window, theme.surface),
        (QPalette.ColorRole.WindowText, theme.text),
        (QPalette.ColorRole.Base, theme.surface),
        (QPalette.ColorRole.AlternateBase, theme.window),
        (QPalette.ColorRole.Text, theme.text),
        (QPalette.ColorRole.Button, theme.raised),
        (QPalette.ColorRole.ButtonText, theme.text),
        (QPalette.ColorRole.ToolTipBase, theme.raised),
        (QPalette.ColorRole.ToolTipText, theme.text),
        (QPalette.ColorRole.PlaceholderText, theme.disabled),
        (QPalette.ColorRole.Highlight, theme.accent),
        (QPalette.ColorRole.HighlightedText, theme.on_accent),
    ):
        colours.setColor(role, QColor(value))
    return colours


_SHEET = Template("""
* { color: $text; font-size: 13px; }
QWidget#window, QDialog { background: $window; }
QWidget#header, QWidget#controls, QWidget#side, QWidget#pane { background: $surface; }
QWidget#header { border-bottom: 1px solid $line; }
QWidget#controls { border-top: 1px solid $line; }
QWidget#side { border-left: 1px solid $line; }
QSplitter::handle { background: $line; }
QSplitter::handle:horizontal { width: 1px; }
QSplitter::handle:vertical { height: 1px; }
QToolTip { background: $raised; color: $text; border: 1px solid $line; padding: 4px 6px; }

QLabel#title { font-size: 14px; font-weight: 600; }
QLabel#faint, QLabel#time { color: $faint; }
QLabel#heading { font-weight: 600; }
QLabel#hint { color: $faint; font-size: 15px; background: transparent; }
QLabel#chip { background: $raised; color: $faint; border-radius: 8px; padding: 1px 8px 2px 8px; font-size: 11px;
  font-weight: 600; }
QLabel#chip[tone="live"] { background: $danger; color: $surface; }
QLabel#chip[tone="good"] { color: $good; }
QLabel#chip[tone="warning"] { color: $warning; }

QPushButton, QToolButton { background: $raised; border: 1px solid transparent; border-radius: 8px;
  padding: 7px 14px; font-weight: 600; }
QPushButton:hover, QToolButton:hover { background: $hover; }
QPushButton:pressed, QToolButton:pressed { background: $line; }
QPushButton:focus, QToolButton:focus { border-color: $accent; }
QPushButton:disabled, QToolButton:disabled { color: $disabled; }
QPushButton[lead="true"]:enabled { background: $accent; color: $on_accent; }
QToolButton#flat { background: transparent; padding: 7px; }
QToolButton#flat:hover { background: $raised; }
QToolButton#flat:checked { background: $raised; color: $accent; }
QToolButton::menu-indicator { image: none; width: 0; }

QSlider { background: transparent; }
QSlider::groove:horizontal { height: 4px; border-radius: 2px; background: $line; }
QSlider::sub-page:horizontal { height: 4px; border-radius: 2px; background: $accent; }
QSlider::sub-page:horizontal:disabled { background: $line; }
QSlider::handle:horizontal { width: 14px; height: 14px; margin: -5px 0; border-radius: 7px; background: $accent; }
QSlider::handle:horizontal:disabled { background: transparent; }
QSlider:focus { outline: none; }

QFrame#message { border-radius: 10px; border: 1px solid $line; background: $surface; }
QFrame#message[tone="error"] { background: $danger_surface; border-color: $danger; }
QFrame#message[tone="waiting"] { background: $warning_surface; border-color: $warning; }
QFrame#message QLabel { background: transparent; }

QPlainTextEdit, QTableWidget { background: $surface; border: none; selection-background-color: $accent;
  selection-color: $on_accent; }
QPlainTextEdit { padding: 2px 10px; }
QTableWidget { gridline-color: transparent; }
QTableWidget::item { padding: 0 8px; }
QHeaderView, QHeaderView::section, QTableCornerButton::section { background: $surface; border: none; }
QHeaderView::section { color: $faint; padding: 4px 12px; font-weight: normal; }
QLineEdit, QComboBox, QSpinBox { background: $raised; border: 1px solid $line; border-radius: 8px;
  padding: 7px 10px; selection-background-color: $accent; selection-color: $on_accent; }
QLineEdit:focus, QComboBox:focus, QSpinBox:focus { border-color: $accent; }
QComboBox::drop-down { border: none; width: 20px; }
QComboBox QAbstractItemView, QMenu { background: $surface; border: 1px solid $line; padding: 4px; }
QMenu::item { padding: 6px 22px; border-radius: 6px; }
QMenu::item:selected { background: $raised; }
QMenu::item:checked { color: $accent; font-weight: 600; }

QScrollArea, QScrollArea > QWidget > QWidget { background: transparent; border: none; }
QScrollBar:vertical { background: transparent; width: 10px; margin: 2px; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 2px; }
QScrollBar::handle { background: $hover; border-radius: 3px; min-height: 24px; min-width: 24px; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
""")


def style_sheet(theme: Theme) -> str:
    """The style sheet of the whole application."""
    return _SHEET.substitute({name: getattr(theme, name) for name in theme.__slots__})
