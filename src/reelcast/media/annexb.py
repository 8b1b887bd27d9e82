"""H.264 as containers keep it, brought into the one form that access units have: Annex B.

MP4 and Matroska keep NAL units behind their length and the parameter sets in an AVCDecoderConfigurationRecord
(ISO/IEC 14496-15 section 5.3.3.1); transport streams, AVI and raw files hold Annex B already.
"""

from __future__ import annotations

from reelcast.rtp.payload.nal_units import split_nal_units

__all__ = [
    "MAX_PARAMETER_SETS",
    "length_size",
    "lengths_to_annex_b",
    "parameter_sets",
    "with_long_start_codes",
]

_START_CODE = b"\0\0\0\1"
_SHORT_START_CODE = b"\0\0\1"
_RECORD_HEAD = 6
_SPS, _PPS = 7, 8
_TYPE = 0x1F
MAX_PARAMETER_SETS = 32
"""Parameter sets kept of a track: an encoder writes two, the record could count 31 and 255."""


def length_size(extradata: bytes) -> int:
    """Bytes of the length before each NAL unit; 0 where the extradata is no record and data is Annex B."""
    if len(extradata) < _RECORD_HEAD + 1 or extradata[0] != 1:
        return 0
    return (extradata[4] & 0x03) + 1


def parameter_sets(data: bytes) -> tuple[bytes, ...]:
    """SPS and PPS, without start codes and repetitions, of a record or of Annex B data (also a whole frame).

    Empty unless both kinds are there: one without the other decodes nothing.
    """
    nals = _recorded(data) if length_size(data) else split_nal_units(data)
    # A dict keeps the order and drops what is said twice.
    sets = tuple(dict.fromkeys(nal for nal in nals if nal and nal[0] & _TYPE in (_SPS, _PPS)))
    kinds = {nal[0] & _TYPE for nal in sets}
    return sets[:MAX_PARAMETER_SETS] if kinds == {_SPS, _PPS} else ()


def lengths_to_annex_b(data: bytes, size: int) -> bytes:
    """A frame of NAL units behind `size`-byte lengths in Annex B; empty where a length runs past its end."""
    pieces: list[bytes] = []
    at = 0
    while at + size < len(data):
        start = at + size
        at = start + int.from_bytes(data[at:start])
        if at > len(data):
            return b""
        if at > start:
            pieces += (_START_CODE, data[start:at])
    return b"".join(pieces)


def with_long_start_codes(data: bytes) -> bytes:
    """An Annex B frame with all its start codes four bytes long; empty where it has none."""
    if _SHORT_START_CODE not in data:
        return b""
    # Two zeros and a one stand nowhere inside a NAL unit (H.264 section 7.4.1): where units begin need not be
    # known.
    return data.replace(_START_CODE, _SHORT_START_CODE).replace(_SHORT_START_CODE, _START_CODE)


def _recorded(record: bytes) -> list[bytes]:
    """The parameter sets of a record; what runs past its end is left out."""
    nals: list[bytes] = []
    at = _RECORD_HEAD - 1
    for mask in (0x1F, 0xFF):
        if at >= len(record):
            break
        count = record[at] & mask
        at += 1
        for _ in range(count):
            start = at + 2
            at = start + int.from_bytes(record[at:start])
            if at > len(record):
                return nals
            nals.append(record[start:at])
    return nals
