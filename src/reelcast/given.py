"""What a program gives is looked at before it is used: what makes no sense is a ValueError of one line, at once.

Numbers may be of any kind that Python counts as such, those of NumPy too; they come back as Python's own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import TypeGuard

__all__ = ["choice", "is_number", "is_whole", "positive", "whole"]


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a finite number; a truth value is none."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: object) -> TypeGuard[int]:
    """Whether it is a whole number, of a type that has no others."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def positive(name: str, value: object, *, unit: str = "", endless: bool = False) -> float:
    """A number above 0; infinity too where it may be `endless`."""
    if is_number(value) and value > 0:
        return float(value)
    if endless and value == math.inf:
        return math.inf
    raise ValueError(f"{name} must be a number{unit} more than 0, not {value!r}")


def whole(name: str, value: object) -> int:
    """A whole number above 0, of whatever type: some libraries give rates as 48000.0."""
    if is_number(value) and value > 0 and value == int(value):
        return int(value)
    raise ValueError(f"{name} must be a whole number more than 0, not {value!r}")


def choice(name: str, value: object, known: Iterable[str]) -> None:
    """One of a few words."""
    known = tuple(known)
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, not {value!r}")
