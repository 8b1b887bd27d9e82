"""Many UDP sockets, emptied with `recvmmsg` into one ring: RTP headers alone, payloads left in the kernel.

The message headers are prepared once; each points to a slot of the ring, and what comes of one socket goes
behind what came of the one before. With MSG_TRUNC the kernel copies no more than the RTP header and still says
how large the datagram was. With generic receive offload (Linux 5.0) a datagram may be many, cut where a control
message says: then the slots take all of it.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
import time
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reelcast.errors import TransportError
from reelcast.rtp.arrivals import RTP_HEADER, Arrivals, headers_at

__all__ = ["Drain"]

SLOTS: Final = 4096
"""Datagrams kept until they are taken: some 5 ms of work."""
PER_SOCKET: Final = 256
"""Datagrams of one socket in a reading: a large key frame, but no flood that keeps the others waiting."""
GRO_SLOTS: Final = 256
GRO_SLOT_BYTES: Final = 65_536
"""What one message can be with receive offload; 16 MB in all."""

_UDP_GRO: Final = 104
_CONTROL = np.dtype([("length", "u8"), ("level", "i4"), ("type", "i4"), ("segment", "i4"), ("padding", "i4")])
"""struct cmsghdr with the size of the segments, as CMSG_SPACE pads it."""
_MESSAGE = np.dtype(
    {
        "names": ["iovec", "iovecs", "control", "control_bytes", "length"],
        "formats": [np.uint64, np.uint64, np.uint64, np.uint64, np.uint32],
        "offsets": [16, 24, 32, 40, 56],
        "itemsize": 64,
    }
)
"""struct mmsghdr on 64-bit Linux, but for what is always zero."""
_FLAGS: Final = 0x40 | 0x20
"""MSG_DONTWAIT and MSG_TRUNC, as Linux numbers them."""


class Drain:
    """The sockets, and the ring that they are emptied into, again and again until it is taken.

    gro    ask for generic receive offload
    """

    def __init__(self, *, gro: bool = False) -> None:
        recvmmsg = _load_recvmmsg()
        assert recvmmsg is not None, "asked for where there is no recvmmsg"
        self._recvmmsg = recvmmsg
        self._gro = gro
        self._flow_of: dict[int, int] = {}
        self._slots, self._width = (GRO_SLOTS, GRO_SLOT_BYTES) if gro else (SLOTS, RTP_HEADER.itemsize)
        self._ring = np.zeros(self._slots * self._width, np.uint8)
        self._control = np.zeros(self._slots, _CONTROL)
        self._iovecs = np.zeros((self._slots, 2), np.uint64)
        self._iovecs[:, 0] = _addresses(self._ring, self._width)
        self._iovecs[:, 1] = self._width
        self._messages = np.zeros(self._slots, _MESSAGE)
        self._messages["iovec"] = _addresses(self._iovecs, 16)
        self._messages["iovecs"] = 1
        self._first_message: int = self._messages.__array_interface__["data"][0]
        if gro:
            self._messages["control"] = _addresses(self._control, _CONTROL.itemsize)
            self._messages["control_bytes"] = _CONTROL.itemsize
        # What is in the ring: of each reading its flow, number of datagrams, and time.
        self._used = 0
        self._flows: list[int] = []
        self._counts: list[int] = []
        self._times: list[float] = []

    @staticmethod
    def available() -> bool:
        """Whether this system has what is needed."""
        return _load_recvmmsg() is not None

    def add(self, sock: socket.socket, flow: int) -> None:
        """Know a socket as a flow's; it leaves by being closed. TransportError where offload is refused."""
        if self._gro:
            try:
                sock.setsockopt(socket.IPPROTO_UDP, _UDP_GRO, 1)
            except OSError as error:
                raise TransportError(f"no generic receive offload here: {error.strerror}") from error
        self._flow_of[sock.fileno()] = flow

    def receive(self, descriptor: int) -> bool:
        """Empty a socket into the ring; False when that is full, and has to be taken first."""
        room = min(PER_SOCKET, self._slots - self._used)
        pointer = self._first_message + self._used * _MESSAGE.itemsize
        count = self._recvmmsg(descriptor, pointer, room, _FLAGS, None)
        if count > 0:
            self._flows.append(self._flow_of[descriptor])
            self._counts.append(count)
            self._times.append(time.monotonic())
            self._used += count
        return self._used < self._slots

    def take(self) -> Arrivals:
        """What has come since the last time; valid until the next `receive`."""
        used, self._used = self._used, 0
        flows = np.repeat(np.array(self._flows, np.int64), self._counts)
        times = np.repeat(np.array(self._times, np.float64), self._counts)
        for kept in (self._flows, self._counts, self._times):
            kept.clear()
        sizes = self._messages["length"][:used].astype(np.int64)
        if self._gro:
            return self._cut(flows, sizes, times)
        return Arrivals(flows, self._ring[: used * self._width].view(RTP_HEADER), sizes, times)

    def _cut(
        self, flows: NDArray[np.int64], sizes: NDArray[np.int64], times: NDArray[np.float64]
    ) -> Arrivals:
        """The datagrams that receive offload put together."""
        count = len(sizes)
        told = self._messages["control_bytes"][:count] > 0
        segments = np.where(told, self._control["segment"][:count], sizes)
        segments = np.maximum(segments, 1)
        parts = np.maximum(-(-sizes // segments), 1)
        self._messages["control_bytes"][:count] = _CONTROL.itemsize  # the kernel writes what it used
        index = np.repeat(np.arange(count), parts)
        within = (np.arange(len(index)) - np.repeat(np.cumsum(parts) - parts, parts)) * segments[index]
        lengths = np.minimum(sizes[index] - within, segments[index])
        # A header cut short by the end of the ring is read from a little before; its size says it is none.
        offsets = np.minimum(index * self._width + within, len(self._ring) - RTP_HEADER.itemsize)
        return Arrivals(flows[index], headers_at(self._ring, offsets), lengths, times[index])


def _addresses(array: NDArray[Any], stride: int) -> NDArray[np.uint64]:
    """The address of every `stride` bytes of an array."""
    start: int = array.__array_interface__["data"][0]
    return np.arange(start, start + array.nbytes, stride, dtype=np.uint64)


def _load_recvmmsg() -> Any:
    if not sys.platform.startswith("linux") or struct.calcsize("P") != 8:
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "recvmmsg", None)
    if function is not None:
        function.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
    return function
