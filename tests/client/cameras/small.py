"""Cameras of many makers around the same few chips: odd answers, and odder H.264."""

from __future__ import annotations

from tests.client.cameras import bends
from tests.client.cameras.camera import OK, Camera, Feed

__all__ = ["CAMERAS", "HEAD", "VIDEO"]

HEAD = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=stream\r\nt=0 0\r\na=control:*\r\n"
VIDEO = (
    f"{HEAD}m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    "a=fmtp:96 packetization-mode=1;profile-level-id=42C00A;sprop-parameter-sets={sprop}\r\na=control:track1\r\n"
)

CAMERAS = {
    "Tiandy": Camera(rows=("F2",), sdp=VIDEO, feeds=(Feed("h264", bend=bends.type_of_later_fragments),)),
    "OpenIPC": Camera(
        rows=("F4", "T5"),
        sdp=VIDEO,
        feeds=(Feed("h264", bend=bends.whole_in_a_fragment),),
        udp="RTP/AVP/UDP;unicast",
    ),
    "OpenIPC with H.265": Camera(
        rows=("D16", "F4"),
        sdp=f"{HEAD}m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\na=control:track1\r\n",
        feeds=(Feed("h265", bend=bends.fragments_of_h265),),
    ),
    "V380": Camera(
        rows=("D20", "D21", "F2"),
        sdp=VIDEO.replace("o=- 1 1 IN IP4 127.0.0.1\r\n", "").replace("42C00A", "QsAK"),
        feeds=(Feed("h264", bend=bends.frame_in_a_nal_unit),),
    ),
    "VStarcam": Camera(
        rows=("D20", "D21"),
        sdp=(
            "v=0\r\no=VSTC 1 1 IN IP4 127.0.0.1\r\ns=stream\r\ne=NONE\r\nt=0 0\r\n"
            "m=video 0 RTP/AVP 96\r\na=control:track1\r\na=rtpmap:96 H264/90000\r\n"
            "a=fmtp:96 packetization-mode=1;profile-level-id=42c00a;sprop-parameter-sets=6fd9Xw==,6fd9Xw==\r\n"
            "m=audio 0 RTP/AVP 8\t \r\na=control:track2\r\na=rtpmap:8 PCMA/8000/1\r\n\r\n"
        ),
        feeds=(Feed("h264"), Feed("pcma")),
        answers={"DESCRIBE": (OK, "Cseq: {cseq}", "Content-Length: {length}")},
        play="{url}",
    ),
    "Anpviz": Camera(
        rows=("D20",),
        sdp=VIDEO.replace("mode=1", "mode=0").replace("{sprop}", "{sprop};config=0000000167;")
        + "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 MPEG4-GENERIC/16000/1\r\na=fmtp:0 config={config}\r\na=control:track2",
        feeds=(Feed("h264"), Feed("aac", payload_type=0)),
    ),
    "Anjvision": Camera(
        rows=("D8",),
        sdp=VIDEO,
        answers={"DESCRIBE": (OK, "CSeq: {cseq}", "Content-Base: {host}/live/", "Content-Length: {length}")},
    ),
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
        tcp="RTP/AVP/TCP;ssrc=5c8d1a2b;interleaved={channels}",
    ),
    "Rubetek": Camera(
        rows=("T5",),
        sdp=VIDEO,
        answers={
            "SETUP": (
                OK,
                "CSeq: {cseq}",
                "Session: 5657612475258969210",
                "Transport: {transport}",
                'WWW-Authenticate: Digest realm="camera",nonce="0"',
            )
        },
        udp='RTP/AVP;unicast;client_port={client};server_port={server};ssrc=0x6f7c;mode="PLAY"',
        tcp='RTP/AVP/TCP;unicast;interleaved={channels};ssrc=0x6f7c;mode="PLAY"',
    ),
    "Foscam": Camera(
        rows=("D8",),
        sdp=f"{VIDEO}m=audio 0 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\nb=AS:64\r\na=control:track2\r\n",
        feeds=(Feed("h264"), Feed("pcmu")),
        answers={
            "OPTIONS": ("RTSP/1.0 501 Not Implemented", "CSeq: {cseq}"),
            "DESCRIBE": (
                OK,
                "CSeq: {cseq}",
                "Content-Base: rtsp://127.0.0.1:65534/videoMain/",
                "Content-Length: {length}",
            ),
        },
        setup=("rtsp://127.0.0.1:65534/videoMain/track1", "rtsp://127.0.0.1:65534/videoMain/track2"),
        play="rtsp://127.0.0.1:65534/videoMain/",
    ),
    "Vitek": Camera(
        rows=("D8", "D20"),
        sdp=(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=RTSP SESSION\r\nu=http:///\r\nt=0 0\r\na=control:*\r\n"
            "a=range:npt=00.000- \r\nm=video 0 RTP/AVP 96\r\na=control:track1\r\na=rtpmap:96 H264/90000\r\n"
            "a=fmtp:62 profile-level-id=42e00a; sprop-parameter-sets={sprop}; packetization-mode=1\r\n"
        ),
        path="/chID=2&streamType=sub",
    ),
    "Bosch": Camera(
        rows=("R7",),
        sdp=VIDEO.replace("96", "35"),
        feeds=(Feed("h264", payload_type=35),),
    ),
    "Ubiquiti": Camera(
        rows=("D13", "D20"),
        sdp=(
            f"{HEAD}a=range:npt=now-\r\nm=audio 0 RTP/AVP 96\r\na=recvonly\r\n"
            "a=rtpmap:96 mpeg4-generic/16000/1\r\na=control:track1\r\na=fmtp:96 streamtype=5; "
            "mode=AAC-hbr; config={config}; SizeLength=13; IndexLength=3; IndexDeltaLength=3;\r\n"
            "m=audio 0 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\na=control:track2\r\na=fmtp:96\r\n"
            "m=video 0 RTP/AVP 97\r\na=control:track3\r\na=rtpmap:97 H264/90000\r\n"
            "a=fmtp:97 profile-level-id=42c00a; packetization-mode=1; sprop-parameter-sets={sprop}\r\n"
        ),
        feeds=(Feed("aac", payload_type=96), Feed("opus"), Feed("h264", payload_type=97)),
        setup=("{url}/track1", "{url}/track2", "{url}/track3"),
    ),
    "Uniview": Camera(rows=("R7",), sdp=VIDEO, feeds=(Feed("h264", order=bends.type_50),)),
    "GW": Camera(
        rows=("M3", "P6"),
        sdp=f"{VIDEO}m=audio 0 RTP/AVP 0\r\na=control:track2\r\n",
        feeds=(Feed("h264"), Feed("pcmu")),
        answers={
            "SETUP": (OK, "CSeq: {cseq}", "Session: 9a90de54; timeout=120", "Transport: {transport}"),
            "PLAY": (
                OK,
                "CSeq: {cseq}",
                "Range: npt=0.000-",
                "RTP-Info: url={url}/track1;seq={seq};rtptime={rtptime}",
            ),
        },
    ),
    "Laureii": Camera(
        rows=("P6",),
        sdp=VIDEO,
        answers={
            "PLAY": (OK, "CSeq: {cseq}", "Range: npt=0.000-", "RTP-Info: url={url}/track1;seq=0;rtptime=0;")
        },
    ),
    "H264DVR": Camera(
        rows=("P6",),
        sdp=VIDEO,
        answers={"PLAY": (OK, "Server: H264DVR 1.0", "Cseq: {cseq}", "Range: npt=now-", "Session: 66334873")},
    ),
    "CV-RTSPHandler": Camera(
        rows=("D20",),
        sdp=VIDEO.replace("o=- 1 1", "o=CV-RTSPHandler 1123412 0") + "a=sendonly\r\n",
    ),
}
