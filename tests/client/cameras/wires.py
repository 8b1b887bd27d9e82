"""What happens to packets: extensions, padding, new beginnings, and bytes that a camera leaves out."""

from __future__ import annotations

from dataclasses import replace

from tests.client.cameras.camera import OK, Camera, Feed, report
from tests.client.cameras.small import HEAD, VIDEO

from reelcast.rtp.onvif import PROFILE, ReplayExtension
from reelcast.rtp.packet import HEADER_SIZE, Packet
from reelcast.rtsp.message import Frame
from reelcast.track import AccessUnit

__all__ = ["CAMERAS"]

_ADTS = bytes.fromhex("fff16040")
_SOUND = (
    f"{HEAD}m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/16000/1\r\n"
    "a=fmtp:97 mode=AAC-hbr;config={config}\r\na=control:track1\r\n"
)
_HANWHA = report() + bytes.fromhex("81ca0002 5c8d1a2b 01026869")
"""A description of the source that lacks the byte it should end with."""


def _extended(unit: AccessUnit, packets: list[Packet]) -> list[Packet]:
    """The extension of ONVIF on the first packet of a frame."""
    told = ReplayExtension(unit.pts, unit.keyframe, end=False, discontinuity=False, terminal=False, cseq=4)
    return [replace(packets[0], extension=(PROFILE, told.to_bytes())), *packets[1:]]


def _padded(packet: Packet) -> bytes:
    """Two contributing sources, and seven bytes of padding."""
    data = packet.to_bytes()
    sources = b"\0\0\0\1\0\0\0\2"
    return bytes((data[0] | 0x22,)) + data[1:HEADER_SIZE] + sources + data[HEADER_SIZE:] + bytes(6) + b"\7"


def _from_anew(packets: list[Packet]) -> list[Packet]:
    """Sequence numbers jump back between two frames; timestamps go on."""
    middle = next(place for place, packet in enumerate(packets) if packet.marker) + 1
    later = [replace(packet, sequence=9000 + number) for number, packet in enumerate(packets[middle:])]
    return packets[:middle] + later


def _twice(packets: list[Packet]) -> list[Packet]:
    return [packet for packet in packets for _ in range(2)]


def _adts_alone(unit: AccessUnit, packets: list[Packet]) -> list[Packet]:
    return [replace(packet, payload=_adts(unit)) for packet in packets]


def _adts_inside(unit: AccessUnit, packets: list[Packet]) -> list[Packet]:
    data = _adts(unit)
    head = (16).to_bytes(2) + (len(data) << 3).to_bytes(2)
    return [replace(packet, payload=head + data) for packet in packets]


def _adts(unit: AccessUnit) -> bytes:
    size = 7 + len(unit.data)
    return _ADTS[:3] + bytes((0x40 | size >> 11, size >> 3 & 0xFF, size << 5 & 0xE0 | 31, 0xFC)) + unit.data


def _leave_out(stream: bytes) -> bytes:
    """Forty bytes of the second frame's second packet are missing, as where a socket is full and nobody looks."""
    places = []
    place = markers = 0
    while place < len(stream):
        if markers == 1:
            places.append(place)
        markers += stream[place + 5] >> 7
        place += 4 + int.from_bytes(stream[place + 2 : place + 4])
    cut = places[1] + 100
    return stream[:cut] + stream[cut + 40 :]


def _frames_nobody_asked_for(stream: bytes) -> bytes:
    return Frame(77, b"who?").to_bytes() + Frame(0, b"").to_bytes() + stream


CAMERAS = {
    "an ONVIF recorder": Camera(rows=("O5", "R8"), sdp=VIDEO, feeds=(Feed("h264", bend=_extended),)),
    "padding and sources": Camera(rows=("R8",), sdp=VIDEO, feeds=(Feed("h264", wire=_padded),)),
    "numbers from anew": Camera(rows=("R7",), sdp=VIDEO, feeds=(Feed("h264", order=_from_anew),), lossy=True),
    "every packet twice": Camera(rows=("R7",), sdp=VIDEO, feeds=(Feed("h264", order=_twice),)),
    "Hanwha": Camera(rows=("R9",), sdp=VIDEO, reports=(b"junk", _HANWHA)),
    "ADTS alone": Camera(rows=("F14",), sdp=_SOUND, feeds=(Feed("aac", bend=_adts_alone),)),
    "ADTS behind AU headers": Camera(rows=("F14",), sdp=_SOUND, feeds=(Feed("aac", bend=_adts_inside),)),
    "frames nobody asked for": Camera(
        rows=("M12", "T8"), sdp=VIDEO, udp=None, damage=_frames_nobody_asked_for
    ),
    "questions back": Camera(
        rows=("M15",),
        sdp=VIDEO,
        answers={
            "PLAY": (
                "OPTIONS {url} RTSP/1.0",
                "CSeq: 900",
                "",
                "ANNOUNCE {url} RTSP/1.0",
                "CSeq: 901",
                "",
                OK,
                "CSeq: {cseq}",
                "RTP-Info: {rtp_info}",
            )
        },
        told=(200, 501),
    ),
    "bytes left out": Camera(
        rows=("M11", "F14"),
        sdp=VIDEO,
        feeds=(Feed("h264", lost=frozenset({1})),),
        udp=None,
        lossy=True,
        damage=_leave_out,
    ),
}
