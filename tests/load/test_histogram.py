"""Bins, their ends, and percentiles as good as the bins are fine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelcast.load.histogram import Histogram


def test_empty() -> None:
    histogram = Histogram(0.0, 1.0, 0.1)
    assert len(histogram) == 0
    assert histogram.percentile(50) is None


def test_bins_have_their_middles() -> None:
    histogram = Histogram(-1.0, 1.0, 0.5)
    assert histogram.values.tolist() == [-0.75, -0.25, 0.25, 0.75]
    histogram.add(np.array([-0.9, 0.1, 0.2, np.nan]))
    assert histogram.counts.tolist() == [1, 0, 2, 0]
    assert len(histogram) == 3


def test_what_lies_outside_counts_at_the_ends() -> None:
    histogram = Histogram(0.0, 1.0, 0.5)
    histogram.add(np.array([-5.0, 1.0, 99.0]))
    assert histogram.counts.tolist() == [1, 2]


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=60), st.sampled_from([1, 50, 90, 99, 100]))
def test_percentiles_are_right_to_a_bin(values: list[float], percent: int) -> None:
    histogram = Histogram(0.0, 1.0, 0.01)
    histogram.add(np.array(values))
    rank = max(1, int(np.ceil(len(values) * percent / 100)))
    assert histogram.percentile(percent) == pytest.approx(sorted(values)[rank - 1], abs=0.0051)
