"""What is heard: a soft chord, a breath of wind so that an encoder has work, and the beep on every second."""

from __future__ import annotations

import numpy as np
from scripts.movies.canvas import Floats
from scripts.movies.marks import BEEP_HZ, BEEP_SECONDS

__all__ = ["RATE", "soundtrack"]

RATE = 48000
CHANNELS = 2
BEEP_PEAK = 0.5
CHORD_HZ = ((110, 220, 275), (165, 220, 330))
"""Left and right; whole numbers, so that each second ends where it began."""
CHORD_PEAK = 0.018
WIND_PEAK = 0.012


def soundtrack(seconds: int) -> Floats:
    """`seconds` of sound, channels x samples, full scale 1.0; the end runs on into the beginning."""
    time = np.arange(seconds * RATE) / RATE
    random = np.random.default_rng(3550)
    sound = random.uniform(-WIND_PEAK, WIND_PEAK, (CHANNELS, time.size))
    for channel, chord in zip(sound, CHORD_HZ, strict=True):
        for voice, pitch in enumerate(chord):
            swell = 0.6 + 0.4 * np.cos(2 * np.pi * (time / seconds * (voice + 1)))
            channel += CHORD_PEAK * swell * np.sin(2 * np.pi * pitch * time)
    # The beep takes the place of all else: its first sample, and no earlier one, stands out.
    length = round(BEEP_SECONDS * RATE)
    beep = BEEP_PEAK * np.sin(2 * np.pi * BEEP_HZ * np.arange(length) / RATE)
    for second in range(seconds):
        sound[:, second * RATE : second * RATE + length] = beep
    return sound.astype(np.float32)
