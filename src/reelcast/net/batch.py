"""Runs for many readers, collected and sent at once: what a tick of the pacer puts together for VOD.

`Batching` decides which class sends: `SegmentedBatch` (a message a run), `MessageBatch` (a message a packet)
or, where there is no `sendmmsg`, `PlainBatch` (a system call a packet). The memory that a message points to must
live until `flush` returns; batches keep references to it until then.
"""

from __future__ import annotations

import ctypes
import logging
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from reelcast.net.messages import (
    CMSG,
    IOVEC_SIZE,
    MMSGHDR,
    Batching,
    Destination,
    MessageSocket,
    is_segmentation_error,
    segment_control,
)

if TYPE_CHECKING:
    from reelcast.net.flight import Flight
    from reelcast.rtp.group import Run

__all__ = ["Batch", "MessageBatch", "PlainBatch", "SegmentedBatch", "batch_for"]

log = logging.getLogger(__name__)

CAPACITY = 512
"""Messages collected before a flush: 32 kB of headers, and a system call of a few milliseconds."""


class Batch(Protocol):
    """Collects runs for one socket and sends them all on `flush`."""

    def add(self, flight: Flight, run: Run, destination: Destination) -> None:
        """Take one run of `flight` for this destination."""

    def flush(self) -> None:
        """Send what was collected, in the order it was added."""


class PlainBatch:
    """A `sendto` a packet: works everywhere, costs about five times as much."""

    def __init__(self, sock: socket.socket) -> None:
        self._messages = MessageSocket(sock)

    def add(self, flight: Flight, run: Run, destination: Destination) -> None:
        """Send the packets of the run at once."""
        for packet in flight.packets(run.first, run.count):
            self._messages.send(packet, destination)

    def flush(self) -> None:
        """Nothing waits."""


class MessageBatch:
    """One `sendmmsg` for many packets."""

    def __init__(self, sock: socket.socket) -> None:
        self._messages = MessageSocket(sock)
        self._headers = ctypes.create_string_buffer(MMSGHDR.size * CAPACITY)
        self._base = ctypes.addressof(self._headers)
        self._kept: list[tuple[Flight, int, int, Destination]] = []

    def add(self, flight: Flight, run: Run, destination: Destination) -> None:
        """Take the packets of the run, a message each."""
        for packet in range(run.first, run.first + run.count):
            self._add(flight, packet, 1, destination, 0, 0)

    def _add(
        self, flight: Flight, first: int, count: int, destination: Destination, control: int, length: int
    ) -> None:
        if len(self._kept) == CAPACITY:
            self.flush()
        MMSGHDR.pack_into(
            self._headers,
            len(self._kept) * MMSGHDR.size,
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

    def flush(self) -> None:
        """Send what was collected."""
        if self._kept:
            self._messages.send_messages(self._base, len(self._kept), self._failed)
            self._kept.clear()

    def _failed(self, position: int, code: int) -> None:
        """Send the packets of one message one by one."""
        flight, first, count, destination = self._kept[position]
        if count > 1 and destination.segmented and is_segmentation_error(code):
            log.info("no segmentation offload to %s: %s", destination.address[0], os.strerror(code))
            destination.segmented = False
        for packet in flight.packets(first, count):
            self._messages.send(packet, destination)


class SegmentedBatch(MessageBatch):
    """One `sendmmsg` for many runs, each cut into packets by the kernel."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._controls: dict[int, tuple[int, Callable[[int], None]]] = {}

    def add(self, flight: Flight, run: Run, destination: Destination) -> None:
        """Take the run as one message, or packet by packet where the destination refuses that."""
        if run.count == 1:
            self._add(flight, run.first, 1, destination, 0, 0)
        elif destination.segmented:
            self._add(flight, run.first, run.count, destination, self._control(run.size), CMSG.size)
        else:
            super().add(flight, run, destination)

    def _control(self, size: int) -> int:
        """The address of a control message for segments of `size` bytes; there are as many as packet sizes."""
        control = self._controls.get(size)
        if control is None:
            control = self._controls[size] = segment_control()
            control[1](size)
        return control[0]


def batch_for(batching: Batching, sock: socket.socket) -> Batch:
    """The class that sends this way, on this socket."""
    if batching is Batching.SEGMENTED:
        return SegmentedBatch(sock)
    if batching is Batching.MESSAGES:
        return MessageBatch(sock)
    return PlainBatch(sock)
