"""Counts in bins of equal width: what millions of values leave behind in constant memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Histogram"]


class Histogram:
    """Values between `low` and `high`, to the `width` of a bin; what lies outside counts at the ends."""

    def __init__(self, low: float, high: float, width: float) -> None:
        self.low = low
        self.width = width
        self.counts: NDArray[np.int64] = np.zeros(round((high - low) / width), np.int64)

    def __len__(self) -> int:
        """How many values were added."""
        return int(self.counts.sum())

    def add(self, values: NDArray[Any]) -> None:
        """Count some values; NaN is none."""
        known = values[~np.isnan(values)]
        bins = np.floor((known - self.low) / self.width)
        np.add.at(self.counts, np.clip(bins, 0, len(self.counts) - 1).astype(np.intp), 1)

    def percentile(self, percent: float) -> float | None:
        """The middle of the bin below which this part of the values lies; None without values."""
        sums = np.cumsum(self.counts)
        if sums[-1] == 0:
            return None
        rank = max(1, int(np.ceil(sums[-1] * percent / 100)))
        return float(self.low + (np.searchsorted(sums, rank) + 0.5) * self.width)

    @property
    def values(self) -> NDArray[np.float64]:
        """The middle of each bin."""
        middles = np.arange(len(self.counts), dtype=np.float64)
        middles += 0.5
        middles *= self.width
        middles += self.low
        return middles
