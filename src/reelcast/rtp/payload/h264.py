"""H.264 (RFC 6184), packetization mode 1: single NAL units, STAP-A and FU-A.

Sending: small NAL units that stand side by side share a STAP-A, big ones are cut into FU-A fragments of one
size, because a kernel that segments for us (UDP GSO) wants all packets of a send equal but the last.
Receiving: an access unit ends at its marker or where the timestamp changes, and only with a picture in it;
after a loss a unit counts as whole when it opens the way units of its kind opened before.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import replace

from reelcast.errors import PayloadError
from reelcast.rtp.burst import Burst, lay_out
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload.base import MAX_UNIT_BYTES, Continuity, PayloadFormat, Step, payload_room
from reelcast.rtp.payload.h264_sps import parse_sps
from reelcast.track import AccessUnit, Track

__all__ = ["FORMAT", "H264Depacketizer", "H264Packetizer", "split_nal_units"]

START_CODE = b"\0\0\0\1"
_SHORT_START_CODE = b"\0\0\1"

# NAL unit types: H.264 table 7-1, and RFC 6184 table 1 from 24 on.
_IDR, _SPS, _PPS, _DELIMITER = 5, 7, 8, 9
_FIRST_PICTURE, _LAST_PICTURE = 1, 5
_LAST_CODED = 23
_STAP_A, _FU_A = 24, 28

_TYPE = 0x1F
_F_NRI = 0xE0
_START, _END = 0x80, 0x40


def split_nal_units(data: bytes) -> Iterator[bytes]:
    """The NAL units of an Annex B byte stream (H.264 annex B.1), without start codes and trailing zeros.

    What precedes the first start code is no part of it.
    """
    begin = data.find(_SHORT_START_CODE)
    while begin >= 0:
        begin += 3
        following = data.find(_SHORT_START_CODE, begin)
        end = len(data) if following < 0 else following
        while end > begin and data[end - 1] == 0:
            end -= 1
        if end > begin:
            yield data[begin:end]
        begin = following


class H264Packetizer:
    """Access units of one H.264 track into bursts; parameter sets go in-band before each keyframe."""

    def __init__(self, track: Track, max_packet_size: int) -> None:
        self._payload_type = track.payload_type
        self._parameter_sets = track.parameter_sets
        self._room = payload_room(max_packet_size)

    def packetize(self, unit: AccessUnit) -> list[Burst]:
        """Lay out one access unit (Annex B); PayloadError where it holds no NAL unit."""
        # Types 0 and 24 to 31 are not coded video, and a receiver would take them for RFC 6184's own.
        nals = [nal for nal in split_nal_units(unit.data) if 0 < nal[0] & _TYPE <= _LAST_CODED]
        if not nals:
            raise PayloadError(
                "the H.264 frame holds no NAL unit; put a start code (00 00 00 01) before each"
            )
        if unit.keyframe and not any(nal[0] & _TYPE == _SPS for nal in nals):
            place = 1 if nals[0][0] & _TYPE == _DELIMITER else 0
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
        size = 1
        for nal in nals:
            if together and size + 2 + len(nal) > self._room:
                payloads.append(_aggregate(together))
                together, size = [], 1
            if len(nal) > self._room:
                payloads += self._fragments(nal)
            else:
                together.append(nal)
                size += 2 + len(nal)
        if together:
            payloads.append(_aggregate(together))
        return payloads

    def _fragments(self, nal: bytes) -> Iterator[bytes]:
        """FU-A packets (RFC 6184 section 5.8), as full as they go."""
        indicator = nal[0] & _F_NRI | _FU_A
        kind = nal[0] & _TYPE
        step = self._room - 2
        for place in range(1, len(nal), step):
            flags = _START if place == 1 else 0
            if place + step >= len(nal):
                flags |= _END
            yield bytes((indicator, flags | kind)) + nal[place : place + step]


def _aggregate(nals: list[bytes]) -> bytes:
    """One payload for NAL units that fit together: a STAP-A (RFC 6184 section 5.7.1), or the one as it is."""
    if len(nals) == 1:
        return nals[0]
    forbidden = 0x80 if any(nal[0] & 0x80 for nal in nals) else 0
    importance = max(nal[0] & 0x60 for nal in nals)
    return bytes((forbidden | importance | _STAP_A,)) + b"".join(
        len(nal).to_bytes(2, "big") + nal for nal in nals
    )


class H264Depacketizer:
    """Packets of one H.264 track into access units (Annex B, four-byte start codes)."""

    def __init__(self, track: Track) -> None:
        self._continuity = Continuity()
        self._timestamp = 0
        # How keyframes and other units open: the type of their first NAL unit.
        self._openings: dict[bool, int] = {}
        # The next unit may have lost its beginning: so it is when we join, and after a gap.
        self._doubtful = True
        self._reset()

    def _reset(self) -> None:
        self._data = bytearray()
        self._fragments: bytearray | None = None
        self._broken = False
        self._opening = 0
        self._keyframe = False
        self._picture = False
        self._from_top = False

    def receive(self, packet: Packet) -> list[AccessUnit]:
        """Take the next packet; see `Depacketizer`."""
        units: list[AccessUnit] = []
        step = self._continuity.step(packet.sequence)
        if step is Step.REPEATED:
            return units
        if step is Step.GAP:
            hit = packet.timestamp == self._timestamp and (self._broken or bool(self._data))
            self._reset()
            self._broken = hit
            self._doubtful = True
        elif packet.timestamp != self._timestamp:
            units += self._finish()
        self._timestamp = packet.timestamp
        if not self._broken and packet.payload:
            self._take(packet.payload)
            if len(self._data) + len(self._fragments or b"") > MAX_UNIT_BYTES:
                self._break()
        if packet.marker:
            units += self._finish()
        return units

    def _finish(self) -> list[AccessUnit]:
        """End the access unit at a marker or a new timestamp."""
        if self._fragments is not None:
            self._break()
        if not self._picture and not self._broken:
            # Tapo, Reolink and Ivel cameras set the marker on parameter sets, some give them a timestamp of
            # their own: they belong to the picture that follows.
            return []
        usual = self._openings.get(self._keyframe, self._opening)
        whole = not self._broken and (not self._doubtful or (self._from_top and self._opening == usual))
        units = []
        if whole:
            units.append(AccessUnit(bytes(self._data), self._timestamp, self._timestamp, self._keyframe))
        if whole and (not self._doubtful or self._opening in (_SPS, _DELIMITER)):
            self._openings[self._keyframe] = self._opening
        self._reset()
        self._doubtful = False
        return units

    def _break(self) -> None:
        """Give the unit up; what comes of it until its end is ignored."""
        self._reset()
        self._broken = True

    def _take(self, payload: bytes) -> None:
        kind = payload[0] & _TYPE
        if kind == _FU_A:
            self._take_fragment(payload)
        elif kind == _STAP_A:
            self._take_aggregate(payload)
        else:
            self._append(payload)

    def _take_aggregate(self, payload: bytes) -> None:
        place = 1
        while place + 2 <= len(payload):
            size = payload[place] << 8 | payload[place + 1]
            place += 2
            if size > len(payload) - place:
                self._break()
                return
            if size:
                self._append(payload[place : place + size])
            place += size

    def _take_fragment(self, payload: bytes) -> None:
        if len(payload) < 2:
            return
        header = payload[1]
        if bool(header & _START) != (self._fragments is None):
            self._break()
            return
        if self._fragments is None:
            self._fragments = bytearray((payload[0] & _F_NRI | header & _TYPE,))
        # The type in later fragments is not looked at: Tiandy cameras write a wrong one.
        self._fragments += payload[2:]
        if header & _END:
            nal = bytes(self._fragments)
            self._fragments = None
            self._append(nal)

    def _append(self, nal: bytes) -> None:
        """Add a whole NAL unit, unless it is none of H.264's own (types 0 and 24 to 31)."""
        if _SHORT_START_CODE in nal:
            # V380 cameras put several NAL units, with Annex B start codes between them, into one.
            for part in split_nal_units(_SHORT_START_CODE + nal):
                self._append(part)
            return
        kind = nal[0] & _TYPE
        if not 0 < kind <= _LAST_CODED:
            return
        if not self._data:
            self._opening = kind
        if _FIRST_PICTURE <= kind <= _LAST_PICTURE:
            if not self._picture:
                # first_mb_in_slice is 0, in Exp-Golomb a lone 1: the slice is the picture's first.
                self._from_top = len(nal) > 1 and nal[1] >= 0x80
            self._picture = True
            self._keyframe = self._keyframe or kind == _IDR
        self._data += START_CODE
        self._data += nal


