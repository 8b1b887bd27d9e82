"""Hikvision: absolute controls with a query, wide headers, and a PLAY that says little."""

from __future__ import annotations

from tests.client.cameras.camera import OK, Camera, Feed

__all__ = ["CAMERAS"]

_SDP = (
    "v=0\r\no=- 1700000000000001 1700000000000001 IN IP4 127.0.0.1\r\ns=Media Presentation\r\ne=NONE\r\n"
    "b=AS:5050\r\nt=0 0\r\na=control:rtsp://{host}/Streaming/Channels/101/?transportmode=unicast\r\n"
    "m=video 0 RTP/AVP 96\r\nc=IN IP4 0.0.0.0\r\nb=AS:5000\r\na=recvonly\r\na=x-dimensions:160,120\r\n"
    "a=control:rtsp://{host}/Streaming/Channels/101/trackID=1?transportmode=unicast\r\n"
    "a=rtpmap:96 H264/90000\r\n"
    "a=fmtp:96 profile-level-id=420029; packetization-mode=1; sprop-parameter-sets={sprop}\r\n"
    "m=audio 0 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\nb=AS:50\r\na=recvonly\r\n"
    "a=control:rtsp://{host}/Streaming/Channels/101/trackID=2?transportmode=unicast\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
    "a=Media_header:MEDIAINFO=000102030405060708090a0b0c0d0e0f;\r\na=appversion:1.0\r\n"
)
_URIS = tuple(
    f"rtsp://{{host}}/Streaming/Channels/101/trackID={number}?transportmode=unicast" for number in (1, 2)
)
_PLAY = "rtsp://{host}/Streaming/Channels/101/?transportmode=unicast"

CAMERAS = {
    "Hikvision": Camera(
        rows=("M3", "D8", "D20", "T5"),
        sdp=_SDP,
        feeds=(Feed("h264"), Feed("pcmu")),
        path="/Streaming/Channels/101",
        setup=_URIS,
        play=_PLAY,
        answers={
            "SETUP": (OK, "CSeq:  {cseq}", "Session:        708345999;timeout=60", "Transport: {transport}"),
        },
        udp="RTP/AVP;unicast;client_port={client};server_port={server};ssrc=   1a2b;mode=play",
        tcp="RTP/AVP/TCP;unicast;interleaved={channels};ssrc= 5c8d 1a2b;mode=play",
    ),
    # Its first sequence number is another than it says.
    "Hikvision DS-2CD2032-I": Camera(
        rows=("P6",),
        sdp=_SDP,
        feeds=(Feed("h264"), Feed("pcmu")),
        path="/Streaming/Channels/101",
        setup=_URIS,
        play=_PLAY,
        answers={
            "PLAY": (
                OK,
                "CSeq: {cseq}",
                "Session:        708345999",
                "RTP-Info: url=rtsp://{host}/Streaming/Channels/101/trackID=1?transportmode=unicast;"
                "seq=0;rtptime=0,url=rtsp://{host}/Streaming/Channels/101/trackID=2?transportmode=unicast;"
                "seq=0;rtptime=0",
            )
        },
    ),
}
