"""PCM audio: PCMU, PCMA (8 bits a sample) and L16 (16 bits, big-endian), RFC 3551 section 4.5; and G.722.

G.722 is sampled at 16 kHz, two samples a byte, and counted at 8 kHz (RFC 3551 section 4.5.2): to RTP a byte is
a sample, as in PCMU.

A packet is any run of whole sample frames; its timestamp is that of the first. Units are cut anew, whatever
their size, so that packets last 20 ms (RFC 3551 section 4.2) but where the audio is interrupted.
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
from reelcast.track import AccessUnit, Codec, Track

__all__ = ["FORMATS", "PcmDepacketizer", "PcmPacketizer", "frame_size"]

PACKETS_A_SECOND = 50
"""20 ms each, the default packetization interval of RFC 3551."""


def frame_size(track: Track) -> int:
    """Bytes of one sample of all channels."""
    return max(track.channels, 1) * (2 if track.codec == "l16" else 1)


class PcmPacketizer:
    """Samples of one track into bursts of one packet."""

    def __init__(self, track: Track, max_packet_size: int) -> None:
        self._payload_type = track.payload_type
        self._frame = frame_size(track)
        room = payload_room(max_packet_size) // self._frame
        self._samples = max(min(track.clock_rate // PACKETS_A_SECOND, room), 1)
        self._waiting = b""
        self._pts = 0

    def packetize(self, unit: AccessUnit) -> list[Burst]:
        """Cut samples into packets; a rest waits for the next unit. PayloadError for half a sample."""
        if len(unit.data) % self._frame:
            raise PayloadError(
                f"the audio unit has {len(unit.data)} bytes, no multiple of {self._frame}, one sample"
            )
        bursts: list[Burst] = []
        if unit.pts != self._pts + len(self._waiting) // self._frame:
            bursts += self.flush()
            self._pts = unit.pts
        data = self._waiting + unit.data
        size = self._samples * self._frame
        whole = len(data) - len(data) % size
        bursts += [self._lay_out(data[place : place + size]) for place in range(0, whole, size)]
        self._waiting = data[whole:]
        return bursts

    def flush(self) -> list[Burst]:
        """The rest that fills no packet."""
        waiting, self._waiting = self._waiting, b""
        return [self._lay_out(waiting)] if waiting else []

    def _lay_out(self, data: bytes) -> Burst:
        samples = len(data) // self._frame
        # No marker: it tells the end of a silence that was left out, and none is (RFC 3551 section 4.1).
        burst = lay_out([data], self._payload_type, self._pts, self._pts, duration=samples, marker=False)
        self._pts += samples
        return burst


class PcmDepacketizer(OneByOne):
    """Packets of one track into units of samples, one a packet."""

    def __init__(self, track: Track) -> None:
        self._continuity = Continuity()
        self._frame = frame_size(track)

    def receive(self, packet: Packet) -> list[AccessUnit]:
        """Take the next packet; half a sample at its end is dropped."""
        samples = len(packet.payload) // self._frame
        if self._continuity.step(packet.sequence) is Step.REPEATED or not samples:
            return []
        data = packet.payload[: samples * self._frame]
        return [AccessUnit(data, packet.timestamp, packet.timestamp, duration=samples)]


def _format(codec: Codec, encoding: str) -> PayloadFormat:
    return PayloadFormat(
        codec=codec,
        kind="audio",
        encoding=encoding,
        packetizer=PcmPacketizer,
        depacketizer=PcmDepacketizer,
        format_parameters=no_parameters,
        apply_parameters=ignore_parameters,
    )


FORMATS = (
    _format("pcmu", "PCMU"),
    _format("pcma", "PCMA"),
    _format("g722", "G722"),
    _format("l16", "L16"),
)
"""One for each sample coding; they differ in name and sample size alone."""
