"""The bar below the picture: the four buttons, the way through the movie, speed, volume, and what shows more."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QActionGroup, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QMenu,
    QPushButton,
    QSlider,
    QStyle,
    QStyleOptionSlider,
    QToolButton,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from reelcast.player.icons import icon
from reelcast.player.parts import flat_button, label, restyle
from reelcast.player.status import Phase, Status
from reelcast.player.theme import Theme
from reelcast.player.words import clock_text, seconds_text

__all__ = ["SPEEDS", "Controls", "SeekBar", "enabled_buttons"]

SPEEDS: Final = (0.5, 1.0, 1.5, 2.0, 4.0)
WIDE: Final = 940
"""Pixels that all of it needs."""
STEPS_A_SECOND: Final = 100
"""Of the seek bar: as fine as a screen shows."""

BUTTONS: Final = (
    ("setup", "Setup", "Connect to the server (SETUP)"),
    ("play", "Play", "Play (PLAY; space)"),
    ("pause", "Pause", "Stand still (PAUSE; space)"),
    ("teardown", "Teardown", "End the session (TEARDOWN)"),
)

_ENABLED: Final[dict[Phase, frozenset[str]]] = {
    Phase.IDLE: frozenset({"setup"}),
    Phase.CONNECTING: frozenset({"teardown"}),
    Phase.READY: frozenset({"play", "teardown"}),
    Phase.PLAYING: frozenset({"pause", "teardown"}),
    Phase.PAUSED: frozenset({"play", "teardown"}),
    Phase.ENDED: frozenset({"play", "teardown"}),
}


def enabled_buttons(status: Status) -> frozenset[str]:
    """Names of the four buttons that can be pressed."""
    return _ENABLED[status.phase] if status.source is not None else frozenset()


class SeekBar(QSlider):
    """Goes where it is clicked, and says what time that is.

    sought    to this place in seconds, by mouse or keyboard
    """

    sought = Signal(float)

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setMouseTracking(True)
        self.setAccessibleName("Place in the movie")
        self.setEnabled(False)
        self._duration = 0.0

    def show_place(self, seconds: float, duration: float | None) -> None:
        """Stand at a place; unless the mouse holds the handle."""
        if duration is None or self.isSliderDown():
            self.setEnabled(duration is not None)
            return
        self.setEnabled(True)
        if duration != self._duration:
            self._duration = duration
            self.setRange(0, round(duration * STEPS_A_SECOND))
        self.setValue(round(seconds * STEPS_A_SECOND))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take hold of the handle, where ever it was."""
        if event.button() is Qt.MouseButton.LeftButton:
            self.setSliderDown(True)
            self.setSliderPosition(self._value_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Say what time is under the mouse."""
        value = self._value_at(event.position().x())
        if self.isSliderDown():
            self.setSliderPosition(value)
        if self._duration:
            spot = self.mapToGlobal(QPoint(round(event.position().x()) - 16, -36))
            QToolTip.showText(spot, clock_text(value / STEPS_A_SECOND), self)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Go there."""
        if self.isSliderDown():
            self.setSliderDown(False)
            self.sought.emit(self.value() / STEPS_A_SECOND)

    def _value_at(self, x: float) -> int:
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        handle = self.style().pixelMetric(QStyle.PixelMetric.PM_SliderLength, option, self)
        return QStyle.sliderValueFromPosition(
            self.minimum(), self.maximum(), round(x - handle / 2), self.width() - handle
        )


class Controls(QWidget):
    """Shows how things stand, and tells what is wanted.

    pressed     the name of a button: those of `BUTTONS`, "mute", "retry", "snapshot", "full screen"
    shown       a panel was switched on or off
    sought      seconds; sped: a scale; volume: 0.0 to 1.0
    """

    pressed = Signal(str)
    shown = Signal()
    sought = Signal(float)
    sped = Signal(float)
    volume = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("controls")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.buttons = {name: self._button(name, text, tip) for name, text, tip in BUTTONS}
        self.panels = {
            "plots": flat_button("Plots (P)"),
            "tracks": flat_button("Tracks and their numbers (T)"),
            "dialogue": flat_button("The RTSP dialogue (D)"),
        }
        self.tools = {
            "mute": flat_button("Mute (M)"),
            "retry": flat_button("Connect again (R)"),
            "snapshot": flat_button("Save this picture (S)"),
            "full screen": flat_button("Full screen (F)"),
        }
        self.seek_bar = SeekBar()
        self.seek_bar.sought.connect(self.sought)
        self.time = label("time", "0:00")
        self.left = label("time")
        self.speed = self._speed()
        self.loudness = self._loudness()
        self._lay_out()
        self._connect()

    def set_theme(self, theme: Theme, *, muted: bool) -> None:
        """Draw the icons anew."""
        for name, button in self.buttons.items():
            lead = bool(button.property("lead"))
            button.setIcon(icon(name, theme.on_accent if lead else theme.text, theme.disabled))
        for name, tool in (*self.panels.items(), *self.tools.items()):
            drawn = name if name != "mute" else "muted" if muted else "sound"
            on = name in self.panels and tool.isChecked()
            tool.setIcon(icon(drawn, theme.accent if on else theme.text, theme.disabled))

    def show_status(self, status: Status, theme: Theme, *, muted: bool) -> None:
        """Enable what can be done; the button that is likely to come next stands out."""
        enabled = enabled_buttons(status)
        lead = next((name for name in ("play", "pause", "setup") if name in enabled), "")
        for name, button in self.buttons.items():
            button.setEnabled(name in enabled)
            restyle(button, "lead", name == lead)
        self.tools["retry"].setEnabled(status.source is not None)
        self.speed.setText(f"{status.scale:g}×")
        self.speed.setEnabled(status.phase is Phase.PLAYING and not status.live)
        self.set_theme(theme, muted=muted)

    def show_place(self, seconds: float, behind: float | None, status: Status) -> None:
        """Where we are: of a movie how far, of a live stream how far behind."""
        seekable = status.duration if status.phase not in (Phase.IDLE, Phase.CONNECTING) else None
        self.seek_bar.show_place(seconds, seekable)
        if self.seek_bar.isSliderDown():
            seconds = self.seek_bar.sliderPosition() / STEPS_A_SECOND
        self.time.setText(clock_text(seconds))
        if status.live:
            self.left.setText("live" if behind is None else f"{seconds_text(max(0.0, behind))} behind")
        else:
            self.left.setText(clock_text(status.duration) if status.duration is not None else "")

    def show_volume(self, volume: float) -> None:
        """Move the slider, say nothing."""
        self.loudness.blockSignals(True)
        self.loudness.setValue(round(volume * 100))
        self.loudness.blockSignals(False)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Where it is narrow, the keys serve for the volume."""
        super().resizeEvent(event)
        self.loudness.setVisible(self.width() >= WIDE)

    def _button(self, name: str, text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.setProperty("lead", False)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda: self.pressed.emit(name))
        return button

    def _speed(self) -> QToolButton:
        button = flat_button("Speed (+ and -)")
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu, group = QMenu(button), QActionGroup(button)
        for speed in SPEEDS:
            action = menu.addAction(f"{speed:g}×")
            action.setCheckable(True)
            action.setChecked(speed == 1.0)
            action.triggered.connect(lambda _, speed=speed: self.sped.emit(speed))
            group.addAction(action)
        button.setMenu(menu)
        return button

    def _loudness(self) -> QSlider:
        slider = QSlider(Qt.Orientation.Horizontal)
        slider.setRange(0, 100)
        slider.setValue(100)
        slider.setFixedWidth(90)
        slider.setAccessibleName("Volume")
        slider.setToolTip("Volume (up and down)")
        slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        slider.valueChanged.connect(lambda value: self.volume.emit(value / 100))
        return slider

    def _lay_out(self) -> None:
        way = QHBoxLayout()
        way.setSpacing(12)
        for widget in (self.time, self.seek_bar, self.left):
            way.addWidget(widget, 1 if widget is self.seek_bar else 0)
        row = QHBoxLayout()
        row.setSpacing(8)
        for button in self.buttons.values():
            row.addWidget(button)
        row.addStretch(1)
        row.addWidget(self.speed)
        row.addWidget(self.tools["mute"])
        row.addWidget(self.loudness)
        row.addSpacing(12)
        row.addWidget(self.tools["retry"])
        row.addWidget(self.tools["snapshot"])
        for panel in self.panels.values():
            panel.setCheckable(True)
            row.addWidget(panel)
        row.addWidget(self.tools["full screen"])
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 10, 16, 14)
        column.setSpacing(10)
        column.addLayout(way)
        column.addLayout(row)

    def _connect(self) -> None:
        for name, tool in self.tools.items():
            tool.clicked.connect(lambda _=False, name=name: self.pressed.emit(name))
        for panel in self.panels.values():
            panel.toggled.connect(lambda _: self.shown.emit())
