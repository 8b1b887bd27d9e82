"""What descriptions and picture order need of an H.265 sequence parameter set (H.265 section 7.3.2.2.1)."""

from __future__ import annotations

from dataclasses import dataclass

from reelcast.rtp.payload.bits import Bits, unescape
from reelcast.rtp.payload.h264_sps import MAX_COUNTER_BITS, MAX_DIMENSION, MAX_REORDERING

__all__ = ["SequenceParameters", "parse_sps"]

_SPS = 33
_HEADER = 2
_PLANES = 3
"""chroma_format_idc of 4:4:4, whose planes may be coded separately."""
_FACTORS = {1: (2, 2), 2: (2, 1)}
"""SubWidthC and SubHeightC (table 6-1), where they are not 1."""


@dataclass(frozen=True, slots=True)
class SequenceParameters:
    """A sequence parameter set, as far as anyone here asks.

    profile, tier, level    general_profile_idc, general_tier_flag and general_level_idc
    width, height           the picture as shown, in pixels
    number                  sps_seq_parameter_set_id
    separate                True where the colour planes are coded separately
    lsb_bits                bits of slice_pic_order_cnt_lsb
    reordering              sps_max_num_reorder_pics of the highest sub-layer
    """

    profile: int
    tier: int
    level: int
    width: int
    height: int
    number: int
    separate: bool
    lsb_bits: int
    reordering: int


def parse_sps(nal: bytes) -> SequenceParameters | None:
    """Read an SPS NAL unit (without start code); None where it cannot be one."""
    if len(nal) < _HEADER or nal[0] >> 1 & 0x3F != _SPS:
        return None
    try:
        found = _read(Bits(unescape(nal[_HEADER:])))
    except EOFError:
        return None
    if not (0 < found.width <= MAX_DIMENSION and 0 < found.height <= MAX_DIMENSION):
        return None
    return found if found.lsb_bits <= MAX_COUNTER_BITS else None


def _read(bits: Bits) -> SequenceParameters:
    bits.read(4)  # sps_video_parameter_set_id
    sub_layers = bits.read(3)
    bits.read(3)  # sps_temporal_id_nesting_flag, general_profile_space
    tier = bits.read(1)
    profile = bits.read(5)
    bits.read(80)  # compatibility and constraint flags
    level = bits.read(8)
    _skip_sub_layers(bits, sub_layers)
    number, chroma = bits.unsigned(), bits.unsigned()
    separate = chroma == _PLANES and bool(bits.read(1))
    width, height = bits.unsigned(), bits.unsigned()
    if bits.read(1):
        across, down = _FACTORS.get(chroma, (1, 1))
        left, right, top, bottom = (bits.unsigned() for _ in range(4))
        width -= across * (left + right)
        height -= down * (top + bottom)
    bits.unsigned()  # bit_depth_luma_minus8
    bits.unsigned()  # bit_depth_chroma_minus8
    lsb_bits = bits.unsigned() + 4
    reordering = 0
    for _ in range(sub_layers + 1 if bits.read(1) else 1):
        bits.unsigned()  # sps_max_dec_pic_buffering_minus1
        reordering = bits.unsigned()
        bits.unsigned()  # sps_max_latency_increase_plus1
    return SequenceParameters(
        profile, tier, level, width, height, number, separate, lsb_bits, min(reordering, MAX_REORDERING)
    )


def _skip_sub_layers(bits: Bits, count: int) -> None:
    """The rest of profile_tier_level (section 7.3.3)."""
    present = [bits.read(2) for _ in range(count)]
    if count:
        bits.read(2 * (8 - count))  # reserved_zero_2bits
    for flags in present:
        bits.read(88 * (flags >> 1) + 8 * (flags & 1))
