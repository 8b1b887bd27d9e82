"""AV1 (RTP Payload Format for AV1 of the Alliance for Open Media, version 1.0).

Sending: OBUs stand back to back and are cut wherever a packet is full, so that all packets of a temporal unit but
the last are of one size (see `nal_units` for why). Temporal delimiters are left out, size fields too.
Receiving: a unit is a temporal unit in the low-overhead format, with its delimiter in front; after a loss it
counts as whole when it opens the way units of its kind opened before.
"""

from __future__ import annotations

from reelcast.errors import PayloadError
from reelcast.rtp.burst import Burst, lay_out
from reelcast.rtp.payload import av1_obu as obu
from reelcast.rtp.payload.assembly import Openings, UnitDepacketizer
from reelcast.rtp.payload.base import PayloadFormat, ignore_parameters, payload_room
from reelcast.track import AccessUnit, Track

__all__ = ["FORMAT", "Av1Depacketizer", "Av1Packetizer"]

# Section 4.4, the aggregation header.
_CONTINUED, _CONTINUES, _NEW_SEQUENCE = 0x80, 0x40, 0x08
_HEADER = 1
"""Its bytes."""
MAX_COUNTED = 3
"""Elements that the header can count (W); the last of them needs no length."""
_LEFT_OUT = (obu.DELIMITER, obu.TILE_LIST)
"""Temporal delimiters and tile lists are not carried (section 5)."""
MAX_HEAD = 3
"""Bytes of an OBU up to what tells a key frame."""


class Av1Packetizer:
    """Temporal units of one AV1 track into bursts; the sequence header goes in-band before each keyframe."""

    def __init__(self, track: Track, max_packet_size: int) -> None:
        self._payload_type = track.payload_type
        self._parameter_sets = track.parameter_sets
        self._room = payload_room(max_packet_size)

    def packetize(self, unit: AccessUnit) -> list[Burst]:
        """Lay out one temporal unit, with or without its delimiter; PayloadError where it is broken or empty."""
        elements = [each for each in obu.split_obus(unit.data) if obu.kind_of(each) not in _LEFT_OUT]
        if not elements:
            raise PayloadError("the AV1 frame holds no OBU")
        if unit.keyframe and not any(obu.kind_of(each) == obu.SEQUENCE_HEADER for each in elements):
            elements[:0] = self._parameter_sets
        filler = _Filler(self._room, new_sequence=unit.keyframe)
        for element in elements:
            filler.add(element)
        filler.close()
        return [
            lay_out(
                filler.payloads,
                self._payload_type,
                unit.pts,
                unit.dts,
                keyframe=unit.keyframe,
                duration=unit.duration,
            )
        ]

    def flush(self) -> list[Burst]:
        """Nothing ever waits: a temporal unit is sent whole."""
        return []


class _Filler:
    """Fills payloads of `room` bytes one after the other."""

    def __init__(self, room: int, *, new_sequence: bool) -> None:
        self.payloads: list[bytes] = []
        self._room = room
        self._flags = _NEW_SEQUENCE if new_sequence else 0
        self._pieces: list[bytes] = []
        self._used = _HEADER

    def add(self, element: bytes) -> None:
        """Put an element in, cut where a payload is full."""
        place = 0
        while place < len(element):
            if len(self._pieces) == MAX_COUNTED or self._used >= self._room:
                self.close()
            piece = element[place : place + self._room - self._used]
            self._pieces.append(piece)
            place += len(piece)
            if place < len(element):
                self.close(continues=True)
            else:
                # Should another follow, this one needs its length.
                self._used += len(piece) + len(obu.write_leb128(len(piece)))

    def close(self, *, continues: bool = False) -> None:
        """End the payload; `continues` says that its last piece goes on in the next."""
        head = len(self._pieces) << 4 | self._flags | (_CONTINUES if continues else 0)
        payload = bytearray((head,))
        for piece in self._pieces[:-1]:
            payload += obu.write_leb128(len(piece)) + piece
        self.payloads.append(bytes(payload + self._pieces[-1]))
        self._pieces = []
        self._used = _HEADER
        self._flags = _CONTINUED if continues else 0


