"""How packets become access units, where a timestamp holds them together and a marker ends them.

A format says what a payload adds to the unit at hand, and whether that is whole; when units begin and end, what
a gap spoils and what is too big, is the same for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from reelcast.rtp.packet import Packet, Run
from reelcast.rtp.payload.base import MAX_UNIT_BYTES, MAX_UNIT_PIECES, Continuity, Step
from reelcast.track import AccessUnit, Track

__all__ = ["Openings", "UnitDepacketizer"]


class UnitDepacketizer(ABC):
    """Packets of one video track into access units; see `Depacketizer`.

    A unit ends at its marker or where the timestamp changes. A gap spoils the unit it falls into; the unit
    behind it is doubtful, for it may have lost its beginning.
    """

    _data: list[bytes]
    """What the unit at hand consists of, none of it empty: it is joined once."""
    _size: int
    """Bytes of the payloads of the unit at hand."""
    _packets: int
    """How many they are."""
    _broken: bool

    def __init__(self, track: Track) -> None:
        self._continuity = Continuity()
        self._timestamp = 0
        # So it is when we join, and after a gap.
        self._doubtful = True
        self._reset()

    def receive(self, packet: Packet) -> list[AccessUnit]:
        """Take the next packet; see `Depacketizer`."""
        return self._receive(packet.sequence, packet.timestamp, (packet.payload,), packet.marker)

    def receive_run(self, run: Run) -> list[AccessUnit]:
        """Take several; see `Depacketizer`."""
        return self._receive(run.sequence, run.timestamp, run.payloads, run.marker)

    def _receive(
        self, sequence: int, timestamp: int, payloads: Sequence[bytes], marker: bool
    ) -> list[AccessUnit]:
        units: list[AccessUnit] = []
        step = self._continuity.step(sequence, len(payloads))
        if step is Step.REPEATED:
            payloads = payloads[1:]
            if not payloads:
                return units
        if step is Step.GAP:
            hit = timestamp == self._timestamp and (self._broken or self._size > 0)
            self._reset()
            self._broken = hit
            self._doubtful = True
        elif timestamp != self._timestamp:
            units += self._finish()
        self._timestamp = timestamp
        self._packets += len(payloads)
        self._take_all(payloads)
        if self._size > MAX_UNIT_BYTES or max(self._packets, len(self._data)) > MAX_UNIT_PIECES:
            self._break()
        if marker:
            units += self._finish()
        return units

    def _take_all(self, payloads: Sequence[bytes]) -> None:
        """Add payloads to the unit, in order, until it breaks."""
        for payload in payloads:
            self._take_one(payload)

    def _take_one(self, payload: bytes) -> None:
        if payload and not self._broken:
            self._size += len(payload)
            self._take(payload)

    def _reset(self) -> None:
        """Begin a unit."""
        self._data = []
        self._size = 0
        self._packets = 0
        self._broken = False

    def _break(self) -> None:
        """Give the unit up; what comes of it until its end is ignored."""
        self._reset()
        self._broken = True

    def _finish(self) -> list[AccessUnit]:
        """End the unit at a marker or a new timestamp."""
        unit = None if self._broken else self._unit()
        self._reset()
        self._doubtful = False
        return [] if unit is None else [unit]

    @abstractmethod
    def _take(self, payload: bytes) -> None:
        """Add a payload that is not empty to the unit, or break it."""

    @abstractmethod
    def _unit(self) -> AccessUnit | None:
        """The unit at hand, None where nothing was lost and yet it is none."""


class Openings:
    """How units of a stream begin, for formats that do not mark it: keyframes in one way, all others in another.

    Learned from units that lost nothing; one that may have lost its beginning passes where it begins alike.
    """

    def __init__(self) -> None:
        self._usual: dict[bool, int] = {}

    def judge(self, keyframe: bool, opening: int, *, doubtful: bool, first: bool) -> bool:
        """Whether a unit that opens with this type is whole.

        `first` says that nothing can stand before this type, so that even a doubtful unit teaches.
        """
        whole = not doubtful or self._usual.get(keyframe, opening) == opening
        if whole and (first or not doubtful):
            self._usual[keyframe] = opening
        return whole
