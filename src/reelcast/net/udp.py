"""The server's UDP side: one pair of ports, RTP and RTCP, for all readers of an address family."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

from reelcast.errors import TransportError
from reelcast.net.batch import batch_for
from reelcast.net.event_loop import defer
from reelcast.net.messages import Batching, Destination, MessageSocket

__all__ = ["DRAIN", "Datagrams", "UdpPair", "ask_for_buffer", "bind_pair"]

log = logging.getLogger(__name__)

SEND_BUFFER = 4 << 20
"""Asked of the kernel for the sending side, so that a batch for many readers never waits."""
RECEIVE_BUFFER = 1 << 20
"""For reports of many readers that arrive at once."""
LEAST_BUFFER = 1 << 16
"""What is less than that, every system has by itself."""
PAIR_ATTEMPTS = 100
"""Free even ports tried before giving up."""
DRAIN = 64
"""Datagrams read in one go before the event loop gets its turn."""
_RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}
_ERROR_QUEUE = 0x2000
_SO_EE_ORIGIN_ICMP = (2, 3)

Address = tuple[Any, ...]


class Datagrams(asyncio.DatagramProtocol):
    """One bound socket: receives through the event loop, and tells which address an ICMP error came for."""

    def __init__(
        self,
        sock: socket.socket,
        on_datagram: Callable[[bytes, Address], None],
        on_unreachable: Callable[[Address], None],
    ) -> None:
        self.socket = sock
        self.port: int = sock.getsockname()[1]
        self._messages = MessageSocket(sock)
        self._on_datagram = on_datagram
        self._on_unreachable = on_unreachable
        self._endpoint: asyncio.DatagramTransport | None = None
        self._loop = asyncio.get_running_loop()
        self._error_queue = sys.platform.startswith("linux")
        if self._error_queue:
            sock.setsockopt(*_RECVERR[socket.AddressFamily(sock.family)], 1)

    async def start(self) -> None:
        """Begin to receive; where the loop has no `add_reader` (Windows), through a datagram endpoint."""
        try:
            self._loop.add_reader(self.socket, self._drain)
        except NotImplementedError:
            self._endpoint, _ = await self._loop.create_datagram_endpoint(lambda: self, sock=self.socket)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Called by a datagram endpoint."""
        self._on_datagram(data, addr)

    def send(self, data: bytes, destination: Destination) -> None:
        """Send one datagram now."""
        self._messages.send(data, destination)

    def close(self) -> None:
        """Stop receiving and free the port."""
        if self._endpoint is not None:
            self._endpoint.close()
            return
        self._loop.remove_reader(self.socket)
        self.socket.close()

    def _drain(self) -> None:
        for _ in range(DRAIN):
            try:
                data, address = self.socket.recvfrom(65536)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                # The pending ICMP error; the error queue says whose it is.
                continue
            self._on_datagram(data, address)
        if self._error_queue:
            self._drain_errors()

    def _drain_errors(self) -> None:
        # An entry left in the queue keeps the socket readable, so it is always emptied.
        while True:
            try:
                _, ancillary, _, address = self.socket.recvmsg(0, 512, _ERROR_QUEUE)
            except OSError:
                return
            for _, _, data in ancillary:
                origin = struct.unpack_from("=IB", data)[1] if len(data) >= 5 else 0
                if origin in _SO_EE_ORIGIN_ICMP and address:
                    self._on_unreachable(address)


class UdpPair:
    """The RTP port and the RTCP port above it.

    batch      what is due to single readers, collected
    batching   how datagrams are sent
    """

    def __init__(self, rtp: Datagrams, rtcp: Datagrams, batching: Batching) -> None:
        self.rtp = rtp
        self.rtcp = rtcp
        self.family: int = rtp.socket.family
        self.batching = batching
        self.batch = batch_for(batching, rtp.socket)

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        batching: Batching,
        on_datagram: Callable[[bytes, Address], None],
        on_unreachable: Callable[[Address], None],
    ) -> UdpPair:
        """Bind an RTP and an RTCP port on `host`, a numeric address.

        `port` is the RTP port, 0 for any free even one. Raises TransportError where there is none.
        """
        rtp, rtcp = bind_pair(host, port, option="--rtp-port")
        pair = cls(
            Datagrams(rtp, on_datagram, on_unreachable),
            Datagrams(rtcp, on_datagram, on_unreachable),
            batching,
        )
        for datagrams in (pair.rtp, pair.rtcp):
            await datagrams.start()
            # Nothing but reports comes here.
            defer(datagrams.socket.fileno())
        return pair

    @property
    def ports(self) -> tuple[int, int]:
        """The RTP and RTCP port numbers, as they are announced."""
        return self.rtp.port, self.rtcp.port

    def close(self) -> None:
        """Free both ports."""
        self.rtp.close()
        self.rtcp.close()


def bind_pair(host: str, port: int, *, option: str = "") -> tuple[socket.socket, socket.socket]:
    """An RTP socket and an RTCP socket on the port above; 0 for any free even port.

    Raises TransportError where there is none, which names the option that chooses another.
    """
    hint = f"; choose another{option and f' with {option}'}" if port else ""
    reason = "none is free"
    for _ in range(1 if port else PAIR_ATTEMPTS):
        try:
            rtp = _bind(host, port)
        except OSError as error:
            wanted = f"UDP port {port}" if port else "a UDP port"
            raise TransportError(f"cannot bind {wanted} on {host}: {error.strerror}{hint}") from error
        number = rtp.getsockname()[1]
        if number % 2 == 0 or port:
            try:
                return rtp, _bind(host, number + 1)
            except OSError as error:
                reason = error.strerror or reason
        rtp.close()
    wanted = f"UDP port {port} and the one above it" if port else "a pair of UDP ports"
    raise TransportError(f"cannot bind {wanted} on {host}: {reason}{hint}")


def ask_for_buffer(sock: socket.socket, option: int, size: int) -> None:
    """Ask for `size` bytes of SO_SNDBUF or SO_RCVBUF, and make do with less.

    Linux gives what it may; BSD and macOS refuse what is more than kern.ipc.maxsockbuf.
    """
    while size >= LEAST_BUFFER:
        try:
            sock.setsockopt(socket.SOL_SOCKET, option, size)
        except OSError:
            size //= 2
        else:
            return


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        ask_for_buffer(sock, socket.SO_SNDBUF, SEND_BUFFER)
        ask_for_buffer(sock, socket.SO_RCVBUF, RECEIVE_BUFFER)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock
