"""MPEG transport streams, whole (RFC 2250 section 2): packets of 188 bytes, seven in one of RTP, at 90 kHz.

The RTP timestamp is when the first byte is to be sent, on the stream's own clock; what is inside has times of
its own. To RTP it is one track, of whatever programs: its m= section is video.
"""

from __future__ import annotations

from reelcast.errors import PayloadError
from reelcast.rtp.burst import Burst, lay_out
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload.base import (
    Continuity,
    OneByOne,
    PayloadFormat,
    Step,
    ignore_parameters,
    no_parameters,
    payload_room,
)
from reelcast.track import AccessUnit, Track

__all__ = ["FORMAT", "MAX_PACKETS", "SYNC", "TS_PACKET", "Mp2tDepacketizer", "Mp2tPacketizer"]

TS_PACKET = 188
"""Bytes of a transport stream packet (ISO/IEC 13818-1 section 2.4.3)."""
SYNC = 0x47
"""The first byte of each."""
MAX_PACKETS = 7
"""In one of RTP: what fits an Ethernet frame, and what every receiver expects."""


class Mp2tPacketizer:
    """Stretches of one transport stream into bursts of one RTP packet."""

    def __init__(self, track: Track, max_packet_size: int) -> None:
        self._payload_type = track.payload_type
        self._size = TS_PACKET * min(payload_room(max_packet_size) // TS_PACKET, MAX_PACKETS)

    def packetize(self, unit: AccessUnit) -> list[Burst]:
        """Lay out a stretch, its duration shared among its packets. PayloadError for what is no such stream."""
        data = unit.data
        if not data or not _is_aligned(data):
            raise PayloadError(
                f"the unit of {len(data)} bytes is no run of transport stream packets, {TS_PACKET} bytes each"
            )
        bursts: list[Burst] = []
        for place in range(0, len(data), self._size):
            begin, end = (
                min(at, len(data)) * unit.duration // len(data) for at in (place, place + self._size)
            )
            # No marker: it tells that the timestamps leap, and they never do (RFC 2250 section 2).
            bursts.append(
                lay_out(
                    [data[place : place + self._size]],
                    self._payload_type,
                    unit.pts + begin,
                    unit.dts + begin,
                    keyframe=unit.keyframe,
                    duration=end - begin,
                    marker=False,
                )
            )
        return bursts

    def flush(self) -> list[Burst]:
        """Nothing ever waits."""
        return []


class Mp2tDepacketizer(OneByOne):
    """Packets of one track into stretches of the transport stream, one a packet."""

    def __init__(self, track: Track) -> None:
        self._continuity = Continuity()

    def receive(self, packet: Packet) -> list[AccessUnit]:
        """Take the next packet; what is not made of transport stream packets is dropped."""
        data = packet.payload[: len(packet.payload) // TS_PACKET * TS_PACKET]
        if self._continuity.step(packet.sequence) is Step.REPEATED or not data or not _is_aligned(data):
            return []
        return [AccessUnit(data, packet.timestamp, packet.timestamp)]


def _is_aligned(data: bytes) -> bool:
    return len(data) % TS_PACKET == 0 and data[::TS_PACKET].count(SYNC) == len(data) // TS_PACKET


FORMAT = PayloadFormat(
    codec="mp2t",
    kind="video",
    encoding="MP2T",
    packetizer=Mp2tPacketizer,
    depacketizer=Mp2tDepacketizer,
    format_parameters=no_parameters,
    apply_parameters=ignore_parameters,
)
