"""Reolink: media before the answer to PLAY, a session with a new name in every answer, marks on parameter sets."""

from __future__ import annotations

from tests.client.cameras.bends import marked_parameter_sets
from tests.client.cameras.camera import OK, Camera, Feed

__all__ = ["CAMERAS"]

_SDP = (
    'v=0\r\no=- 1700000000000001 1 IN IP4 127.0.0.1\r\ns=Session streamed by "preview"\r\nt=0 0\r\n'
    "a=tool:Streaming Media v1\r\na=type:broadcast\r\na=control:*\r\na=range:npt=now-\r\n"
    'a=x-qt-text-nam:Session streamed by "preview"\r\n'
    "m=video 0 RTP/AVP 96\r\na=control:track1\r\nc=IN IP4 0.0.0.0\r\nb=AS:8192\r\na=range:npt=now-\r\n"
    "a=fmtp:96 packetization-mode=1;profile-level-id=640033;sprop-parameter-sets={sprop}\r\n"
    "a=rtpmap:96 H264/90000\r\na=recvonly\r\n"
    "m=audio 0 RTP/AVP 97\r\nc=IN IP4 0.0.0.0\r\nb=AS:8192\r\na=rtpmap:97 MPEG4-GENERIC/16000\r\n"
    "a=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;"
    "indexdeltalength=3;config={config};\r\na=recvonly\r\na=control:track2\r\n"
    "m=audio 0 RTP/AVP 8\r\na=control:track3\r\na=rtpmap:8 PCMA/8000\r\na=sendonly\r\n"
)

CAMERAS = {
    "Reolink": Camera(
        rows=("D20", "F2", "P6", "P19"),
        sdp=_SDP,
        feeds=(Feed("h264", bend=marked_parameter_sets), Feed("aac")),
        path="/h264Preview_01_main",
        answers={
            "SETUP": (OK, "CSeq: {cseq}", "Transport: {transport}", "Session: {number}C0FFEE0;timeout=65"),
            "PLAY": (
                OK,
                "CSeq: {cseq}",
                "Date: Thu, Jan 01 1970 00:00:09 GMT",
                "Range: npt=0.000-",
                "Session: 1C0FFEE0",
                "RTP-Info: url=track1;seq={seq};rtptime={rtptime};ssrc=5c8d1a2b, "
                "url=track2;seq={seq};rtptime={rtptime};ssrc=5c8d1a2b;",
            ),
        },
        early=True,
    ),
}