class Av1Depacketizer(UnitDepacketizer):
    """Packets of one AV1 track into temporal units, in the low-overhead format."""

    def __init__(self, track: Track) -> None:
        self._openings = Openings()
        super().__init__(track)

    def _reset(self) -> None:
        super()._reset()
        self._fragment: bytearray | None = None
        self._opening = 0
        self._new_sequence = False
        self._sequence = False
        self._picture: bytes | None = None

    def _finish(self) -> list[AccessUnit]:
        if self._fragment is not None:
            self._break()
        return super()._finish()

    def _unit(self) -> AccessUnit | None:
        if not self._data:
            return None
        keyframe = self._sequence and self._picture is not None and obu.is_key_frame(self._picture)
        if self._doubtful and self._opening in (obu.TILE_GROUP, obu.REDUNDANT_HEADER):
            return None
        doubtful = self._doubtful and not self._new_sequence
        first = self._new_sequence
        if not self._openings.judge(keyframe, self._opening, doubtful=doubtful, first=first):
            return None
        data = b"".join((obu.TEMPORAL_DELIMITER, *self._data))
        return AccessUnit(data, self._timestamp, self._timestamp, keyframe)

    def _take(self, payload: bytes) -> None:
        head = payload[0]
        elements = _elements(payload)
        if elements is None or bool(head & _CONTINUED) != (self._fragment is not None):
            self._break()
            return
        if head & _NEW_SEQUENCE and not self._data:
            self._new_sequence = True
        last = len(elements) - 1
        for number, element in enumerate(elements):
            if self._fragment is None:
                self._fragment = bytearray()
            self._fragment += element
            if number < last or not head & _CONTINUES:
                whole = bytes(self._fragment)
                self._fragment = None
                self._append(whole)
                if self._broken:
                    return

    def _append(self, element: bytes) -> None:
        """Add a whole OBU; one that came with a size field keeps what that counts."""
        found = obu.unsized(element) if element else b""
        if found is None:
            self._break()
            return
        if not found or (kind := obu.kind_of(found)) in _LEFT_OUT:
            return
        if not self._data:
            # A frame is one OBU or several: a header, then groups of tiles.
            self._opening = obu.FRAME if kind == obu.FRAME_HEADER else kind
        self._sequence = self._sequence or kind == obu.SEQUENCE_HEADER
        if self._picture is None and kind in (obu.FRAME, obu.FRAME_HEADER):
            self._picture = found[:MAX_HEAD]
        self._data.append(obu.sized(found))


def _elements(payload: bytes) -> list[bytes] | None:
    """The OBU elements of a payload; None where a length runs past its end, or the count is wrong."""
    counted = payload[0] >> 4 & MAX_COUNTED
    elements: list[bytes] = []
    place = 1
    while place < len(payload):
        size = len(payload) - place
        if len(elements) + 1 != counted:
            found = obu.read_leb128(payload, place)
            if found is None or found[0] > len(payload) - found[1]:
                return None
            size, place = found
        elements.append(payload[place : place + size])
        place += size
    return elements if elements and counted in (0, len(elements)) else None


def _format_parameters(track: Track) -> dict[str, str]:
    """Section 7.2.1; what is left out counts as profile 0, level 3.1, tier 0."""
    found = next(map(obu.parse_sequence_header, track.parameter_sets), None)
    if found is None:
        return {}
    return {"profile": str(found.profile), "level-idx": str(found.level), "tier": str(found.tier)}


FORMAT = PayloadFormat(
    codec="av1",
    kind="video",
    encoding="AV1",
    packetizer=Av1Packetizer,
    depacketizer=Av1Depacketizer,
    format_parameters=_format_parameters,
    apply_parameters=ignore_parameters,
)
