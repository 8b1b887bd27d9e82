"""Tables of figures, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["MISSING", "number", "table"]

MISSING: Final = "–"


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """The first column is of words, the others of numbers."""
    heads = list(heads)
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def number(value: float | None, scale: float = 1.0) -> str:
    """Three digits, or all before the point."""
    if value is None:
        return MISSING
    value *= scale
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
