"""RTP and RTCP inside the RTSP connection (RFC 2326 section 10.12), written past asyncio where that can be.

While the transport's own buffer is empty, packets go to the socket with one `writev`, straight from the
headers and shared payloads of a flight; what the kernel does not take is handed to the transport, which says
when it has drained. Elsewhere (Windows, TLS) the same bytes are joined and written through the transport.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

from reelcast.net.flight import Flight
from reelcast.net.messages import IOVEC_SIZE

__all__ = ["InterleavedWriter"]

_IOV_PACKETS = 512
"""Packets in one `writev`: IOV_MAX is 1,024 iovecs, two a packet."""


class InterleavedWriter:
    """Writes media and reports to one connection.

    send        writes to the socket past the transport, to be used while nothing is queued; None where that
                may not be. `socket.send` costs a tenth less than `os.write`
    queued      says how many bytes wait in the transport
    """

    def __init__(self, transport: asyncio.WriteTransport, *, direct: bool = True) -> None:
        self._transport = transport
        self.queued: Callable[[], int] = transport.get_write_buffer_size
        self._watchers: dict[Callable[[InterleavedWriter], None], None] = {}
        self.send: Callable[[memoryview], int] | None = None
        self._socket: socket.socket | None = None
        shared: Any = transport.get_extra_info("socket")
        encrypted = transport.get_extra_info("sslcontext") is not None
        if direct and _WRITEV is not None and shared is not None and not encrypted:
            # A second object for the transport's socket: `release` takes its hand off again.
            self._socket = socket.socket(fileno=shared.fileno())
            self._socket.setblocking(False)
            self.send = self._socket.send

    def release(self) -> None:
        """Let go of the socket: to be called before the transport closes it."""
        self.send = None
        if self._socket is not None:
            self._socket.detach()
            self._socket = None

    def watch(self, told: Callable[[InterleavedWriter], None]) -> None:
        """Have it told when something was written that the kernel has not taken: nothing may overtake that."""
        self._watchers[told] = None

    def unwatch(self, told: Callable[[InterleavedWriter], None]) -> None:
        """Tell it no longer; doing it twice is no error."""
        self._watchers.pop(told, None)

    @property
    def idle(self) -> bool:
        """Whether all that was written before has been taken by the kernel."""
        return not self.queued()

    def __str__(self) -> str:
        host, port = (self._transport.get_extra_info("peername") or ("?", 0))[:2]
        return f"{host}:{port}"

    def write(self, data: bytes) -> None:
        """Write bytes in order behind all before; nothing where the connection is going."""
        if not self._transport.is_closing():
            self._transport.write(data)
            if self._watchers and self.queued():
                for told in self._watchers:
                    told(self)

    def write_packets(self, flight: Flight, first: int, count: int) -> None:
        """Write some packets of a flight whose headers are interleaved frames'; only while `idle`."""
        if self._socket is None:
            self.write(b"".join(flight.packets(first, count)))
            return
        while count:
            part = min(count, _IOV_PACKETS)
            if not self._write_directly(self._socket.fileno(), flight, first, part):
                rest = flight.packets(first + part, count - part)
                if rest:
                    self.write(b"".join(rest))
                return
            first, count = first + part, count - part

    def _write_directly(self, fd: int, flight: Flight, first: int, count: int) -> bool:
        """One `writev`; whether the kernel took all of it."""
        assert _WRITEV is not None
        written = _WRITEV(fd, flight.iovecs + first * 2 * IOVEC_SIZE, 2 * count)
        length = flight.length(first, count)
        if written == length:
            return True
        # A failed write is left to the transport to meet again and report in its own way.
        self.write(b"".join(flight.packets(first, count))[max(written, 0) :])
        return False


def _load_writev() -> Any:
    if not sys.platform.startswith("linux") or struct.calcsize("P") != 8 or not hasattr(os, "writev"):
        return None
    function = ctypes.CDLL(None, use_errno=True).writev
    function.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
    function.restype = ctypes.c_ssize_t
    return function


_WRITEV = _load_writev()
