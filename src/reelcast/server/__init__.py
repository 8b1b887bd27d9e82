"""The serving shell: connections, sessions, playheads, mounts, and the pacer that sends what is due."""

from __future__ import annotations

from reelcast.net.tls import DEFAULT_TLS_PORT, Tls
from reelcast.server.app import DEFAULT_PORT, Server
from reelcast.server.feed import Era
from reelcast.server.guard import Guard, User
from reelcast.server.limits import Limits
from reelcast.server.passwords import Password
from reelcast.server.rights import Rights
from reelcast.server.session import DEFAULT_TIMEOUT
from reelcast.server.workers import reserved_port, run_workers

__all__ = [
    "DEFAULT_PORT",
    "DEFAULT_TIMEOUT",
    "DEFAULT_TLS_PORT",
    "Era",
    "Guard",
    "Limits",
    "Password",
    "Rights",
    "Server",
    "Tls",
    "User",
    "reserved_port",
    "run_workers",
]
