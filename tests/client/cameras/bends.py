"""What cameras do to the packets of a frame (`Feed.bend`), or of a track (`Feed.order`)."""

from __future__ import annotations

from dataclasses import replace

from tests.client.cameras.camera import in_packets

from reelcast.rtp.packet import Packet
from reelcast.rtp.payload.nal_units import split_nal_units
from reelcast.track import AccessUnit

__all__ = [
    "another_type_within",
    "beginning_lost",
    "fragments_of_h265",
    "frame_in_a_nal_unit",
    "junk_between",
    "marked_parameter_sets",
    "no_marker",
    "type_50",
    "type_of_later_fragments",
    "whole_in_a_fragment",
]

_FU_H265 = 49 << 1


def type_of_later_fragments(_: AccessUnit, packets: list[Packet]) -> list[Packet]:
    """Only the first fragment says of what type the unit is."""
    return [
        replace(packet, payload=packet.payload[:1] + bytes((packet.payload[1] & 0xC0,)) + packet.payload[2:])
        if packet.payload[0] & 0x1F == 28 and not packet.payload[1] & 0x80
        else packet
        for packet in packets
    ]


def whole_in_a_fragment(unit: AccessUnit, packets: list[Packet]) -> list[Packet]:
    """What is small in an FU-A of its own, with both of its ends."""
    *before, _ = split_nal_units(unit.data)
    fragments = [bytes((nal[0] & 0xE0 | 28, 0xC0 | nal[0] & 0x1F)) + nal[1:] for nal in before]
    return in_packets(unit, fragments, [False] * len(before)) + [
        packet for packet in packets if packet.payload[0] & 0x1F == 28
    ]


def fragments_of_h265(unit: AccessUnit, _: list[Packet]) -> list[Packet]:
    """The same of H.265; and of the picture, later fragments have another type than the first."""
    *before, picture = split_nal_units(unit.data)
    payloads = [bytes((_FU_H265, nal[1], 0xC0 | nal[0] >> 1)) + nal[2:] for nal in before]
    pieces = [picture[place : place + 400] for place in range(2, len(picture), 400)]
    kinds = [0x80 | picture[0] >> 1, *[0] * (len(pieces) - 2), 0x40]
    payloads += [
        bytes((_FU_H265, picture[1], kind)) + piece for kind, piece in zip(kinds, pieces, strict=True)
    ]
    return in_packets(unit, payloads)


def frame_in_a_nal_unit(unit: AccessUnit, _: list[Packet]) -> list[Packet]:
    """The whole frame, start codes and all, as if it were one NAL unit, in fragments."""
    nal = unit.data[4:]
    indicator, kind = nal[0] & 0xE0 | 28, nal[0] & 0x1F
    pieces = [nal[place : place + 900] for place in range(1, len(nal), 900)]
    flags = [0x80, *[0] * (len(pieces) - 2), 0x40]
    return in_packets(
        unit, [bytes((indicator, flag | kind)) + piece for flag, piece in zip(flags, pieces, strict=True)]
    )


def junk_between(unit: AccessUnit, packets: list[Packet]) -> list[Packet]:
    """Empty fragments and packets, and types that nobody knows, among what is good."""
    junk = [b"", b"\x00", b"\x1f\x01\x02", b"\x7c", b"\x1e"]
    return in_packets(unit, junk, [False] * len(junk)) + packets


def beginning_lost(_: AccessUnit, packets: list[Packet]) -> list[Packet]:
    """The end of a frame comes first whose beginning we missed."""
    stray = replace(packets[-1], timestamp=-3_600, payload=b"\x7c\x41the end of something", marker=True)
    return [stray, *packets] if packets[0].timestamp == 0 else packets


def type_50(packets: list[Packet]) -> list[Packet]:
    """Behind each frame a packet that nothing describes, under the number that the next frame begins with."""
    sent: list[Packet] = []
    for packet in packets:
        sent.append(packet)
        if packet.marker:
            number = packet.sequence + 1 & 0xFFFF
            sent.append(replace(packet, payload_type=50, sequence=number, payload=b"?"))
    return sent


def another_type_within(_: AccessUnit, packets: list[Packet]) -> list[Packet]:
    """A packet of another type, with a number of its own, inside a frame."""
    return [packets[0], replace(packets[0], payload_type=50, payload=b"?"), *packets[1:]]


def no_marker(_: AccessUnit, packets: list[Packet]) -> list[Packet]:
    """Nothing says where a frame ends, but the beginning of the next."""
    return [replace(packet, marker=False) for packet in packets]


def marked_parameter_sets(unit: AccessUnit, packets: list[Packet]) -> list[Packet]:
    """The NAL units before the picture each in a packet with a marker of its own."""
    *before, _ = split_nal_units(unit.data)
    picture = [packet for packet in packets if packet.payload[0] & 0x1F == 28]
    return in_packets(unit, before, [True] * len(before)) + picture
