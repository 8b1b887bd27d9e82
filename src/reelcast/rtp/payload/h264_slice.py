"""What the order of pictures needs of H.264 slice headers and picture parameter sets (sections 7.3.2.2, 7.3.3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reelcast.rtp.payload.bits import Bits, unescape
from reelcast.rtp.payload.h264_sps import SequenceParameters, parse_sps

__all__ = ["ParameterSets", "PictureParameters", "SliceHeader", "parse_pps"]

MAX_SPS_NUMBER, MAX_PPS_NUMBER = 31, 255
MAX_REFERENCES = 32
"""Entries of a reference picture list of fields (section 7.4.3)."""

_SLICE, _IDR_SLICE, _SPS, _PPS = 1, 5, 7, 8
_P, _B, _I, _SP, _SI = range(5)
_END_OF_LIST = 3
"""modification_of_pic_nums_idc that ends a list (section 7.4.3.1)."""
_RESET = 5
"""memory_management_control_operation that makes a picture like an IDR one (section 7.4.3.3)."""
_OPERANDS = {1: 1, 2: 1, 3: 2, 4: 1, 5: 0, 6: 1}
"""Numbers that follow each memory_management_control_operation."""


@dataclass(frozen=True, slots=True)
class PictureParameters:
    """A picture parameter set, as far as it shapes slice headers.

    number            pic_parameter_set_id
    sequence          seq_parameter_set_id
    bottom_present    bottom_field_pic_order_in_frame_present_flag
    references        default sizes of the lists 0 and 1
    weighted          weighted_pred_flag
    bi_weighted       True where B slices carry weights (weighted_bipred_idc 1)
    redundant         redundant_pic_cnt_present_flag
    """

    number: int
    sequence: int
    bottom_present: bool
    references: tuple[int, int]
    weighted: bool
    bi_weighted: bool
    redundant: bool


@dataclass(frozen=True, slots=True)
class SliceHeader:
    """What the header of a slice says about its picture's place.

    sps           the sequence parameter set in force
    idr           an IDR picture: nothing before it is shown after it
    reference     nal_ref_idc is not 0
    frame_num     number of the frame among references
    field         the picture is one field, the bottom one where `bottom`
    lsb           type 0: pic_order_cnt_lsb
    deltas        type 0: delta_pic_order_cnt_bottom and 0; type 1: delta_pic_order_cnt
    reset         memory_management_control_operation 5 follows the picture
    """

    sps: SequenceParameters
    idr: bool
    reference: bool
    frame_num: int
    field: bool
    bottom: bool
    lsb: int
    deltas: tuple[int, int]
    reset: bool


class ParameterSets:
    """The parameter sets in force; `nals` are the first, without start codes."""

    def __init__(self, nals: Iterable[bytes]) -> None:
        self._sequences: dict[int, SequenceParameters] = {}
        self._pictures: dict[int, PictureParameters] = {}
        for nal in nals:
            self.take(nal)

    @property
    def sequences(self) -> tuple[SequenceParameters, ...]:
        """The sequence parameter sets, at most 32."""
        return tuple(self._sequences.values())

    def take(self, nal: bytes) -> SliceHeader | None:
        """The header of a coded slice; parameter sets are kept, and other NAL units passed over.

        None as well where the slice is broken, or its parameter sets are missing.
        """
        kind = nal[0] & 0x1F if nal else 0
        if kind == _SPS and (sps := parse_sps(nal)) is not None and sps.number <= MAX_SPS_NUMBER:
            self._sequences[sps.number] = sps
        elif kind == _PPS and (pps := parse_pps(nal)) is not None:
            self._pictures[pps.number] = pps
        elif kind in (_SLICE, _IDR_SLICE):
            try:
                return self._slice(Bits(unescape(nal[1:])), kind == _IDR_SLICE, bool(nal[0] & 0x60))
            except EOFError:
                return None
        return None

    def _slice(self, bits: Bits, idr: bool, reference: bool) -> SliceHeader | None:
        bits.unsigned()  # first_mb_in_slice
        kind = bits.unsigned() % 5
        pps = self._pictures.get(bits.unsigned())
        sps = self._sequences.get(pps.sequence) if pps is not None else None
        if pps is None or sps is None:
            return None
        if sps.separate:
            bits.read(2)  # colour_plane_id
        frame_num = bits.read(sps.frame_num_bits)
        field = not sps.frames_only and bool(bits.read(1))
        bottom = field and bool(bits.read(1))
        if idr:
            bits.unsigned()  # idr_pic_id
        both = pps.bottom_present and not field
        lsb, deltas = _order(bits, sps, both)
        if pps.redundant:
            bits.unsigned()  # redundant_pic_cnt
        reset = reference and not idr and _resets(bits, kind, sps, pps)
        return SliceHeader(sps, idr, reference, frame_num, field, bottom, lsb, deltas, reset)


def parse_pps(nal: bytes) -> PictureParameters | None:
    """Read a PPS NAL unit; None where it cannot be one, or has slice groups, which nobody codes with."""
    bits = Bits(unescape(nal[1:]))
    try:
        number, sequence = bits.unsigned(), bits.unsigned()
        bits.read(1)  # entropy_coding_mode_flag
        bottom_present = bool(bits.read(1))
        groups = bits.unsigned()
        references = (bits.unsigned() + 1, bits.unsigned() + 1)
        weighted = bool(bits.read(1))
        bi_weighted = bits.read(2) == 1
        for _ in range(3):
            bits.signed()  # pic_init_qp_minus26, pic_init_qs_minus26, chroma_qp_index_offset
        bits.read(2)  # deblocking_filter_control_present_flag, constrained_intra_pred_flag
        redundant = bool(bits.read(1))
    except EOFError:
        return None
    if groups or number > MAX_PPS_NUMBER or sequence > MAX_SPS_NUMBER:
        return None
    return PictureParameters(number, sequence, bottom_present, references, weighted, bi_weighted, redundant)


def _order(bits: Bits, sps: SequenceParameters, both: bool) -> tuple[int, tuple[int, int]]:
    """pic_order_cnt_lsb and the deltas; `both` says that a frame tells of its bottom field."""
    order = sps.order
    if order.kind == 0:
        return bits.read(order.lsb_bits), (bits.signed() if both else 0, 0)
    if order.kind == 1 and not order.always_zero:
        return 0, (bits.signed(), bits.signed() if both else 0)
    return 0, (0, 0)


def _resets(bits: Bits, kind: int, sps: SequenceParameters, pps: PictureParameters) -> bool:
    """Whether the rest of the header up to dec_ref_pic_marking holds memory_management_control_operation 5."""
    sizes = _list_sizes(bits, kind, pps)
    for _ in sizes:
        _skip_modification(bits)
    if (pps.weighted and kind in (_P, _SP)) or (pps.bi_weighted and kind == _B):
        _skip_weights(bits, sizes, colour=sps.chroma != 0)
    if not bits.read(1):  # adaptive_ref_pic_marking_mode_flag
        return False
    reset = False
    while operation := bits.unsigned():
        for _ in range(_OPERANDS.get(operation, 0)):
            bits.unsigned()
        reset = reset or operation == _RESET
    return reset


def _list_sizes(bits: Bits, kind: int, pps: PictureParameters) -> tuple[int, ...]:
    """Sizes of the reference picture lists that a slice of this kind has; EOFError for impossible ones."""
    if kind in (_I, _SI):
        return ()
    count = 2 if kind == _B else 1
    if kind == _B:
        bits.read(1)  # direct_spatial_mv_pred_flag
    sizes = pps.references[:count]
    if bits.read(1):  # num_ref_idx_active_override_flag
        sizes = tuple(bits.unsigned() + 1 for _ in range(count))
    if max(sizes) > MAX_REFERENCES:
        raise EOFError
    return sizes


def _skip_modification(bits: Bits) -> None:
    """ref_pic_list_modification of one list (section 7.3.3.1)."""
    if bits.read(1):
        while bits.unsigned() != _END_OF_LIST:
            bits.unsigned()


def _skip_weights(bits: Bits, sizes: tuple[int, ...], *, colour: bool) -> None:
    """pred_weight_table (section 7.3.3.2)."""
    bits.unsigned()  # luma_log2_weight_denom
    if colour:
        bits.unsigned()  # chroma_log2_weight_denom
    for _ in range(sum(sizes)):
        if bits.read(1):
            bits.signed()
            bits.signed()
        if colour and bits.read(1):
            for _ in range(4):
                bits.signed()
