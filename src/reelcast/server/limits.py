"""What clients may take of a server, each with its reason; and what the process may have."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass, fields

__all__ = ["RESERVED_DESCRIPTORS", "Limits", "descriptors", "raise_descriptors"]

RESERVED_DESCRIPTORS = 384
"""Not for connections: files that are kept open, twice where they are read ahead, ports, what Python has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What clients may take. Raises ValueError where a limit is not above 0.

    connections               at once: ten times what one core serves; who comes beyond is answered 503
    connections_per_address   half of all, so that no host keeps all others out; many may share an address
    sessions                  at once, of connections that take one each; beyond, SETUP is answered 453
    sessions_per_address      half of all, for the same reason
    publications              at once: each may have four ports a track, and its media is taken apart; beyond,
                              ANNOUNCE is answered 453
    idle_seconds              until a connection without a session is closed: more than the longest time
                              between two requests of a client that keeps a session alive
    message_seconds           until a message that was begun must be complete: even a slow line carries one
                              of the largest size in half of that
    stalled_seconds           that a client may take nothing of what is written to it: players that stop
                              reading where they should say PAUSE go on after a short while, or never
    """

    connections: int = 10_000
    connections_per_address: int = 5_000
    sessions: int = 10_000
    sessions_per_address: int = 5_000
    publications: int = 1_000
    idle_seconds: float = 70.0
    message_seconds: float = 10.0
    stalled_seconds: float = 60.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ValueError(f"{field.name} must be above 0, not {getattr(self, field.name)}")


def descriptors() -> int | None:
    """How many files and sockets this process may have open, None where the system does not say (Windows)."""
    if sys.platform == "win32":
        return None
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def raise_descriptors(wanted: int) -> None:
    """Let this process have `wanted` files and sockets, or as many as it may allow itself."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        # macOS says that there is no limit and yet has one.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
