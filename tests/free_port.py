"""A TCP port for a program that must be told one."""

from __future__ import annotations

import contextlib
import random
import socket

__all__ = ["free_port"]

PORTS = range(20_000, 32_000)
"""Below those that Linux gives to connections: one of them, alive or just over, keeps a listener from its port."""


def free_port() -> int:
    """A port that nobody has, and that no connection is given by chance until somebody listens there."""
    dice = random.SystemRandom()
    while True:
        port = dice.choice(PORTS)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port
