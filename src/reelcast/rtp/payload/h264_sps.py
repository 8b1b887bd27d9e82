"""What descriptions and picture order need of an H.264 sequence parameter set (H.264 section 7.3.2.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

from reelcast.rtp.payload.bits import Bits, unescape

__all__ = ["OrderParameters", "SequenceParameters", "parse_sps"]

MAX_DIMENSION = 16384
"""Pixels a side: more than any camera or decoder has; what claims more is no SPS."""
MAX_COUNTER_BITS = 16
"""Of frame_num and of pic_order_cnt_lsb (section 7.4.2.1.1)."""
MAX_CYCLE = 255
"""num_ref_frames_in_pic_order_cnt_cycle at most (section 7.4.2.1.1)."""
MAX_REORDERING = 16
"""Frames of the largest decoded picture buffer (section A.3.1)."""

# profile_idc values whose SPS tells the chroma format (7.3.2.1.1).
_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_SPS = 7
_EXTENDED_SAR = 255


@dataclass(frozen=True, slots=True)
class OrderParameters:
    """How slices tell the order in which pictures are shown (section 8.2.1).

    kind              pic_order_cnt_type: 0 counts in slices, 1 in expected steps, 2 shows as decoded
    lsb_bits          type 0: bits of pic_order_cnt_lsb
    always_zero       type 1: slices tell no delta_pic_order_cnt
    non_ref_offset    type 1: of a picture that is no reference
    field_offset      type 1: of the bottom field from the top
    cycle             type 1: offset_for_ref_frame
    """

    kind: int
    lsb_bits: int = 0
    always_zero: bool = False
    non_ref_offset: int = 0
    field_offset: int = 0
    cycle: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SequenceParameters:
    """A sequence parameter set, as far as anyone here asks.

    profile, level    profile_idc and level_idc
    width, height     the picture as shown, in pixels
    number            seq_parameter_set_id
    chroma            ChromaArrayType; 0 for grey and for separate planes
    separate          True where the colour planes are coded separately
    frame_num_bits    bits of frame_num
    frames_only       frame_mbs_only_flag: no picture is a field
    order             how pictures are ordered
    reordering        max_num_reorder_frames, None where the VUI does not tell
    """

    profile: int
    level: int
    width: int
    height: int
    number: int
    chroma: int
    separate: bool
    frame_num_bits: int
    frames_only: bool
    order: OrderParameters
    reordering: int | None


def parse_sps(nal: bytes) -> SequenceParameters | None:
    """Read an SPS NAL unit (without start code); None where it cannot be one."""
    if len(nal) < 4 or nal[0] & 0x1F != _SPS:
        return None
    try:
        found = _read(Bits(unescape(nal[4:])), nal[1], nal[3])
    except EOFError:
        return None
    if not (0 < found.width <= MAX_DIMENSION and 0 < found.height <= MAX_DIMENSION):
        return None
    return found if max(found.frame_num_bits, found.order.lsb_bits) <= MAX_COUNTER_BITS else None


def _read(bits: Bits, profile: int, level: int) -> SequenceParameters:
    number = bits.unsigned()
    chroma, separate = _chroma(bits) if profile in _HIGH_PROFILES else (1, False)
    frame_num_bits = bits.unsigned() + 4
    order = _order(bits)
    bits.unsigned()  # max_num_ref_frames
    bits.read(1)  # gaps_in_frame_num_value_allowed_flag
    width = 16 * (bits.unsigned() + 1)
    rows = bits.unsigned() + 1
    frames_only = bool(bits.read(1))
    fields = 1 if frames_only else 2
    height = 16 * rows * fields
    if not frames_only:
        bits.read(1)  # mb_adaptive_frame_field_flag
    bits.read(1)  # direct_8x8_inference_flag
    if bits.read(1):
        # Cropping counts in chroma samples (equations 7-19 to 7-22).
        across = 2 if chroma in (1, 2) else 1
        down = (2 if chroma == 1 else 1) * fields
        left, right, top, bottom = (bits.unsigned() for _ in range(4))
        width -= across * (left + right)
        height -= down * (top + bottom)
    return SequenceParameters(
        profile=profile,
        level=level,
        width=width,
        height=height,
        number=number,
        chroma=chroma,
        separate=separate,
        frame_num_bits=frame_num_bits,
        frames_only=frames_only,
        order=order,
        reordering=_reordering(bits),
    )


def _chroma(bits: Bits) -> tuple[int, bool]:
    """ChromaArrayType and whether planes are separate; scaling lists are skipped."""
    chroma = bits.unsigned()
    separate = chroma == 3 and bool(bits.read(1))
    bits.unsigned()  # bit_depth_luma_minus8
    bits.unsigned()  # bit_depth_chroma_minus8
    bits.read(1)  # qpprime_y_zero_transform_bypass_flag
    if bits.read(1):
        for index in range(8 if chroma != 3 else 12):
            if bits.read(1):
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return (0 if separate else chroma), separate


def _skip_scaling_list(bits: Bits, size: int) -> None:
    last = 8
    for _ in range(size):
        following = (last + bits.signed()) % 256
        if following == 0:
            return
        last = following


def _order(bits: Bits) -> OrderParameters:
    kind = bits.unsigned()
    if kind == 0:
        return OrderParameters(kind, lsb_bits=bits.unsigned() + 4)
    if kind != 1:
        return OrderParameters(kind)
    always_zero = bool(bits.read(1))
    non_ref_offset, field_offset = bits.signed(), bits.signed()
    cycle = tuple(bits.signed() for _ in range(min(bits.unsigned(), MAX_CYCLE)))
    return OrderParameters(kind, 0, always_zero, non_ref_offset, field_offset, cycle)


def _reordering(bits: Bits) -> int | None:
    """max_num_reorder_frames of the VUI (section E.1.1); a VUI cut short spoils nothing before it."""
    try:
        if not bits.read(1):
            return None
        if bits.read(1) and bits.read(8) == _EXTENDED_SAR:
            bits.read(32)  # sar_width, sar_height
        if bits.read(1):
            bits.read(1)  # overscan_appropriate_flag
        if bits.read(1):
            bits.read(4)  # video_format, video_full_range_flag
            if bits.read(1):
                bits.read(24)  # colour_primaries, transfer_characteristics, matrix_coefficients
        if bits.read(1):
            bits.unsigned()  # chroma_sample_loc_type_top_field
            bits.unsigned()  # chroma_sample_loc_type_bottom_field
        if bits.read(1):
            bits.read(65)  # num_units_in_tick, time_scale, fixed_frame_rate_flag
        if _skip_buffering(bits) + _skip_buffering(bits):
            bits.read(1)  # low_delay_hrd_flag
        bits.read(1)  # pic_struct_present_flag
        if not bits.read(1):
            return None
        bits.read(1)  # motion_vectors_over_pic_boundaries_flag
        for _ in range(4):  # up to log2_max_mv_length_vertical
            bits.unsigned()
        found = bits.unsigned()
    except EOFError:
        return None
    return found if found <= MAX_REORDERING else None


def _skip_buffering(bits: Bits) -> bool:
    """Skip nal_hrd_parameters or vcl_hrd_parameters (section E.1.2); True where they are there."""
    if not bits.read(1):
        return False
    count = bits.unsigned() + 1
    bits.read(8)  # bit_rate_scale, cpb_size_scale
    for _ in range(count):
        bits.unsigned()  # bit_rate_value_minus1
        bits.unsigned()  # cpb_size_value_minus1
        bits.read(1)  # cbr_flag
    bits.read(20)  # four lengths of five bits
    return True
