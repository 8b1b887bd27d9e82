"""RTP and RTCP inside the RTSP connection (RFC 2326 section 10.12), written past asyncio where that can be.

While the transport's own buffer is empty, packets go to the socket with one `writev`, straight from the
headers and shared payloads of a flight; what the kernel does not take is handed to the transport, which says
when it has drained. Elsewhere (Windows, TLS) the same bytes are joined and written through the transport.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import sys
from typing import Any

from reelcast.net.flight import Flight
from reelcast.net.messages import IOVEC_SIZE

__all__ = ["InterleavedWriter"]

_IOV_PACKETS = 512
"""Packets in one `writev`: IOV_MAX is 1,024 iovecs, two a packet."""


class InterleavedWriter:
    """Writes the packets of flights to one connection; bounded: it writes only when all before is gone."""

    def __init__(self, transport: asyncio.WriteTransport, *, direct: bool = True) -> None:
        self._transport = transport
        self._fd = -1
        sock: Any = transport.get_extra_info("socket")
        encrypted = transport.get_extra_info("sslcontext") is not None
        if direct and _WRITEV is not None and sock is not None and not encrypted:
            self._fd = sock.fileno()

    @property
    def idle(self) -> bool:
        """Whether all that was written before has been taken by the kernel."""
        return self._transport.get_write_buffer_size() == 0

    @property
    def closing(self) -> bool:
        """Whether the connection is gone or going."""
        return self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Write bytes in order behind all before."""
        self._transport.write(data)

    def write_shared(self, data: memoryview) -> bool:
        """Write bytes that many share, only while `idle`; whether the kernel took all of it.

        What it did not take waits in the transport. Errors are left for the transport to meet and report.
        """
        written = 0
        if self._fd >= 0:
            try:
                written = os.write(self._fd, data)
            except BlockingIOError:
                pass
            except OSError:
                return False
            if written == len(data):
                return True
        self._transport.write(data[written:])
        return self.idle

    @property
    def queued(self) -> int:
        """Bytes that wait for the kernel to take them."""
        return self._transport.get_write_buffer_size()

    def write_packets(self, flight: Flight, first: int, count: int) -> None:
        """Write some packets of a flight whose headers are interleaved frames'; only while `idle`."""
        if self._fd < 0:
            self._transport.write(b"".join(flight.packets(first, count)))
            return
        while count:
            part = min(count, _IOV_PACKETS)
            if not self._write_directly(flight, first, part):
                rest = flight.packets(first + part, count - part)
                if rest:
                    self._transport.write(b"".join(rest))
                return
            first, count = first + part, count - part

    def _write_directly(self, flight: Flight, first: int, count: int) -> bool:
        """One `writev`; whether the kernel took all of it."""
        assert _WRITEV is not None
        written = _WRITEV(self._fd, flight.iovecs + first * 2 * IOVEC_SIZE, 2 * count)
        length = flight.length(first, count)
        if written == length:
            return True
        # A failed write is left to the transport to meet again and report in its own way.
        self._transport.write(b"".join(flight.packets(first, count))[max(written, 0) :])
        return False


def _load_writev() -> Any:
    if not sys.platform.startswith("linux") or struct.calcsize("P") != 8 or not hasattr(os, "writev"):
        return None
    function = ctypes.CDLL(None, use_errno=True).writev
    function.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
    function.restype = ctypes.c_ssize_t
    return function


_WRITEV = _load_writev()
