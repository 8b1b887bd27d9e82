"""Dahua and Amcrest: a URL with a query, which is the base of all others."""

from __future__ import annotations

from tests.client.cameras.camera import OK, Camera, Feed

__all__ = ["CAMERAS"]

CAMERAS = {
    "Dahua": Camera(
        rows=("D8", "P6"),
        sdp=(
            "v=0\r\no=- 2251938202 2251938202 IN IP4 0.0.0.0\r\ns=Media Server\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
            "a=control:*\r\na=packetization-supported:DH\r\na=rtppayload-supported:DH\r\na=range:npt=now-\r\n"
            "m=video 0 RTP/AVP 96\r\na=control:trackID=0\r\na=framerate:25.000000\r\na=rtpmap:96 H264/90000\r\n"
            "a=fmtp:96 packetization-mode=1;profile-level-id=42C00A;sprop-parameter-sets={sprop}\r\na=recvonly\r\n"
            "m=audio 0 RTP/AVP 97\r\na=control:trackID=1\r\na=rtpmap:97 MPEG4-GENERIC/16000\r\n"
            "a=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;"
            "indexdeltalength=3;config={config}\r\na=recvonly\r\n"
            "m=application 0 RTP/AVP 107\r\na=control:trackID=4\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n"
        ),
        feeds=(Feed("h264"), Feed("aac")),
        path="/cam/realmonitor?channel=1&subtype=0&unicast=true&proto=Onvif",
        setup=("{url}/trackID=0", "{url}/trackID=1"),
        answers={
            "DESCRIBE": (
                OK,
                "CSeq: {cseq}",
                "x-Accept-Dynamic-Rate: 1",
                "Content-Base: {url}/",
                "Cache-Control: must-revalidate",
                "Content-Length: {length}",
                "Content-Type: application/sdp",
            ),
            "PLAY": (
                OK,
                "CSeq: {cseq}",
                "Session: 3145928730",
                "Range: npt=0.000000-",
                "RTP-Info: url=trackID=0;seq={seq};rtptime={rtptime},url=trackID=1;seq={seq};rtptime={rtptime}",
            ),
        },
        udp="RTP/AVP/UDP;unicast;client_port={client};server_port={server};ssrc=5C8D1A2B",
        tcp="RTP/AVP/TCP;unicast;interleaved={channels};ssrc=5C8D1A2B",
    ),
}
