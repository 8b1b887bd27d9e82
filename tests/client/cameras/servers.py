"""Servers that stand between cameras and clients."""

from __future__ import annotations

from dataclasses import replace

from tests.client.cameras.camera import OK, Camera, Feed
from tests.client.cameras.small import HEAD, VIDEO

from reelcast.rtp.packet import Packet
from reelcast.track import AccessUnit

__all__ = ["CAMERAS"]

_BOTH = f"{VIDEO}m=audio 0 RTP/AVP 8\r\na=control:track2\r\n"

_HEAD_OF_JPEG, _HEAD_OF_TABLES, _TABLE = 8, 4, 64


def _one_table(_: AccessUnit, packets: list[Packet]) -> list[Packet]:
    """Of the two quantization tables only the first."""
    first = packets[0].payload
    begin = _HEAD_OF_JPEG + _HEAD_OF_TABLES
    table = bytes((0, 0, 0, _TABLE)) + first[begin : begin + _TABLE]
    return [
        replace(packets[0], payload=first[:_HEAD_OF_JPEG] + table + first[begin + 2 * _TABLE :]),
        *packets[1:],
    ]


def _no_tables(_: AccessUnit, packets: list[Packet]) -> list[Packet]:
    """A quality of 50, which stands for tables that everyone can compute."""
    first = packets[0].payload
    without = first[:_HEAD_OF_JPEG] + first[_HEAD_OF_JPEG + _HEAD_OF_TABLES + 2 * _TABLE :]
    return [
        replace(packet, payload=payload[:5] + b"\x32" + payload[6:])
        for packet, payload in zip(packets, [without, *(each.payload for each in packets[1:])], strict=True)
    ]


CAMERAS = {
    "Wowza": Camera(
        rows=("P6",),
        sdp=_BOTH,
        feeds=(Feed("h264"), Feed("pcma")),
        answers={
            "PLAY": (
                OK,
                "CSeq: {cseq}",
                "Session: 66334873;timeout=60",
                "Range: npt=now-",
                "RTP-Info: url=track1;seq=1;rtptime=-1,url={url}/track2;seq=1;rtptime=0",
            )
        },
    ),
    "VLC": Camera(
        rows=("M3", "D8", "D13"),
        sdp=(
            "v=0\r\no=- 16000 16000 IN IP4 host\r\ns=Unnamed\r\ni=N/A\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
            "a=tool:vlc 3\r\na=recvonly\r\na=type:broadcast\r\na=charset:UTF-8\r\na=control:{url}\r\n"
            "m=audio 0 RTP/AVP 96\r\nb=AS:128\r\nb=RR:0\r\na=rtpmap:96 mpeg4-generic/16000/1\r\n"
            "a=fmtp:96 streamtype=5; profile-level-id=15; mode=AAC-hbr; config={config}; SizeLength=13; "
            "IndexLength=3; IndexDeltaLength=3; Profile=1;\r\na=control:trackID=0\r\n"
            "m=video 0 RTP/AVP 96\r\nb=RR:0\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;"
            "profile-level-id=42c00a;sprop-parameter-sets={sprop};\r\na=control:{url}/trackID=1\r\n"
        ),
        feeds=(Feed("aac", payload_type=96), Feed("h264")),
        setup=("{url}/trackID=0", "{url}/trackID=1"),
        play="{url}",
        answers={
            "DESCRIBE": (OK, "Cseq: {cseq}", "Content-length: {length}", "Content-Base: rtsp://0.0.0.0/x")
        },
    ),
    "GStreamer": Camera(
        rows=("R14", "D20"),
        sdp=(
            f"{HEAD}a=tool:GStreamer\r\na=ts-refclk:local\r\na=mediaclk:sender\r\na=range:npt=now-\r\n"
            "m=video 0 RTP/AVP 26\r\na=rtpmap:26 JPEG/90000\r\na=framerate:25\r\na=framesize:26 160-120\r\n"
            "a=ts-refclk:local\r\na=mediaclk:sender\r\na=control:track1\r\n"
        ),
        feeds=(Feed("jpeg"),),
    ),
    "JPEG without a control": Camera(
        rows=("D8", "D20", "F6"),
        sdp="v=0\r\no=- 1 1 IP IP4\r\nm=video 0 RTP/AVP 26\r\n",
        feeds=(Feed("jpeg", bend=_no_tables),),
        setup=("{url}/",),
    ),
    "JPEG with one table": Camera(
        rows=("F6",),
        sdp=f"{HEAD}m=video 0 RTP/AVP 26\r\nb=AS: \r\na=x-dimensions:0,0\r\na=control:track1\r\n",
        feeds=(Feed("jpeg", bend=_one_table),),
    ),
    "channels of its own": Camera(
        rows=("T8",),
        sdp=_BOTH,
        feeds=(Feed("h264"), Feed("pcma")),
        udp=None,
        tcp="RTP/AVP/TCP;unicast;interleaved={other_channels};client_port=0",
    ),
    "a TCP that is not said": Camera(
        rows=("T5",), sdp=VIDEO, udp=None, tcp="RTP/AVP;unicast;interleaved={other_channels}"
    ),
    "moved": Camera(rows=("M16",), sdp=VIDEO, moved=True),
    "empty headers": Camera(
        rows=("M3",),
        sdp=VIDEO,
        answers={
            "OPTIONS": (
                "RTSP/1.0 551 Option not supported",
                "CSeq: {cseq}",
                "Public:",
                "Unsupported:",
                "Server: ",
            ),
            "SETUP": (OK, "CSeq: {cseq}", "Session:", "Transport: {transport}"),
            "PLAY": (OK, "CSeq: {cseq}", "Session:", "Range:", "RTP-Info:", "a line that is no header"),
        },
    ),
}
