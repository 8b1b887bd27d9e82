"""A test pattern: colour bars, a gradient that moves, a running clock with the number of the picture; and a beep.

At each whole second the square in the corner is white for a tenth of a second, and the beep is heard: who sees
and hears them apart sees and hears how far picture and sound are apart.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reelcast.media.shots import Shot

__all__ = ["Pattern"]

SAMPLE_RATE: Final = 48_000
BEEP_HZ: Final = 1_000
BEEP_SECONDS: Final = 0.1
BEEP_LEVEL: Final = 0.25
_BARS: Final = (
    (191, 191, 191),
    (0, 191, 191),
    (191, 191, 0),
    (0, 191, 0),
    (191, 0, 191),
    (0, 0, 191),
    (191, 0, 0),
)
"""Blue, green, red: grey, yellow, cyan, green, magenta, red, blue at three quarters (SMPTE EG 1)."""
_SEGMENTS: Final = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")
"""Of a digit, those that shine: a is at the top, then clockwise, g in the middle."""
_PLACES: Final = {
    "a": (0, 0, 1, 5),
    "b": (0, 4, 5, 1),
    "c": (4, 4, 5, 1),
    "d": (8, 0, 1, 5),
    "e": (4, 0, 5, 1),
    "f": (0, 0, 5, 1),
    "g": (4, 0, 1, 5),
}
"""Row, column, rows and columns in a digit of nine by five."""
_DIGIT: Final = (9, 5)
_POINTS: Final = {":": ((2, 6), 1), ".": ((8,), 1), " ": ((), 3)}
"""Rows of points, and columns, of what is no digit."""
_GRADIENT_STEP: Final = 4
"""Pixels by which it moves from picture to picture."""


class Pattern:
    """See `reelcast.media.shots.Shots`; without end.

    width, height    of the pictures, pixels
    """

    def __init__(self, width: int = 1280, height: int = 720, fps: float = 25.0) -> None:
        self.width, self.height, self.fps = width, height, fps
        self.sample_rate: int | None = SAMPLE_RATE
        self.channels = 1
        self._bars = _bars(width, height)
        ramp = np.tile(np.linspace(16, 235, width).astype(np.uint8), 2)
        self._ramp = np.repeat(ramp[:, np.newaxis], 3, axis=1)

    def shots(self) -> Iterator[Shot]:
        """Pictures, each followed by the sound that goes with it."""
        begun = time.time()
        number = 0
        while True:
            pts = number / self.fps
            yield Shot(pts, self.picture(number, begun + pts))
            first, stop = (round(n * SAMPLE_RATE / self.fps) for n in (number, number + 1))
            yield Shot(first / SAMPLE_RATE, samples=self.sound(first, stop - first, begun))
            number += 1

    def close(self) -> None:
        """Nothing is open."""

    def picture(self, number: int, wall: float) -> NDArray[np.uint8]:
        """The picture of a number, shown at a Unix time; BGR."""
        picture = self._bars.copy()
        top = self.height * 3 // 4
        start = number * _GRADIENT_STEP % self.width
        picture[top:] = self._ramp[start : start + self.width]
        side = self.height // 8
        if wall % 1.0 < BEEP_SECONDS:
            picture[:side, -side:] = 255
        local = time.localtime(wall)
        text = f"{time.strftime('%H:%M:%S', local)}.{int(wall % 1.0 * 1000):03} {number:06}"
        self._print(picture, text, self.height * 3 // 8)
        return picture

    def sound(self, first: int, count: int, wall: float) -> NDArray[np.int16]:
        """Samples from a number on, where sample 0 is heard at a Unix time."""
        places = np.arange(first, first + count)
        heard = (places / SAMPLE_RATE + wall % 1.0) % 1.0 < BEEP_SECONDS
        wave = np.sin(2 * math.pi * BEEP_HZ / SAMPLE_RATE * places) * (BEEP_LEVEL * 32767)
        samples: NDArray[np.int16] = (wave * heard).astype(np.int16)[:, np.newaxis]
        return samples

    def _print(self, picture: NDArray[np.uint8], text: str, middle: int) -> None:
        """Draw digits on black, as large as fits."""
        widths = [_POINTS[char][1] if char in _POINTS else _DIGIT[1] for char in text]
        columns = sum(widths) + len(text) + 1
        scale = max(1, min(self.width * 4 // 5 // columns, self.height // 4 // (_DIGIT[0] + 2)))
        cells = np.zeros((_DIGIT[0] + 2, columns), np.uint8)
        place = 1
        for char, width in zip(text, widths, strict=True):
            if char in _POINTS:
                for row in _POINTS[char][0]:
                    cells[1 + row, place] = 255
            else:
                for segment in _SEGMENTS[int(char)]:
                    row, column, rows, long = _PLACES[segment]
                    cells[1 + row : 1 + row + rows, place + column : place + column + long] = 255
            place += width + 1
        drawn = cells.repeat(scale, 0).repeat(scale, 1)[:, : self.width]
        top, left = max(0, middle - drawn.shape[0] // 2), max(0, (self.width - drawn.shape[1]) // 2)
        area = picture[top : top + drawn.shape[0], left : left + drawn.shape[1]]
        area[:] = drawn[: area.shape[0], : area.shape[1], np.newaxis]


def _bars(width: int, height: int) -> NDArray[np.uint8]:
    picture = np.zeros((height, width, 3), np.uint8)
    for number, colour in enumerate(_BARS):
        picture[:, number * width // len(_BARS) : (number + 1) * width // len(_BARS)] = colour
    return picture
