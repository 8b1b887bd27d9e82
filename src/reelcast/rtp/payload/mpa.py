"""MPEG audio (RFC 2250 section 3.5): MP3 and its elders, layers I to III, on a clock of 90 kHz.

Sending: frames share a packet while they fit and it stays short, a big one is cut into fragments of one size.
Receiving: the frames of a packet are told apart by their own headers; the payload's says where a fragment
belongs. A frame rarely is a whole number of ticks long, so times are counted in samples and rounded once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from struct import Struct

from reelcast.errors import PayloadError
from reelcast.rtp.burst import Burst, lay_out
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload.base import Continuity, OneByOne, PayloadFormat, Step, payload_room
from reelcast.rtp.payload.mpa_header import FrameHeader, parse_header
from reelcast.track import AccessUnit, Track

__all__ = ["FORMAT", "MAX_PACKET_SECONDS", "MpaDepacketizer", "MpaPacketizer"]

MAX_PACKET_SECONDS = 0.1
"""Of audio in one packet: what a lost packet costs, and what a live stream waits for it."""

_HEADER = Struct("!HH")
"""Zero, and how many bytes of the frame came before (RFC 2250 section 3.5)."""
_MONO = "single_channel"
"""The parameter "mode" of a single channel (RFC 3555 section 4.1.17)."""


def _ticks(samples: int, header: FrameHeader, clock_rate: int) -> int:
    """Samples in units of the track's clock, to the nearest."""
    return (2 * samples * clock_rate + header.rate) // (2 * header.rate)


class MpaPacketizer:
    """Frames of one MPEG audio track into bursts, several frames to a packet."""

    def __init__(self, track: Track, max_packet_size: int) -> None:
        self._payload_type = track.payload_type
        self._clock_rate = track.clock_rate
        self._room = payload_room(max_packet_size) - _HEADER.size
        self._waiting: list[AccessUnit] = []
        self._size = 0
        self._samples = 0
        self._header: FrameHeader | None = None

    def packetize(self, unit: AccessUnit) -> list[Burst]:
        """Add one frame; the packet goes when the next would not fit. PayloadError for what is no frame."""
        header = parse_header(unit.data)
        if header is None:
            raise PayloadError(
                f"the unit of {len(unit.data)} bytes is no MPEG audio frame of a known bit rate"
            )
        if header.size != len(unit.data):
            raise PayloadError(
                f"the MPEG audio frame has {len(unit.data)} bytes, its header says {header.size}"
            )
        bursts = [] if self._joins(unit, header) else self.flush()
        if header.size > self._room:
            bursts.append(self._fragments(unit, header))
            return bursts
        self._waiting.append(unit)
        self._size += header.size
        self._samples += header.samples
        self._header = header
        return bursts

    def flush(self) -> list[Burst]:
        """The frames that wait for a full packet."""
        units, samples, header = self._waiting, self._samples, self._header
        self._waiting, self._size, self._samples, self._header = [], 0, 0, None
        if header is None:
            return []
        payload = _HEADER.pack(0, 0) + b"".join(unit.data for unit in units)
        duration = _ticks(samples, header, self._clock_rate)
        # No marker: it tells the end of a silence that was left out, and none is (RFC 2250 section 3.1).
        return [
            lay_out(
                [payload], self._payload_type, units[0].pts, units[0].dts, duration=duration, marker=False
            )
        ]

    def _joins(self, unit: AccessUnit, header: FrameHeader) -> bool:
        """Whether a frame may share the waiting packet: a receiver counts its time from the first one's."""
        if self._header is None:
            return True
        follows = self._waiting[0].pts + _ticks(self._samples, header, self._clock_rate)
        return (
            header.rate == self._header.rate
            # Of the frame before it the container may have rounded the other way.
            and abs(unit.pts - follows) <= 1
            and self._size + header.size <= self._room
            and self._samples + header.samples <= header.rate * MAX_PACKET_SECONDS
        )

    def _fragments(self, unit: AccessUnit, header: FrameHeader) -> Burst:
        payloads = [
            _HEADER.pack(0, place) + unit.data[place : place + self._room]
            for place in range(0, header.size, self._room)
        ]
        duration = _ticks(header.samples, header, self._clock_rate)
        return lay_out(payloads, self._payload_type, unit.pts, unit.dts, duration=duration, marker=False)


class MpaDepacketizer(OneByOne):
    """Packets of one MPEG audio track into frames."""

    def __init__(self, track: Track) -> None:
        self._continuity = Continuity()
        self._clock_rate = track.clock_rate
        self._timestamp = 0
        self._fragments = bytearray()
        self._wanted = 0

    def receive(self, packet: Packet) -> list[AccessUnit]:
        """Take the next packet; see `Depacketizer`."""
        step = self._continuity.step(packet.sequence)
        if step is Step.REPEATED:
            return []
        if step is Step.GAP or packet.timestamp != self._timestamp:
            self._fragments.clear()
        self._timestamp = packet.timestamp
        if len(packet.payload) <= _HEADER.size:
            return []
        _, offset = _HEADER.unpack_from(packet.payload)
        if offset:
            return self._take_fragment(offset, packet.payload)
        self._fragments.clear()
        return self._frames(packet.payload)

    def _frames(self, payload: bytes) -> list[AccessUnit]:
        units: list[AccessUnit] = []
        place, samples = _HEADER.size, 0
        while (header := parse_header(payload, place)) is not None:
            data = payload[place : place + header.size]
            if len(data) < header.size:
                # A frame that ends elsewhere stands alone (RFC 2250 section 3.5).
                if not units:
                    self._fragments += data
                    self._wanted = header.size
                break
            units.append(self._unit(data, header, samples))
            place += header.size
            samples += header.samples
        return units

    def _take_fragment(self, offset: int, payload: bytes) -> list[AccessUnit]:
        """Every fragment tells its place; one whose beginning was lost has none."""
        if not self._fragments or offset != len(self._fragments):
            self._fragments.clear()
            return []
        self._fragments += payload[_HEADER.size :]
        if len(self._fragments) < self._wanted:
            return []
        data = bytes(self._fragments[: self._wanted])
        self._fragments.clear()
        header = parse_header(data)
        return [self._unit(data, header, 0)] if header is not None else []

    def _unit(self, data: bytes, header: FrameHeader, before: int) -> AccessUnit:
        """A frame with `before` samples in front of it in its packet."""
        begin = _ticks(before, header, self._clock_rate)
        end = _ticks(before + header.samples, header, self._clock_rate)
        pts = (self._timestamp + begin) & 0xFFFFFFFF
        return AccessUnit(data, pts, pts, duration=end - begin)


def _format_parameters(track: Track) -> dict[str, str]:
    """a=rtpmap has no channels here (RFC 3555 section 4.1.17)."""
    return {"mode": _MONO} if track.channels == 1 else {}


def _apply_parameters(track: Track, parameters: Mapping[str, str]) -> Track:
    """What a=rtpmap says of channels is not believed: live555 writes 1 of everything."""
    return replace(track, channels=1 if parameters.get("mode", "").lower() == _MONO else 2)


FORMAT = PayloadFormat(
    codec="mpa",
    kind="audio",
    encoding="MPA",
    packetizer=MpaPacketizer,
    depacketizer=MpaDepacketizer,
    format_parameters=_format_parameters,
    apply_parameters=_apply_parameters,
)
