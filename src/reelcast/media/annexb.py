"""H.264 and H.265 as containers keep them, brought into the one form that access units have: Annex B.

MP4, Matroska and FLV keep NAL units behind their length and the parameter sets in a decoder configuration record
(ISO/IEC 14496-15 sections 5.3.3.1 and 8.3.3.1); transport streams, AVI and raw files hold Annex B already.
"""

from __future__ import annotations

from reelcast.rtp.payload.nal_units import START_CODE, NalSyntax, split_nal_units

__all__ = [
    "MAX_PARAMETER_SETS",
    "length_size",
    "lengths_to_annex_b",
    "parameter_sets",
    "with_long_start_codes",
]

_SHORT_START_CODE = b"\0\0\1"
_AVC_SIZE, _HEVC_SIZE = 4, 21
"""Where the records have the size of lengths; the parameter sets stand behind it."""
_HEVC_HEADER = 2
"""Bytes of a NAL unit's header in H.265; in H.264 it has one."""
MAX_PARAMETER_SETS = 32
"""Parameter sets kept of a track: an encoder writes two or three, the record could count thousands."""


def length_size(syntax: NalSyntax, extradata: bytes) -> int:
    """Bytes of the length before each NAL unit; 0 where the extradata is no record and data is Annex B."""
    place = _size_place(syntax)
    # The version is 1; of old writers of H.265 it is 0, but only Annex B begins with two zeros.
    if len(extradata) < place + 2 or extradata[0] > 1 or not any(extradata[:2]):
        return 0
    return (extradata[place] & 0x03) + 1


def parameter_sets(syntax: NalSyntax, data: bytes) -> tuple[bytes, ...]:
    """Parameter sets, without start codes and repetitions, of a record or of Annex B data (also a whole frame).

    Empty unless all kinds are there: one without the others decodes nothing.
    """
    nals = _recorded(syntax, data) if length_size(syntax, data) else list(split_nal_units(data))
    nals = [nal for nal in nals if len(nal) >= syntax.header and syntax.kind(nal) in syntax.parameter_sets]
    # A dict keeps the order and drops what is said twice.
    sets = sorted(dict.fromkeys(nals), key=syntax.kind)[:MAX_PARAMETER_SETS]
    return tuple(sets) if {syntax.kind(nal) for nal in sets} == set(syntax.parameter_sets) else ()


def lengths_to_annex_b(data: bytes, size: int) -> bytes:
    """A frame of NAL units behind `size`-byte lengths in Annex B; empty where a length runs past its end."""
    view = memoryview(data)
    pieces: list[bytes | memoryview] = []
    at = 0
    while at + size < len(data):
        start = at + size
        at = start + int.from_bytes(view[at:start])
        if at > len(data):
            return b""
        if at > start:
            pieces += (START_CODE, view[start:at])
    return b"".join(pieces)


def with_long_start_codes(data: bytes) -> bytes:
    """An Annex B frame with all its start codes four bytes long; empty where it has none."""
    if _SHORT_START_CODE not in data:
        return b""
    # Two zeros and a one stand nowhere inside a NAL unit (H.264 section 7.4.1): where units begin need not be
    # known.
    return data.replace(START_CODE, _SHORT_START_CODE).replace(_SHORT_START_CODE, START_CODE)


def _size_place(syntax: NalSyntax) -> int:
    return _HEVC_SIZE if syntax.header == _HEVC_HEADER else _AVC_SIZE


def _recorded(syntax: NalSyntax, record: bytes) -> list[bytes]:
    """The parameter sets of a record; what runs past its end is left out."""
    nals: list[bytes] = []
    at = _size_place(syntax) + 1
    # Of H.264, counts of SPS and of PPS; of H.265, arrays of a type, each with a count.
    masks: tuple[int, ...] = (0x1F, 0xFF)
    width = 1
    if syntax.header == _HEVC_HEADER:
        masks, width = (0xFFFF,) * record[at], 3
        at += 1
    for mask in masks:
        count = int.from_bytes(record[at : at + width]) & mask
        at += width
        for _ in range(count):
            start = at + 2
            at = start + int.from_bytes(record[at:start])
            if at > len(record):
                return nals
            nals.append(record[start:at])
    return nals
