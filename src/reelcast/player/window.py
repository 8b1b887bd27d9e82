"""The player's window: what the engine says is shown, what is pressed is told to the engine."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from PySide6.QtCore import QObject, QStandardPaths, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QLayout, QVBoxLayout, QWidget

from reelcast.client.frame import Frame
from reelcast.errors import ReelcastError
from reelcast.media.decode import Picture
from reelcast.media.snapshot import save_picture
from reelcast.player.controls import SPEEDS, Controls
from reelcast.player.engine import Engine
from reelcast.player.full_screen import FullScreen
from reelcast.player.header import Header
from reelcast.player.message import Message
from reelcast.player.panels import Panels
from reelcast.player.screen import Screen
from reelcast.player.sound import Output
from reelcast.player.source import Connect, Source
from reelcast.player.status import Phase, Status
from reelcast.player.theme import DARK, LIGHT, Theme, palette, style_sheet, system_theme
from reelcast.player.words import error_text

__all__ = ["Window"]

IDLE_TICK_MS: Final = 50
"""Between looks at what is due, where nothing says when: a clock that counts seconds needs no more."""
REFRESH_SECONDS: Final = 0.2
"""Between refreshes of the place and the numbers: faster than that nobody reads."""
STEP: Final = 5.0
"""Seconds that an arrow key goes."""
VOLUME_STEP: Final = 0.05
LEAST: Final = (720, 420)
"""Pixels of the window at least."""


class Bridge(QObject):
    """From the engine's thread to the window's."""

    changed = Signal()


class Window(QWidget):
    """Plays one source at a time; see `Engine`.

    theme     "system" follows the desktop; until `switch_theme` is used
    ended     the movie has come to its end; asked: another source is wanted
    """

    ended = Signal()
    asked = Signal()

    def __init__(
        self, connect: Connect, output: Output, *, theme: Theme | None = None, snapshots: Path | None = None
    ) -> None:
        super().__init__()
        self.setObjectName("window")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setWindowTitle("reelcast")
        self._follows_system = theme is None
        self.theme = theme or system_theme()
        self._snapshots = snapshots
        self._bridge = Bridge()
        self._bridge.changed.connect(self._refresh)
        self.engine = Engine(connect, output, self._bridge.changed.emit)
        self._status = Status()
        self._behind: float | None = None
        self._refreshed = 0.0
        self.picture = Screen(self.theme)
        self.message = Message(self.picture)
        self.controls = Controls()
        self.header = Header()
        self.panels = Panels(self.engine, self.picture, self.theme)
        self._tick_timer = QTimer(self)
        self._tick_timer.setSingleShot(True)
        self._tick_timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._tick_timer.timeout.connect(self._tick)
        self._lay_out()
        bars = (self.header, self.controls, *self.panels.bars)
        self.full_screen = FullScreen(self, self.picture, bars, self._show_bars)
        self._wire()
        self._set_theme(self.theme)
        self.engine.start()
        self._refresh()
        self._tick()

    def load(self, source: Source, *, play: bool = False) -> None:
        """Be ready to set up `source`; or play it at once."""
        self.engine.load(source)
        if play:
            self.engine.set_up(play=True)

    # What is pressed.

    def press(self, name: str) -> None:
        """What a button of the controls does, by its name."""
        actions: dict[str, Callable[[], None]] = {
            "setup": self.engine.set_up,
            "play": self.engine.play,
            "pause": self.engine.pause,
            "teardown": self.engine.tear_down,
            "mute": self.mute,
            "retry": self.engine.retry,
            "snapshot": self.snapshot,
            "full screen": self.full_screen.toggle,
        }
        actions[name]()

    def toggle_play(self) -> None:
        """The space bar: pause, play, or connect, whichever comes next."""
        phase = self.engine.status.phase
        if phase is Phase.PLAYING:
            self.engine.pause()
        elif phase is Phase.IDLE and self.engine.status.source is not None:
            self.engine.set_up(play=True)
        else:
            self.engine.play()

    def step(self, seconds: float) -> None:
        """Go forward or back by some seconds."""
        position = self.engine.playout.position(time.monotonic())
        duration = self.engine.status.duration
        if position is not None and duration is not None:
            self._seek(min(max(0.0, position + seconds), duration))

    def go_to_tenth(self, tenth: int) -> None:
        """Go to this tenth of the movie."""
        if self.engine.status.duration is not None:
            self._seek(self.engine.status.duration * tenth / 10)

    def change_speed(self, direction: int) -> None:
        """The next speed up or down."""
        now = min(SPEEDS, key=lambda speed: abs(speed - self.engine.status.scale))
        index = SPEEDS.index(now) + direction
        if 0 <= index < len(SPEEDS):
            self.engine.change_scale(SPEEDS[index])

    def mute(self) -> None:
        """Sound off, or on again."""
        self.engine.playout.muted = not self.engine.playout.muted
        self.controls.set_theme(self.theme, muted=self.engine.playout.muted)

    def set_volume(self, volume: float) -> None:
        """From 0.0 to 1.0; by its square, as the ear hears."""
        volume = min(1.0, max(0.0, volume))
        self.engine.playout.volume = volume**2
        self.controls.show_volume(volume)

    def snapshot(self) -> None:
        """Save the picture that is shown."""
        picture = self.picture.picture
        if picture is None:
            self.message.say("There is no picture to save yet.", "note")
            return
        folder = self._snapshots or Path(
            QStandardPaths.writableLocation(QStandardPaths.StandardLocation.PicturesLocation)
        )
        path = folder / f"reelcast {datetime.now():%Y-%m-%d %H.%M.%S.%f}.png"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            save_picture(picture, path)
        except (OSError, ReelcastError) as error:
            self.message.say(f"The picture could not be saved: {error}", "note")
        else:
            self.message.say(f"Saved {path}", "note")

    def switch_theme(self) -> None:
        """Light or dark, from now on whatever the desktop says."""
        self._follows_system = False
        self._set_theme(LIGHT if self.theme is DARK else DARK)

    def _show_panels(self) -> None:
        """Show or hide what is around the picture."""
        self._show_bars()
        self.controls.set_theme(self.theme, muted=self.engine.playout.muted)
        self.panels.refresh()

    # What is shown.

    def _refresh(self) -> None:
        """The engine has something new."""
        status, before = self.engine.status, self._status
        self._status = status
        if status is not before:
            self._show_status(status)
            if status.source is not before.source or (
                status.phase is Phase.CONNECTING and before.phase is not Phase.CONNECTING
            ):
                self.picture.show_picture(None)
                self._behind = None
            if status.phase is Phase.ENDED and before.phase is not Phase.ENDED:
                self.ended.emit()
        self.panels.hear()
        wait = self.engine.playout.next_due(time.monotonic())
        if wait is None or wait < IDLE_TICK_MS / 1000:
            self._tick()

    def _show_status(self, status: Status) -> None:
        self.header.show_status(status)
        self.setWindowTitle(f"{status.source.shown} – reelcast" if status.source else "reelcast")
        self.controls.show_status(status, self.theme, muted=self.engine.playout.muted)
        self.picture.say(_hint(status))
        self._show_message(status)

    def _show_message(self, status: Status) -> None:
        if status.waiting is not None:
            seconds = max(0, round(status.waiting.until - time.monotonic()))
            when = f"Trying again in {seconds} s" if seconds else "Trying again"
            text = f"The stream was lost: {error_text(status.waiting.error)}. {when}."
            self.message.say(text, "waiting", retry="Retry now")
        elif status.error is not None:
            self.message.say(error_text(status.error), "error", retry="Retry")
        elif status.notice:
            self.message.say(status.notice, "note")
        else:
            self.message.clear()

    def _tick(self) -> None:
        """Show what is due, and come again when the next is."""
        now = time.monotonic()
        frame = self.engine.playout.due(now)
        if frame is not None:
            self._show_frame(frame)
        if now - self._refreshed >= REFRESH_SECONDS:
            self._refreshed = now
            self._show_place(now)
        upcoming = self.engine.playout.upcoming()
        if upcoming is not None:
            self.picture.prepare(_picture(upcoming))
        wait = self.engine.playout.next_due(time.monotonic())
        milliseconds = IDLE_TICK_MS if wait is None else min(IDLE_TICK_MS, int(wait * 1000))
        self._tick_timer.start(milliseconds)

    def _show_frame(self, frame: Frame) -> None:
        self.picture.show_picture(_picture(frame))
        self._behind = None if frame.time is None else time.time() - frame.time
        self.header.show_damage(frame.corrupt)

    def _show_place(self, now: float) -> None:
        position = self.engine.playout.position(now)
        if position is not None or self._status.phase in (Phase.IDLE, Phase.CONNECTING, Phase.READY):
            self.controls.show_place(position or 0.0, self._behind, self._status)
        if self._status.waiting is not None:
            self._show_message(self._status)
        self.panels.look()

    def _set_theme(self, theme: Theme) -> None:
        self.theme = theme
        self.setPalette(palette(theme))
        self.setStyleSheet(style_sheet(theme))
        self.picture.set_theme(theme)
        self.panels.set_theme(theme)
        self.controls.set_theme(theme, muted=self.engine.playout.muted)
        self.header.set_theme(theme)

    def _seek(self, seconds: float) -> None:
        self.engine.seek(seconds)
        self.controls.show_place(seconds, self._behind, self._status)

    # How it is put together.

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        # A bar that is shown must not make a full screen larger than it is.
        column.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)
        self.setMinimumSize(*LEAST)
        column.addWidget(self.header)
        column.addWidget(self.panels.middle, 1)
        column.addWidget(self.controls)
        self.resize(1120, 760)
        self.picture.setFocus()

    def _wire(self) -> None:
        self.controls.pressed.connect(self.press)
        self.controls.shown.connect(self._show_panels)
        self.controls.sought.connect(self._seek)
        self.controls.sped.connect(self.engine.change_scale)
        self.controls.volume.connect(self.set_volume)
        self.message.retried.connect(self.engine.retry)
        self.picture.double_clicked.connect(self.full_screen.toggle)
        self.picture.resized.connect(self.message.place)
        self.header.theme_button.clicked.connect(self.switch_theme)
        self.header.open_button.clicked.connect(self.asked)
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._follow_system)
        for key, action in self._keys().items():
            QShortcut(QKeySequence(key), self, action)

    def _keys(self) -> dict[str, Callable[[], object]]:
        panels = self.controls.panels
        keys: dict[str, Callable[[], object]] = {
            "Space": self.toggle_play,
            "Left": lambda: self.step(-STEP),
            "Right": lambda: self.step(STEP),
            "Up": lambda: self.set_volume(self.controls.loudness.value() / 100 + VOLUME_STEP),
            "Down": lambda: self.set_volume(self.controls.loudness.value() / 100 - VOLUME_STEP),
            "+": lambda: self.change_speed(1),
            "-": lambda: self.change_speed(-1),
            "F": self.full_screen.toggle,
            "Escape": self.full_screen.leave,
            "M": self.mute,
            "S": self.snapshot,
            "R": self.engine.retry,
            "L": self.switch_theme,
            "P": panels["plots"].toggle,
            "T": panels["tracks"].toggle,
            "D": panels["dialogue"].toggle,
            "Ctrl+O": self.asked.emit,
            "Ctrl+Q": self.close,
        }
        for tenth in range(10):
            keys[str(tenth)] = partial(self.go_to_tenth, tenth)
        return keys

    def _follow_system(self) -> None:
        if self._follows_system:
            self._set_theme(system_theme())

    def _show_bars(self) -> None:
        self.header.show()
        self.controls.show()
        self.panels.show({name for name, button in self.controls.panels.items() if button.isChecked()})

    def closeEvent(self, event: QCloseEvent) -> None:
        """End the session, unseen: a server may take its time to say goodbye."""
        self.hide()
        self._tick_timer.stop()
        self.engine.stop()
        super().closeEvent(event)


def _picture(frame: Frame) -> Picture:
    assert isinstance(frame.picture, Picture)
    return frame.picture


def _hint(status: Status) -> str:
    if status.source is None:
        return "Open a stream: Ctrl+O"
    if status.phase is Phase.CONNECTING:
        return "Connecting …"
    if status.phase is Phase.IDLE:
        return "" if status.error else "Press Setup to connect, or the space bar to play at once."
    if status.phase is Phase.READY:
        return "Ready: press Play."
    return ""
