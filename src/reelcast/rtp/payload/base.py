"""What every payload format is made of, and how a depacketizer tells a loss from a repetition."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from reelcast.rtp.burst import Burst
from reelcast.rtp.packet import HEADER_SIZE, Packet, Run
from reelcast.track import AccessUnit, Codec, Kind, Track

__all__ = [
    "MAX_UNIT_BYTES",
    "MAX_UNIT_PIECES",
    "Continuity",
    "Depacketizer",
    "OneByOne",
    "Packetizer",
    "PayloadFormat",
    "Step",
    "ignore_parameters",
    "no_parameters",
    "payload_room",
]

MAX_UNIT_BYTES = 16 * 1024 * 1024
"""Bytes of one access unit being put together: an intra frame of 8K video stays below, a peer that never
ends a frame cannot take more."""

MAX_UNIT_PIECES = 1 << 17
"""Packets, or pieces out of them, that one unit is put together from: enough for 16 MB in packets of 256 bytes.
Pieces of a byte or two would take many times the memory that they fill."""

MIN_PAYLOAD_ROOM = 256
"""Bytes a packet must leave to its payload: the JPEG headers of a first packet (140 bytes), and some data."""


class Packetizer(Protocol):
    """Turns the access units of one track, in decoding order, into bursts."""

    def packetize(self, unit: AccessUnit) -> list[Burst]:
        """Lay out one unit; a format that gathers small units returns nothing until a packet is full.

        Raises PayloadError for a unit that the format cannot carry; the units after it are not affected.
        """

    def flush(self) -> list[Burst]:
        """What still waits to share a packet; the next unit starts afresh."""


class Depacketizer(Protocol):
    """Turns the packets of one track, in order of their sequence numbers, back into access units."""

    def receive(self, packet: Packet) -> list[AccessUnit]:
        """Take one packet; return the units known to be complete now.

        A gap in the sequence numbers is a loss: the unit it hit is dropped, the next whole one is returned.
        pts and dts are the 32-bit RTP timestamp. Never raises, whatever the bytes.
        """

    def receive_run(self, run: Run) -> list[AccessUnit]:
        """Take several; what comes of them is what comes of one after the other."""


class OneByOne(ABC):
    """A depacketizer of packets that are units by themselves, or of few: a run is nothing special to it."""

    @abstractmethod
    def receive(self, packet: Packet) -> list[AccessUnit]:
        """Take one packet; see `Depacketizer`."""

    def receive_run(self, run: Run) -> list[AccessUnit]:
        """Take several; see `Depacketizer`."""
        return [unit for packet in run.packets() for unit in self.receive(packet)]


@dataclass(frozen=True, slots=True)
class PayloadFormat:
    """The RTP payload format of one codec, and what SDP says of it.

    codec              the registry's name
    kind               which kind of m= section it belongs in
    encoding           encoding name in a=rtpmap
    packetizer         makes a Packetizer of a track and the largest packet, RTP header included, in bytes
    depacketizer       makes a Depacketizer of a track
    format_parameters  the parameters of a=fmtp, in order; empty where the format has none
    apply_parameters   reads those of a=fmtp (names in lower case) into a track; unusable ones are ignored
                       in favour of what comes in-band; PayloadError where they ask for a mode we have not
    """

    codec: Codec
    kind: Kind
    encoding: str
    packetizer: Callable[[Track, int], Packetizer]
    depacketizer: Callable[[Track], Depacketizer]
    format_parameters: Callable[[Track], dict[str, str]]
    apply_parameters: Callable[[Track, Mapping[str, str]], Track]


def no_parameters(track: Track) -> dict[str, str]:
    """For formats without a=fmtp."""
    return {}


def ignore_parameters(track: Track, parameters: Mapping[str, str]) -> Track:
    """For formats without a=fmtp: what a peer says there changes nothing."""
    return track


def payload_room(max_packet_size: int) -> int:
    """Bytes that a packet of this size leaves to its payload; ValueError where that is too few."""
    room = max_packet_size - HEADER_SIZE
    if room < MIN_PAYLOAD_ROOM:
        raise ValueError(f"packets of {max_packet_size} bytes are too small: {MIN_PAYLOAD_ROOM} must be left")
    return room


class Step(Enum):
    """How a packet follows the one before it."""

    NEXT = auto()
    REPEATED = auto()
    GAP = auto()


class Continuity:
    """Watches the sequence numbers of packets that were put in order already."""

    def __init__(self) -> None:
        self._expected: int | None = None

    def step(self, sequence: int, count: int = 1) -> Step:
        """Tell how the packet with this sequence number (16 bits) follows; the very first is NEXT.

        There are `count` of them in a row.
        """
        expected = self._expected
        self._expected = (sequence + count) & 0xFFFF
        if expected is not None and sequence == (expected - 1) & 0xFFFF:
            return Step.REPEATED
        return Step.NEXT if expected is None or sequence == expected else Step.GAP
