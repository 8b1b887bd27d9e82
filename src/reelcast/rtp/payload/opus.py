"""Opus (RFC 7587): one Opus packet in one RTP packet, on a clock of 48 kHz.

How long a packet lasts stands in its first byte, so no field is needed; gaps of discontinuous transmission are
gaps in the timestamps. A packet too large for the path is sent as its frames, each a packet of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reelcast.errors import PayloadError
from reelcast.rtp.burst import Burst, lay_out
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload.base import Continuity, OneByOne, PayloadFormat, Step, payload_room
from reelcast.rtp.payload.opus_packet import OPUS_CLOCK, duration_of, split_frames
from reelcast.track import AccessUnit, Track

__all__ = ["FORMAT", "OpusDepacketizer", "OpusPacketizer"]


class OpusPacketizer:
    """Opus packets of one track into bursts of one RTP packet."""

    def __init__(self, track: Track, max_packet_size: int) -> None:
        self._payload_type = track.payload_type
        self._room = payload_room(max_packet_size)

    def packetize(self, unit: AccessUnit) -> list[Burst]:
        """Lay out one packet. PayloadError where it is malformed, or a frame of it is larger than a packet."""
        duration = duration_of(unit.data)
        frames = [unit.data] if len(unit.data) <= self._room else split_frames(unit.data)
        if not (duration and frames):
            raise PayloadError(f"the unit of {len(unit.data)} bytes is no Opus packet")
        largest = max(map(len, frames))
        if largest > self._room:
            raise PayloadError(
                f"the Opus frame has {largest} bytes, {self._room} fit a packet; lower the bit rate"
            )
        step = duration // len(frames)
        return [
            # No marker: it tells the end of a silence that was left out, and none is (RFC 7587 section 4.1).
            lay_out(
                [frame],
                self._payload_type,
                unit.pts + number * step,
                unit.dts + number * step,
                duration=step,
                marker=False,
            )
            for number, frame in enumerate(frames)
        ]

    def flush(self) -> list[Burst]:
        """Nothing ever waits: packets of Opus never share one of RTP."""
        return []


class OpusDepacketizer(OneByOne):
    """Packets of one track into Opus packets."""

    def __init__(self, track: Track) -> None:
        self._continuity = Continuity()

    def receive(self, packet: Packet) -> list[AccessUnit]:
        """Take the next packet; one that says no possible duration is dropped."""
        duration = duration_of(packet.payload)
        if self._continuity.step(packet.sequence) is Step.REPEATED or not duration:
            return []
        return [AccessUnit(packet.payload, packet.timestamp, packet.timestamp, duration=duration)]


def _format_parameters(track: Track) -> dict[str, str]:
    """a=rtpmap says two channels of everything; what is really sent stands here (RFC 7587 section 7)."""
    return {"sprop-stereo": str(int(track.channels != 1))}


def _apply_parameters(track: Track, parameters: Mapping[str, str]) -> Track:
    """Who says nothing may send both: two channels are made of one without loss, but not the reverse."""
    mono = parameters.get("sprop-stereo", "").strip() == "0"
    return replace(track, clock_rate=OPUS_CLOCK, channels=1 if mono else 2)


FORMAT = PayloadFormat(
    codec="opus",
    kind="audio",
    encoding="opus",
    packetizer=OpusPacketizer,
    depacketizer=OpusDepacketizer,
    format_parameters=_format_parameters,
    apply_parameters=_apply_parameters,
)
