"""Icons: each is drawn, at each scale, in its colours."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QIcon, QPixmap
from PySide6.QtWidgets import QApplication

from reelcast.player.icons import ICONS, SIZE, icon


@pytest.mark.parametrize("name", sorted(ICONS))
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_each_icon(application: QApplication, name: str, scale: float) -> None:
    made = icon(name, "#ff0000", "#0000ff")
    normal = made.pixmap(QPixmap(SIZE, SIZE).size(), scale, QIcon.Mode.Normal).toImage()
    assert normal.width() == SIZE * scale
    painted = [
        normal.pixelColor(x, y)
        for x in range(normal.width())
        for y in range(normal.height())
        if normal.pixelColor(x, y).alpha() > 200
    ]
    assert len(painted) > 20 * scale
    assert {colour.name() for colour in painted} == {"#ff0000"}
    disabled = made.pixmap(QPixmap(SIZE, SIZE).size(), scale, QIcon.Mode.Disabled).toImage()
    assert disabled != normal
