"""One timeline over many sessions."""

from __future__ import annotations

import pytest

from reelcast.client.continuity import Continuity
from reelcast.rtp.intake import ReceivedUnit
from reelcast.track import AccessUnit, Track

TRACK = Track("video", "h264", 90_000, 96)


def unit(pts: float, arrival: float, segment: int) -> ReceivedUnit:
    return ReceivedUnit(TRACK, AccessUnit(b"", 0, 0), pts, None, "estimated", arrival, segment=segment)


def test_what_is_live_goes_on_by_the_clock() -> None:
    continuity = Continuity()
    placed = [
        continuity.place(each, live=True).pts
        for each in (unit(5.0, 100.0, 1), unit(5.04, 100.04, 1), unit(0.0, 103.04, 2), unit(0.04, 103.08, 2))
    ]
    assert placed == [5.0, 5.04, pytest.approx(8.04), pytest.approx(8.08)]
    assert continuity.position == pytest.approx(8.08)


def test_times_of_a_presentation_mean_the_same_in_every_session() -> None:
    continuity = Continuity()
    units = (unit(5.0, 100.0, 1), unit(5.04, 100.04, 1), unit(4.0, 103.0, 2), unit(4.04, 103.04, 2))
    assert [continuity.place(each, live=False).pts for each in units] == [5.0, 5.04, 4.0, 4.04]
    assert continuity.position == 4.04


def test_pictures_out_of_order_do_not_move_the_place_back() -> None:
    continuity = Continuity()
    for each in (unit(0.12, 0.0, 1), unit(0.04, 0.0, 1)):
        continuity.place(each, live=True)
    assert continuity.position == 0.12


def test_a_seek_moves_it() -> None:
    continuity = Continuity()
    continuity.place(unit(9.0, 0.0, 1), live=False)
    continuity.seek(2.0)
    assert continuity.position == 2.0


def test_backwards_the_latest_is_the_least() -> None:
    continuity = Continuity()
    for each in (unit(9.0, 0.0, 1), unit(7.0, 1.0, 1), unit(8.0, 1.0, 1)):
        assert continuity.place(each, live=False, backwards=True) is each
    assert continuity.position == 7.0
