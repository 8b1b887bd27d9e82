"""Our own clock: Unix time that passes as the monotonic clock does."""

from __future__ import annotations

import time

import pytest

from reelcast.net.clock import unix_at, unix_now


def test_it_is_what_the_system_says() -> None:
    assert unix_now() == pytest.approx(time.time(), abs=5.0)


def test_it_passes_evenly() -> None:
    now = time.monotonic()
    assert unix_at(now + 3600.0) - unix_at(now) == pytest.approx(3600.0)
