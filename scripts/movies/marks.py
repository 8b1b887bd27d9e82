"""What a machine reads back from a movie: the frame number, the flash and the beep.

The frame number is a row of black and white cells near the bottom of the picture, placed by fractions of its
size so that scaling does no harm: a start pattern, the number with its highest bit first, a check, a stop
pattern. On every whole second the picture's border turns white and a tone sounds, so that sight and sound can
be compared after a network or a decoder has had its way with them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BEEP_HZ",
    "BEEP_SECONDS",
    "BORDER",
    "FLASH_FRAMES",
    "FRAME_RATE",
    "MARK_BOTTOM",
    "MARK_TOP",
    "MAX_NUMBER",
    "Image",
    "beep_starts",
    "draw_border",
    "draw_mark",
    "flash_on",
    "read_mark",
]

Image = NDArray[np.uint8]
"""Height x width x 3 (RGB), or height x width (luma)."""

FRAME_RATE = 25
FLASH_FRAMES = 2
"""Frames for which a flash lasts; the first one stands exactly on the second."""
BEEP_HZ = 1000
BEEP_SECONDS = 0.08

START = (1, 0, 1, 0)
STOP = (0, 1)
NUMBER_BITS = 12
CHECK_BITS = 6
CHECK_POLYNOMIAL = 0b1000011
"""x^6 + x + 1: no two wrong cells go unseen in a row this short."""
CELLS = len(START) + NUMBER_BITS + CHECK_BITS + len(STOP)
MAX_NUMBER = (1 << NUMBER_BITS) - 1

MARK_LEFT, MARK_RIGHT = 1 / 16, 15 / 16
MARK_TOP, MARK_BOTTOM = 0.900, 0.955
"""The row's place, in fractions of the picture's height (and its width, above)."""
BORDER = 0.025
"""The border's thickness as a fraction of the picture's height."""
BORDER_COLOUR = (13, 16, 30)

MIN_CONTRAST = 48
"""Levels between the black and the white of a row; less is no row, but some dark or grey picture."""
CLEAR = 0.15
"""A cell nearer than this to the middle (as a part of the contrast) is doubtful, and the row is refused."""
FLASH_LEVEL = 150
"""The flash is white (235 and more, also in limited-range luma), the resting border darker than 40."""
BEEP_LEVEL = 0.2
"""Of full scale; the beep reaches it within its second sample or so, no other sound does."""
BEEP_GAP = 0.2
"""Seconds of no beep after which a tone is a new one."""


def _check(number: int) -> int:
    """The cyclic redundancy check of the number's bits, begun with ones so that 0 has one too."""
    remainder = (1 << CHECK_BITS) - 1
    for shift in reversed(range(NUMBER_BITS)):
        feedback = (remainder >> (CHECK_BITS - 1)) ^ (number >> shift & 1)
        remainder = remainder << 1 & ((1 << CHECK_BITS) - 1)
        if feedback:
            remainder ^= CHECK_POLYNOMIAL & ((1 << CHECK_BITS) - 1)
    return remainder


def _bits(value: int, count: int) -> tuple[int, ...]:
    return tuple(value >> shift & 1 for shift in reversed(range(count)))


def _row(number: int) -> tuple[int, ...]:
    return START + _bits(number, NUMBER_BITS) + _bits(_check(number), CHECK_BITS) + STOP


def draw_mark(image: Image, number: int) -> None:
    """Write `number` (0 to MAX_NUMBER) into an RGB or luma image, in place."""
    if not 0 <= number <= MAX_NUMBER:
        raise ValueError(f"a frame number is 0 to {MAX_NUMBER}, not {number}")
    height, width = image.shape[:2]
    top, bottom = round(MARK_TOP * height), round(MARK_BOTTOM * height)
    edges = np.linspace(MARK_LEFT * width, MARK_RIGHT * width, CELLS + 1).round().astype(int)
    # A black margin keeps what lies around from bleeding into the cells.
    margin = max(2, (bottom - top) // 4)
    image[top - margin : bottom + margin, edges[0] - margin : edges[-1] + margin] = 0
    for bit, (left, right) in zip(_row(number), pairwise(edges), strict=True):
        image[top:bottom, left:right] = 255 * bit


def read_mark(image: Image) -> int | None:
    """The frame number that `draw_mark` wrote, after any compression and scaling of the whole picture.

    None where no row can be read for certain: another picture, too much damage, a failed check.
    """
    height, width = image.shape[:2]
    inset = (MARK_BOTTOM - MARK_TOP) / 4
    top = round((MARK_TOP + inset) * height)
    rows = image[top : max(top + 1, round((MARK_BOTTOM - inset) * height))]
    cell = (MARK_RIGHT - MARK_LEFT) * width / CELLS
    levels = np.empty(CELLS)
    for index in range(CELLS):
        left = MARK_LEFT * width + index * cell
        start = int(left + cell / 4)
        levels[index] = rows[:, start : max(start + 1, round(left + 3 * cell / 4))].mean()
    known = np.array(_row(0), dtype=bool)
    known_at = np.r_[0 : len(START), CELLS - len(STOP) : CELLS]
    white = levels[known_at][known[known_at]].mean()
    black = levels[known_at][~known[known_at]].mean()
    if white - black < MIN_CONTRAST:
        return None
    distance = (levels - (white + black) / 2) / (white - black)
    if np.abs(distance).min() < CLEAR:
        return None
    row = tuple(int(bit) for bit in distance > 0)
    number = int("".join(map(str, row[len(START) : len(START) + NUMBER_BITS])), 2)
    return number if row == _row(number) else None


def draw_border(image: Image, number: int) -> None:
    """Frame the picture: white on the first frames of each second, dark on the others; in place."""
    thickness = round(BORDER * image.shape[0])
    colour = (255, 255, 255) if number % FRAME_RATE < FLASH_FRAMES else BORDER_COLOUR
    for side in (image[:thickness], image[-thickness:], image[:, :thickness], image[:, -thickness:]):
        side[:] = colour


def flash_on(image: Image) -> bool:
    """True where all four sides of the border are lit."""
    height, width = image.shape[:2]
    thickness = max(1, round(BORDER * height))
    middle = thickness // 2
    sides = (image[middle], image[height - 1 - middle], image[:, middle], image[:, width - 1 - middle])
    return all(float(np.median(side)) > FLASH_LEVEL for side in sides)


def beep_starts(samples: NDArray[Any], rate: int) -> list[float]:
    """When each beep starts, in seconds from the first sample.

    `samples` are floats of full scale 1.0 or signed integers, shaped (n,) or (channels, n); `rate` is in Hz.
    """
    scale = np.iinfo(samples.dtype).max if np.issubdtype(samples.dtype, np.integer) else 1
    level = np.abs(samples.astype(np.float64)) / scale
    envelope = level.max(axis=0) if level.ndim == 2 else level
    loud = np.flatnonzero(envelope >= BEEP_LEVEL)
    if not loud.size:
        return []
    firsts = np.r_[True, np.diff(loud) > BEEP_GAP * rate]
    return [float(at) / rate for at in loud[firsts]]
