"""Small widgets that more than one part of the window is made of, named as the style sheet names them."""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QToolButton, QWidget

__all__ = ["flat_button", "heading", "label", "named", "restyle"]

W = TypeVar("W", bound=QWidget)


def named(name: str, widget: W) -> W:
    """The widget, under the name that the style sheet has for its looks."""
    widget.setObjectName(name)
    return widget


def label(name: str, text: str = "") -> QLabel:
    """A line of text."""
    return named(name, QLabel(text))


def heading(text: str) -> QLabel:
    """What stands above a pane."""
    made = label("heading", text)
    made.setContentsMargins(14, 12, 14, 6)
    return made


def flat_button(tip: str) -> QToolButton:
    """An icon that can be pressed; its tip says what it does, and its key in parentheses."""
    button = named("flat", QToolButton())
    button.setToolTip(tip)
    button.setAccessibleName(tip.partition(" (")[0])
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button


def restyle(widget: QWidget, name: str, value: object) -> None:
    """Set a property that the style sheet looks at, and look again where it has changed."""
    if widget.property(name) != value:
        widget.setProperty(name, value)
        widget.style().unpolish(widget)
        widget.style().polish(widget)
