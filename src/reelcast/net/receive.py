"""The client's UDP side: a pair of ports for each track, with room for what arrives in bursts."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Callable, Iterable

from reelcast.net.messages import Batching, Destination
from reelcast.net.udp import Address, UdpPair
from reelcast.rtp.rtcp import is_rtcp

__all__ = ["RECEIVE_BUFFER", "MediaPorts"]

log = logging.getLogger(__name__)

RECEIVE_BUFFER = 4 << 20
"""Asked of the kernel for media: some of the largest key frames (1 MB), should they come all at once."""


class MediaPorts:
    """The ports on which one track is received.

    What arrives is told apart by its bytes, not by its port, so that a peer may send both kinds to one
    (RFC 5761); and only the peer is listened to, once `listen_to` has named it.
    """

    def __init__(self, on_media: Callable[[bytes], None], on_control: Callable[[bytes], None]) -> None:
        self._on_media = on_media
        self._on_control = on_control
        self._sources: frozenset[str] = frozenset()
        self._reports_to: Destination | None = None
        self._pair: UdpPair | None = None

    async def open(self, host: str) -> tuple[int, int]:
        """Bind on `host`, a numeric address of ours; the RTP and RTCP port numbers, for Transport.

        Raises TransportError where no two ports in a row are free.
        """
        self._pair = await UdpPair.open(host, 0, Batching.PLAIN, self._receive, _ignore)
        _enlarge(self._pair.rtp.socket)
        return self._pair.ports

    def listen_to(self, hosts: Iterable[str], server_port: tuple[int, int] | None) -> None:
        """Accept datagrams from these numeric addresses, and send ours to the ports of the first.

        Some servers (OpenIPC) do not name their ports: they get no reports.
        """
        known = [_without_zone(host) for host in hosts]
        self._sources = frozenset(known)
        if server_port is not None and self._pair is not None:
            self._reports_to = Destination(self._pair.family, (known[0], server_port[1]))

    def send_control(self, data: bytes) -> None:
        """Send a report from our RTCP port; this also opens the way back through a NAT."""
        if self._pair is not None and self._reports_to is not None:
            self._pair.rtcp.send(data, self._reports_to)

    def close(self) -> None:
        """Free the ports; closing twice is no error."""
        if self._pair is not None:
            self._pair.close()
            self._pair = None

    def _receive(self, data: bytes, address: Address) -> None:
        if _without_zone(address[0]) not in self._sources:
            return
        if is_rtcp(data):
            self._on_control(data)
        else:
            self._on_media(data)


def _without_zone(host: str) -> str:
    return host.partition("%")[0]


def _ignore(_: Address) -> None:
    """An ICMP error came back: the server has closed its RTCP port, which concerns our reports alone."""


def _enlarge(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    granted = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    if sys.platform.startswith("linux"):
        granted //= 2  # Linux counts its own bookkeeping in
    if granted < RECEIVE_BUFFER:
        log.info(
            "the kernel gives a receive buffer of %d kB instead of %d kB: bursts may be lost; "
            "on Linux, raise net.core.rmem_max",
            granted >> 10,
            RECEIVE_BUFFER >> 10,
        )
