"""Timeouts and backoff: numbers in, numbers out."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
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


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, None, "10", (3, 3), True])
def test_seconds_that_make_no_sense(seconds: Any) -> None:
    with pytest.raises(ValueError, match="timeout must be a number of seconds more than 0, not "):
        Timeouts.of(seconds)
    with pytest.raises(ValueError, match="reply must be a number of seconds more than 0, not "):
        Timeouts(reply=seconds)


def test_seconds_of_any_kind() -> None:
    assert Timeouts.of(cast(float, np.float32(0.5))) == Timeouts.of(0.5)
    assert Timeouts.of(math.inf).opening == math.inf


@pytest.mark.parametrize("value", [None, 5, "no"])
def test_a_policy_that_makes_no_sense(value: Any) -> None:
    with pytest.raises(
        ValueError, match=f"reconnect must be True, False or a reelcast.Reconnect, not {value!r}"
    ):
        Reconnect.of(value)


def test_policies() -> None:
    assert (Reconnect.of(True), Reconnect.of(False)) == (Reconnect(), NEVER)
    assert Reconnect.of(Reconnect(attempts=2)) == Reconnect(attempts=2)


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
