"""Icons, drawn by code on a grid of 24 x 24: crisp at any scale, in any colour."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPainterPath, QPen, QPixmap, QPolygonF

__all__ = ["ICONS", "icon"]

GRID: Final = 24.0
SIZE: Final = 20
SCALES: Final = (1, 2, 3)
"""Device pixels to one of the page: from old screens to telephones."""

Drawing = Callable[[QPainter], None]


def icon(name: str, colour: str, disabled: str) -> QIcon:
    """The icon of this name; `disabled` is its colour on what cannot be pressed."""
    made = QIcon()
    for scale in SCALES:
        made.addPixmap(_pixmap(name, colour, scale), QIcon.Mode.Normal)
        made.addPixmap(_pixmap(name, disabled, scale), QIcon.Mode.Disabled)
    return made


def _pixmap(name: str, colour: str, scale: int) -> QPixmap:
    pixmap = QPixmap(SIZE * scale, SIZE * scale)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(SIZE * scale / GRID, SIZE * scale / GRID)
    pen = QPen(QColor(colour), 2.0)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    ICONS[name](painter)
    painter.end()
    pixmap.setDevicePixelRatio(scale)
    return pixmap


def _filled(painter: QPainter) -> None:
    painter.setBrush(painter.pen().color())


def _lines(painter: QPainter, *points: tuple[float, float]) -> None:
    painter.drawPolyline(QPolygonF([QPointF(x, y) for x, y in points]))


def _play(painter: QPainter) -> None:
    _filled(painter)
    painter.drawPolygon(QPolygonF([QPointF(7, 5), QPointF(19, 12), QPointF(7, 19)]))


def _pause(painter: QPainter) -> None:
    _filled(painter)
    painter.drawRoundedRect(QRectF(6.5, 5, 3, 14), 1, 1)
    painter.drawRoundedRect(QRectF(14.5, 5, 3, 14), 1, 1)


def _setup(painter: QPainter) -> None:
    """A plug."""
    _lines(painter, (9, 3), (9, 8))
    _lines(painter, (15, 3), (15, 8))
    path = QPainterPath(QPointF(6, 8))
    path.lineTo(18, 8)
    path.lineTo(18, 11)
    path.arcTo(QRectF(6, 5, 12, 12), 0, -180)
    path.closeSubpath()
    painter.drawPath(path)
    _lines(painter, (12, 17), (12, 21))


def _teardown(painter: QPainter) -> None:
    _filled(painter)
    painter.drawRoundedRect(QRectF(6, 6, 12, 12), 1.5, 1.5)


def _speaker(painter: QPainter) -> None:
    _filled(painter)
    cone = [(3.5, 9.5), (7, 9.5), (11.5, 5.5), (11.5, 18.5), (7, 14.5), (3.5, 14.5)]
    painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in cone]))
    painter.setBrush(Qt.BrushStyle.NoBrush)


def _sound(painter: QPainter) -> None:
    _speaker(painter)
    painter.drawArc(QRectF(10, 8, 8, 8), -50 * 16, 100 * 16)
    painter.drawArc(QRectF(7, 5, 14, 14), -50 * 16, 100 * 16)


def _muted(painter: QPainter) -> None:
    _speaker(painter)
    _lines(painter, (15.5, 9.5), (20.5, 14.5))
    _lines(painter, (20.5, 9.5), (15.5, 14.5))


def _snapshot(painter: QPainter) -> None:
    """A camera."""
    painter.drawRoundedRect(QRectF(3, 7, 18, 13), 2.5, 2.5)
    _lines(painter, (8.5, 7), (10, 4), (14, 4), (15.5, 7))
    painter.drawEllipse(QPointF(12, 13.3), 3.6, 3.6)


def _full_screen(painter: QPainter) -> None:
    for x, y in ((4, 4), (20, 4), (4, 20), (20, 20)):
        inward_x, inward_y = (5 if x < 12 else -5), (5 if y < 12 else -5)
        _lines(painter, (x + inward_x, y), (x, y), (x, y + inward_y))


def _retry(painter: QPainter) -> None:
    painter.drawArc(QRectF(5, 5, 14, 14), 60 * 16, 290 * 16)
    _lines(painter, (15.5, 2.5), (15.8, 6.2), (12.1, 6.6))


def _plots(painter: QPainter) -> None:
    _lines(painter, (3, 16), (8, 10), (12, 14), (20.5, 5))
    _lines(painter, (3, 20.5), (20.5, 20.5))


def _tracks(painter: QPainter) -> None:
    painter.drawRoundedRect(QRectF(3, 4, 18, 16), 2.5, 2.5)
    _lines(painter, (3, 9.5), (21, 9.5))
    _lines(painter, (9.5, 9.5), (9.5, 20))


def _dialogue(painter: QPainter) -> None:
    """What goes there, and what comes back."""
    _lines(painter, (4, 8), (20, 8), (16, 4))
    _lines(painter, (20, 16), (4, 16), (8, 20))


def _theme(painter: QPainter) -> None:
    """Half in the light."""
    painter.drawEllipse(QPointF(12, 12), 8, 8)
    _filled(painter)
    painter.drawPie(QRectF(4, 4, 16, 16), 90 * 16, 180 * 16)


def _open(painter: QPainter) -> None:
    """A folder."""
    _lines(painter, (3, 19), (3, 5.5), (9, 5.5), (11.5, 8), (21, 8), (21, 19), (3, 19))


ICONS: dict[str, Drawing] = {
    "dialogue": _dialogue,
    "full screen": _full_screen,
    "muted": _muted,
    "open": _open,
    "pause": _pause,
    "play": _play,
    "plots": _plots,
    "retry": _retry,
    "setup": _setup,
    "snapshot": _snapshot,
    "sound": _sound,
    "teardown": _teardown,
    "theme": _theme,
    "tracks": _tracks,
}
