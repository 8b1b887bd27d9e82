"""How units open is learned from those that lost nothing, and from those that nothing can stand before."""

from __future__ import annotations

import pytest

from reelcast.rtp.payload.assembly import Openings


@pytest.mark.parametrize(
    ("seen", "judged", "whole"),
    [
        ([], (True, 5, True), True),
        ([], (True, 5, False), True),
        ([(True, 7, False)], (True, 5, True), False),
        ([(True, 7, False)], (True, 7, True), True),
        ([(True, 7, False)], (False, 1, True), True),
        ([(True, 7, False), (True, 5, False)], (True, 7, True), False),
        ([(True, 5, True)], (True, 7, True), True),
    ],
)
def test_table(seen: list[tuple[bool, int, bool]], judged: tuple[bool, int, bool], whole: bool) -> None:
    """Each is (keyframe, type, doubtful)."""
    openings = Openings()
    for keyframe, opening, doubtful in seen:
        openings.judge(keyframe, opening, doubtful=doubtful, first=False)
    keyframe, opening, doubtful = judged
    assert openings.judge(keyframe, opening, doubtful=doubtful, first=False) is whole


def test_a_doubtful_unit_teaches_where_nothing_can_stand_before_it() -> None:
    openings = Openings()
    assert openings.judge(True, 7, doubtful=True, first=True)
    assert not openings.judge(True, 5, doubtful=True, first=False)
