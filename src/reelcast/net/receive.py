"""The client's UDP side: a pair of ports for each track, with room for what arrives in bursts."""

from __future__ import annotations

import logging
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Final

from reelcast.net.messages import Destination
from reelcast.net.udp import DRAIN, Address, Datagrams, ask_for_buffer, bind_pair
from reelcast.rtp.rtcp import is_rtcp

__all__ = ["RECEIVE_BUFFER", "MediaPorts", "without_zone"]

log = logging.getLogger(__name__)

RECEIVE_BUFFER = 4 << 20
"""Asked of the kernel for media: some of the largest key frames (1 MB), should they come all at once."""
_UDP_GRO: Final = 104
"""The socket option of Linux 5.0, and the type of the control message that goes with it."""
_SEGMENT: Final = struct.Struct("=i")
_CONTROL_BYTES: Final = 64
_MAX_DATAGRAM: Final = 65_536

_complained: set[int] = set()
"""Sizes that the kernel gave instead, and that were told: a server with many publishers says it once."""


class MediaPorts:
    """The ports on which one track is received.

    What arrives is told apart by its bytes, not by its port, so that a peer may send both kinds to one
    (RFC 5761); and only the peer is listened to, once `listen_to` has named it.

    on_media     called with the RTP packets that came at once, in the order of their coming
    on_control   called with each RTCP packet
    stranger     the address that something came from last which is not listened to; "" where nothing did
    """

    def __init__(
        self, on_media: Callable[[Sequence[bytes]], None], on_control: Callable[[bytes], None]
    ) -> None:
        self._on_media = on_media
        self._on_control = on_control
        self.stranger = ""
        self._sources: frozenset[str] = frozenset()
        self._destinations: tuple[Destination, Destination] | None = None
        self._pair: tuple[Datagrams, Datagrams] | None = None

    async def open(self, host: str, port: int = 0) -> tuple[int, int]:
        """Bind on `host`, a numeric address of ours; the RTP and RTCP port numbers, for Transport.

        `port` is the RTP port, 0 for any free even one. Raises TransportError where it, or the one above it,
        cannot be had.
        """
        rtp, rtcp = bind_pair(host, port)
        _enlarge(rtp)
        media = _Offloaded(rtp, self._receive) if _offloads(rtp) else Datagrams(rtp, self._single, _ignore)
        self._pair = media, Datagrams(rtcp, self._single, _ignore)
        for datagrams in self._pair:
            await datagrams.start()
        return self._pair[0].port, self._pair[1].port

    def listen_to(self, hosts: Iterable[str], server_port: tuple[int, int] | None) -> None:
        """Accept datagrams from these numeric addresses, and send ours to the ports of the first.

        Some servers (OpenIPC) do not name their ports: they get no reports.
        """
        known = [without_zone(host) for host in hosts]
        self._sources = frozenset(known)
        self.stranger = ""  # until now everybody was
        if server_port is not None and self._pair is not None:
            family = self._pair[0].socket.family
            media, control = (Destination(family, (known[0], port)) for port in server_port)
            self._destinations = media, control

    def send_media(self, data: bytes) -> None:
        """Send one packet from our RTP port to the peer's."""
        if self._pair is not None and self._destinations is not None:
            self._pair[0].send(data, self._destinations[0])

    def send_control(self, data: bytes) -> None:
        """Send a report from our RTCP port; this also opens the way back through a NAT."""
        if self._pair is not None and self._destinations is not None:
            self._pair[1].send(data, self._destinations[1])

    def close(self) -> None:
        """Free the ports; closing twice is no error."""
        if self._pair is not None:
            for datagrams in self._pair:
                datagrams.close()
            self._pair = None

    def _single(self, data: bytes, address: Address) -> None:
        self._receive((data,), address)

    def _receive(self, datagrams: Sequence[bytes], address: Address) -> None:
        host = without_zone(address[0])
        if host not in self._sources:
            self.stranger = host
            return
        for control, alike in groupby(datagrams, is_rtcp):
            if control:
                for data in alike:
                    self._on_control(data)
            else:
                self._on_media(list(alike))


class _Offloaded(Datagrams):
    """A socket on which the kernel hands out what came in a row in one piece (generic receive offload)."""

    def __init__(self, sock: socket.socket, on_datagrams: Callable[[Sequence[bytes], Address], None]) -> None:
        super().__init__(sock, lambda data, address: on_datagrams((data,), address), _ignore)
        self._on_datagrams = on_datagrams

    def _drain(self) -> None:
        datagrams: list[bytes] = []
        sender: Address = ()
        for _ in range(DRAIN):
            try:
                data, control, _, address = self.socket.recvmsg(_MAX_DATAGRAM, _CONTROL_BYTES)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                continue  # the pending ICMP error
            if address != sender and datagrams:
                self._on_datagrams(datagrams, sender)
                datagrams = []
            sender = address
            segment = _segment_size(control)
            if segment:
                datagrams += [data[start : start + segment] for start in range(0, len(data), segment)]
                # That is most often all there is: the event loop asks again for less than it costs to be refused.
                break
            datagrams.append(data)
        if datagrams:
            self._on_datagrams(datagrams, sender)
        else:
            # They keep the socket readable where there is nothing to read.
            self._drain_errors()


def _segment_size(control: Sequence[tuple[int, int, bytes]]) -> int:
    """Where the kernel put datagrams together: the size of each but the last, else 0."""
    for level, kind, data in control:
        if level == socket.IPPROTO_UDP and kind == _UDP_GRO and len(data) >= _SEGMENT.size:
            size: int = _SEGMENT.unpack_from(data)[0]
            return size
    return 0


def _offloads(sock: socket.socket) -> bool:
    """Ask for receive offload, which Linux has since 5.0; whether it is granted."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        sock.setsockopt(socket.IPPROTO_UDP, _UDP_GRO, 1)
    except OSError as error:
        log.debug("= no receive offload: %s", error.strerror)
        return False
    return True


def without_zone(host: str) -> str:
    """A numeric address without the name of the interface that it is reached by (RFC 4007 section 11)."""
    return host.partition("%")[0]


def _ignore(_: Address) -> None:
    """An ICMP error came back: the server has closed its RTCP port, which concerns our reports alone."""


def _enlarge(sock: socket.socket) -> None:
    ask_for_buffer(sock, socket.SO_RCVBUF, RECEIVE_BUFFER)
    granted = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    if sys.platform.startswith("linux"):
        granted //= 2  # Linux counts its own bookkeeping in
    if granted < RECEIVE_BUFFER and granted not in _complained:
        _complained.add(granted)
        log.info(
            "the kernel gives a receive buffer of %d kB instead of %d kB: bursts may be lost; "
            "on Linux, raise net.core.rmem_max",
            granted >> 10,
            RECEIVE_BUFFER >> 10,
        )
