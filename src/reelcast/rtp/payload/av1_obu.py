"""Open bitstream units of AV1 (AV1 bitstream specification sections 4.10.5, 5.3 and 5.5): what units are made of.

An element here is an OBU without its size field, as RTP carries it: the header's octet or two, then its payload.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reelcast.errors import PayloadError
from reelcast.rtp.payload.bits import Bits

__all__ = [
    "DELIMITER",
    "FRAME",
    "FRAME_HEADER",
    "REDUNDANT_HEADER",
    "SEQUENCE_HEADER",
    "TEMPORAL_DELIMITER",
    "TILE_GROUP",
    "TILE_LIST",
    "SequenceHeader",
    "is_key_frame",
    "kind_of",
    "parse_sequence_header",
    "read_leb128",
    "sized",
    "split_obus",
    "unsized",
    "write_leb128",
]

SEQUENCE_HEADER, DELIMITER, FRAME_HEADER, TILE_GROUP = 1, 2, 3, 4
FRAME, REDUNDANT_HEADER, TILE_LIST = 6, 7, 8
"""obu_type (section 6.2.2)."""
TEMPORAL_DELIMITER = b"\x12\x00"
"""The whole OBU that a temporal unit begins with."""

MAX_SIZE_BYTES = 8
"""Of a number in leb128 (section 4.10.5)."""
_FORBIDDEN, _EXTENDED, _SIZED = 0x80, 0x04, 0x02
_LEVEL_WITH_TIER = 7
"""seq_level_idx above which seq_tier is told (section 5.5.1)."""


def kind_of(element: bytes) -> int:
    """obu_type."""
    return element[0] >> 3 & 0x0F


def write_leb128(value: int) -> bytes:
    """A number in as few bytes as it takes."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_leb128(data: bytes, place: int) -> tuple[int, int] | None:
    """The number that stands at a place, and the place behind it; None where it does not end."""
    value = 0
    for count, byte in enumerate(data[place : place + MAX_SIZE_BYTES]):
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value, place + count + 1
    return None


def _header_size(head: int) -> int:
    return 2 if head & _EXTENDED else 1


def sized(element: bytes) -> bytes:
    """The OBU with a size field, as the low-overhead format wants it (section 5.2)."""
    header = _header_size(element[0])
    size = write_leb128(max(len(element) - header, 0))
    return bytes((element[0] | _SIZED,)) + element[1:header] + size + element[header:]


def unsized(obu: bytes) -> bytes | None:
    """An OBU that may have a size field, without it; None where that runs past its end, or the header does."""
    header = _header_size(obu[0])
    if obu[0] & _FORBIDDEN or len(obu) < header:
        return None
    if not obu[0] & _SIZED:
        return obu
    found = read_leb128(obu, header)
    if found is None or found[0] > len(obu) - found[1]:
        return None
    return bytes((obu[0] & ~_SIZED,)) + obu[1:header] + obu[found[1] : found[1] + found[0]]


def split_obus(data: bytes) -> Iterator[bytes]:
    """The elements of a temporal unit in the low-overhead format; PayloadError where it is not in that format.

    The last OBU may come without a size field, as it may in MP4.
    """
    place = 0
    while place < len(data):
        header = _header_size(data[place])
        end = len(data)
        if data[place] & _SIZED:
            found = read_leb128(data, place + header)
            if found is not None:
                end = sum(found)
        element = unsized(data[place:end]) if end <= len(data) else None
        if element is None:
            raise PayloadError(f"the AV1 frame is broken: no OBU at byte {place}")
        yield element
        place = end


def is_key_frame(element: bytes) -> bool:
    """Whether a frame or frame header OBU is that of a key frame which is shown (section 5.9.2)."""
    place = _header_size(element[0])
    # show_existing_frame 0, frame_type 0, show_frame 1.
    return len(element) > place and element[place] & 0xF0 == 0x10


@dataclass(frozen=True, slots=True)
class SequenceHeader:
    """seq_profile, and of the first operating point seq_level_idx and seq_tier (section 5.5.1)."""

    profile: int
    level: int
    tier: int


def parse_sequence_header(element: bytes) -> SequenceHeader | None:
    """Read a sequence header OBU; None where it cannot be one."""
    if not element or kind_of(element) != SEQUENCE_HEADER:
        return None
    try:
        return _read(Bits(element[_header_size(element[0]) :]))
    except EOFError:
        return None


def _read(bits: Bits) -> SequenceHeader:
    profile = bits.read(3)
    bits.read(1)  # still_picture
    if bits.read(1):  # reduced_still_picture_header
        return SequenceHeader(profile, bits.read(5), 0)
    if bits.read(1):  # timing_info_present_flag
        bits.read(64)  # num_units_in_display_tick, time_scale
        if bits.read(1):  # equal_picture_interval
            bits.unsigned()  # num_ticks_per_picture_minus_1, written like an Exp-Golomb code
        if bits.read(1):  # decoder_model_info_present_flag
            bits.read(47)
    bits.read(18)  # initial_display_delay_present_flag, operating_points_cnt_minus_1, operating_point_idc[0]
    level = bits.read(5)
    return SequenceHeader(profile, level, bits.read(1) if level > _LEVEL_WITH_TIER else 0)
