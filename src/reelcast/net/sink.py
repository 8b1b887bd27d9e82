"""The UDP side of many readers in one process: pairs of ports, drained into one ring where the system lets us.

On Linux RTP comes through `Drain`, headers alone; elsewhere as asyncio reads it. Reports are few and always come
as asyncio reads them. The event loop itself waits for each socket: with an epoll of theirs inside the loop's, the
kernel would have two to tell of each datagram, at the expense of who sends it. Generic receive offload is off
unless asked for: an ordinary receiver has none, and on one machine it would take work off the sender that is to be
measured.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Final

from reelcast.errors import TransportError
from reelcast.net.drain import Drain
from reelcast.net.messages import Batching, Destination
from reelcast.net.udp import Address, UdpPair
from reelcast.rtp.arrivals import RTP_HEADER, Arrivals, Row
from reelcast.rtp.rtcp import is_rtcp

__all__ = ["HAND_OVER_AFTER", "RECEIVE_BUFFER", "Port", "Sink"]

RECEIVE_BUFFER: Final = 4 << 20
"""Asked of the kernel for each RTP socket: a drain comes late when thousands of readers join."""
HAND_OVER_AFTER: Final = 0.02
"""Seconds that packets are collected: an array of hundreds costs little more than one of ten."""
_SO_RCVBUFFORCE: Final = 33
"""Linux, for who may administer the network: more than net.core.rmem_max."""

OnArrivals = Callable[[Arrivals], None]
OnControl = Callable[[int, bytes], None]


class Port:
    """One flow's pair of UDP ports."""

    def __init__(self, pair: UdpPair) -> None:
        self._pair = pair
        self._peer: Destination | None = None
        self._open = True

    @property
    def ports(self) -> tuple[int, int]:
        """The RTP and RTCP port numbers, for Transport."""
        return self._pair.ports

    def report_to(self, host: str, port: int) -> None:
        """Send reports to this numeric address; before this they go nowhere."""
        self._peer = Destination(self._pair.family, (host, port))

    def send_control(self, data: bytes) -> None:
        """Send a report from our RTCP port; this also opens the way back through a NAT."""
        if self._peer is not None and self._open:
            self._pair.rtcp.send(data, self._peer)

    def close(self) -> None:
        """Free the ports; closing twice is no error."""
        if self._open:
            self._open = False
            self._pair.close()


class Sink:
    """Receives on as many pairs of ports as are opened.

    on_arrivals   takes RTP packets; they are valid until it returns
    on_control    takes the flow and the datagram of each report
    gro           ask for generic receive offload; TransportError on a system without
    portable      use the event loop alone, also where there is better
    """

    def __init__(
        self, on_arrivals: OnArrivals, on_control: OnControl, *, gro: bool = False, portable: bool = False
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_arrivals = on_arrivals
        self._on_control = on_control
        self._ports: list[Port] = []
        self._rows: list[Row] = []
        self._timer: asyncio.TimerHandle | None = None
        self._drain: Drain | None = None
        if not portable and Drain.available():
            self._drain = Drain(gro=gro)
        elif gro:
            raise TransportError("generic receive offload needs Linux")

    async def open(self, host: str, flow: int) -> Port:
        """Ports on `host`, a numeric address of ours, for one flow; TransportError where none are free."""

        def receive(data: bytes, _: Address) -> None:
            self._take(flow, data)

        pair = await UdpPair.open(host, 0, Batching.PLAIN, receive, _ignore)
        port = Port(pair)
        self._ports.append(port)
        _enlarge(pair.rtp.socket)
        if self._drain is not None:
            self._drain.add(pair.rtp.socket, flow)
            self._loop.add_reader(pair.rtp.socket, self._empty, pair.rtp.socket.fileno())
        return port

    def close(self) -> None:
        """Hand over what is left, and free all ports; closing twice is no error."""
        self._hand_over()
        for port in self._ports:
            port.close()
        self._ports.clear()

    def _empty(self, descriptor: int) -> None:
        assert self._drain is not None
        if self._drain.receive(descriptor):
            self._hand_over_soon()
        else:
            self._hand_over()

    def _take(self, flow: int, data: bytes) -> None:
        """A datagram that the event loop read."""
        if is_rtcp(data):
            self._on_control(flow, data)
            return
        self._rows.append((flow, data[: RTP_HEADER.itemsize], len(data), time.monotonic()))
        self._hand_over_soon()

    def _hand_over_soon(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(HAND_OVER_AFTER, self._hand_over)

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._drain is not None:
            self._on_arrivals(self._drain.take())
        if self._rows:
            rows, self._rows = self._rows, []
            self._on_arrivals(Arrivals.of(rows))


def _enlarge(sock: socket.socket) -> None:
    for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):
        try:
            sock.setsockopt(socket.SOL_SOCKET, option, RECEIVE_BUFFER)
        except OSError:
            continue
        return


def _ignore(_: Address) -> None:
    """An ICMP error came back: the server has closed its RTCP port, which concerns our reports alone."""