def _format_parameters(track: Track) -> dict[str, str]:
    """RFC 6184 section 8.1; parameter sets stand here and in-band, as peers need one or both."""
    parameters = {"packetization-mode": "1"}
    sps = next((nal for nal in track.parameter_sets if len(nal) >= 4 and nal[0] & _TYPE == _SPS), None)
    if sps is not None:
        parameters["profile-level-id"] = sps[1:4].hex().upper()
        parameters["sprop-parameter-sets"] = ",".join(
            b64encode(nal).decode("ascii") for nal in track.parameter_sets
        )
    return parameters


def _apply_parameters(track: Track, parameters: Mapping[str, str]) -> Track:
    sets: list[bytes] = []
    for text in parameters.get("sprop-parameter-sets", "").split(","):
        try:
            nal = b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError):
            continue
        # Some cameras leave a start code, or both sets with start codes between them, in the value.
        sets += split_nal_units(_SHORT_START_CODE + nal)
    sets = [nal for nal in sets if nal[0] & _TYPE in (_SPS, _PPS)]
    info = next((parse_sps(nal) for nal in sets if nal[0] & _TYPE == _SPS), None)
    if info is None or not any(nal[0] & _TYPE == _PPS for nal in sets):
        return track
    return replace(track, parameter_sets=tuple(sets), width=info.width, height=info.height)


FORMAT = PayloadFormat(
    codec="h264",
    kind="video",
    encoding="H264",
    packetizer=H264Packetizer,
    depacketizer=H264Depacketizer,
    format_parameters=_format_parameters,
    apply_parameters=_apply_parameters,
)
