"""What one session sends of one track: its numbers, its counts (RFC 3550 sections 5.1 and 6.4.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reelcast.rtp.group import Group, Run
from reelcast.rtp.packet import HEADER_SIZE
from reelcast.rtp.rtcp import SenderReport

__all__ = [
    "Imprint",
    "Numbering",
    "Numbers",
    "Sender",
    "headers",
    "imprint",
    "reserve",
    "stamp",
    "tally",
]


class Sender:
    """The sending side of one RTP stream.

    ssrc       its synchronisation source, random for a session (RFC 3550 section 8)
    sequence   the number of the packet that will be sent next, 16 bits
    offset     the RTP timestamp of media time 0, 32 bits; moved by seeks so that RTP time never jumps
    packets    RTP packets sent
    octets     payload bytes sent
    """

    __slots__ = ("clock_rate", "octets", "offset", "packets", "sequence", "ssrc")

    def __init__(self, ssrc: int, sequence: int, offset: int, clock_rate: int) -> None:
        self.ssrc = ssrc
        self.sequence = sequence & 0xFFFF
        self.offset = offset & 0xFFFFFFFF
        self.clock_rate = clock_rate
        self.packets = 0
        self.octets = 0

    def timestamp(self, seconds: float) -> int:
        """The RTP timestamp of a media time."""
        return (self.offset + round(seconds * self.clock_rate)) & 0xFFFFFFFF

    def count(self, packets: int, octets: int) -> None:
        """Note what was sent."""
        self.packets += packets
        self.octets += octets

    def report(self, ntp: int, media_time: float) -> SenderReport:
        """A sender report saying that `media_time` (seconds) is now, `ntp` in 64-bit NTP format."""
        return SenderReport(
            self.ssrc,
            ntp,
            self.timestamp(media_time),
            self.packets & 0xFFFFFFFF,
            self.octets & 0xFFFFFFFF,
            (),
        )


@dataclass(frozen=True, slots=True)
class Numbers:
    """Where the packets of a session stand, for another player to go on with them.

    senders   of each track; `sequence` is the number of its next packet
    bases     the RTP timestamp of each track at the session's time 0
    reached   the session's time up to which all is sent, in seconds
    """

    senders: dict[int, Sender]
    bases: dict[int, int]
    reached: float


class Numbering(NamedTuple):
    """The numbers of a group's packets of one track.

    ssrc       of all of them
    sequence   of the first, 16 bits
    offset     the RTP timestamp of the group's time 0, 32 bits
    """

    ssrc: int
    sequence: int
    offset: int


def reserve(group: Group, senders: Mapping[int, Sender], shift: float = 0.0) -> dict[int, Numbering]:
    """Take the numbers for all packets of a group, and move the senders' sequence numbers on.

    `senders` has a Sender for each track index that occurs in the group; its media time is the group's and
    `shift` seconds more.
    """
    numbers: dict[int, Numbering] = {}
    for track, sender in senders.items():
        numbers[track] = Numbering(sender.ssrc, sender.sequence, sender.timestamp(shift))
    for run in group.runs:
        sender = senders[run.track]
        sender.sequence = (sender.sequence + run.count) & 0xFFFF
    return numbers


def stamp(
    group: Group,
    senders: Mapping[int, Sender],
    channels: Mapping[int, int] | None = None,
    shift: float = 0.0,
) -> NDArray[np.uint32]:
    """Make the headers of all packets of a group for one session; see `reserve` and `headers`."""
    return headers(group, reserve(group, senders, shift), channels)


def headers(
    group: Group, numbers: Mapping[int, Numbering], channels: Mapping[int, int] | None = None
) -> NDArray[np.uint32]:
    """The headers of all packets of a group.

    Returns big-endian words, a row a packet: the RTP header's three (RFC 3550 section 5.1), behind an
    interleaved frame's head (RFC 2326 section 10.12) where `channels` gives each track its channel.
    """
    table = group.columns
    tracks = max(numbers) + 1
    sequence = np.zeros(tracks, np.uint32)
    offset = np.zeros(tracks, np.uint32)
    ssrc = np.zeros(tracks, np.uint32)
    for track, numbering in numbers.items():
        sequence[track], offset[track], ssrc[track] = numbering.sequence, numbering.offset, numbering.ssrc
    heads = 0 if channels is None else 1
    words = np.empty((len(group), heads + 3), np.uint32)
    words[:, heads] = table.flags | ((table.sequences + sequence[table.tracks]) & 0xFFFF)
    words[:, heads + 1] = table.timestamps + offset[table.tracks]
    words[:, heads + 2] = ssrc[table.tracks]
    if channels is not None:
        marks = np.zeros(tracks, np.uint32)
        for track, channel in channels.items():
            marks[track] = _DOLLAR << 24 | channel << 16
        words[:, 0] = marks[table.tracks] + (table.sizes + HEADER_SIZE).astype(np.uint32)
    return words.byteswap() if _LITTLE_ENDIAN else words


def imprint(group: Group, numbers: Mapping[int, Numbering], channels: Mapping[int, int] | None) -> Imprint:
    """All packets of a group in one piece, for many readers; those of tracks without a channel are left out.

    For groups as they were built, whose packets stand back to back in the order of their runs. Without tables:
    for a single frame these would cost several times what it is to write ten bytes into each packet.
    """
    whole, starts = _in_one_piece(group, channels)
    head = 0 if channels is None else _FRAME.size
    sequences = {track: numbering.sequence for track, numbering in numbers.items()}
    for run, (start, stop) in zip(group.runs, pairwise(starts), strict=True):
        ssrc, _, offset = numbers[run.track]
        sequence = sequences[run.track]
        sequences[run.track] = sequence + run.count
        if start < stop:
            timestamp = (_TIMESTAMP.unpack_from(whole, start + head + 4)[0] + offset) & 0xFFFFFFFF
            for place in range(start + head + 2, stop, run.size + head):
                _NUMBERS.pack_into(whole, place, sequence & 0xFFFF, timestamp, ssrc)
                sequence += 1
    return Imprint(whole, starts)


def _in_one_piece(group: Group, channels: Mapping[int, int] | None) -> tuple[bytearray, list[int]]:
    """The packets of an `Imprint`, their numbers still to be written; and its `starts`."""
    data, view = group.data, memoryview(group.data)
    pieces: list[bytes | memoryview] = []
    starts, place, length = [0], 0, 0
    for run in group.runs:
        start, place = place, place + run.octets + run.count * HEADER_SIZE
        if channels is None:
            pieces.append(view[start:place])
            length = place
        elif run.track in channels:
            channel, size, last = channels[run.track], run.size, start + (run.count - 1) * run.size
            head = _FRAME.pack(_DOLLAR, channel, size)
            for at in range(start, last, size):
                pieces.append(head)
                pieces.append(data[at : at + size])
            pieces.append(_FRAME.pack(_DOLLAR, channel, place - last))
            pieces.append(data[last:place])
            length += place - start + run.count * _FRAME.size
        starts.append(length)
    return bytearray().join(pieces), starts


class Imprint(NamedTuple):
    """The packets of a group back to back, their headers written.

    data      the bytes
    starts    where each run begins, one more at the end; a run of a track that is left out is empty
    """

    data: bytearray
    starts: list[int]


def tally(runs: Iterable[Run], senders: Mapping[int, Sender]) -> None:
    """Tell the senders that these runs have been sent."""
    for run in runs:
        senders[run.track].count(run.count, run.octets)


_DOLLAR = ord("$")
_FRAME = struct.Struct("!BBH")
_NUMBERS = struct.Struct("!HII")
_TIMESTAMP = struct.Struct("!I")
_LITTLE_ENDIAN = np.dtype(np.uint32).newbyteorder("=").str.startswith("<")
