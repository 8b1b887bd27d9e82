"""The picture on the screen: its size, and its pixels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtWidgets import QApplication
from tests.player.reel import picture

from reelcast.player.screen import Screen, fitted
from reelcast.player.theme import LIGHT


@pytest.mark.parametrize(
    ("picture", "space", "size"),
    [
        ((640, 360), (1280, 720), (1280, 720)),
        ((640, 360), (1000, 1000), (1000, 562)),
        ((360, 640), (1000, 1000), (562, 1000)),
        ((4, 3), (1, 1000), (1, 1)),
        ((10_000, 1), (100, 100), (100, 1)),
    ],
)
def test_fitted(picture: tuple[int, int], space: tuple[int, int], size: tuple[int, int]) -> None:
    assert fitted(*picture, *space) == size


sizes = st.integers(1, 8192)


@given(sizes, sizes, sizes, sizes)
def test_it_never_exceeds_the_space(width: int, height: int, space_width: int, space_height: int) -> None:
    fit_width, fit_height = fitted(width, height, space_width, space_height)
    assert 1 <= fit_width <= space_width
    assert 1 <= fit_height <= space_height


def test_without_a_picture_there_is_a_line_of_text(application: QApplication) -> None:
    screen = Screen(LIGHT)
    screen.resize(screen.sizeHint())
    screen.say("nothing yet")
    assert screen.grab().toImage().pixelColor(2, 2).name() == LIGHT.stage
    screen.show_picture(picture(200))
    assert screen.grab().toImage().pixelColor(480, 270).name() == "#c8c8c8"
    screen.prepare(picture(50))
    assert screen.grab().toImage().pixelColor(480, 270).name() == "#c8c8c8"
    ready = picture(60)
    screen.prepare(ready)
    screen.show_picture(ready)
    assert screen.grab().toImage().pixelColor(480, 270).name() == "#3c3c3c"
    screen.show_picture(None)
    assert screen.grab().toImage().pixelColor(2, 2).name() == LIGHT.stage
