"""What picture order needs of H.265 slice headers and picture parameter sets (sections 7.3.2.3, 7.3.6.1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reelcast.rtp.payload.bits import Bits, unescape
from reelcast.rtp.payload.h265_sps import SequenceParameters, parse_sps

__all__ = ["ParameterSets", "SliceHeader"]

MAX_SPS_NUMBER, MAX_PPS_NUMBER = 15, 63

_HEADER = 2
_LAST_SLICE = 31
_RANDOM_ACCESS = range(16, 24)
"""Types of the slices of IRAP pictures (table 7-1)."""
_IDR = (19, 20)
_SPS, _PPS = 33, 34


@dataclass(frozen=True, slots=True)
class _PictureParameters:
    """A picture parameter set, as far as it shapes slice headers.

    number        pps_pic_parameter_set_id
    sequence      pps_seq_parameter_set_id
    output        output_flag_present_flag
    extra_bits    num_extra_slice_header_bits
    """

    number: int
    sequence: int
    output: bool
    extra_bits: int


@dataclass(frozen=True, slots=True)
class SliceHeader:
    """What the header of a picture's first slice says about its place.

    sps          the sequence parameter set in force
    kind         nal_unit_type
    sub_layer    TemporalId
    lsb          slice_pic_order_cnt_lsb, 0 for an IDR picture
    """

    sps: SequenceParameters
    kind: int
    sub_layer: int
    lsb: int


class ParameterSets:
    """The parameter sets in force; `nals` are the first, without start codes."""

    def __init__(self, nals: Iterable[bytes]) -> None:
        self._sequences: dict[int, SequenceParameters] = {}
        self._pictures: dict[int, _PictureParameters] = {}
        for nal in nals:
            self.take(nal)

    @property
    def sequences(self) -> tuple[SequenceParameters, ...]:
        """The sequence parameter sets, at most 16."""
        return tuple(self._sequences.values())

    def take(self, nal: bytes) -> SliceHeader | None:
        """The header of a picture's first slice; parameter sets are kept, and other NAL units passed over.

        None as well where the slice is broken, or its parameter sets are missing.
        """
        if len(nal) < _HEADER:
            return None
        kind = nal[0] >> 1 & 0x3F
        if kind == _SPS and (sps := parse_sps(nal)) is not None and sps.number <= MAX_SPS_NUMBER:
            self._sequences[sps.number] = sps
        elif kind == _PPS and (pps := _parse_pps(nal)) is not None:
            self._pictures[pps.number] = pps
        elif kind <= _LAST_SLICE:
            try:
                return self._slice(Bits(unescape(nal[_HEADER:])), kind, max((nal[1] & 0x07) - 1, 0))
            except EOFError:
                return None
        return None

    def _slice(self, bits: Bits, kind: int, sub_layer: int) -> SliceHeader | None:
        if not bits.read(1):  # first_slice_segment_in_pic_flag
            return None
        if kind in _RANDOM_ACCESS:
            bits.read(1)  # no_output_of_prior_pics_flag
        pps = self._pictures.get(bits.unsigned())
        sps = self._sequences.get(pps.sequence) if pps is not None else None
        if pps is None or sps is None:
            return None
        bits.read(pps.extra_bits)
        bits.unsigned()  # slice_type
        if pps.output:
            bits.read(1)  # pic_output_flag
        if sps.separate:
            bits.read(2)  # colour_plane_id
        lsb = 0 if kind in _IDR else bits.read(sps.lsb_bits)
        return SliceHeader(sps, kind, sub_layer, lsb)


def _parse_pps(nal: bytes) -> _PictureParameters | None:
    bits = Bits(unescape(nal[_HEADER:]))
    try:
        number, sequence = bits.unsigned(), bits.unsigned()
        bits.read(1)  # dependent_slice_segments_enabled_flag
        found = _PictureParameters(number, sequence, bool(bits.read(1)), bits.read(3))
    except EOFError:
        return None
    return found if number <= MAX_PPS_NUMBER and sequence <= MAX_SPS_NUMBER else None
