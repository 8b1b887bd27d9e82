"""Ports for who must be told one."""

from __future__ import annotations

import contextlib
import random
import socket

__all__ = ["free_pair", "free_port"]

PORTS = range(20_000, 32_000)
"""Below those that Linux gives to connections: one of them, alive or just over, keeps a listener from its port."""


def free_port() -> int:
    """A TCP port that nobody has, and that no connection is given by chance until somebody listens there."""
    dice = random.SystemRandom()
    while True:
        port = dice.choice(PORTS)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def free_pair() -> int:
    """An even UDP port that nobody has, nor the one above it, and that no socket is given by chance."""
    dice = random.SystemRandom()
    while True:
        port = dice.choice(PORTS[::2])
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as low,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as high,
            contextlib.suppress(OSError),
        ):
            low.bind(("127.0.0.1", port))
            high.bind(("127.0.0.1", port + 1))
            return port
