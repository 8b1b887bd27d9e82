"""AAC (RFC 3640), mode AAC-hbr; AAC-lbr is read too.

Sending: units share a packet while they fit and it stays short, a big one is cut into fragments of one size.
Receiving: an AU header before each unit tells its size and place; that of a fragment the size of the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reelcast.errors import PayloadError
from reelcast.rtp.burst import Burst, lay_out
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload.aac_config import adts_blocks, build_config, parse_config
from reelcast.rtp.payload.base import (
    MAX_UNIT_BYTES,
    Continuity,
    Depacketizer,
    OneByOne,
    PayloadFormat,
    Step,
    payload_room,
)
from reelcast.rtp.payload.latm import LatmDepacketizer, apply_latm_parameters
from reelcast.track import AccessUnit, Track

__all__ = ["FORMAT", "LATM", "MAX_PACKET_SECONDS", "AacDepacketizer", "AacPacketizer"]

MAX_PACKET_SECONDS = 0.1
"""Of audio in one packet: what a lost packet costs, and what a live stream waits for it."""

_HBR = (13, 3, 3)
"""Bits of AU-size, AU-Index and AU-Index-delta in mode AAC-hbr (RFC 3640 section 3.3.6)."""
_LBR = (6, 2, 2)
_MODES = {"aac-hbr": _HBR, "aac-lbr": _LBR}
_MAX_FIELD_BITS = 32
"""Of each field of an AU header: RFC 3640 gives no limit, none in use comes near."""
MAX_PACKET_UNITS = 256
"""Units read from one packet: five seconds of audio, where a tenth of a second is usual."""
_MAX_UNIT = (1 << _HBR[0]) - 1
_AU_HEADER = 2
"""Bytes of an AU header in mode AAC-hbr, and of the AU-headers-length before them."""
_DEFAULT_TICKS = 1024


def _frame_ticks(track: Track) -> int:
    config = parse_config(track.config)
    return (config.frame_ticks(track.clock_rate) if config else _DEFAULT_TICKS) or _DEFAULT_TICKS


class AacPacketizer:
    """Units of one AAC track into bursts, several units to a packet."""

    def __init__(self, track: Track, max_packet_size: int) -> None:
        self._payload_type = track.payload_type
        self._room = payload_room(max_packet_size)
        self._ticks = _frame_ticks(track)
        self._max_ticks = int(track.clock_rate * MAX_PACKET_SECONDS)
        self._waiting: list[AccessUnit] = []
        self._size = _AU_HEADER

    def packetize(self, unit: AccessUnit) -> list[Burst]:
        """Add one unit; the packet goes when the next would not fit. PayloadError for no data or too much."""
        size = len(unit.data)
        if not 0 < size <= _MAX_UNIT:
            raise PayloadError(
                f"the AAC unit has {size} bytes, RTP carries 1 to {_MAX_UNIT}; lower the bit rate"
            )
        bursts: list[Burst] = []
        needed = _AU_HEADER + size
        if not self._joins(unit, needed):
            bursts += self.flush()
        if _AU_HEADER + needed > self._room:
            bursts.append(self._fragments(unit))
        else:
            self._waiting.append(unit)
            self._size += needed
        return bursts

    def flush(self) -> list[Burst]:
        """The units that wait for a full packet."""
        units, self._waiting, self._size = self._waiting, [], _AU_HEADER
        if not units:
            return []
        payload = _au_headers(*(len(unit.data) for unit in units)) + b"".join(unit.data for unit in units)
        duration = units[-1].pts - units[0].pts + self._duration(units[-1])
        return [lay_out([payload], self._payload_type, units[0].pts, units[0].dts, duration=duration)]

    def _duration(self, unit: AccessUnit) -> int:
        return unit.duration or self._ticks

    def _joins(self, unit: AccessUnit, needed: int) -> bool:
        """Whether a unit may share the waiting packet: a receiver counts its time from the first one's."""
        if not self._waiting:
            return True
        first = self._waiting[0]
        return (
            unit.pts == first.pts + len(self._waiting) * self._ticks
            and self._size + needed <= self._room
            and unit.pts + self._ticks - first.pts <= self._max_ticks
        )

    def _fragments(self, unit: AccessUnit) -> Burst:
        header = _au_headers(len(unit.data))
        step = self._room - len(header)
        payloads = [header + unit.data[place : place + step] for place in range(0, len(unit.data), step)]
        return lay_out(payloads, self._payload_type, unit.pts, unit.dts, duration=self._duration(unit))


def _au_headers(*sizes: int) -> bytes:
    """The AU Header Section (RFC 3640 section 3.2.1): its length in bits, then a header for each."""
    bits = 8 * _AU_HEADER * len(sizes)
    return b"".join(value.to_bytes(2, "big") for value in (bits, *(size << _HBR[1] for size in sizes)))


