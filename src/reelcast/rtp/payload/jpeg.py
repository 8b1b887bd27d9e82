"""JPEG (RFC 2435): types 0 (4:2:2) and 1 (4:2:0), with restart markers 64 and 65.

The headers of the image do not travel: the receiver writes them anew from type, size and quantization tables.
We send Q=255, so the tables come in the first packet of each frame and any encoder's quality is kept exactly.
Above 2040 pixels a side the size stands in a header extension, as a JPEG frame header (ONVIF Streaming
Specification, "JPEG over RTP"), and also in our SDP: live555 and GStreamer look there where it is 0 in blocks.
"""

from __future__ import annotations

from struct import Struct

from reelcast.errors import PayloadError
from reelcast.rtp.burst import Burst, lay_out
from reelcast.rtp.onvif import beneath
from reelcast.rtp.packet import EXTENSION, Packet
from reelcast.rtp.payload.base import (
    Continuity,
    OneByOne,
    PayloadFormat,
    Step,
    ignore_parameters,
    no_parameters,
    payload_room,
)
from reelcast.rtp.payload.jpeg_image import (
    BLOCK,
    TABLE_BYTES,
    Image,
    frame_header,
    frame_size,
    parse_image,
    scaled_tables,
)
from reelcast.track import AccessUnit, Track

__all__ = ["FORMAT", "JpegDepacketizer", "JpegPacketizer"]

_MAIN = Struct("!IBBBB")
"""Type-specific byte and 24-bit fragment offset, type, Q, width and height in blocks (RFC 2435 3.1)."""
_RESTART = Struct("!HH")
"""Restart interval; F, L and restart count (section 3.1.7)."""
_TABLES = Struct("!BBH")
"""Zero, precision, length (section 3.1.8)."""

_RESTART_TYPES = 64
_WHOLE_FRAME = 0xFFFF
"""F and L set, count 0x3FFF: the fragments of a frame are only good together."""
_IN_BAND = 255
"""The Q whose tables come with each frame."""
_FIRST_IN_BAND = 128
_LAST_COMPUTED = 99
_MAX_BLOCKS = 255
_EXTENSION_PROFILE = 0xFFD8
"""Of the header extension with segments of the image; it looks like the image's first marker."""
_MAX_OFFSET = 0xFFFFFF
"""What 24 bits hold; it bounds a frame being put together, too."""


