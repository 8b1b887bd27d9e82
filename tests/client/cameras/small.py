"""Cameras of many makers around the same few chips: odd answers, and odder H.264."""

from __future__ import annotations

from dataclasses import replace

from tests.client.cameras.camera import OK, Camera, Feed, in_packets

from reelcast.rtp.packet import Packet
from reelcast.rtp.payload.nal_units import split_nal_units
from reelcast.track import AccessUnit

__all__ = ["CAMERAS", "HEAD", "VIDEO"]

HEAD = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=stream\r\nt=0 0\r\na=control:*\r\n"
VIDEO = (
    f"{HEAD}m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    "a=fmtp:96 packetization-mode=1;profile-level-id=42C00A;sprop-parameter-sets={sprop}\r\na=control:track1\r\n"
)


_FU_H265 = 49 << 1


def _type_of_later_fragments(_: AccessUnit, packets: list[Packet]) -> list[Packet]:
    return [
        replace(packet, payload=packet.payload[:1] + bytes((packet.payload[1] & 0xC0,)) + packet.payload[2:])
        if packet.payload[0] & 0x1F == 28 and not packet.payload[1] & 0x80
        else packet
        for packet in packets
    ]


def _whole_in_a_fragment(unit: AccessUnit, packets: list[Packet]) -> list[Packet]:
    """What is small in an FU-A of its own, with both of its ends."""
    *before, _ = split_nal_units(unit.data)
    fragments = [bytes((nal[0] & 0xE0 | 28, 0xC0 | nal[0] & 0x1F)) + nal[1:] for nal in before]
    return in_packets(unit, fragments, [False] * len(before)) + [
        packet for packet in packets if packet.payload[0] & 0x1F == 28
    ]


def _fragments_of_h265(unit: AccessUnit, _: list[Packet]) -> list[Packet]:
    """The same of H.265; and of the picture, later fragments have another type than the first."""
    *before, picture = split_nal_units(unit.data)
    payloads = [bytes((_FU_H265, nal[1], 0xC0 | nal[0] >> 1)) + nal[2:] for nal in before]
    pieces = [picture[place : place + 400] for place in range(2, len(picture), 400)]
    kinds = [0x80 | picture[0] >> 1, *[0] * (len(pieces) - 2), 0x40]
    payloads += [
        bytes((_FU_H265, picture[1], kind)) + piece for kind, piece in zip(kinds, pieces, strict=True)
    ]
    return in_packets(unit, payloads)


def _frame_in_a_nal_unit(unit: AccessUnit, _: list[Packet]) -> list[Packet]:
    """The whole frame, start codes and all, as if it were one NAL unit, in fragments."""
    nal = unit.data[4:]
    indicator, kind = nal[0] & 0xE0 | 28, nal[0] & 0x1F
    pieces = [nal[place : place + 900] for place in range(1, len(nal), 900)]
    flags = [0x80, *[0] * (len(pieces) - 2), 0x40]
    return in_packets(
        unit, [bytes((indicator, flag | kind)) + piece for flag, piece in zip(flags, pieces, strict=True)]
    )


def _junk_between(unit: AccessUnit, packets: list[Packet]) -> list[Packet]:
    """Empty fragments and packets, and types that nobody knows, among what is good."""
    junk = [b"", b"\x00", b"\x1f\x01\x02", b"\x7c", b"\x1e"]
    return in_packets(unit, junk, [False] * len(junk)) + packets


def _beginning_lost(_: AccessUnit, packets: list[Packet]) -> list[Packet]:
    """The end of a frame comes first whose beginning we missed."""
    stray = replace(packets[-1], timestamp=-3_600, payload=b"\x7c\x41the end of something", marker=True)
    return [stray, *packets] if packets[0].timestamp == 0 else packets


def _another_type_within(_: AccessUnit, packets: list[Packet]) -> list[Packet]:
    return [packets[0], replace(packets[0], payload_type=50, payload=b"?"), *packets[1:]]


def _no_marker(_: AccessUnit, packets: list[Packet]) -> list[Packet]:
    return [replace(packet, marker=False) for packet in packets]


