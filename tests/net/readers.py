"""Sockets on loopback that datagrams are sent between, and a `sendmmsg` that fails when it is told to."""

from __future__ import annotations

import ctypes
import errno
import select
import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from tests.groups import VIDEO, burst, group_of

from reelcast.net.flight import Flight
from reelcast.net.messages import Batching, Destination, MessageSocket
from reelcast.rtp.sender import Sender, stamp

BEST = Batching.detect()
AVAILABLE = list(Batching)[list(Batching).index(BEST) :]
"""From the best that this system has down to plain sends."""


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="no IPv6 here")
HOSTS = pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=needs_ipv6)])
_MMSGHDR = struct.Struct("@PIxxxxPN")
_MMSGHDR_SIZE = 64


def flight_with(*sizes: int, frames: int = 1) -> Flight:
    """A flight of frames whose packets have payloads of these sizes."""
    group = group_of((0, burst(VIDEO, 3600 * number, sizes)) for number in range(frames))
    return Flight(group, stamp(group, {0: Sender(0xAABBCCDD, 0xFFF0, 5, 90_000)}))


def everything(flight: Flight) -> list[bytes]:
    return flight.packets(0, len(flight.group))


def bound(
    stack: ExitStack, host: str = "127.0.0.1", kind: type[socket.socket] = socket.socket
) -> socket.socket:
    """A UDP socket on a free port, closed with the stack."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = stack.enter_context(kind(family, socket.SOCK_DGRAM))
    sock.setblocking(False)
    sock.bind((host, 0))
    return sock


class Reader:
    """A socket that datagrams are sent to."""

    def __init__(self, stack: ExitStack, host: str = "127.0.0.1") -> None:
        self.socket = bound(stack, host)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.destination = Destination(self.socket.family, self.socket.getsockname())

    def received(self) -> list[bytes]:
        """What is there: over loopback, what was sent has arrived."""
        found: list[bytes] = []
        while select.select([self.socket], [], [], 0)[0]:
            found.append(self.socket.recv(65_536))
        return found


def closed_port(stack: ExitStack) -> Destination:
    """An address at which nobody listens."""
    reader = Reader(stack)
    reader.socket.close()
    return reader.destination


class Calls:
    """`sendmmsg` with errors put in: `refuse` is given the address and the iovecs of a message.

    messages   how many were given in each call that went to the kernel
    """

    def __init__(self, target: MessageSocket, refuse: Callable[[int, int], int] = lambda *_: 0) -> None:
        self._real: Any = target._sendmmsg
        self._refuse = refuse
        self.messages: list[int] = []

    def __call__(self, fd: int, address: int, count: int, flags: int) -> int:
        for number in range(count):
            raw = ctypes.string_at(address + number * _MMSGHDR_SIZE, _MMSGHDR.size)
            name, _, _, iovecs = _MMSGHDR.unpack(raw)
            code = self._refuse(name, iovecs)
            if code and number == 0:
                ctypes.set_errno(code)
                return -1
            if code:
                count = number
                break
        self.messages.append(count)
        sent: int = self._real(fd, address, count, flags)
        return sent


class Refusals:
    """Fails so many times with an error, then no more."""

    def __init__(self, code: int, times: int) -> None:
        self._code = code
        self._times = times

    def __call__(self, *_: int) -> int:
        self._times -= 1
        return self._code if self._times >= 0 else 0


class FullSocket(socket.socket):
    """Its send buffer is full until `refusals` packets have been refused."""

    refusals = 0
    refused = 0

    def sendto(self, *arguments: Any) -> int:
        if self.refused < self.refusals:
            self.refused += 1
            raise BlockingIOError(errno.EAGAIN, "the buffer is full")
        return super().sendto(*arguments)
