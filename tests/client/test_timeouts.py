"""Timeouts and backoff: numbers in, numbers out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelcast.client.reconnect import NEVER, Reconnect
from reelcast.client.timeouts import Timeouts


def test_a_number_bounds_everything() -> None:
    assert Timeouts.of(3.0) == Timeouts(3.0, 3.0, 3.0, 3.0, 3.0)
    given_ones = Timeouts(silence=60.0)
    assert Timeouts.of(given_ones) is given_ones
    assert given_ones.opening is None


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
def test_seconds_that_make_no_sense(seconds: float) -> None:
    with pytest.raises(ValueError, match="connect must be more than 0 seconds"):
        Timeouts.of(seconds)


def test_backoff_doubles_up_to_its_bound() -> None:
    policy = Reconnect(first=0.5, longest=10.0)
    assert [policy.delay(attempt, 0.0) for attempt in range(1, 8)] == [0.5, 1, 2, 4, 8, 10, 10]
    assert policy.delay(10_000, 0.0) == 10.0


@given(st.integers(1, 10**6), st.floats(0, 1, exclude_max=True))
def test_chance_takes_a_quarter_at_most(attempt: int, chance: float) -> None:
    policy = Reconnect()
    whole = policy.delay(attempt, 0.0)
    assert 0.75 * whole <= policy.delay(attempt, chance) <= whole


def test_attempts_are_counted() -> None:
    assert Reconnect().allows(10**9)
    assert [Reconnect(attempts=2).allows(attempt) for attempt in (1, 2, 3)] == [True, True, False]
    assert not NEVER.allows(1)
