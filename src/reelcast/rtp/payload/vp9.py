"""VP9 (RFC 9628); see `vpx`. Spatial layers of a picture arrive as one unit, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reelcast.rtp.payload.base import PayloadFormat
from reelcast.rtp.payload.vpx import Part, VpxDepacketizer, VpxPacketizer
from reelcast.track import Track

__all__ = ["FORMAT", "Vp9Depacketizer", "Vp9Packetizer", "profile_of"]

# Section 4.2: the first octet.
_PICTURE_ID, _INTER, _LAYERS, _FLEXIBLE = 0x80, 0x40, 0x20, 0x10
_BEGIN, _END, _STRUCTURE = 0x08, 0x04, 0x02
_LONG = 0x80
_MORE_REFERENCES = 0x01
MAX_REFERENCES = 3
"""P_DIFFs of a picture (section 4.2)."""

_MARKER = 0b10
"""The first two bits of every VP9 frame (VP9 bitstream section 6.2)."""


class Vp9Packetizer(VpxPacketizer):
    """Frames of one VP9 track into bursts, in the non-flexible mode without layers."""

    name = "VP9"

    def _descriptor(self, first: bool, last: bool, keyframe: bool) -> int:
        return (0 if keyframe else _INTER) | (_BEGIN if first else 0) | (_END if last else 0)


class Vp9Depacketizer(VpxDepacketizer):
    """Packets of one VP9 track into pictures: superframes, where there are several layers."""

    def _part(self, payload: bytes) -> Part | None:
        flags = payload[0]
        layer, size = 0, 1
        if flags & _PICTURE_ID:
            size += 2 if len(payload) > size and payload[size] & _LONG else 1
        if flags & _LAYERS:
            layer = payload[size] >> 1 & 0x07 if len(payload) > size else 0
            # TL0PICIDX belongs to the non-flexible mode.
            size += 1 if flags & _FLEXIBLE else 2
        if flags & _FLEXIBLE and flags & _INTER:
            size = _skip_references(payload, size)
        if flags & _STRUCTURE:
            size = _skip_structure(payload, size)
        if len(payload) <= size:
            return None
        # A picture may do without its lowest layers; that they were lost is likelier behind a gap.
        first = bool(flags & _BEGIN) and (layer == 0 or not self._doubtful)
        return Part(payload[size:], first)

    def _is_keyframe(self, frame: bytes) -> bool:
        profile = _profile(frame[0])
        # show_existing_frame and frame_type: both 0 (section 6.2); profile 3 has a reserved bit before them.
        kind = frame[0] >> 1 if profile == 3 else frame[0] >> 2
        return frame[0] >> 6 == _MARKER and not kind & 0b11


def _skip_references(payload: bytes, place: int) -> int:
    """Where the P_DIFFs end that begin at `place`."""
    for _ in range(MAX_REFERENCES):
        place += 1
        if not (place <= len(payload) and payload[place - 1] & _MORE_REFERENCES):
            break
    return place


def _skip_structure(payload: bytes, place: int) -> int:
    """Where the scalability structure ends that begins at `place` (section 4.2.1)."""
    head = payload[place] if place < len(payload) else 0
    place += 1
    if head & 0x10:  # Y: a size for each layer
        place += 4 * ((head >> 5) + 1)
    if head & 0x08:  # G: a group of pictures
        count = payload[place] if place < len(payload) else 0
        place += 1
        for _ in range(count):
            place += 1 + (payload[place] >> 2 & 0x03 if place < len(payload) else 0)
    return place


def _profile(head: int) -> int:
    return head >> 5 & 1 | head >> 3 & 2


def profile_of(frame: bytes) -> int:
    """The profile of the bitstream, 0 to 3, by a frame's first octet; 0 for what is no frame."""
    return _profile(frame[0]) if frame and frame[0] >> 6 == _MARKER else 0


def _format_parameters(track: Track) -> dict[str, str]:
    """Section 6.1; profile 0 is what everybody expects."""
    return {"profile-id": str(track.profile)} if track.profile else {}


def _apply_parameters(track: Track, parameters: Mapping[str, str]) -> Track:
    profile = parameters.get("profile-id", "")
    return replace(track, profile=int(profile)) if profile in ("1", "2", "3") else track


FORMAT = PayloadFormat(
    codec="vp9",
    kind="video",
    encoding="VP9",
    packetizer=Vp9Packetizer,
    depacketizer=Vp9Depacketizer,
    format_parameters=_format_parameters,
    apply_parameters=_apply_parameters,
)
