"""What a program gives: numbers of all kinds, and what is no such number."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from reelcast.given import choice, is_number, is_whole, positive, whole

SENSELESS: list[object] = [0, -1, math.nan, math.inf, None, "5", b"5", (5,), True, Decimal(5), 5j]


@pytest.mark.parametrize("value", [25, 25.0, np.float32(25), np.int64(25), Fraction(50, 2)])
def test_numbers_become_those_of_python(value: object) -> None:
    assert is_number(value)
    assert (type(positive("fps", value)), positive("fps", value)) == (float, 25.0)
    assert (type(whole("channels", value)), whole("channels", value)) == (int, 25)


@pytest.mark.parametrize("value", SENSELESS)
def test_what_is_no_number_above_0(value: object) -> None:
    with pytest.raises(ValueError, match=r"^fps must be a number of things more than 0, not "):
        positive("fps", value, unit=" of things")
    with pytest.raises(ValueError, match=r"^channels must be a whole number more than 0, not "):
        whole("channels", value)


def test_only_what_is_endless_may_be_infinite() -> None:
    assert positive("timeout", math.inf, endless=True) == math.inf
    with pytest.raises(ValueError, match="not nan"):
        positive("timeout", math.nan, endless=True)


@pytest.mark.parametrize(("value", "is_one"), [(5, True), (np.int16(5), True), (5.0, False), (True, False)])
def test_whole_numbers_by_their_type(value: object, is_one: bool) -> None:
    assert is_whole(value) is is_one


@pytest.mark.parametrize("value", ["UDP", None, ["udp"]])
def test_one_of_a_few_words(value: object) -> None:
    choice("transport", "udp", ("udp", "tcp"))
    with pytest.raises(ValueError, match=r"^transport must be one of 'udp', 'tcp', not "):
        choice("transport", value, ("udp", "tcp"))
