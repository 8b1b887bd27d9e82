"""What a description needs of an H.264 sequence parameter set (H.264 section 7.3.2.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SequenceParameters", "parse_sps"]

MAX_DIMENSION = 16384
"""Pixels a side: more than any camera or decoder has; what claims more is no SPS."""

# profile_idc values whose SPS tells the chroma format (7.3.2.1.1).
_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_SPS = 7


@dataclass(frozen=True, slots=True)
class SequenceParameters:
    """Profile, level and the size of the picture as shown, in pixels."""

    profile: int
    level: int
    width: int
    height: int


class _Bits:
    """Reads bits from the left; EOFError past the end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def read(self, count: int) -> int:
        if count > self._left:
            raise EOFError
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def unsigned(self) -> int:
        """ue(v), section 9.1."""
        zeros = 0
        while not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)

    def signed(self) -> int:
        """se(v), section 9.1.1."""
        value = self.unsigned()
        return (value + 1) // 2 if value & 1 else -(value // 2)


def parse_sps(nal: bytes) -> SequenceParameters | None:
    """Read an SPS NAL unit (without start code); None where it cannot be one."""
    if len(nal) < 4 or nal[0] & 0x1F != _SPS:
        return None
    # 1,024 bytes hold any SPS, with all its scaling lists; a longer one is not read to the end.
    bits = _Bits(nal[4:1024].replace(b"\0\0\3", b"\0\0"))
    try:
        width, height = _size(bits, nal[1])
    except EOFError:
        return None
    if not (0 < width <= MAX_DIMENSION and 0 < height <= MAX_DIMENSION):
        return None
    return SequenceParameters(nal[1], nal[3], width, height)


def _size(bits: _Bits, profile: int) -> tuple[int, int]:
    bits.unsigned()  # seq_parameter_set_id
    chroma, separate = 1, 0
    if profile in _HIGH_PROFILES:
        chroma = bits.unsigned()
        if chroma == 3:
            separate = bits.read(1)
        bits.unsigned()  # bit_depth_luma_minus8
        bits.unsigned()  # bit_depth_chroma_minus8
        bits.read(1)  # qpprime_y_zero_transform_bypass_flag
        if bits.read(1):
            for index in range(8 if chroma != 3 else 12):
                if bits.read(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    bits.unsigned()  # log2_max_frame_num_minus4
    _skip_picture_order(bits)
    bits.unsigned()  # max_num_ref_frames
    bits.read(1)  # gaps_in_frame_num_value_allowed_flag
    width = 16 * (bits.unsigned() + 1)
    rows = bits.unsigned() + 1
    fields = 2 - bits.read(1)  # frame_mbs_only_flag
    height = 16 * rows * fields
    if fields == 2:
        bits.read(1)  # mb_adaptive_frame_field_flag
    bits.read(1)  # direct_8x8_inference_flag
    if bits.read(1):
        # Cropping counts in chroma samples (equations 7-19 to 7-22).
        across = 2 if chroma in (1, 2) and not separate else 1
        down = (2 if chroma == 1 and not separate else 1) * fields
        left, right, top, bottom = (bits.unsigned() for _ in range(4))
        width -= across * (left + right)
        height -= down * (top + bottom)
    return width, height


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = 8
    for _ in range(size):
        following = (last + bits.signed()) % 256
        if following == 0:
            return
        last = following


def _skip_picture_order(bits: _Bits) -> None:
    kind = bits.unsigned()
    if kind == 0:
        bits.unsigned()  # log2_max_pic_order_cnt_lsb_minus4
    elif kind == 1:
        bits.read(1)  # delta_pic_order_always_zero_flag
        bits.signed()  # offset_for_non_ref_pic
        bits.signed()  # offset_for_top_to_bottom_field
        for _ in range(bits.unsigned()):
            bits.signed()
