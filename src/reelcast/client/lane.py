"""How one track comes to us: over a pair of UDP ports, or interleaved on the RTSP connection.

A lane is opened before its SETUP, which it words; the response then tells it where the server sends from.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from reelcast.client.dialogue import Dialogue
from reelcast.errors import ProtocolError
from reelcast.net.receive import MediaPorts
from reelcast.rtp.packet import HEADER
from reelcast.rtsp.headers import TransportSpec

__all__ = ["InterleavedLane", "Lane", "UdpLane", "agreed", "one_by_one"]

PUNCH: Final = HEADER.pack(0x80, 0, 0, 0, 0)
"""An RTP packet without payload: servers pass over it, NATs remember it."""


class Lane(Protocol):
    """One track's way, in both directions."""

    async def open(self, port: int = 0) -> TransportSpec:
        """Get ready to receive, over UDP on `port` and the next, 0 for any; what to offer in SETUP.

        TransportError where there is no port.
        """

    def agree(self, answer: str | None) -> None:
        """Take the Transport header of the response; ProtocolError(461) if it is another way than offered."""

    def punch(self, report: bytes) -> None:
        """Open the way through a NAT, by a first report."""

    def send_control(self, data: bytes) -> None:
        """Send RTCP to the server."""

    @property
    def stranger(self) -> str:
        """The address that media came from in place of the server's; "" where none did."""

    def close(self) -> None:
        """Give up what was opened; closing twice is no error."""


class UdpLane:
    """RTP/AVP: a pair of ports of our own, at the address that the RTSP connection uses."""

    def __init__(
        self,
        dialogue: Dialogue,
        on_media: Callable[[Sequence[bytes]], None],
        on_control: Callable[[bytes], None],
    ) -> None:
        self._ours, self._theirs = dialogue.hosts
        self._ports = MediaPorts(on_media, on_control)

    async def open(self, port: int = 0) -> TransportSpec:
        """Bind the ports."""
        return TransportSpec("RTP/AVP", client_port=await self._ports.open(self._ours, port))

    def agree(self, answer: str | None) -> None:
        """Listen to the server's address, or to the other one that it names."""
        spec = agreed(answer, tcp=False)
        hosts = [self._theirs]
        if spec.source and _same_family(spec.source, self._theirs):
            hosts.insert(0, spec.source)
        self._ports.listen_to(hosts, spec.server_port)

    def punch(self, report: bytes) -> None:
        """One packet from each port of ours to its counterpart."""
        self._ports.send_media(PUNCH)
        self._ports.send_control(report)

    def send_control(self, data: bytes) -> None:
        """Send from our RTCP port to theirs."""
        self._ports.send_control(data)

    @property
    def stranger(self) -> str:
        """Who sent to our ports and is not the server."""
        return self._ports.stranger

    def close(self) -> None:
        """Free the ports."""
        self._ports.close()


class InterleavedLane:
    """RTP/AVP/TCP: two channels of the RTSP connection, those that the server's answer names."""

    def __init__(
        self,
        dialogue: Dialogue,
        channel: int,
        on_media: Callable[[Sequence[bytes]], None],
        on_control: Callable[[bytes], None],
    ) -> None:
        self._dialogue = dialogue
        self._channels = channel, channel + 1
        self._receivers = on_media, one_by_one(on_control)

    async def open(self, port: int = 0) -> TransportSpec:
        """Nothing is to be opened."""
        return TransportSpec("RTP/AVP/TCP", interleaved=self._channels)

    def agree(self, answer: str | None) -> None:
        """Listen on the channels."""
        self._channels = agreed(answer, tcp=True).interleaved or self._channels
        self._dialogue.channels.update(zip(self._channels, self._receivers, strict=True))

    def punch(self, report: bytes) -> None:
        """The connection is the way; the report tells the server that someone listens."""
        self.send_control(report)

    def send_control(self, data: bytes) -> None:
        """Send a frame on the RTCP channel."""
        self._dialogue.send_frame(self._channels[1], data)

    @property
    def stranger(self) -> str:
        """There is nobody else on a connection."""
        return ""

    def close(self) -> None:
        """Leave the channels."""
        for channel in self._channels:
            self._dialogue.channels.pop(channel, None)


def agreed(answer: str | None, *, tcp: bool) -> TransportSpec:
    """The one spec of the answer; no header or an unreadable one is taken as agreement to all."""
    try:
        spec = TransportSpec.parse_answer(answer or "")
    except ProtocolError:
        return TransportSpec()
    if spec.tcp != tcp or spec.multicast:
        raise ProtocolError(f"the server insists on {spec.protocol}", 461)
    return spec


def one_by_one(take: Callable[[bytes], None]) -> Callable[[Sequence[bytes]], None]:
    """For the channels of a Dialogue: frames that come at once, taken one after the other."""

    def take_all(frames: Sequence[bytes]) -> None:
        for data in frames:
            take(data)

    return take_all


def _same_family(host: str, other: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == ipaddress.ip_address(other).version
    except ValueError:
        return False
