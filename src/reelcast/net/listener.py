"""Listening for connections: taken in a few at a time, and with patience where the system has no more to give.

asyncio's own server takes in all that wait before anything else gets its turn, which thousands that come at once
make a gap in every stream; and where descriptors run out it logs an error with a traceback every second.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from typing import Self

__all__ = ["ACCEPT_AT_ONCE", "BACKLOG", "Listener"]

log = logging.getLogger(__name__)

BACKLOG = 4096
"""Connections that wait to be accepted; the kernel takes less where its own limit is lower."""
ACCEPT_AT_ONCE = 16
"""Connections taken in before the event loop gets its turn: 2 ms of work."""
PAUSE_SECONDS = 0.5
"""Without descriptors or memory, new connections are left waiting for so long."""
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Listener:
    """One listening socket.

    port   the one it listens at
    """

    def __init__(self, sock: socket.socket, factory: Callable[[], asyncio.BaseProtocol]) -> None:
        self.port: int = sock.getsockname()[1]
        self._socket = sock
        self._factory = factory
        self._loop = asyncio.get_running_loop()
        self._server: asyncio.Server | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._exhausted = False
        self._entering: dict[asyncio.Task[object], socket.socket] = {}

    @classmethod
    async def open(
        cls, host: str, port: int, factory: Callable[[], asyncio.BaseProtocol], *, reuse_port: bool = False
    ) -> Self:
        """Listen at `host`, a numeric address, and `port`, 0 for any free one; `factory` makes a protocol for
        each connection. Raises OSError where that cannot be had.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=reuse_port)
        sock.setblocking(False)
        listener = cls(sock, factory)
        try:
            listener._loop.add_reader(sock, listener._accept)
        except NotImplementedError:
            # Windows' default loop.
            listener._server = await listener._loop.create_server(factory, sock=sock, backlog=BACKLOG)
        return listener

    def close(self) -> None:
        """Listen no longer; what is connected stays so."""
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
                sock, _ = self._socket.accept()
            except OSError as error:
                # Nobody waits any more; or one has gone before it was its turn, which concerns nobody.
                if error.errno in _EXHAUSTED:
                    self._wait(error)
                return
            self._exhausted = False
            sock.setblocking(False)
            task = self._loop.create_task(self._loop.connect_accepted_socket(self._factory, sock))
            self._entering[task] = sock
            task.add_done_callback(self._entered)

    def _entered(self, task: asyncio.Task[object]) -> None:
        sock = self._entering.pop(task)
        if task.cancelled() or task.exception() is not None:
            sock.close()

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
