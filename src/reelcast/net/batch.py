"""Many datagrams in one system call: `sendmmsg` and UDP generic segmentation offload, through ctypes.

A run is a row of packets that are equal in size but for the last; with segmentation offload the kernel takes
it as one message (Linux 4.18, `UDP_SEGMENT`). What the machine has is found out once, by `Batching.detect`,
and decides which class sends: `SegmentedBatch` (runs), `MessageBatch` (packets, one call for many) or, where
there is no `sendmmsg` (Windows, macOS, 32-bit systems), `PlainBatch` (a `sendto` a packet).

The memory that a message points to must live until `flush` returns; batches keep references to it until then.
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
from enum import Enum
from typing import Any, Protocol

from reelcast.net.flight import Flight
from reelcast.rtp.group import Run

__all__ = [
    "Batch",
    "Batching",
    "Destination",
    "MessageBatch",
    "PlainBatch",
    "SegmentedBatch",
    "batch_for",
]

log = logging.getLogger(__name__)

UDP_SEGMENT = 103
MAX_SEGMENTS = 64
"""UDP_MAX_SEGMENTS of kernels before 6.9."""
CAPACITY = 512
"""Messages collected before a flush: 32 kB of headers, and a system call well under a millisecond each."""
WRITABLE_WAIT_MS = 2
"""How long one flush waits for a full socket buffer before it gives up on what is left."""

MAX_ATTEMPTS = 8
"""How often one message is tried again after errors that were not its own."""

MMSGHDR = struct.Struct("@PIxxxxPNPNixxxxIxxxx")
"""struct mmsghdr on 64-bit Linux: name, its length, iovecs, their count, control, its length, flags, sent."""
CMSG = struct.Struct("@NiiHxxxxxx")
"""struct cmsghdr with the one UDP_SEGMENT value, padded as CMSG_SPACE does."""
_CMSG_LENGTH = 18
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


class Batch(Protocol):
    """Collects runs for one socket and sends them all on `flush`."""

    @property
    def dropped(self) -> int:
        """Packets given up because the socket's buffer stayed full."""

    def add(self, flight: Flight, run: Run, destination: Destination) -> None:
        """Take one run of `flight` for this destination."""

    def flush(self) -> None:
        """Send what was collected, in the order it was added."""


class PlainBatch:
    """A `sendto` a packet: works everywhere, costs about five times as much."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.dropped = 0

    def add(self, flight: Flight, run: Run, destination: Destination) -> None:
        """Send the packets of the run at once."""
        for packet in flight.packets(run.first, run.count):
            self.send(packet, destination)

    def send(self, packet: bytes, destination: Destination) -> None:
        """Send one datagram; a refusal by another destination before is read off and the send tried again."""
        for attempt in range(2):
            try:
                self._socket.sendto(packet, destination.address)
            except (BlockingIOError, InterruptedError):
                if attempt or not _wait_writable(self._socket):
                    self.dropped += 1
                    return
            except ConnectionError:
                continue
            except OSError as error:
                log.debug("cannot send to %s: %s", destination.address, error)
                self.dropped += 1
                return
            else:
                return

    def flush(self) -> None:
        """Nothing waits."""


class MessageBatch:
    """One `sendmmsg` for many packets."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._fd = sock.fileno()
        self._messages = ctypes.create_string_buffer(MMSGHDR.size * CAPACITY)
        self._count = 0
        self._kept: list[tuple[Flight, int, int, Destination]] = []
        self._sendmmsg = ctypes.CDLL(None, use_errno=True).sendmmsg
        self._sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
        self._plain = PlainBatch(sock)

    @property
    def dropped(self) -> int:
        """Packets given up because the socket's buffer stayed full."""
        return self._plain.dropped

    def add(self, flight: Flight, run: Run, destination: Destination) -> None:
        """Take the packets of the run, a message each."""
        for packet in range(run.first, run.first + run.count):
            self._add(flight, packet, 1, destination, 0, 0)

    def _add(
        self, flight: Flight, first: int, count: int, destination: Destination, control: int, length: int
    ) -> None:
        if self._count == CAPACITY:
            self.flush()
        MMSGHDR.pack_into(
            self._messages,
            self._count * MMSGHDR.size,
            destination.pointer,
            destination.length,
            flight.iovecs + first * 2 * IOVEC_SIZE,
            2 * count,
            control,
            length,
            0,
            0,
        )
        self._kept.append((flight, first, count, destination))
        self._count += 1

    def flush(self) -> None:
        """Send what was collected; a message that fails alone does not stop those behind it."""
        position, count, attempts = 0, self._count, 0
        base = ctypes.addressof(self._messages)
        while position < count:
            sent = self._sendmmsg(self._fd, base + position * MMSGHDR.size, count - position, 0)
            if sent > 0:
                position, attempts = position + sent, 0
                continue
            attempts += 1
            if self._recover(ctypes.get_errno(), attempts, *self._kept[position]):
                position, attempts = position + 1, 0
        self._kept.clear()
        self._count = 0

    def _recover(
        self, code: int, attempts: int, flight: Flight, first: int, count: int, destination: Destination
    ) -> bool:
        """Say whether the message that failed is dealt with; False has it tried again."""
        if attempts < MAX_ATTEMPTS:
            if code in (errno.ECONNREFUSED, errno.EINTR):
                # An ICMP error of an earlier packet, to any destination: reported once, through this call.
                return False
            if code in (errno.EAGAIN, errno.ENOBUFS) and _wait_writable(self._socket):
                return False
        if code in (errno.EINVAL, errno.EIO, errno.EMSGSIZE) and count > 1 and destination.segmented:
            # The path's MTU is smaller than a segment, or the device has no checksum offload.
            log.info("no segmentation offload to %s: %s", destination.address[0], os.strerror(code))
            destination.segmented = False
        for packet in range(first, first + count):
            self._plain.send(flight.packet(packet), destination)
        return True


class SegmentedBatch(MessageBatch):
    """One `sendmmsg` for many runs, each cut into packets by the kernel."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._controls: dict[int, Any] = {}

    def add(self, flight: Flight, run: Run, destination: Destination) -> None:
        """Take the run as one message, or packet by packet where the destination refuses that."""
        if run.count == 1:
            self._add(flight, run.first, 1, destination, 0, 0)
        elif destination.segmented:
            self._add(flight, run.first, run.count, destination, self.control(run.size), CMSG.size)
        else:
            super().add(flight, run, destination)

    def control(self, size: int) -> int:
        """The address of a control message that asks for segments of `size` bytes."""
        buffer = self._controls.get(size)
        if buffer is None:
            raw = CMSG.pack(_CMSG_LENGTH, socket.IPPROTO_UDP, UDP_SEGMENT, size)
            buffer = self._controls[size] = ctypes.create_string_buffer(raw, CMSG.size)
        return ctypes.addressof(buffer)


def batch_for(batching: Batching, sock: socket.socket) -> Batch:
    """The class that sends this way, on this socket."""
    if batching is Batching.SEGMENTED:
        return SegmentedBatch(sock)
    if batching is Batching.MESSAGES:
        return MessageBatch(sock)
    return PlainBatch(sock)


def _wait_writable(sock: socket.socket) -> bool:
    if not hasattr(select, "poll"):
        return bool(select.select([], [sock], [], WRITABLE_WAIT_MS / 1000)[1])
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    return bool(poll.poll(WRITABLE_WAIT_MS))
