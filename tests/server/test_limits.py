"""Limits are numbers above nothing; descriptors are had as far as the system lets us."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

from reelcast.server.limits import Limits, descriptors, raise_descriptors


@pytest.fixture
def given() -> Iterator[tuple[int, int]]:
    """The process's limits, which are as they were when the test is over."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield limits
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("name", [field.name for field in fields(Limits)])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_is_above_nothing(name: str, value: float) -> None:
    wrong: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=name):
        Limits(**wrong)


def test_one_address_takes_half_of_all() -> None:
    limits = Limits()
    assert limits.connections == 2 * limits.connections_per_address
    assert limits.sessions == 2 * limits.sessions_per_address


def test_descriptors_are_raised(given: tuple[int, int]) -> None:
    _, hard = given
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    assert descriptors() == 512
    raise_descriptors(600)
    assert descriptors() == 600
    raise_descriptors(100)
    assert descriptors() == 600
    if hard != resource.RLIM_INFINITY:
        raise_descriptors(hard + 1)
        assert descriptors() == hard


def test_a_system_that_does_not_let_us(given: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    _, hard = given
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    raise_descriptors(600)
    monkeypatch.undo()
    assert descriptors() == 512


def test_a_system_without_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = resource.RLIM_INFINITY, resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda _: endless)
    raise_descriptors(600)
    assert descriptors() is None
    monkeypatch.setattr(sys, "platform", "win32")
    raise_descriptors(600)
    assert descriptors() is None
