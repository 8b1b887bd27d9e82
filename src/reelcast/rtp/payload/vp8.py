"""VP8 (RFC 7741); see `vpx`."""

from __future__ import annotations

from reelcast.rtp.payload.base import PayloadFormat, ignore_parameters, no_parameters
from reelcast.rtp.payload.vpx import Part, VpxDepacketizer, VpxPacketizer

__all__ = ["FORMAT", "Vp8Depacketizer", "Vp8Packetizer"]

# Section 4.2: the first octet, the octet of extensions (X), and the one of the PictureID.
_EXTENDED, _START, _PARTITION = 0x80, 0x10, 0x07
_PICTURE_ID, _LEVEL_INDEX, _LAYER, _KEY_INDEX = 0x80, 0x40, 0x20, 0x10
_LONG = 0x80
_INTER = 0x01
"""Set in the first octet of a frame that is no keyframe (RFC 6386 section 9.1)."""


class Vp8Packetizer(VpxPacketizer):
    """Frames of one VP8 track into bursts; partitions are not told apart, which is allowed (section 4.2)."""

    name = "VP8"

    def _descriptor(self, first: bool, last: bool, keyframe: bool) -> int:
        return _START if first else 0


class Vp8Depacketizer(VpxDepacketizer):
    """Packets of one VP8 track into frames."""

    def _part(self, payload: bytes) -> Part | None:
        size = 1
        if payload[0] & _EXTENDED:
            flags = payload[1] if len(payload) > 1 else 0
            size = 2
            if flags & _PICTURE_ID:
                size += 2 if len(payload) > size and payload[size] & _LONG else 1
            size += bool(flags & _LEVEL_INDEX)
            size += bool(flags & (_LAYER | _KEY_INDEX))
        if len(payload) <= size:
            return None
        return Part(payload[size:], payload[0] & (_START | _PARTITION) == _START)

    def _is_keyframe(self, frame: bytes) -> bool:
        return not frame[0] & _INTER


FORMAT = PayloadFormat(
    codec="vp8",
    kind="video",
    encoding="VP8",
    packetizer=Vp8Packetizer,
    depacketizer=Vp8Depacketizer,
    format_parameters=no_parameters,
    apply_parameters=ignore_parameters,
)
