"""How one track leaves us: from a pair of UDP ports, or interleaved on the RTSP connection.

The counterpart of `reelcast.client.lane`, which receives. An exit is opened before its SETUP, which it words; the
response then tells it where to send.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from reelcast.client.dialogue import Dialogue
from reelcast.client.lane import agreed
from reelcast.errors import ProtocolError
from reelcast.net.carrier import Carrier, InterleavedCarrier, UdpCarrier
from reelcast.net.interleaved import InterleavedWriter
from reelcast.net.messages import Batching, Destination
from reelcast.net.receive import without_zone
from reelcast.net.udp import Address, UdpPair
from reelcast.rtp.rtcp import is_rtcp
from reelcast.rtsp.headers import TransportSpec

__all__ = ["Exit", "InterleavedExit", "UdpExit"]


class Exit(Protocol):
    """One track's way out, and its reports' way back."""

    async def open(self) -> TransportSpec:
        """Get ready; what to offer in SETUP. TransportError where there is no port."""

    def agree(self, answer: str | None) -> Carrier:
        """Take the Transport header of the response; what then sends the track, which is its number 0.

        ProtocolError(461) where it is another way than offered, or says not where to send.
        """

    def flush(self) -> None:
        """Send what the carrier has collected."""

    def close(self) -> None:
        """Give up what was opened; closing twice is no error."""


class UdpExit:
    """RTP/AVP: from a pair of ports of our own to the pair that the server names.

    `on_gone` is called when the server's host says that nobody listens there any more.
    """

    def __init__(
        self, dialogue: Dialogue, on_control: Callable[[bytes], None], on_gone: Callable[[], None]
    ) -> None:
        self._ours, self._theirs = dialogue.hosts
        self._known = without_zone(self._theirs)
        self._on_control = on_control
        self._on_gone = on_gone
        self._pair: UdpPair | None = None
        self._media: Destination | None = None

    async def open(self) -> TransportSpec:
        """Bind the ports."""
        self._pair = await UdpPair.open(self._ours, 0, Batching.detect(), self._receive, self._unreachable)
        return TransportSpec("RTP/AVP", client_port=self._pair.ports)

    def agree(self, answer: str | None) -> Carrier:
        """Send to the host that we are connected to, whatever the answer calls it."""
        ports = agreed(answer, tcp=False).server_port
        if ports is None:
            raise ProtocolError("the server does not say where to send datagrams", 461)
        assert self._pair is not None
        media, control = (Destination(self._pair.family, (self._theirs, port)) for port in ports)
        self._media = media
        return UdpCarrier(self._pair, {0: (media, control)})

    def flush(self) -> None:
        """One call to the kernel for all that was collected."""
        if self._pair is not None:
            self._pair.batch.flush()

    def close(self) -> None:
        """Free the ports."""
        pair, self._pair = self._pair, None
        if pair is not None:
            pair.close()

    def _receive(self, data: bytes, address: Address) -> None:
        if without_zone(address[0]) == self._known and is_rtcp(data):
            self._on_control(data)

    def _unreachable(self, address: Address) -> None:
        # A server that takes no reports is no reason to send it no media.
        if self._media is not None and address[1] == self._media.address[1]:
            self._on_gone()


class InterleavedExit:
    """RTP/AVP/TCP: two channels of the RTSP connection, those that the server's answer names."""

    def __init__(
        self, dialogue: Dialogue, writer: InterleavedWriter, channel: int, on_control: Callable[[bytes], None]
    ) -> None:
        self._dialogue = dialogue
        self._writer = writer
        self._channels = channel, channel + 1
        self._on_control = on_control

    async def open(self) -> TransportSpec:
        """Nothing is to be opened."""
        return TransportSpec("RTP/AVP/TCP", interleaved=self._channels)

    def agree(self, answer: str | None) -> Carrier:
        """Listen to reports on the second channel; some servers send them on the first."""
        self._channels = agreed(answer, tcp=True).interleaved or self._channels
        for channel in self._channels:
            self._dialogue.channels[channel] = self._receive
        return InterleavedCarrier(self._writer, {0: self._channels})

    def flush(self) -> None:
        """Nothing is collected."""

    def close(self) -> None:
        """Leave the channels."""
        for channel in self._channels:
            self._dialogue.channels.pop(channel, None)

    def _receive(self, packets: Sequence[bytes]) -> None:
        for data in filter(is_rtcp, packets):
            self._on_control(data)
