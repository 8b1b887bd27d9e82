"""How much is played: for as long as was asked for."""

from __future__ import annotations

import math

from reelcast.player.extent import Extent


def test_all_of_it() -> None:
    extent = Extent(None)
    assert extent.behind(7.0) == -math.inf
    extent.seek(1e9)
    extent.restart()
    assert extent.behind(1e9) == -math.inf


def test_from_the_first_that_comes() -> None:
    extent = Extent(10.0)
    assert [extent.behind(pts) for pts in (7.0, 6.9, 17.0, 18.5)] == [-10.0, -10.1, 0.0, 1.5]
    extent.restart()
    assert extent.behind(20.0) == -10.0


def test_who_goes_behind_its_end_leaves_it() -> None:
    extent = Extent(10.0)
    extent.seek(100.0)
    assert extent.behind(7.0) == -10.0
    extent.seek(16.9)
    assert extent.behind(17.0) == 0.0
    extent.seek(17.0)
    assert extent.behind(17.0) == -math.inf
