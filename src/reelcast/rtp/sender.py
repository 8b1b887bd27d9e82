"""What one session sends of one track: its numbers, its counts (RFC 3550 sections 5.1 and 6.4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelcast.rtp.group import Group
from reelcast.rtp.packet import HEADER_SIZE
from reelcast.rtp.rtcp import SenderReport

__all__ = ["Numbers", "Sender", "interleave", "stamp", "tally"]


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


def stamp(
    group: Group,
    senders: Mapping[int, Sender],
    channels: Mapping[int, int] | None = None,
    shift: float = 0.0,
) -> NDArray[np.uint32]:
    """Make the headers of all packets of a group for one session, and move the senders' sequence numbers on.

    `senders` has a Sender for each track index that occurs in the group; its media time is the group's and
    `shift` seconds more. Returns big-endian words, a row a packet: the RTP header's three (RFC 3550 section 5.1),
    behind an interleaved frame's head where `channels` gives each track its channel.
    """
    tracks = max(senders) + 1
    sequence = np.zeros(tracks, np.uint32)
    offset = np.zeros(tracks, np.uint32)
    ssrc = np.zeros(tracks, np.uint32)
    for track, sender in senders.items():
        sequence[track], offset[track], ssrc[track] = sender.sequence, sender.timestamp(shift), sender.ssrc
    words = np.empty((len(group), 3), np.uint32)
    words[:, 0] = group.flags | ((group.sequences + sequence[group.tracks]) & 0xFFFF)
    words[:, 1] = group.timestamps + offset[group.tracks]
    words[:, 2] = ssrc[group.tracks]
    counts = np.bincount(group.tracks, minlength=tracks)
    for track, sender in senders.items():
        sender.sequence = (sender.sequence + int(counts[track])) & 0xFFFF
    headers = words.byteswap() if _LITTLE_ENDIAN else words
    return headers if channels is None else interleave(group, headers, channels)


def interleave(group: Group, headers: NDArray[np.uint32], channels: Mapping[int, int]) -> NDArray[np.uint32]:
    """Put the head of an interleaved frame (RFC 2326 section 10.12) in front of each header of `stamp`."""
    heads = np.zeros(256, np.uint32)
    for track, channel in channels.items():
        heads[track] = 0x24 << 24 | channel << 16
    first = heads[group.tracks] + (group.sizes + HEADER_SIZE).astype(np.uint32)
    words = np.empty((len(group), 4), np.uint32)
    words[:, 0] = first.byteswap() if _LITTLE_ENDIAN else first
    words[:, 1:] = headers
    return words


def tally(group: Group, senders: Mapping[int, Sender], start: int, stop: int) -> None:
    """Tell the senders that packets `start` to `stop` of a group have been sent."""
    tracks, sizes = group.tracks[start:stop], group.sizes[start:stop]
    for track, sender in senders.items():
        sent = sizes[tracks == track]
        sender.count(len(sent), int(sent.sum()))


_LITTLE_ENDIAN = np.dtype(np.uint32).newbyteorder("=").str.startswith("<")
