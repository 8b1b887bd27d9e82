"""Who is connected: counted, in all and by address, and turned away where there is no room."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator

from reelcast.server.connection import Connection
from reelcast.server.limits import RESERVED_DESCRIPTORS, Limits, descriptors

__all__ = ["Roster"]

log = logging.getLogger(__name__)

TELL_SECONDS = 10.0
"""At most one line in so long tells of who was turned away: a flood of connections is none of lines."""


class Roster:
    """The connections of a server; iterating is safe while they come and go."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._room = limits.connections
        self._connections: set[Connection] = set()
        self._by_address: Counter[str] = Counter()
        self._turned_away = 0
        self._told: float | None = None

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._connections))

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._connections

    def fit(self) -> None:
        """Have no more connections than this process may have descriptors for."""
        allowed = descriptors()
        self._room = self._limits.connections
        if allowed is None:
            return
        self._room = min(self._room, max(allowed // 2, allowed - RESERVED_DESCRIPTORS))
        if self._room < self._limits.connections:
            hint = "the system's limit of open files (ulimit -n) allows no more"
            log.warning(
                "at most %d connections instead of %d: %s", self._room, self._limits.connections, hint
            )

    def add(self, connection: Connection) -> bool:
        """Take one more in, if there is room for it."""
        address = connection.peer[0]
        if len(self._connections) >= self._room:
            self._turn_away(connection, f"there are {self._room} connections")
        elif self._by_address[address] >= self._limits.connections_per_address:
            self._turn_away(
                connection, f"there are {self._limits.connections_per_address} connections from there"
            )
        else:
            self._connections.add(connection)
            self._by_address[address] += 1
            return True
        return False

    def remove(self, connection: Connection) -> bool:
        """It is gone; whether it was one of these."""
        if connection not in self._connections:
            return False
        self._connections.remove(connection)
        address = connection.peer[0]
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]
        return True

    def _turn_away(self, connection: Connection, reason: str) -> None:
        self._turned_away += 1
        now = time.monotonic()
        if self._told is not None and now - self._told < TELL_SECONDS:
            return
        others = f", and so were {self._turned_away - 1} others before" if self._turned_away > 1 else ""
        log.warning("%s is turned away: %s%s", connection, reason, others)
        self._told, self._turned_away = now, 0
