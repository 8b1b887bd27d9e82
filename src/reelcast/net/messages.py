"""What the kernel takes for many datagrams at once: `sendmmsg` and UDP segmentation offload, through ctypes.

A run of packets that are equal in size but for the last can be given to the kernel as one message, with a
control message that says where to cut (Linux 4.18, `UDP_SEGMENT`). What the machine has is found out once, by
`Batching.detect`; whoever sends chooses by it.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import select
import socket
import struct
import sys
from collections.abc import Callable
from enum import Enum
from typing import Any

__all__ = [
    "CMSG",
    "IOVEC",
    "IOVEC_SIZE",
    "MMSGHDR",
    "Batching",
    "Destination",
    "MessageSocket",
    "is_segmentation_error",
    "segment_control",
]

log = logging.getLogger(__name__)

UDP_SEGMENT = 103
WRITABLE_WAIT_MS = 2
"""How long a full socket buffer is waited for, before what does not fit is given up."""
MAX_ATTEMPTS = 8
"""How often one message is tried again after errors that were not its own."""
MAX_MESSAGES = 1024
"""UIO_MAXIOV: the kernel takes no more in one call."""

_FULL = (errno.EAGAIN, errno.ENOBUFS)

MMSGHDR = struct.Struct("@PIxxxxPNPNixxxxIxxxx")
"""struct mmsghdr on 64-bit Linux: name, its length, iovecs, their count, control, its length, flags, sent."""
CMSG = struct.Struct("@NiiHxxxxxx")
"""struct cmsghdr with the one UDP_SEGMENT value, padded as CMSG_SPACE does."""
_CMSG_LENGTH = 18
IOVEC = struct.Struct("@PN")
"""struct iovec: an address, and a length."""
IOVEC_SIZE = 16


class Batching(Enum):
    """How datagrams are sent here."""

    SEGMENTED = "sendmmsg with UDP segmentation offload"
    MESSAGES = "sendmmsg without segmentation offload"
    PLAIN = "plain sendto (no sendmmsg on this system)"

    @classmethod
    def detect(cls) -> Batching:
        """The best that this system offers."""
        if not sys.platform.startswith("linux") or struct.calcsize("P") != 8:
            return cls.PLAIN
        if not hasattr(ctypes.CDLL(None), "sendmmsg"):
            return cls.PLAIN
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 0)
            except OSError:
                return cls.MESSAGES
        return cls.SEGMENTED


class Destination:
    """Where one track of one reader is sent: a socket address, also in the form that the kernel reads.

    `segmented` is cleared when the path to it refuses segmentation offload; the others keep it.
    """

    __slots__ = ("_sockaddr", "address", "length", "pointer", "segmented")

    def __init__(self, family: int, address: tuple[Any, ...]) -> None:
        self.address = address
        self.segmented = True
        raw = _sockaddr(family, address)
        self._sockaddr = ctypes.create_string_buffer(raw, len(raw))
        self.pointer = ctypes.addressof(self._sockaddr)
        self.length = len(raw)


def _sockaddr(family: int, address: tuple[Any, ...]) -> bytes:
    if family == socket.AF_INET6:
        host = address[0].partition("%")[0]
        flow, scope = (address[2], address[3]) if len(address) > 3 else (0, 0)
        port = struct.pack("!HI", address[1], flow)
        return struct.pack("=H", family) + port + socket.inet_pton(family, host) + struct.pack("=I", scope)
    return struct.pack("=H", family) + struct.pack("!H4s8x", address[1], socket.inet_aton(address[0]))


class MessageSocket:
    """A UDP socket, and what to do when it does not take everything.

    dropped   messages and packets given up because its buffer stayed full, or the network refused them
    """

    def __init__(self, sock: socket.socket) -> None:
        self.dropped = 0
        self._socket = sock
        self._fd = sock.fileno()
        self._sendmmsg = _load_sendmmsg()

    def send_messages(self, pointer: int, count: int, failed: Callable[[int, int], None]) -> None:
        """Send an array of `count` struct mmsghdr.

        A message that fails alone is reported to `failed`, with its number and the error, and does not stop
        those behind it; where the socket's buffer stays full, the rest is dropped.
        """
        position = attempts = 0
        while position < count:
            part = min(count - position, MAX_MESSAGES)
            sent = self._sendmmsg(self._fd, pointer + position * MMSGHDR.size, part, 0)
            if sent > 0:
                position, attempts = position + sent, 0
                continue
            code = ctypes.get_errno()
            attempts += 1
            if attempts < MAX_ATTEMPTS and self._may_retry(code):
                continue
            if code in _FULL:
                # The network is slower than what is to be sent: waiting for each message would stop the server.
                self.dropped += count - position
                log.warning("the network does not take %d messages: they are dropped", count - position)
                return
            failed(position, code)
            position, attempts = position + 1, 0

    def send(self, packet: bytes | memoryview, destination: Destination) -> None:
        """Send one datagram by itself."""
        for _ in range(MAX_ATTEMPTS):
            try:
                self._socket.sendto(packet, destination.address)
            except OSError as error:
                if self._may_retry(error.errno or 0):
                    continue
                log.debug("cannot send to %s: %s", destination.address, error)
                break
            return
        self.dropped += 1

    def _may_retry(self, code: int) -> bool:
        """Whether an error was not of this message: an ICMP error of an earlier one, or a full buffer."""
        if code in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.EINTR):
            return True
        return code in _FULL and _wait_writable(self._socket)


def is_segmentation_error(code: int) -> bool:
    """Whether a path refuses segments: its MTU is smaller than one, or its device has no checksum offload."""
    return code in (errno.EINVAL, errno.EIO, errno.EMSGSIZE)


def segment_control() -> tuple[int, Callable[[int], None]]:
    """A control message that asks for segmentation: its address, and what sets the size of a segment."""
    buffer = ctypes.create_string_buffer(
        CMSG.pack(_CMSG_LENGTH, socket.IPPROTO_UDP, UDP_SEGMENT, 0), CMSG.size
    )

    def set_size(size: int) -> None:
        CMSG.pack_into(buffer, 0, _CMSG_LENGTH, socket.IPPROTO_UDP, UDP_SEGMENT, size)

    return ctypes.addressof(buffer), set_size


def _load_sendmmsg() -> Any:
    function = getattr(ctypes.CDLL(None, use_errno=True), "sendmmsg", None) if os.name == "posix" else None
    if function is not None:
        function.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
    return function


def _wait_writable(sock: socket.socket) -> bool:
    if not hasattr(select, "poll"):
        return bool(select.select([], [sock], [], WRITABLE_WAIT_MS / 1000)[1])
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    return bool(poll.poll(WRITABLE_WAIT_MS))
