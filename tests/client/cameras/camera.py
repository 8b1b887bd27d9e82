"""What a camera is to these tests: how it words its answers, and what it does to its packets.

Everything here is of our own making, in the manner of the devices that it is named for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tests.client.cameras.footage import Footage, footage
from tests.rtp.payload.wire import packets_of

from reelcast.rtp.clock import unix_to_ntp
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload import packetizer_for
from reelcast.rtp.payload.jpeg_image import parse_image
from reelcast.rtp.rtcp import SenderReport, compound
from reelcast.track import AccessUnit, Codec

__all__ = [
    "DESCRIBE",
    "FIRST_SEQUENCE",
    "FIRST_TIME",
    "FIRST_TIMESTAMP",
    "SSRC",
    "Bend",
    "Camera",
    "Feed",
    "Frame",
    "as_sent",
    "in_packets",
    "report",
]

SSRC = 0x5C8D1A2B
FIRST_SEQUENCE = 0xFFFC
FIRST_TIMESTAMP = 0xFFFFF000
"""Both wrap soon: a camera that has run for long is the usual one."""
FIRST_TIME = 1_700_000_000.0
"""Of the cameras that report, by their own clock."""
PACKET_SIZE = 1_000

Frame = tuple[float, bool, bytes]
"""Seconds of the presentation, whether decoding can start there, and the essence of the data."""
Bend = Callable[[AccessUnit, list[Packet]], list[Packet]]
"""What a camera makes of the packets of one frame; they are numbered afterwards."""

OK = "RTSP/1.0 200 OK"
DESCRIBE = (
    OK,
    "CSeq: {cseq}",
    "Content-Base: {url}/",
    "Content-Type: application/sdp",
    "Content-Length: {length}",
)
ANSWERS: Mapping[str, tuple[str, ...]] = {
    "OPTIONS": (OK, "CSeq: {cseq}", "Public: OPTIONS, DESCRIBE, SETUP, TEARDOWN, PLAY, GET_PARAMETER"),
    "DESCRIBE": DESCRIBE,
    "SETUP": (OK, "CSeq: {cseq}", "Session: 66334873;timeout=60", "Transport: {transport}"),
    "PLAY": (OK, "CSeq: {cseq}", "Session: 66334873", "Range: npt=0.000-", "RTP-Info: {rtp_info}"),
    "TEARDOWN": (OK, "CSeq: {cseq}"),
}


def as_sent(_: AccessUnit, packets: list[Packet]) -> list[Packet]:
    """Nothing is bent."""
    return packets


def in_order(packets: list[Packet]) -> list[Packet]:
    """Nor is the order or the numbering."""
    return packets


def in_packets(unit: AccessUnit, payloads: list[bytes], markers: list[bool] | None = None) -> list[Packet]:
    """Packets of a video track with these payloads; the last has the marker, where nothing else is said."""
    last = len(payloads) - 1
    given = markers or [place == last for place in range(len(payloads))]
    return [
        Packet(96, 0, unit.pts, 0, marker, payload) for payload, marker in zip(payloads, given, strict=True)
    ]


def report(ssrc: int = SSRC) -> bytes:
    """A sender report: the first timestamp is of `FIRST_TIME`."""
    return compound(SenderReport(ssrc, unix_to_ntp(FIRST_TIME), FIRST_TIMESTAMP, 0, 0))


@dataclass(frozen=True)
class Feed:
    """One track that a client can receive.

    bend           what the camera does within a frame; order: and to the numbered packets of all
    wire           how a packet is written
    payload_type   as its SDP has it; None where that is the codec's in `footage`
    lost           frames that cannot come out
    """

    codec: Codec
    bend: Bend = as_sent
    order: Callable[[list[Packet]], list[Packet]] = in_order
    wire: Callable[[Packet], bytes] = Packet.to_bytes
    payload_type: int | None = None
    lost: frozenset[int] = frozenset()

    @property
    def footage(self) -> Footage:
        """What it carries."""
        return footage(self.codec)

    def packets(self) -> list[bytes]:
        """All of it on the wire."""
        track = self.footage.track
        number = self.payload_type if self.payload_type is not None else track.payload_type
        packetizer = packetizer_for(replace(track, payload_type=number), PACKET_SIZE)
        found = [
            packet
            for unit in self.footage.units
            for packet in self.bend(unit, packets_of(packetizer.packetize(unit) + packetizer.flush()))
        ]
        return [self.wire(packet) for packet in self.order([_placed(*each) for each in enumerate(found)])]

    def expected(self) -> list[Frame]:
        """What comes out."""
        rate = self.footage.track.clock_rate
        return [
            (unit.pts / rate, unit.keyframe, self.essence(unit.data))
            for number, unit in enumerate(self.footage.units)
            if number not in self.lost
        ]

    def essence(self, data: bytes) -> bytes:
        """What must be the same behind the network: of JPEG, whose headers do not travel, the coded picture."""
        return parse_image(data).scan if self.codec == "jpeg" else data


def _placed(number: int, packet: Packet) -> Packet:
    return replace(
        packet,
        sequence=FIRST_SEQUENCE + number & 0xFFFF,
        timestamp=packet.timestamp + FIRST_TIMESTAMP & 0xFFFFFFFF,
        ssrc=SSRC,
    )


@dataclass(frozen=True)
class Camera:
    """A camera, or a server of its kind.

    rows         of docs/conformance.md that it is a test of
    sdp          may use {sprop}, {config}, {host} and {url}
    feeds        the tracks that a client is to find, in order
    answers      heads by method, a line each, in place of those of `ANSWERS`; what `Stage.fill` knows may stand
                 in them
    setup, play  the URIs that it must be asked for
    udp, tcp     its Transport headers; without one, that transport is not for this camera
    told         the statuses that its own questions must be answered with
    moved        True where another URL leads to it
    early        True where media comes before the answer to PLAY
    reports      RTCP that comes first
    lossy        True where frames refer to what may have been lost
    damage       what becomes of interleaved media on the way
    """

    rows: tuple[str, ...]
    sdp: str
    feeds: tuple[Feed, ...] = (Feed("h264"),)
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    path: str = "/live"
    setup: tuple[str, ...] = ("{url}/track1", "{url}/track2")
    play: str = "{url}/"
    udp: str | None = "RTP/AVP;unicast;client_port={client};server_port={server}"
    tcp: str | None = "RTP/AVP/TCP;unicast;interleaved={channels}"
    line_end: str = "\r\n"
    told: tuple[int, ...] = ()
    moved: bool = False
    early: bool = False
    lossy: bool = False
    reports: tuple[bytes, ...] = ()
    damage: Callable[[bytes], bytes] = bytes

    def answer(self, method: str) -> str:
        """The head of the answer, its fields not yet filled in; 501 where it has none."""
        lines = (
            self.answers.get(method)
            or ANSWERS.get(method)
            or ("RTSP/1.0 501 Not Implemented", "CSeq: {cseq}")
        )
        return self.line_end.join([*lines, "", ""])
