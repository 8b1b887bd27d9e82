"""Medians, ratios and verdicts over results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from scripts.bench.programme import Result
from scripts.bench.rows import GSTREAMER, LIMIT, OURS, VIDEO_LIMIT, Row

__all__ = ["Cost", "Line", "Verdict", "cost_of", "figure", "line_of", "memory_per_reader", "select"]

SERVER_COST = ("server", "cpu_s_per_gb")
UNSERVED = ("lost", "lost_bytes", "failed", "silent", "dropped")
"""What a load counts that must be nought."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a row and a contender: the median of its rounds in CPU seconds a GB, and all that went wrong in them.

    cpu is None where no round gave a figure, and of those readers that joined where not all could; trouble says
    why, or what was lost, and is empty where all went well.
    """

    cpu: float | None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an aim was met: None where it cannot be told, for a figure is missing."""

    aim: str
    found: float | None
    met: bool | None


@dataclass(frozen=True, slots=True)
class Line:
    """A row with its figures. readers: of ours, fewer than the row's in a quick run."""

    row: Row
    readers: int
    ours: Cost
    gstreamer: Cost
    limit: Cost
    verdicts: tuple[Verdict, ...]

    @property
    def reached(self) -> bool | None:
        """Whether all aims are met and nothing was lost; None where that cannot be told."""
        met = [verdict.met for verdict in self.verdicts]
        if False in met or (self.ours.trouble and self.ours.cpu is not None):
            return False
        return None if None in met else True


def select(results: Iterable[Result], experiment: str, case: str, contender: str) -> list[Result]:
    """Those of one contender in one case, by readers and round."""
    found = (
        result
        for result in results
        if (result.experiment, result.case, result.contender) == (experiment, case, contender)
    )
    return sorted(found, key=lambda result: (result.readers, result.round))


def figure(results: Sequence[Result], *path: str) -> float | None:
    """The median of a figure, found by its keys; None where no result has it."""
    values = [value for result in results if (value := _at(result.figures, path)) is not None]
    return median(values) if values else None


def _at(figures: Any, path: Sequence[str]) -> float | None:
    for key in path:
        if not isinstance(figures, dict):
            return None
        figures = figures.get(key)
    return float(figures) if isinstance(figures, int | float) else None


def cost_of(results: Sequence[Result]) -> Cost:
    """Of one contender's rounds in one row."""
    alone = bool(results) and results[0].contender in (LIMIT, VIDEO_LIMIT)
    path = ("cpu_s_per_gb",) if alone else SERVER_COST
    cpu = figure(results, *path)
    failures = [result.failure for result in results if result.failure is not None]
    if failures:
        return Cost(cpu, failures[0])
    counts = {name: int(sum(_at(result.figures, (name,)) or 0 for result in results)) for name in UNSERVED}
    return Cost(
        cpu, ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)
    )


def line_of(row: Row, results: Sequence[Result]) -> Line:
    """Everything about a row."""
    runs = select(results, "rows", row.key, OURS)
    ours = cost_of(runs)
    gstreamer = cost_of(select(results, "rows", row.key, GSTREAMER))
    limit = cost_of(select(results, "rows", row.limit_row or row.key, LIMIT))
    verdicts = [Verdict(f"≤ {row.to_reach:g}", ours.cpu, _holds(ours.cpu, at_most=row.to_reach))]
    if row.below_gst is not None:
        below = _ratio(gstreamer.cpu, ours.cpu)
        verdicts.append(Verdict(f"≥ {row.below_gst:g}× below", below, _holds(below, at_least=row.below_gst)))
    if row.near_limit is not None:
        near = _ratio(ours.cpu, limit.cpu)
        verdicts.append(Verdict(f"≤ {row.near_limit:g}× limit", near, _holds(near, at_most=row.near_limit)))
    return Line(row, runs[0].readers if runs else row.readers, ours, gstreamer, limit, tuple(verdicts))


def _ratio(value: float | None, by: float | None) -> float | None:
    return value / by if value is not None and by else None


def _holds(value: float | None, *, at_least: float = 0.0, at_most: float = float("inf")) -> bool | None:
    return None if value is None else at_least <= value <= at_most


def memory_per_reader(few: Sequence[Result], many: Sequence[Result]) -> float | None:
    """Bytes that each reader more takes, between two runs with different numbers of them.

    What a server has before anyone comes, and what all readers share, is in both.
    """
    less, more = (figure(runs, "server", "rss_after_bytes") for runs in (few, many))
    count, counts = figure(few, "joined"), figure(many, "joined")
    if less is None or more is None or count is None or counts is None or counts <= count:
        return None
    return (more - less) / (counts - count)
