"""Where the picture is: scaled to fit, its aspect kept, each pixel of the screen computed once."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from reelcast.media.decode import Picture
from reelcast.media.raster import Raster, Scaler
from reelcast.player.parts import label
from reelcast.player.theme import Theme

__all__ = ["Screen", "fitted"]


def fitted(width: int, height: int, space_width: int, space_height: int) -> tuple[int, int]:
    """The largest size of the same aspect as width x height that there is space for."""
    if width * space_height > height * space_width:
        return space_width, max(1, round(space_width * height / width))
    return max(1, round(space_height * width / height)), space_height


class _Rendered:
    """A picture in the pixels of the screen."""

    def __init__(
        self, picture: Picture | None, space: tuple[int, int], ratio: float, raster: Raster | None
    ) -> None:
        self.picture = picture
        self.space = space
        self.image = QImage()
        # The image refers to the raster's memory.
        self._raster = raster
        if raster is not None:
            self.image = QImage(
                raster.data, raster.width, raster.height, raster.stride, QImage.Format.Format_RGB32
            )
            self.image.setDevicePixelRatio(ratio)


_NOTHING = _Rendered(None, (0, 0), 1.0, None)


class Screen(QWidget):
    """Paints one picture at a time; where there is none, a line of text.

    double_clicked    by the mouse; resized: by its window
    """

    double_clicked = Signal()
    resized = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(QSize(320, 180))
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setAccessibleName("Picture")
        self.picture: Picture | None = None
        self._theme = theme
        self._scaler = Scaler()
        self._shown = _NOTHING
        self._ready = _NOTHING
        self._hint = label("hint")
        self._hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._hint.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(32, 32, 32, 32)
        layout.addWidget(self._hint)

    def sizeHint(self) -> QSize:
        """Half of full HD."""
        return QSize(960, 540)

    def set_theme(self, theme: Theme) -> None:
        """Paint in other colours."""
        self._theme = theme
        self.update()

    def say(self, text: str) -> None:
        """Show this where there is no picture."""
        self._hint.setText(text)

    def show_picture(self, picture: Picture | None) -> None:
        """Paint this picture from now on; None for none."""
        self.picture = picture
        self._hint.setVisible(picture is None)
        if picture is None:
            self._shown = _NOTHING
        else:
            self.prepare(picture)
            self._shown = self._ready
        self.update()

    def prepare(self, picture: Picture) -> None:
        """Make ready what is to be shown next: scaling takes milliseconds, and it shall not be late."""
        ratio = self.devicePixelRatioF()
        space = round(self.width() * ratio), round(self.height() * ratio)
        if self._ready.picture is not picture or self._ready.space != space:
            raster = self._scaler.raster(picture.frame, *fitted(picture.width, picture.height, *space))
            self._ready = _Rendered(picture, space, ratio, raster)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The same picture in another size."""
        super().resizeEvent(event)
        self.show_picture(self.picture)
        self.resized.emit()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Tell of it."""
        self.double_clicked.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The picture in the middle, the stage around it."""
        painter = QPainter(self)
        stage = QColor(self._theme.stage)
        if self._shown.image.isNull():
            painter.fillRect(self.rect(), stage)
            return
        size = self._shown.image.deviceIndependentSize()
        left, top = (self.width() - size.width()) / 2, (self.height() - size.height()) / 2
        ratio = self.devicePixelRatioF()
        # On whole device pixels: else each pixel would be mixed of four.
        left, top = round(left * ratio) / ratio, round(top * ratio) / ratio
        for rest in (
            QRectF(0, 0, self.width(), top),
            QRectF(0, top + size.height(), self.width(), self.height() - top - size.height()),
            QRectF(0, top, left, size.height()),
            QRectF(left + size.width(), top, self.width() - left - size.width(), size.height()),
        ):
            painter.fillRect(rest, stage)
        painter.drawImage(QPointF(left, top), self._shown.image)
