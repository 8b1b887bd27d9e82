"""Listening for connections: taken in a few at a time, and with patience where the system has no more to give.

asyncio's own server takes in all that wait before anything else gets its turn, which thousands that come at once
make a gap in every stream; and where descriptors run out it logs an error with a traceback every second.

Where it speaks TLS, a connection is made when its handshake is finished. Who does not finish it holds one of
MAX_ENTERING places for HANDSHAKE_SECONDS at most, and less where others need it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, Self

__all__ = ["ACCEPT_AT_ONCE", "BACKLOG", "FAREWELL_SECONDS", "HANDSHAKE_SECONDS", "MAX_ENTERING", "Listener"]

log = logging.getLogger(__name__)

BACKLOG = 4096
"""Connections that wait to be accepted; the kernel takes less where its own limit is lower."""
ACCEPT_AT_ONCE = 4
"""Connections taken in before the event loop gets its turn: half a millisecond of work."""
PAUSE_SECONDS = 0.5
"""Without descriptors or memory, new connections are left waiting for so long."""
HANDSHAKE_SECONDS = 10.0
"""For the handshake of TLS, which takes two round trips: like a message that was begun and not finished."""
FAREWELL_SECONDS = 2.0
"""For the other side to say goodbye too, where TLS ends: what was sent has arrived by then, or never will."""
MAX_ENTERING = 1024
"""Connections whose handshake is not finished; beyond, the oldest makes room. A handshake takes milliseconds of
work, so that whoever has been at it for longest among so many is not going to finish."""
_PLAIN = ("HTTP_REQUEST", "WRONG_VERSION_NUMBER", "HTTPS_PROXY_REQUEST")
"""What OpenSSL makes of RTSP and HTTP."""
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Listener:
    """One listening socket.

    port   the one it listens at
    tls    what connections are encrypted by, None for plain ones; another one is for those that come then
    """

    def __init__(
        self, sock: socket.socket, factory: Callable[[], asyncio.BaseProtocol], tls: ssl.SSLContext | None
    ) -> None:
        self.port: int = sock.getsockname()[1]
        self.tls = tls
        self._socket = sock
        self._factory = factory
        self._loop = asyncio.get_running_loop()
        self._server: asyncio.Server | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._exhausted = self._closed = False
        # Oldest first.
        self._entering: dict[asyncio.Task[object], None] = {}

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        factory: Callable[[], asyncio.BaseProtocol],
        *,
        reuse_port: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> Self:
        """Listen at `host`, a numeric address, and `port`, 0 for any free one; `factory` makes a protocol for
        each connection. Raises OSError where that cannot be had.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=reuse_port)
        sock.setblocking(False)
        listener = cls(sock, factory, tls)
        try:
            listener._loop.add_reader(sock, listener._accept)
        except NotImplementedError:
            # Windows' default loop.
            listener._server = await listener._loop.create_server(
                factory, sock=sock, backlog=BACKLOG, **listener._encryption()
            )
        return listener

    def close(self) -> None:
        """Listen no longer; what is connected stays so."""
        self._closed = True
        if self._server is not None:
            self._server.close()
            return
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for task in self._entering:
            task.cancel()

    def _accept(self) -> None:
        for _ in range(ACCEPT_AT_ONCE):
            try:
                sock, address = self._socket.accept()
            except OSError as error:
                # Nobody waits any more; or one has gone before it was its turn, which concerns nobody.
                if error.errno in _EXHAUSTED:
                    self._wait(error)
                return
            self._exhausted = False
            sock.setblocking(False)
            # asyncio does so with sockets of its own making alone. What is due goes out in one piece as it is.
            with contextlib.suppress(OSError):
                # macOS refuses where the other side has gone already, which reading then tells.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            entering = self._loop.connect_accepted_socket(self._factory, sock, **self._encryption())
            task = self._loop.create_task(entering)
            self._entering[task] = None
            task.add_done_callback(partial(self._entered, sock, address))
            if len(self._entering) > MAX_ENTERING:
                oldest = next(iter(self._entering))
                del self._entering[oldest]
                oldest.cancel()

    def _encryption(self) -> dict[str, Any]:
        """What asyncio is to know of TLS, which it wants to hear nothing about where there is none."""
        if self.tls is None:
            return {}
        return {
            "ssl": self.tls,
            "ssl_handshake_timeout": HANDSHAKE_SECONDS,
            "ssl_shutdown_timeout": FAREWELL_SECONDS,
        }

    def _entered(self, sock: socket.socket, address: tuple[Any, ...], task: asyncio.Task[object]) -> None:
        self._entering.pop(task, None)
        if task.cancelled():
            error: BaseException | None = TimeoutError()
        else:
            error = task.exception()
        if error is not None:
            sock.close()
            if self.tls is not None and not self._closed:
                host, port = address[:2]
                log.info("%s %s", f"[{host}]:{port}" if ":" in host else f"{host}:{port}", _refused(error))

    def _wait(self, error: OSError) -> None:
        """The socket stays readable: it is not to be looked at for a while."""
        if not self._exhausted:
            self._exhausted = True
            log.warning("new connections must wait: %s", error.strerror)
        self._loop.remove_reader(self._socket)
        self._pause = self._loop.call_later(PAUSE_SECONDS, self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self._loop.add_reader(self._socket, self._accept)


def _refused(error: BaseException) -> str:
    """Why there was no handshake, as far as it can be told."""
    reason = (getattr(error, "reason", None) or "") if isinstance(error, ssl.SSLError) else ""
    if reason in _PLAIN:
        return "does not speak TLS: rtsp:// is served at another port than rtsps://"
    if "CERTIFICATE" in reason or "UNKNOWN_CA" in reason:
        return f"does not trust the certificate ({reason.rpartition('ALERT_')[2].replace('_', ' ').lower()})"
    if reason:
        return f"failed at the TLS handshake: {reason.replace('_', ' ').lower()}"
    if isinstance(error, ConnectionResetError):
        return "has left within the TLS handshake, as who does not trust the certificate does"
    return "did not finish the TLS handshake"
