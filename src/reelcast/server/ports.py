"""Where a server listens: the ports of RTSP and RTSPS, on all its addresses."""

from __future__ import annotations

import errno
import logging
import os
import socket
import ssl
from collections.abc import Callable

from reelcast.errors import TransportError
from reelcast.given import is_whole
from reelcast.net.listener import Listener
from reelcast.net.tls import Tls
from reelcast.server.connection import Connection

__all__ = ["Ports", "port_number"]

log = logging.getLogger(__name__)

PORT_ATTEMPTS = 16
"""Free ports tried until one is free for IPv4 and IPv6 alike."""


class Ports:
    """The TCP ports of a server.

    port        of RTSP; 0 for any free one, before they are open
    tls_port    of RTSPS, likewise; None where there is none
    listeners   one an address and a port
    """

    def __init__(self, host: str | None, port: int, tls: Tls | None, *, reuse_port: bool) -> None:
        """`host` is an address, None for all; with `reuse_port`, other processes may listen there too."""
        self.port = port_number("port", port)
        self.tls_port = None if tls is None else tls.port
        self.listeners: list[Listener] = []
        self._host = host
        self._tls = tls
        self._reuse_port = reuse_port

    def hosts(self) -> list[str]:
        """The addresses to listen on."""
        if self._host is not None:
            return [self._host]
        return ["0.0.0.0", "::"] if _has_ipv6() else ["0.0.0.0"]

    def origins(self, host: str | None = None) -> list[str]:
        """What URLs begin with, as seen from `host` (127.0.0.1 where not said)."""
        shown = host or self._host or "127.0.0.1"
        shown = f"[{shown}]" if ":" in shown else shown
        origins = [f"rtsp://{shown}:{self.port}"]
        if self.tls_port is not None:
            origins.append(f"rtsps://{shown}:{self.tls_port}")
        return origins

    async def open(self, make: Callable[[], Connection]) -> None:
        """Listen; `make` makes a connection. Raises TransportError where a port or a certificate cannot be had."""
        context = None if self._tls is None else self._tls.context()
        self.listeners = await self._listen(self.port, make, None)
        self.port = self.listeners[0].port
        if self.tls_port is None:
            return
        try:
            encrypted = await self._listen(self.tls_port, make, context)
        except TransportError:
            self.close()
            raise
        self.tls_port = encrypted[0].port
        self.listeners += encrypted

    def reload_certificate(self) -> None:
        """See `Server.reload_certificate`."""
        if self._tls is not None:
            context = self._tls.context()
            for listener in self.listeners:
                if listener.tls is not None:
                    listener.tls = context
            log.info("%s: the certificate was read again", self._tls.certificate)

    def close(self) -> None:
        """Listen no longer."""
        for listener in self.listeners:
            listener.close()
        self.listeners = []

    async def _listen(
        self, port: int, make: Callable[[], Connection], tls: ssl.SSLContext | None
    ) -> list[Listener]:
        """Listen on all addresses at one port; where any will do, one that is free on all of them."""
        attempts = 1 if port else PORT_ATTEMPTS
        while True:
            listeners: list[Listener] = []
            try:
                for host in self.hosts():
                    number = listeners[0].port if listeners else port
                    listener = await Listener.open(host, number, make, reuse_port=self._reuse_port, tls=tls)
                    listeners.append(listener)
            except OSError as error:
                for listener in listeners:
                    listener.close()
                attempts -= 1
                if not attempts:
                    raise self._refused(error, port, "--port" if tls is None else "--tls-port") from error
            else:
                return listeners

    def _refused(self, error: OSError, port: int, option: str) -> TransportError:
        where = f"port {port} of {self._host or 'all addresses'}"
        if error.errno == errno.EADDRINUSE:
            return TransportError(f"{where} is in use: choose another with {option}")
        if error.errno in (errno.EACCES, errno.EPERM):
            hint = "run with the rights for it (CAP_NET_BIND_SERVICE) or choose one above 1023"
            return TransportError(f"{where} is not allowed: {hint} with {option}")
        return TransportError(
            f"cannot listen on {where}: {os.strerror(error.errno) if error.errno else error}"
        )


def port_number(name: str, port: object, most: int = 65535) -> int:
    """A port, 0 for any free one; ValueError for what is none."""
    if not is_whole(port) or not 0 <= port <= most:
        raise ValueError(f"{name} must be a number from 0 to {most}, not {port!r}")
    return int(port)


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
