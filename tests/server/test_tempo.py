"""Tempo: how long sending takes is learned, and what takes long is cut up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelcast.server.tempo import EARLY, FIRST_RATE, GO_SECONDS, PART_SECONDS, Tempo


def learned(rate: float) -> Tempo:
    tempo = Tempo()
    for _ in range(200):
        tempo.note(1_000_000, 1_000_000 * rate)
    return tempo


def test_before_anything_is_known() -> None:
    assert Tempo().lead(1_000_000) == pytest.approx(1_000_000 * FIRST_RATE * EARLY)


@pytest.mark.parametrize("rate", [0.3e-9, 1e-9, 5e-9])
def test_what_takes_no_longer_than_that_goes_out_in_one_go(rate: float) -> None:
    tempo = learned(rate)
    weight = int(GO_SECONDS / rate * 0.99)
    assert tempo.portion(weight) == weight
    assert tempo.lead(weight) == pytest.approx(GO_SECONDS * EARLY, rel=0.02)
    assert tempo.lead(weight // 2) == pytest.approx(GO_SECONDS * EARLY / 2, rel=0.02)


@pytest.mark.parametrize("rate", [0.3e-9, 1e-9, 5e-9])
def test_what_takes_longer_goes_out_in_parts(rate: float) -> None:
    tempo = learned(rate)
    weight = int(GO_SECONDS / rate * 1.01)
    assert tempo.portion(weight) == tempo.portion(9 * weight) == pytest.approx(PART_SECONDS / rate, rel=0.01)
    assert tempo.lead(weight) == pytest.approx(PART_SECONDS * EARLY, rel=0.01)


def test_what_was_long_ago_counts_for_little() -> None:
    tempo = learned(1e-9)
    tempo.note(1_000_000, 0.05)
    hindered = tempo.lead(1_000_000)
    for _ in range(100):
        tempo.note(1_000_000, 0.001)
    assert tempo.lead(1_000_000) < 0.0012 * EARLY < hindered


@given(st.lists(st.tuples(st.integers(0, 1 << 30), st.floats(0.0, 60.0))), st.integers(0, 1 << 40))
def test_whatever_it_took(noted: list[tuple[int, float]], weight: int) -> None:
    tempo = Tempo()
    for sent, seconds in noted:
        tempo.note(sent, seconds)
    assert 0 <= tempo.portion(weight) <= weight
    assert 0.0 <= tempo.lead(weight) <= GO_SECONDS * EARLY * 1.001
