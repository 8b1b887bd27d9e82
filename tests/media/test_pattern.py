from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from numpy.typing import NDArray

from reelcast.media.pattern import BEEP_HZ, SAMPLE_RATE, Pattern


def test_pictures_and_sound_take_turns_and_leave_no_gap() -> None:
    pattern = Pattern(320, 180, 30)
    shots = list(islice(pattern.shots(), 60))
    pattern.close()
    pictures, sounds = shots[::2], shots[1::2]
    assert [shot.pts for shot in pictures] == pytest.approx([number / 30 for number in range(30)])
    heard = 0
    for shot in pictures:
        assert shot.picture is not None
    for shot in sounds:
        assert shot.samples is not None
        assert shot.pts == heard / SAMPLE_RATE
        heard += len(shot.samples)
    assert heard == SAMPLE_RATE


@pytest.mark.parametrize("size", [(1280, 720), (64, 48), (16, 16), (1000, 40)])
def test_pictures_of_any_size(size: tuple[int, int]) -> None:
    picture = Pattern(*size).picture(0, 1000.5)
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8


def test_the_square_is_white_while_the_beep_is_heard() -> None:
    pattern = Pattern(320, 180)
    corner = (5, 315)
    assert pattern.picture(0, 1000.0)[corner].tolist() == [255] * 3
    assert pattern.picture(0, 1000.09)[corner].tolist() == [255] * 3
    assert pattern.picture(0, 1000.1)[corner].tolist() != [255] * 3
    sound = pattern.sound(0, 2 * SAMPLE_RATE, 1000.5)[:, 0]
    loud = np.flatnonzero(sound)
    # Sample 0 is heard at half past a second.
    assert abs(loud[0] - SAMPLE_RATE // 2) <= 1
    beep = loud[loud < SAMPLE_RATE]
    assert abs(len(beep) / SAMPLE_RATE - 0.1) < 0.005
    spectrum = np.abs(np.fft.rfft(sound[SAMPLE_RATE // 2 : SAMPLE_RATE // 2 + 4800]))
    assert spectrum.argmax() * 10 == BEEP_HZ
    # Cut anywhere, it is the same sound.
    halves = [pattern.sound(first, SAMPLE_RATE, 1000.5) for first in (0, SAMPLE_RATE)]
    assert (np.concatenate(halves)[:, 0] == sound).all()


def lit(picture: NDArray[np.uint8]) -> int:
    """Pixels of digits; the bars are darker."""
    return int((picture[: picture.shape[0] * 3 // 4 - 1].min(axis=2) == 255).sum())


def test_each_picture_has_its_number_and_its_time() -> None:
    pattern = Pattern(640, 360)
    still = [pattern.picture(number, 1000.5) for number in (888888, 111111)]
    # All segments of an eight shine, two of a one.
    assert lit(still[0]) > lit(still[1])
    first, second = (pattern.picture(7, wall) for wall in (1000.5, 1001.5))
    assert (first != second).any()
    assert (pattern.picture(7, 1000.5) == first).all()


def test_the_gradient_moves() -> None:
    pattern = Pattern(640, 360)
    rows = [pattern.picture(number, 1000.5)[350].astype(int) for number in (0, 1)]
    assert (np.abs(rows[1][:-4] - rows[0][4:]) == 0).all()
