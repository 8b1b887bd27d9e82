"""Our own clock, as it is told to peers: Unix time, counted by the monotonic clock.

A step of the system's clock while we run cannot pull tracks apart.
"""

from __future__ import annotations

import time

__all__ = ["unix_at", "unix_now"]

_OFFSET = time.time() - time.monotonic()


def unix_at(now: float) -> float:
    """A time of the event loop's clock, which is the monotonic one, in Unix seconds."""
    return _OFFSET + now


def unix_now() -> float:
    """Now, in Unix seconds."""
    return unix_at(time.monotonic())