class JpegPacketizer:
    """JPEG images of one track into bursts."""

    def __init__(self, track: Track, max_packet_size: int) -> None:
        self._payload_type = track.payload_type
        self._room = payload_room(max_packet_size)

    def packetize(self, unit: AccessUnit) -> list[Burst]:
        """Lay out one image; PayloadError where RFC 2435 has no room for what it is."""
        image = parse_image(unit.data)
        across, down = -(-image.width // BLOCK), -(-image.height // BLOCK)
        extension = None
        if across > _MAX_BLOCKS or down > _MAX_BLOCKS:
            extension = _EXTENSION_PROFILE, _padded(frame_header(image))
            across = down = 0
        if len(image.scan) > _MAX_OFFSET:
            raise PayloadError(
                f"the JPEG has {len(image.scan)} bytes, RTP carries up to 16 MiB; lower its quality"
            )
        kind = image.sampling + (_RESTART_TYPES if image.restart_interval else 0)
        restart = _RESTART.pack(image.restart_interval, _WHOLE_FRAME) if image.restart_interval else b""
        extra = restart + _TABLES.pack(0, 0, 2 * TABLE_BYTES) + image.luma + image.chroma
        room = self._room - (EXTENSION.size + len(extension[1]) if extension else 0)
        payloads: list[bytes] = []
        offset = 0
        while offset < len(image.scan):
            end = offset + room - _MAIN.size - len(extra)
            main = _MAIN.pack(offset, kind, _IN_BAND, across, down)
            payloads.append(main + extra + image.scan[offset:end])
            offset, extra, room = end, restart, self._room
        return [
            lay_out(
                payloads,
                self._payload_type,
                unit.pts,
                unit.dts,
                duration=unit.duration,
                extension=extension,
            )
        ]

    def flush(self) -> list[Burst]:
        """Nothing ever waits: an image is sent whole."""
        return []


def _padded(segments: bytes) -> bytes:
    """Filled up to whole words, as the ONVIF specification wants it: between markers, FF is nothing."""
    return segments + b"\xff" * (-len(segments) % 4)


class JpegDepacketizer(OneByOne):
    """Packets of one JPEG track into images that stand alone, with all their headers."""

    def __init__(self, track: Track) -> None:
        self._continuity = Continuity()
        self._shown = track.width, track.height
        # Tables of Q 128 to 254 stay good for later frames that send none (section 4.2): at most 127 pairs.
        self._kept: dict[int, tuple[bytes, bytes]] = {}
        self._timestamp = 0
        self._reset()

    def _reset(self) -> None:
        self._image: Image | None = None
        self._signature = b""
        self._scan = bytearray()

    def receive(self, packet: Packet) -> list[AccessUnit]:
        """Take the next packet; see `Depacketizer`."""
        units: list[AccessUnit] = []
        step = self._continuity.step(packet.sequence)
        if step is Step.REPEATED:
            return units
        if step is Step.GAP:
            self._reset()
        elif packet.timestamp != self._timestamp:
            units += self._finish()
        self._timestamp = packet.timestamp
        self._take(packet.payload, self._told_size(packet))
        if packet.marker:
            units += self._finish()
        return units

    def _finish(self) -> list[AccessUnit]:
        image, scan = self._image, bytes(self._scan)
        self._reset()
        if image is None or not scan:
            return []
        return [AccessUnit(image.with_scan(scan), self._timestamp, self._timestamp)]

    def _told_size(self, packet: Packet) -> tuple[int, int]:
        """Pixels that the header extension tells; zeros where it does not."""
        profile, segments = beneath(packet.extension) or (0, b"")
        return frame_size(segments) if profile == _EXTENSION_PROFILE else (0, 0)

    def _take(self, payload: bytes, told: tuple[int, int]) -> None:
        if len(payload) < _MAIN.size:
            self._reset()
            return
        offset, kind, quality, across, down = _MAIN.unpack_from(payload)
        offset &= _MAX_OFFSET
        place = _MAIN.size
        interval = 0
        if kind & _RESTART_TYPES:
            if len(payload) < place + _RESTART.size:
                self._reset()
                return
            interval = _RESTART.unpack_from(payload, place)[0]
            place += _RESTART.size
        signature = payload[4:8] + interval.to_bytes(2, "big")
        if offset == 0:
            self._reset()
            found = self._read_tables(quality, payload, place)
            if found is None or kind & ~(_RESTART_TYPES | 1) or (kind & _RESTART_TYPES and not interval):
                return
            (luma, chroma), place = found
            width, height = told if all(told) else self._size(across, down)
            if not (width and height):
                return
            self._signature = signature
            self._image = Image(width, height, kind & 1, interval, luma, chroma)
        elif offset != len(self._scan) or signature != self._signature:
            self._reset()
            return
        self._scan += payload[place:]

    def _size(self, across: int, down: int) -> tuple[int, int]:
        """Pixels of an image whose size is known in blocks; SDP may know better, or alone (0 blocks)."""
        width, height = self._shown
        fits = across in (0, -(-width // BLOCK)) and down in (0, -(-height // BLOCK))
        return (width, height) if fits else (BLOCK * across, BLOCK * down)

    def _read_tables(
        self, quality: int, payload: bytes, place: int
    ) -> tuple[tuple[bytes, bytes], int] | None:
        """The quantization tables for a frame and where its data begin; None where there are none."""
        if quality < _FIRST_IN_BAND:
            return (scaled_tables(quality), place) if 0 < quality <= _LAST_COMPUTED else None
        if len(payload) < place + _TABLES.size:
            return None
        _, precision, length = _TABLES.unpack_from(payload, place)
        place += _TABLES.size
        if length == 0:
            kept = self._kept.get(quality)
            return None if kept is None else (kept, place)
        # One table serves both; 16-bit tables are no part of baseline JPEG.
        if length > len(payload) - place or length < TABLE_BYTES or precision & 3:
            return None
        luma = payload[place : place + TABLE_BYTES]
        chroma = payload[place + TABLE_BYTES : place + 2 * TABLE_BYTES] if length >= 2 * TABLE_BYTES else luma
        tables = luma, chroma
        if quality != _IN_BAND:
            self._kept[quality] = tables
        return tables, place + length


FORMAT = PayloadFormat(
    codec="jpeg",
    kind="video",
    encoding="JPEG",
    packetizer=JpegPacketizer,
    depacketizer=JpegDepacketizer,
    format_parameters=no_parameters,
    apply_parameters=ignore_parameters,
)
