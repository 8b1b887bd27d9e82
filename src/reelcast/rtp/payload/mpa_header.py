"""The header of an MPEG audio frame (ISO/IEC 11172-3 section 2.4.2.3, ISO/IEC 13818-3), layers I to III."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["HEADER_BYTES", "FrameHeader", "parse_header"]

HEADER_BYTES = 4

_LAYERS = {3: 1, 2: 2, 1: 3}
_RATES = (44_100, 48_000, 32_000)
_RATE_DIVISORS = {3: 1, 2: 2, 0: 4}
"""By version: MPEG-1; MPEG-2 halves the sample rates; MPEG-2.5, which no standard has, quarters them."""
_MPEG_1 = 3
_SINGLE_CHANNEL = 3

# Bit rates in kbit/s, by index from 1; index 0 is the free format, whose frames do not tell their size.
_MPEG_1_BIT_RATES = {
    1: (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    2: (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    3: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_LOW_RATES = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MPEG_2_BIT_RATES = {
    1: (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    2: _LOW_RATES,
    3: _LOW_RATES,
}


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What a frame says of itself.

    layer      1 to 3
    rate       samples a second
    channels   1 or 2
    samples    in the frame, of each channel
    size       bytes of the frame, header included
    """

    layer: int
    rate: int
    channels: int
    samples: int
    size: int


def parse_header(data: bytes, start: int = 0) -> FrameHeader | None:
    """Read the header at `start`; None where there is none, or one of the free format."""
    head = data[start : start + HEADER_BYTES]
    if len(head) < HEADER_BYTES or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, _LAYERS.get(head[1] >> 1 & 3)
    divisor = _RATE_DIVISORS.get(version)
    bit_index, rate_index, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if layer is None or divisor is None or rate_index == 3 or bit_index in (0, 15):
        return None
    rate = _RATES[rate_index] // divisor
    bits = 1000 * (_MPEG_1_BIT_RATES if version == _MPEG_1 else _MPEG_2_BIT_RATES)[layer][bit_index - 1]
    if layer == 1:
        samples, size = 384, 4 * (12 * bits // rate + padding)
    else:
        samples = 576 if layer == 3 and version != _MPEG_1 else 1152
        size = samples // 8 * bits // rate + padding
    return FrameHeader(layer, rate, 1 if head[3] >> 6 == _SINGLE_CHANNEL else 2, samples, size)