class AacDepacketizer(OneByOne):
    """Packets of one AAC track into units."""

    def __init__(self, track: Track) -> None:
        self._continuity = Continuity()
        self._size_bits, self._index_bits, self._delta_bits = track.au_header
        self._ticks = _frame_ticks(track)
        self._timestamp = 0
        self._fragments = bytearray()

    def receive(self, packet: Packet) -> list[AccessUnit]:
        """Take the next packet; see `Depacketizer`."""
        step = self._continuity.step(packet.sequence)
        if step is Step.REPEATED:
            return []
        if step is Step.GAP or packet.timestamp != self._timestamp:
            self._fragments.clear()
        self._timestamp = packet.timestamp
        bare = adts_blocks(packet.payload)
        if bare:
            # Cameras without a name send ADTS alone, without AU headers.
            self._fragments.clear()
            return self._units(bare, 0)
        headers, data = self._read(packet.payload)
        if len(headers) == 1 and headers[0][0] > len(data):
            return self._take_fragment(headers[0][0], data, packet.marker)
        self._fragments.clear()
        units: list[AccessUnit] = []
        place = 0
        for size, index in headers:
            if size > len(data) - place:
                break
            if size:
                unit = data[place : place + size]
                # Others put ADTS headers behind the AU headers.
                units += self._units(adts_blocks(unit) or [unit], index)
            place += size
        return units

    def _units(self, blocks: list[bytes], index: int) -> list[AccessUnit]:
        """Units that follow one another, the first at a place counted in units from the packet's timestamp."""
        return [self._unit(block, place) for place, block in enumerate(blocks, index)]

    def _unit(self, data: bytes, index: int) -> AccessUnit:
        pts = (self._timestamp + index * self._ticks) & 0xFFFFFFFF
        return AccessUnit(data, pts, pts, duration=self._ticks)

    def _take_fragment(self, size: int, data: bytes, last: bool) -> list[AccessUnit]:
        """Every fragment tells the size of the whole; one whose beginning was lost never gets there."""
        self._fragments += data
        if len(self._fragments) == size:
            whole = bytes(self._fragments)
            self._fragments.clear()
            return self._units(adts_blocks(whole) or [whole], 0)
        if last or len(self._fragments) > min(size, MAX_UNIT_BYTES):
            self._fragments.clear()
        return []

    def _read(self, payload: bytes) -> tuple[list[tuple[int, int]], bytes]:
        """Size and place of each unit, counted in units from the first; and the data behind the headers."""
        bits = int.from_bytes(payload[:_AU_HEADER], "big")
        begin = _AU_HEADER + (bits + 7) // 8
        if begin > len(payload):
            return [], b""
        value, total = int.from_bytes(payload[_AU_HEADER:begin], "big"), 8 * (begin - _AU_HEADER)
        headers: list[tuple[int, int]] = []
        place, index, index_bits = 0, 0, self._index_bits
        while place + self._size_bits + index_bits <= bits and len(headers) < MAX_PACKET_UNITS:
            place += self._size_bits
            size = value >> (total - place) & ((1 << self._size_bits) - 1)
            place += index_bits
            if headers:
                # AU-Index-delta: how many units of the stream stand between, when units are interleaved.
                index += 1 + (value >> (total - place) & ((1 << index_bits) - 1))
            headers.append((size, index))
            index_bits = self._delta_bits
        return headers, payload[begin:]


def _depacketizer(track: Track) -> Depacketizer:
    return LatmDepacketizer(track) if track.latm else AacDepacketizer(track)


def _format_parameters(track: Track) -> dict[str, str]:
    """RFC 3640 section 4.1; profile-level-id is required, 1 is what all senders write."""
    size, index, delta = _HBR
    return {
        "streamtype": "5",
        "profile-level-id": "1",
        "mode": "AAC-hbr",
        "sizelength": str(size),
        "indexlength": str(index),
        "indexdeltalength": str(delta),
        "config": (track.config or build_config(track.clock_rate, track.channels)).hex().upper(),
    }


def _apply_parameters(track: Track, parameters: Mapping[str, str]) -> Track:
    mode = parameters.get("mode", "AAC-hbr")
    usual = _MODES.get(mode.lower())
    if usual is None:
        raise PayloadError(f"MPEG4-GENERIC mode {mode} is not AAC; there are AAC-hbr and AAC-lbr")
    size, index, delta = (
        _bits(parameters.get(name, ""), default)
        for name, default in zip(("sizelength", "indexlength", "indexdeltalength"), usual, strict=True)
    )
    try:
        config = bytes.fromhex(parameters.get("config", ""))
    except ValueError:
        config = b""
    info = parse_config(config)
    if info is None:
        # Without a usable one, what a=rtpmap says of an AAC-LC stream is the best guess.
        config = build_config(track.clock_rate, track.channels)
    channels = info.channels if info and info.channels else track.channels
    return replace(track, config=config, channels=channels, au_header=(size or usual[0], index, delta))


def _bits(text: str, default: int) -> int:
    """Width of a header field; what is missing or absurd is as the mode has it."""
    return (
        int(text)
        if text.isascii() and text.isdigit() and len(text) < 3 and int(text) <= _MAX_FIELD_BITS
        else default
    )


FORMAT = PayloadFormat(
    codec="aac",
    kind="audio",
    encoding="MPEG4-GENERIC",
    packetizer=AacPacketizer,
    depacketizer=_depacketizer,
    format_parameters=_format_parameters,
    apply_parameters=_apply_parameters,
)
LATM = replace(FORMAT, encoding="MP4A-LATM", apply_parameters=apply_latm_parameters)
"""The same as others may send it."""
