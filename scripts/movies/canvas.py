"""Anti-aliased shapes on a numpy image.

Coordinates and sizes are in heights of the picture, so that one drawing serves every resolution. Each shape
is the distance to its edge, computed in a patch no larger than itself: it fades within a pixel.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont
from scripts.movies.marks import Image

__all__ = ["Canvas", "Colour", "Floats", "Vector"]

Colour = tuple[int, int, int]
Vector = tuple[float, float, float]
Floats = NDArray[np.floating]

AMBIENT = 0.26
"""The light on the dark side of a ball."""


class Canvas:
    """Draws on `pixels` (height x width x 3, RGB), in place."""

    def __init__(self, pixels: Image) -> None:
        self.pixels = pixels
        self.height: int = pixels.shape[0]
        self.width: int = pixels.shape[1]
        self.aspect = self.width / self.height

    def _patch(self, left: float, top: float, right: float, bottom: float) -> tuple[Image, Floats, Floats]:
        """The pixels of a box, and where their centres are: x as a row, y as a column, in pixels."""
        x0, x1 = max(0, int(left * self.height) - 1), min(self.width, int(right * self.height) + 2)
        y0, y1 = max(0, int(top * self.height) - 1), min(self.height, int(bottom * self.height) + 2)
        x = np.arange(x0, max(x0, x1), dtype=np.float32) + 0.5
        y = np.arange(y0, max(y0, y1), dtype=np.float32) + 0.5
        return self.pixels[y0 : y0 + y.size, x0 : x0 + x.size], x, y[:, None]

    def disc(self, x: float, y: float, radius: float, colour: Colour, opacity: float = 1.0) -> None:
        patch, across, down = self._patch(x - radius, y - radius, x + radius, y + radius)
        distance = np.hypot(across - x * self.height, down - y * self.height)
        _blend(patch, colour, opacity * np.clip(radius * self.height - distance + 0.5, 0, 1))

    def ring(self, x: float, y: float, radius: float, width: float, colour: Colour) -> None:
        reach = radius + width
        patch, across, down = self._patch(x - reach, y - reach, x + reach, y + reach)
        distance = np.abs(np.hypot(across - x * self.height, down - y * self.height) - radius * self.height)
        _blend(patch, colour, np.clip(width / 2 * self.height - distance + 0.5, 0, 1))

    def glow(self, x: float, y: float, radius: float, colour: Colour, strength: float) -> None:
        """Light that fades with the distance to nothing at `radius`."""
        patch, across, down = self._patch(x - radius, y - radius, x + radius, y + radius)
        distance = np.hypot(across - x * self.height, down - y * self.height) / (radius * self.height)
        _blend(patch, colour, strength * np.clip(1 - distance, 0, 1) ** 2)

    def ball(self, x: float, y: float, radius: float, colour: Colour, light: Vector) -> None:
        """A sphere lit from the direction of `light` (right, down, towards the viewer; of length 1)."""
        patch, across, down = self._patch(x - radius, y - radius, x + radius, y + radius)
        scale = radius * self.height
        right, below = (across - x * self.height) / scale, (down - y * self.height) / scale
        squared = right * right + below * below
        towards = np.sqrt(np.clip(1 - squared, 0, 1))
        lit = np.clip(right * light[0] + below * light[1] + towards * light[2], 0, 1)
        shade = AMBIENT + (1 - AMBIENT) * lit
        surface = np.array(colour, np.float32) * shade[..., None] + 70 * (lit**12)[..., None]
        coverage = np.clip(scale * (1 - np.sqrt(squared)) + 0.5, 0, 1)
        _blend(patch, np.minimum(surface, 255), coverage)

    def rod(self, start: tuple[float, float], end: tuple[float, float], width: float, colour: Colour) -> None:
        """A straight line with round ends."""
        reach = width / 2
        (x0, y0), (x1, y1) = start, end
        patch, across, down = self._patch(
            min(x0, x1) - reach, min(y0, y1) - reach, max(x0, x1) + reach, max(y0, y1) + reach
        )
        right, below = across - x0 * self.height, down - y0 * self.height
        dx, dy = (x1 - x0) * self.height, (y1 - y0) * self.height
        along = np.clip((right * dx + below * dy) / (dx * dx + dy * dy), 0, 1)
        distance = np.hypot(right - along * dx, below - along * dy)
        _blend(patch, colour, np.clip(reach * self.height - distance + 0.5, 0, 1))

    def box(
        self, left: float, top: float, right: float, bottom: float, colour: Colour, opacity: float
    ) -> None:
        """A rectangle on whole pixels."""
        y0, y1, x0, x1 = (round(edge * self.height) for edge in (top, bottom, left, right))
        patch = self.pixels[y0:y1, x0:x1]
        # A table of the 256 outcomes of each channel is several times quicker than a blend of a large area.
        levels = np.arange(256, dtype=np.float32)
        for channel, level in enumerate(colour):
            table = (levels + (level - levels) * opacity).round().astype(np.uint8)
            patch[..., channel] = table[patch[..., channel]]

    def below(self, edge: Floats, colour: Colour) -> None:
        """Fill what lies below `edge` (a height for each column of pixels), with a smooth rim."""
        line = edge * self.height
        first, solid = max(0, int(line.min())), min(self.height, int(line.max()) + 2)
        down = np.arange(first, solid, dtype=np.float32)[:, None] + 0.5
        _blend(self.pixels[first:solid], colour, np.clip(down - line + 0.5, 0, 1))
        self.pixels[solid:] = colour

    def text(self, x: float, y: float, size: float, text: str, colour: Colour) -> float:
        """Write with the top left corner at (x, y), each digit as wide as any other; returns the width."""
        left, top = round(x * self.height), round(y * self.height)
        start = left
        for letter in text:
            mask, advance = _glyph(letter, round(size * self.height))
            patch = self.pixels[top : top + mask.shape[0], left : left + mask.shape[1]]
            _blend(patch, colour, mask[: patch.shape[0], : patch.shape[1]])
            left += advance
        return (left - start) / self.height


def _blend(patch: Image, colour: Colour | Floats, coverage: Floats) -> None:
    """Lay a colour (one, or one for each pixel) over the patch where `coverage` (0 to 1) says so."""
    under = patch.astype(np.float32)
    patch[:] = (under + (np.asarray(colour, np.float32) - under) * coverage[..., None] + 0.5).astype(np.uint8)


@lru_cache(maxsize=512)
def _glyph(letter: str, size: int) -> tuple[Floats, int]:
    """A letter's coverage and how far to go on after it, in pixels."""
    font = ImageFont.load_default(size)
    advance = font.getlength("0" if letter.isdigit() else letter)
    centring = (advance - font.getlength(letter)) / 2
    image = PillowImage.new("L", (int(advance) + size // 4 + 1, size + size // 3))
    ImageDraw.Draw(image).text((centring, 0), letter, fill=255, font=font)
    return np.asarray(image, dtype=np.float32) / 255, round(advance)
