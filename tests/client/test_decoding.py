"""From units to pictures: what losses leave whole, and what a decoder holds back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.client.film import COUNT, FILMS, WALL, Movie, mark, pixels, received

from reelcast.client.decoding import Decoding
from reelcast.client.frame import Frame
from reelcast.rtp.intake import ReceivedUnit
from reelcast.track import AccessUnit, Track


@pytest.fixture(scope="module", params=FILMS)
def movie(movies: Path, request: pytest.FixtureRequest) -> Movie:
    return Movie(movies / request.param)


def decoded(movie: Movie, loss: float, *, flag: bool = False) -> list[Frame]:
    decoding = Decoding(("video",), flag)
    frames = [frame for unit in received(movie, loss) for frame in decoding.decode(unit)]
    return frames + decoding.flush()


def test_without_loss_all_of_it(movie: Movie) -> None:
    frames = decoded(movie, 0.0)
    assert [mark(frame) for frame in frames] == list(range(COUNT))
    assert [frame.pts for frame in frames] == [pytest.approx(number / 25) for number in range(COUNT)]
    assert all(frame.time == pytest.approx(WALL + frame.pts, abs=0.25) for frame in frames)
    assert not any(frame.corrupt for frame in frames)


def test_no_picture_is_lost_where_times_stand_still(movie: Movie) -> None:
    decoding = Decoding(("video",), False)
    units = [replace(unit, pts=round(unit.pts * 25) // 2 / 12.5) for unit in received(movie, 0.0)]
    frames = [frame for unit in units for frame in decoding.decode(unit)] + decoding.flush()
    assert [mark(frame) for frame in frames] == list(range(COUNT))
    assert [frame.pts for frame in frames] == [pytest.approx(number // 2 / 12.5) for number in range(COUNT)]


@pytest.mark.parametrize("flag", [False, True], ids=["drop", "flag"])
def test_what_is_not_called_corrupt_is_whole(movie: Movie, flag: bool) -> None:
    """Two packets of a hundred are lost: each picture is as it was coded, to the pixel, or is said not to be."""
    frames = decoded(movie, 0.02, flag=flag)
    whole = [frame for frame in frames if not frame.corrupt]
    assert len(whole) > 20
    for frame in whole:
        number = round(frame.pts * 25)
        assert mark(frame) == number
        assert np.array_equal(pixels(frame), movie.pixels[number])
    times = [frame.pts for frame in frames]
    assert times == sorted(set(times))
    assert (len(frames) > len(whole)) is flag


def test_what_a_decoder_holds_back_is_shown_when_another_session_begins(movie: Movie) -> None:
    decoding = Decoding(("video",), False)
    units = [*received(movie, 0.0), *received(movie, 0.0, segment=1)]
    frames = [frame for unit in units for frame in decoding.decode(unit)] + decoding.flush()
    assert [mark(frame) for frame in frames] == [*range(COUNT), *range(COUNT)]
    assert [frame.segment for frame in frames] == [0] * COUNT + [1] * COUNT


def test_what_is_printed_of_a_frame() -> None:
    track = Track("audio", "pcmu", 8_000, 0, channels=1)
    unit = ReceivedUnit(track, AccessUnit(bytes(160), 0, 0), 0.0, None, "estimated", 0.0)
    (frame,) = Decoding(("audio",), False).decode(unit)
    assert repr(frame) == "<Frame of pcmu at 0.000 s, estimated time None key>"