CAMERAS = {
    "Tiandy": Camera(rows=("F2",), sdp=VIDEO, feeds=(Feed("h264", bend=_type_of_later_fragments),)),
    "OpenIPC": Camera(
        rows=("F4", "T5"),
        sdp=VIDEO,
        feeds=(Feed("h264", bend=_whole_in_a_fragment),),
        udp="RTP/AVP/UDP;unicast",
    ),
    "OpenIPC with H.265": Camera(
        rows=("D16", "F4"),
        sdp=f"{HEAD}m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\na=control:track1\r\n",
        feeds=(Feed("h265", bend=_fragments_of_h265),),
    ),
    "V380": Camera(rows=("F2",), sdp=VIDEO, feeds=(Feed("h264", bend=_frame_in_a_nal_unit),)),
    "Anpviz": Camera(
        rows=("F2", "P6"),
        sdp=VIDEO,
        feeds=(Feed("h264", bend=_junk_between),),
        answers={"PLAY": (OK, "CSeq: {cseq}", "Session: 66334873")},
    ),
    "VStarcam": Camera(
        rows=("F2",),
        sdp=VIDEO,
        feeds=(Feed("h264", bend=_beginning_lost),),
    ),
    "Ivel": Camera(rows=("F2",), sdp=VIDEO, feeds=(Feed("h264", bend=_no_marker, lost=frozenset({4})),)),
    "Longse": Camera(
        rows=("M3",),
        sdp=VIDEO,
        answers={
            "SETUP": (
                "RTSP/1.0 200 OK ",
                "cseq:{cseq} ",
                "SESSION : 1044527634;timeout=60 \t",
                "transport:\t{transport} ",
            ),
        },
    ),
    "Luckfox": Camera(
        rows=("T5",),
        sdp=VIDEO,
        udp="RTP/AVP;ssrc=5c8d1a2b;unicast;client_port={client};server_port={server}",
        tcp="RTP/AVP/TCP;ssrc=5c8d1a2b;interleaved={channels};unicast",
    ),
    "Foscam": Camera(
        rows=("D20",),
        sdp=VIDEO.replace("rtpmap:96", "rtpmap: 96 ").replace("{sprop}", "{sprop};"),
        answers={"OPTIONS": ("RTSP/1.0 501 Not Implemented", "CSeq: {cseq}")},
    ),
    "Verint": Camera(
        rows=("D8",),
        sdp=VIDEO.replace("control:track1", "control:/track1"),
        answers={
            "DESCRIBE": (
                OK,
                "CSeq: {cseq}",
                "Content-Base: rtsp://rtsp://{host}/live/",
                "Content-Length: {length}",
            )
        },
    ),
    "a base without a scheme": Camera(
        rows=("D8",),
        sdp=VIDEO,
        answers={"DESCRIBE": (OK, "CSeq: {cseq}", "Content-Base: {host}/live/", "Content-Length: {length}")},
    ),
    "no base": Camera(
        rows=("D8", "D20", "P20"),
        sdp=VIDEO,
        answers={"DESCRIBE": (OK, "CSeq: {cseq}", "Content-Length: {length}")},
        play="{url}",
    ),
    "Ubiquiti": Camera(
        rows=("D20", "D21"),
        sdp=VIDEO.replace(
            "a=fmtp:96 packetization-mode=1;profile-level-id=42C00A;sprop-parameter-sets={sprop}", "a=fmtp:96"
        ),
    ),
    "Geovision": Camera(
        rows=("R7",),
        sdp=VIDEO,
        feeds=(Feed("h264", bend=_another_type_within),),
    ),
    "Hipcam": Camera(
        rows=("D20", "P6"),
        sdp="m=video 0 RTP/AVP 96\r\n" + VIDEO.partition("m=video 0 RTP/AVP 96\r\n")[2],
        answers={
            "DESCRIBE": (OK, "CSeq: {cseq}", "Content-Base: {url}/", "Content-Length: {length}"),
            "PLAY": (OK, "CSeq: {cseq}", "Session: 66334873", "Range: npt=0-", "RTP-Info: {rtp_info};"),
        },
    ),
    "Laureii": Camera(
        rows=("P6",),
        sdp=VIDEO,
        answers={"PLAY": (OK, "CSeq: {cseq}", "RTP-Info: url = {url}/track1 ; seq = 1 ; rtptime = 0")},
    ),
    "H264DVR": Camera(
        rows=("P6", "D20"),
        sdp=VIDEO.replace("s=stream", "s=H264.live\r\ns=H264.live").replace("t=0 0", "c=IN IP4 \r\nt=0 0"),
        answers={
            "PLAY": (OK, "CSeq: {cseq}", "Session: 66334873;timeout=60", "RTP-Info: url=;seq=;rtptime=")
        },
    ),
    "GW": Camera(
        rows=("D20",),
        sdp=(
            f"{HEAD}m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n"
            "m=audio 0 RTP/AVP 8\r\na=rtpmap:0 pcma/8000/1\r\na=control:track2\r\na=framerate:25\r\n"
            "a=fmtp:96 packetization-mode=1;profile-level-id=42C00A;sprop-parameter-sets={sprop}\r\n"
        ),
        feeds=(Feed("h264"), Feed("pcma")),
    ),
    "broken parameter sets": Camera(
        rows=("D21",),
        sdp=VIDEO.replace("{sprop}", "Z0I=,aM4="),
    ),
    "CV-RTSPHandler": Camera(
        rows=("D20",),
        sdp=VIDEO.replace("o=- 1 1", "o=CV-RTSPHandler 1123412 0") + "a=sendonly\r\n",
    ),
}
