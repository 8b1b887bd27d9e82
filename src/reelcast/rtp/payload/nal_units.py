"""NAL units in RTP: what H.264 (RFC 6184) and H.265 (RFC 7798) have in common, which is nearly all.

Sending: small NAL units that stand side by side share a packet, big ones are cut into fragments of one size,
because a kernel that segments for us (UDP GSO) wants all packets of a send equal but the last.
Receiving: an access unit ends at its marker or where the timestamp changes, and only with a picture in it;
after a loss a unit counts as whole when it opens the way units of its kind opened before.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Final

from reelcast.errors import PayloadError
from reelcast.rtp.burst import Burst, lay_out
from reelcast.rtp.payload.assembly import Openings, UnitDepacketizer
from reelcast.rtp.payload.base import payload_room
from reelcast.track import AccessUnit, Track

__all__ = [
    "START_CODE",
    "NalDepacketizer",
    "NalPacketizer",
    "NalSyntax",
    "read_parameter_sets",
    "split_nal_units",
    "write_parameter_sets",
]

START_CODE = b"\0\0\0\1"
_SHORT_START_CODE = b"\0\0\1"
_BOUNDARY: Final = re.compile(_SHORT_START_CODE)
"""Half as much work as `bytes.find`."""
_START, _END = 0x80, 0x40
"""Of a fragment, in the octet behind its header (RFC 6184 section 5.8, RFC 7798 section 4.4.3)."""


def split_nal_units(data: bytes) -> Iterator[bytes]:
    """The NAL units of an Annex B byte stream (H.264 annex B.1), without start codes and trailing zeros.

    What precedes the first start code is no part of it.
    """
    starts = [found.end() for found in _BOUNDARY.finditer(data)]
    for start, following in pairwise((*starts, len(data) + len(_SHORT_START_CODE))):
        nal = data[start : following - len(_SHORT_START_CODE)].rstrip(b"\0")
        if nal:
            yield nal


@dataclass(frozen=True, slots=True)
class NalSyntax:
    """What sets the NAL units of one codec, and the payload format, apart from those of the other.

    name              of the codec
    header            bytes of a NAL unit's header
    shift, mask       where the type stands in the first of them
    coded             types of the codec's own; the others are the payload format's, or nobody's
    pictures          those that hold a slice
    keyframes         those that hold a slice which decoding can start with
    parameter_sets    those of parameter sets, in the order in which they are sent
    sequence          that of the sequence parameter set
    delimiter         that of the access unit delimiter
    aggregate         the payload format's type of several units in a packet
    fragment          its type of a part of a unit
    joint_header      the header of an aggregate, but for its type
    """

    name: str
    header: int
    shift: int
    mask: int
    coded: range
    pictures: range
    keyframes: range
    parameter_sets: tuple[int, ...]
    sequence: int
    delimiter: int
    aggregate: int
    fragment: int
    joint_header: Callable[[list[bytes]], bytes]

    def kind(self, nal: bytes) -> int:
        """The type of a NAL unit, or of a payload."""
        return nal[0] >> self.shift & self.mask

    def header_of(self, nal: bytes, kind: int) -> bytes:
        """The header of a NAL unit, its type replaced."""
        first = nal[0] & ~(self.mask << self.shift) | kind << self.shift
        return bytes((first,)) + nal[1 : self.header]


class NalPacketizer:
    """Access units of one track (Annex B) into bursts; parameter sets go in-band before each keyframe."""

    syntax: ClassVar[NalSyntax]

    def __init__(self, track: Track, max_packet_size: int) -> None:
        self._payload_type = track.payload_type
        self._parameter_sets = track.parameter_sets
        self._room = payload_room(max_packet_size)

    def packetize(self, unit: AccessUnit) -> list[Burst]:
        """Lay out one access unit; PayloadError where it holds no NAL unit."""
        syntax = self.syntax
        # Other types are not coded video, and a receiver would take some of them for the payload format's own.
        nals = [
            nal
            for nal in split_nal_units(unit.data)
            if len(nal) >= syntax.header and syntax.kind(nal) in syntax.coded
        ]
        if not nals:
            raise PayloadError(
                f"the {syntax.name} frame holds no NAL unit; put a start code (00 00 00 01) before each"
            )
        if unit.keyframe and not any(syntax.kind(nal) == syntax.sequence for nal in nals):
            place = 1 if syntax.kind(nals[0]) == syntax.delimiter else 0
            nals[place:place] = self._parameter_sets
        return [
            lay_out(
                self._payloads(nals),
                self._payload_type,
                unit.pts,
                unit.dts,
                keyframe=unit.keyframe,
                duration=unit.duration,
            )
        ]

    def flush(self) -> list[Burst]:
        """Nothing ever waits: a frame is sent whole."""
        return []

    def _payloads(self, nals: list[bytes]) -> list[bytes]:
        payloads: list[bytes] = []
        together: list[bytes] = []
        size = header = self.syntax.header
        for nal in nals:
            if together and size + 2 + len(nal) > self._room:
                payloads.append(self._aggregate(together))
                together, size = [], header
            if len(nal) > self._room:
                payloads += self._fragments(nal)
            else:
                together.append(nal)
                size += 2 + len(nal)
        if together:
            payloads.append(self._aggregate(together))
        return payloads

    def _fragments(self, nal: bytes) -> list[bytes]:
        """Fragmentation units (RFC 6184 section 5.8, RFC 7798 section 4.4.3), as full as they go."""
        syntax = self.syntax
        header, kind = syntax.header_of(nal, syntax.fragment), syntax.kind(nal)
        start, middle, end = [header + bytes((flags | kind,)) for flags in (_START, 0, _END)]
        step = self._room - len(middle)
        # Of a unit that is larger than a packet there are at least two.
        fragments = [middle + nal[place : place + step] for place in range(syntax.header, len(nal), step)]
        fragments[0] = start + fragments[0][len(start) :]
        fragments[-1] = end + fragments[-1][len(end) :]
        return fragments

    def _aggregate(self, nals: list[bytes]) -> bytes:
        """One payload for units that fit together, or the one as it is (RFC 6184 5.7.1, RFC 7798 4.4.2)."""
        if len(nals) == 1:
            return nals[0]
        header = self.syntax.header_of(self.syntax.joint_header(nals), self.syntax.aggregate)
        return header + b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)


class NalDepacketizer(UnitDepacketizer):
    """Packets of one track into access units (Annex B, four-byte start codes)."""

    syntax: ClassVar[NalSyntax]

    def __init__(self, track: Track) -> None:
        self._openings = Openings()
        super().__init__(track)

    def _reset(self) -> None:
        super()._reset()
        self._fragments: list[bytes] = []
        self._opening = 0
        self._keyframe = False
        self._picture = False
        self._from_top = False

    def _finish(self) -> list[AccessUnit]:
        if self._fragments:
            self._break()
        if not self._picture and not self._broken:
            # Tapo, Reolink and Ivel cameras set the marker on parameter sets, some give them a timestamp of
            # their own: they belong to the picture that follows.
            return []
        return super()._finish()

    def _unit(self) -> AccessUnit | None:
        syntax = self.syntax
        first = self._opening in (syntax.parameter_sets[0], syntax.sequence, syntax.delimiter)
        if self._doubtful and not self._from_top:
            return None
        if not self._openings.judge(self._keyframe, self._opening, doubtful=self._doubtful, first=first):
            return None
        return AccessUnit(b"".join(self._data), self._timestamp, self._timestamp, self._keyframe)

    def _take_all(self, payloads: Sequence[bytes]) -> None:
        """Most packets are fragments from the middle of a picture: only they are dealt with here."""
        syntax = self.syntax
        header, shift, mask, fragment = syntax.header, syntax.shift, syntax.mask, syntax.fragment
        for payload in payloads:
            size = len(payload)
            if (
                self._fragments
                and size > header
                and payload[header] < _END
                and payload[0] >> shift & mask == fragment
            ):
                self._size += size
                self._fragments.append(payload[header + 1 :])
            else:
                self._take_one(payload)

    def _take(self, payload: bytes) -> None:
        syntax = self.syntax
        kind = payload[0] >> syntax.shift & syntax.mask
        if kind == syntax.fragment:
            self._take_fragment(payload, syntax.header)
        elif kind == syntax.aggregate:
            self._take_aggregate(payload)
        else:
            self._append(payload)

    def _take_aggregate(self, payload: bytes) -> None:
        place = self.syntax.header
        while place + 2 <= len(payload):
            size = payload[place] << 8 | payload[place + 1]
            place += 2
            if size > len(payload) - place:
                self._break()
                return
            self._append(payload[place : place + size])
            place += size

    def _take_fragment(self, payload: bytes, header: int) -> None:
        if len(payload) <= header:
            return
        flags, fragment = payload[header], payload[header + 1 :]
        if bool(flags & _START) is bool(self._fragments):
            self._break()
            return
        if flags & _START:
            fragment = self.syntax.header_of(payload, flags & self.syntax.mask) + fragment
        # The type in later fragments is not looked at: Tiandy cameras write a wrong one. A fragment may be
        # the first and the last in one: those of OpenIPC cameras are, against both RFCs.
        self._fragments.append(fragment)
        if flags & _END:
            fragments, self._fragments = self._fragments, []
            self._append(*fragments)

    def _append(self, nal: bytes, *rest: bytes) -> None:
        """Add a whole NAL unit, unless it is none of the codec's own; `rest` follows on what stands in `nal`."""
        syntax = self.syntax
        if len(nal) < syntax.header:
            return
        kind = syntax.kind(nal)
        if kind in syntax.pictures:
            if not self._picture:
                # first_mb_in_slice is 0, in Exp-Golomb a lone 1, and first_slice_segment_in_pic_flag is 1:
                # the slice is the picture's first.
                self._from_top = nal[syntax.header : syntax.header + 1] >= b"\x80"
            self._picture = True
            self._keyframe = self._keyframe or kind in syntax.keyframes
        elif _SHORT_START_CODE in (whole := b"".join((nal, *rest))):
            # V380 cameras put parameter sets and the picture, with Annex B start codes between them, into one.
            for part in split_nal_units(_SHORT_START_CODE + whole):
                self._append(part)
            return
        elif kind not in syntax.coded:
            return
        if not self._data:
            self._opening = kind
        self._data += (START_CODE, nal, *rest)


def write_parameter_sets(nals: Iterable[bytes]) -> str:
    """NAL units as SDP has them: in Base64, commas between them (RFC 6184 section 8.1, RFC 7798 section 7.1)."""
    return ",".join(b64encode(nal).decode("ascii") for nal in nals)


def read_parameter_sets(syntax: NalSyntax, text: str) -> list[bytes]:
    """The parameter sets of such a list; what is none is left out."""
    sets: list[bytes] = []
    for part in text.split(","):
        try:
            nal = b64decode(part + "=" * (-len(part) % 4))
        except (binascii.Error, ValueError):
            continue
        # Some cameras leave a start code, or all sets with start codes between them, in the value.
        sets += split_nal_units(_SHORT_START_CODE + nal)
    return [nal for nal in sets if len(nal) >= syntax.header and syntax.kind(nal) in syntax.parameter_sets]
