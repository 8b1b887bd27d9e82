"""The picture of each frame: planets in an evening sky, drifting hills, a pendulum, a clock, and the numbers.

Everything moves in whole cycles of the loop, so that the frame after the last one is the first one. The
pendulum passes its lowest point, and the clock's quick hand stands upright, on every whole second: there the
border flashes and the beep sounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, hypot, pi, sin

import numpy as np
from scripts.movies.canvas import Canvas, Colour, Floats, Vector
from scripts.movies.marks import BORDER, FRAME_RATE, Image, draw_border, draw_mark

__all__ = ["FRAMES", "SECONDS", "Scene"]

SECONDS = 20
FRAMES = SECONDS * FRAME_RATE

SKY: tuple[Colour, ...] = ((16, 22, 58), (48, 44, 108), (142, 74, 128), (238, 142, 104), (252, 196, 128))
SKY_BOTTOM = 0.74
STARS = 170
WHITE, PAPER, GOLD = (255, 255, 255), (226, 232, 246), (255, 204, 92)
INK = (8, 10, 22)
PLATE_TOP = 0.715
BARS = ((191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0), (0, 0, 191))
CHIPS: tuple[Colour, ...] = (*BARS, *((grey, grey, grey) for grey in (0, 36, 73, 109, 146, 182, 219)))
"""Colour bars at three quarters, then a grey staircase."""


@dataclass(frozen=True, slots=True)
class Planet:
    """orbit: radius in heights; turns: in one loop; phase: in turns, at the start of the loop."""

    orbit: float
    radius: float
    turns: int
    phase: float
    colour: Colour
    moon: bool = False


PLANETS = (
    Planet(0.135, 0.022, 8, 0.10, (224, 168, 120)),
    Planet(0.235, 0.042, 5, 0.55, (92, 160, 236), moon=True),
    Planet(0.350, 0.034, 3, 0.30, (226, 100, 84)),
)
TILT = 0.34
"""How far an orbit is open to the viewer: 0 is edge on, 1 a circle."""
PERSPECTIVE = 0.9
"""How much nearer things grow, for each height of nearness."""
SUN_RADIUS = 0.066


@dataclass(frozen=True, slots=True)
class Hills:
    """A layer of hills that drifts by its own `period` (in heights) once in `laps` to the loop."""

    level: float
    rise: float
    period: float
    laps: int
    waves: tuple[int, ...]
    colour: Colour


HILLS = (
    Hills(0.615, 0.030, 2.0, 1, (3, 5, 8), (120, 74, 126)),
    Hills(0.655, 0.028, 1.6, 2, (2, 3, 7), (72, 54, 106)),
    Hills(0.695, 0.026, 1.2, 4, (1, 3, 4), (34, 36, 76)),
)


class Scene:
    """Draws the frames of one movie; what never moves is drawn once."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.aspect = width / height
        self.sun = (self.aspect * 0.49, 0.375)
        self.pivot = (self.aspect * 0.155, 0.225)
        self.clock = (self.aspect * 0.86, 0.225)
        self._still = self._background()
        self._timecode_width = Canvas(self._still.copy()).text(0, 0, 0.115, "00:00:00:00", GOLD)

    def frame(self, number: int) -> Image:
        """Frame `number`, height x width x 3, RGB; numbers beyond the loop go on with its motion."""
        canvas = Canvas(self._still.copy())
        seconds = number / FRAME_RATE
        self._planets(canvas, seconds / SECONDS)
        for hills in HILLS:
            canvas.below(self._ridge(hills, seconds / SECONDS), hills.colour)
        self._pendulum(canvas, seconds)
        self._hands(canvas, seconds)
        self._plate(canvas, number)
        draw_mark(canvas.pixels, number)
        draw_border(canvas.pixels, number)
        return canvas.pixels

    def _background(self) -> Image:
        """Sky, stars, orbits, title and the clock's face."""
        random = np.random.default_rng(2326)
        down = np.arange(self.height) / self.height / SKY_BOTTOM
        stops = np.linspace(0, 1, len(SKY))
        column = np.stack([np.interp(down, stops, channel) for channel in zip(*SKY, strict=True)], axis=-1)
        # A little noise before rounding: a smooth sky would show steps once it is compressed.
        sky = column[:, None] + random.uniform(-0.5, 0.5, (self.height, self.width, 1))
        canvas = Canvas(sky.clip(0, 255).round().astype(np.uint8))
        for x, y, size in random.random((STARS, 3)):
            canvas.disc(
                x * self.aspect, y * y * 0.5, 0.0012 + 0.0022 * size**3, PAPER, 0.3 + 0.6 * size * (1 - y)
            )
        for planet in PLANETS:
            for dot in range(72):
                x, y, _, _ = self._place(planet.orbit, dot / 72)
                canvas.disc(x, y, 0.0022, PAPER, 0.28)
        canvas.text(self.aspect * 0.045, 0.045, 0.105, "reelcast", WHITE)
        self._face(canvas)
        return canvas.pixels

    def _face(self, canvas: Canvas) -> None:
        """The clock: a tick for each second of the loop, a long one for every fifth."""
        x, y = self.clock
        canvas.disc(x, y, 0.135, INK, 0.62)
        canvas.ring(x, y, 0.135, 0.007, PAPER)
        for tick in range(SECONDS):
            angle = 2 * pi * tick / SECONDS
            inner, width = (0.100, 0.007) if tick % 5 == 0 else (0.113, 0.004)
            right, up = sin(angle), cos(angle)
            canvas.rod((x + inner * right, y - inner * up), (x + 0.124 * right, y - 0.124 * up), width, PAPER)

    def _place(self, orbit: float, turn: float) -> tuple[float, float, float, float]:
        """Where a point of an orbit is on the picture: x, y, how near (in heights), how large."""
        angle = 2 * pi * turn
        near = orbit * sin(angle)
        scale = 1 / (1 - PERSPECTIVE * near)
        return (
            self.sun[0] + orbit * cos(angle) * scale,
            self.sun[1] + orbit * sin(angle) * TILT * scale,
            near,
            scale,
        )

    def _planets(self, canvas: Canvas, phase: float) -> None:
        """The sun and what goes around it, the far ones first."""
        x, y = self.sun
        bodies: list[tuple[float, float, float, float, Colour, Vector]] = []
        for planet in PLANETS:
            turn = planet.phase + planet.turns * phase
            px, py, near, scale = self._place(planet.orbit, turn)
            light = _towards_sun(turn)
            bodies.append((near, px, py, planet.radius * scale, planet.colour, light))
            if planet.moon:
                angle = 2 * pi * 16 * phase
                mx, my = px + 0.075 * scale * cos(angle), py + 0.030 * scale * sin(angle)
                bodies.append((near + 0.075 * sin(angle), mx, my, 0.012 * scale, PAPER, light))
        bodies.sort(key=lambda body: body[0])
        canvas.glow(x, y, 0.30, (255, 214, 150), 0.55)
        for _, px, py, radius, colour, light in (body for body in bodies if body[0] < 0):
            canvas.ball(px, py, radius, colour, light)
        canvas.disc(x, y, SUN_RADIUS, (255, 226, 150))
        canvas.glow(x, y, SUN_RADIUS, (255, 252, 236), 1.0)
        for _, px, py, radius, colour, light in (body for body in bodies if body[0] >= 0):
            canvas.ball(px, py, radius, colour, light)

    def _ridge(self, hills: Hills, phase: float) -> Floats:
        """The upper edge of a layer at each column of pixels."""
        across = np.arange(self.width, dtype=np.float64) / self.height / hills.period + hills.laps * phase
        waves = sum(np.sin(2 * pi * wave * (across + 0.13 * wave)) / wave**0.7 for wave in hills.waves)
        return np.asarray(hills.level - hills.rise * waves, dtype=np.float32)

    def _pendulum(self, canvas: Canvas, seconds: float) -> None:
        """Two seconds for a swing to and fro: upright on every second."""
        x, y = self.pivot
        angle = 0.36 * sin(pi * seconds)
        bob = (x + 0.33 * sin(angle), y + 0.33 * cos(angle))
        canvas.rod((x - 0.05, y), (x + 0.05, y), 0.014, PAPER)
        canvas.rod((x, y), bob, 0.007, PAPER)
        canvas.ball(*bob, 0.046, GOLD, (-0.48, -0.6, 0.64))

    def _hands(self, canvas: Canvas, seconds: float) -> None:
        """A hand that sweeps round once a second, and one that takes the whole loop."""
        x, y = self.clock
        for turn, length, width, colour in (
            (seconds / SECONDS, 0.085, 0.012, PAPER),
            (seconds, 0.118, 0.006, GOLD),
        ):
            right, up = sin(2 * pi * turn), cos(2 * pi * turn)
            canvas.rod((x, y), (x + length * right, y - length * up), width, colour)
        canvas.disc(x, y, 0.012, GOLD)

    def _plate(self, canvas: Canvas, number: int) -> None:
        """The frame number and the timecode on dark glass, under a row of colour chips."""
        canvas.box(BORDER, PLATE_TOP, self.aspect - BORDER, 1 - BORDER, INK, 0.72)
        chip = (self.aspect - 2 * BORDER) / len(CHIPS)
        for index, colour in enumerate(CHIPS):
            left = BORDER + index * chip
            canvas.box(left, PLATE_TOP - 0.006, left + chip, PLATE_TOP + 0.014, colour, 1.0)
        whole, part = divmod(number, FRAME_RATE)
        timecode = f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}:{part:02}"
        canvas.text(self.aspect / 16, 0.720, 0.138, f"{number:03}", WHITE)
        canvas.text(self.aspect * 15 / 16 - self._timecode_width, 0.741, 0.115, timecode, GOLD)


def _towards_sun(turn: float) -> Vector:
    """The direction of light at a point of an orbit, of length 1."""
    angle = 2 * pi * turn
    right, below, towards = -cos(angle), -sin(angle) * TILT, -sin(angle)
    # Some light comes from the viewer too: else the near planets would be black.
    towards += 0.45
    length = hypot(right, below, towards)
    return right / length, below / length, towards / length
