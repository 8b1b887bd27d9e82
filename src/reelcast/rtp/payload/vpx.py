"""What VP8 (RFC 7741) and VP9 (RFC 9628) share: a frame is cut anywhere, behind a descriptor that marks its start.

We send the shortest descriptor, one octet: picture numbers are optional, and packets that are shared by many
sessions, each at a place of its own, have none that would run on. Received descriptors may hold all there is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from reelcast.errors import PayloadError
from reelcast.rtp.burst import Burst, lay_out
from reelcast.rtp.payload.assembly import UnitDepacketizer
from reelcast.rtp.payload.base import payload_room
from reelcast.track import AccessUnit, Track

__all__ = ["Part", "VpxDepacketizer", "VpxPacketizer"]

_DESCRIPTOR = 1
"""Bytes of the descriptor we send."""


class VpxPacketizer(ABC):
    """Frames of one track into bursts of packets that are equal in size but for the last."""

    name: ClassVar[str]

    def __init__(self, track: Track, max_packet_size: int) -> None:
        self._payload_type = track.payload_type
        self._step = payload_room(max_packet_size) - _DESCRIPTOR

    def packetize(self, unit: AccessUnit) -> list[Burst]:
        """Cut one frame up; PayloadError where it is empty."""
        data, step = unit.data, self._step
        if not data:
            raise PayloadError(f"the {self.name} frame is empty")
        payloads = [
            bytes((self._descriptor(place == 0, place + step >= len(data), unit.keyframe),))
            + data[place : place + step]
            for place in range(0, len(data), step)
        ]
        return [
            lay_out(
                payloads,
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

    @abstractmethod
    def _descriptor(self, first: bool, last: bool, keyframe: bool) -> int:
        """The octet in front of the first, the last or another part of a frame."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a payload holds behind its descriptor; `first` where that may be the beginning of a picture."""

    data: bytes
    first: bool


class VpxDepacketizer(UnitDepacketizer):
    """Packets of one track into frames; a unit whose descriptors make no sense is dropped."""

    def _take(self, payload: bytes) -> None:
        part = self._part(payload)
        if part is None or not (self._data or part.first):
            self._break()
        elif part.data:
            self._data.append(part.data)

    def _unit(self) -> AccessUnit | None:
        if not self._data:
            return None
        data = b"".join(self._data)
        return AccessUnit(data, self._timestamp, self._timestamp, self._is_keyframe(data))

    @abstractmethod
    def _part(self, payload: bytes) -> Part | None:
        """Take a payload apart; None where its descriptor runs past its end."""

    @abstractmethod
    def _is_keyframe(self, frame: bytes) -> bool:
        """What the frame's own header says."""
