"""TCP connections of asyncio, read past its event loop: one epoll for all, one `readv` for each that is ready.

asyncio takes longer to hand on a small read than the kernel takes to make it. A connection that is taken over
keeps its transport for everything else; what is no data, its end above all, is given back to asyncio to meet.
Where there is no epoll, and for TLS, nothing is taken over and all works as it did.
"""

from __future__ import annotations

import asyncio
import os
import select
from typing import Final

__all__ = ["Shortcut"]

MAX_READY: Final = 1024
"""Connections read in one go before the event loop gets its turn."""


class Shortcut:
    """The connections that were taken over; made while an event loop runs."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._taken: dict[int, tuple[asyncio.Transport, asyncio.BufferedProtocol]] = {}
        self._epoll: select.epoll | None = None
        if hasattr(select, "epoll"):
            self._epoll = select.epoll()
            self._loop.add_reader(self._epoll.fileno(), self._read)

    def take_over(self, transport: asyncio.Transport, protocol: asyncio.BufferedProtocol) -> None:
        """From now on, receive into the protocol's buffers from here; doing it twice is no error."""
        encrypted = transport.get_extra_info("sslcontext") is not None
        if self._epoll is None or encrypted or transport.is_closing():
            return
        descriptor: int = transport.get_extra_info("socket").fileno()
        if self._taken.get(descriptor) == (transport, protocol):
            return
        transport.pause_reading()
        self._epoll.register(descriptor, select.EPOLLIN)
        self._taken[descriptor] = transport, protocol

    def close(self) -> None:
        """Give all connections back; closing twice is no error."""
        for descriptor in list(self._taken):
            self._give_back(descriptor)
        if self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None

    def _read(self) -> None:
        assert self._epoll is not None
        for descriptor, _ in self._epoll.poll(0, MAX_READY):
            transport, protocol = self._taken[descriptor]
            if transport.is_closing():
                self._give_back(descriptor)
                continue
            try:
                count = os.readv(descriptor, [protocol.get_buffer(-1)])
            except (BlockingIOError, InterruptedError):
                continue
            except OSError:
                count = 0
            if count:
                protocol.buffer_updated(count)
            else:
                self._give_back(descriptor)

    def _give_back(self, descriptor: int) -> None:
        transport, _ = self._taken.pop(descriptor)
        if self._epoll is not None and not _is_closed(transport):
            self._epoll.unregister(descriptor)
        if not transport.is_closing():
            transport.resume_reading()


def _is_closed(transport: asyncio.Transport) -> bool:
    """Whether its socket is gone, and with it the epoll's knowledge of it."""
    return bool(transport.get_extra_info("socket").fileno() < 0)
