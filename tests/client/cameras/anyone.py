"""Cameras whose makers are not known, or many: one thing wrong with each."""

from __future__ import annotations

from tests.client.cameras import bends
from tests.client.cameras.camera import OK, Camera, Feed
from tests.client.cameras.small import HEAD, VIDEO

__all__ = ["CAMERAS"]

CAMERAS = {
    "junk between packets": Camera(
        rows=("F2", "F14"), sdp=VIDEO, feeds=(Feed("h264", bend=bends.junk_between),)
    ),
    "joined amid a frame": Camera(rows=("F2",), sdp=VIDEO, feeds=(Feed("h264", bend=bends.beginning_lost),)),
    "no markers": Camera(
        rows=("F2",), sdp=VIDEO, feeds=(Feed("h264", bend=bends.no_marker, lost=frozenset({4})),)
    ),
    "another type in between": Camera(
        rows=("R7",), sdp=VIDEO, feeds=(Feed("h264", bend=bends.another_type_within),)
    ),
    "another type than described": Camera(
        rows=("R7",),
        sdp=f"{VIDEO}m=audio 0 RTP/AVP 8\r\na=control:track2\r\n",
        feeds=(Feed("h264", payload_type=99), Feed("pcma")),
    ),
    "a scheme said twice": Camera(
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
    "no base": Camera(
        rows=("D8", "D20", "P20"),
        sdp=VIDEO,
        answers={"DESCRIBE": (OK, "CSeq: {cseq}", "Content-Length: {length}")},
        play="{url}",
    ),
    "a section alone": Camera(
        rows=("D20", "P6"),
        sdp="m=video 0 RTP/AVP 96\r\n" + VIDEO.partition("m=video 0 RTP/AVP 96\r\n")[2],
        answers={
            "DESCRIBE": (OK, "CSeq: {cseq}", "Content-Base: {url}/", "Content-Length: {length}"),
            "PLAY": (OK, "CSeq: {cseq}", "Session: 66334873", "RTP-Info: {rtp_info};"),
        },
    ),
    "white space": Camera(
        rows=("D20", "P6"),
        sdp=VIDEO.replace("rtpmap:96", "rtpmap: 96 ").replace("{sprop}", " {sprop} ;"),
        answers={
            "PLAY": (OK, "CSeq: {cseq}", "RTP-Info: url = {url}/track1 ; seq = {seq} ; rtptime = {rtptime}")
        },
    ),
    "lines said twice": Camera(
        rows=("D20", "P6"),
        sdp=VIDEO.replace("s=stream", "s=stream\r\ns=stream").replace("t=0 0", "c=IN IP4 \r\nt=0 0"),
        answers={
            "PLAY": (OK, "CSeq: {cseq}", "Session: 66334873;timeout=60", "RTP-Info: url=;seq=;rtptime=")
        },
    ),
    "parameters with the audio": Camera(
        rows=("D20",),
        sdp=(
            f"{HEAD}m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n"
            "m=audio 0 RTP/AVP 8\r\na=rtpmap:0 pcma/8000/1\r\na=control:track2\r\na=framerate:25\r\n"
            "a=fmtp:96 packetization-mode=1;profile-level-id=42C00A;sprop-parameter-sets={sprop}\r\n"
        ),
        feeds=(Feed("h264"), Feed("pcma")),
    ),
    "broken parameter sets": Camera(rows=("D21",), sdp=VIDEO.replace("{sprop}", "Z0I=,aM4=")),
}
