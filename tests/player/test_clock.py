"""The clock of the player, at given times."""

from __future__ import annotations

import pytest

from reelcast.player.clock import GAIN, Clock


def test_nothing_is_known_at_first() -> None:
    clock = Clock()
    clock.start(1.0)
    assert clock.at(5.0) is None
    assert not clock.running
    clock.correct(7.0, 5.0)
    assert clock.at(5.0) is None


def test_it_stands_until_it_is_started_and_when_it_is_stopped() -> None:
    clock = Clock()
    clock.set(10.0, 100.0)
    assert clock.at(105.0) == 10.0
    clock.start(106.0)
    clock.start(107.0)
    assert clock.running
    assert clock.at(108.0) == 12.0
    clock.stop(109.0)
    assert not clock.running
    assert clock.at(200.0) == 13.0


def test_it_is_set_while_it_runs() -> None:
    clock = Clock()
    clock.set(0.0, 0.0)
    clock.start(0.0)
    clock.set(50.0, 2.0)
    assert clock.at(3.0) == 51.0
    clock.set(None, 4.0)
    assert clock.at(5.0) is None
    assert not clock.running


@pytest.mark.parametrize("rate", [0.5, 2.0, -1.0])
def test_another_rate_counts_from_when_it_is_set(rate: float) -> None:
    clock = Clock()
    clock.set(10.0, 0.0)
    clock.start(0.0)
    clock.change_rate(rate, 4.0)
    assert clock.at(4.0) == 14.0
    assert clock.at(6.0) == 14.0 + 2 * rate


def test_corrections_take_away_a_part_of_the_error_each() -> None:
    clock = Clock()
    clock.set(0.0, 0.0)
    clock.start(0.0)
    clock.correct(1.02, 1.0)
    assert clock.at(1.0) == pytest.approx(1.0 + GAIN * 0.02)
    for step in range(100):
        clock.correct(2.02 + step, 2.0 + step)
    assert clock.at(200.0) == pytest.approx(200.02, abs=1e-4)
