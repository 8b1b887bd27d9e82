"""TP-Link, its Tapo, and MERCURY: a section of their own that is none, huge frames, reports of a stranger."""

from __future__ import annotations

from tests.client.cameras.bends import marked_parameter_sets
from tests.client.cameras.camera import SSRC, Camera, Feed, in_packets, report

from reelcast.rtp.packet import Packet
from reelcast.rtp.payload.nal_units import split_nal_units
from reelcast.track import AccessUnit

__all__ = ["CAMERAS"]


def _sdp(brand: str) -> str:
    return (
        f'v=0\no=- 14665860 31787219 1 IN IP4 127.0.0.1\ns=Session streamed by "{brand} RTSP Server"\nt=0 0\n'
        "a=smart_encoder:virtualIFrame\nm=video 0 RTP/AVP 96\nc=IN IP4 0.0.0.0\nb=AS:4096\na=range:npt=0-\n"
        "a=control:track1\na=rtpmap:96 H264/90000\n"
        "a=fmtp:96 packetization-mode=1; profile-level-id=640016; sprop-parameter-sets={sprop};\n"
        "m=audio 0 RTP/AVP 8\na=rtpmap:8 PCMA/8000\na=control:track2\n"
        f"m=application/{brand} 0 RTP/AVP smart/1/90000\na=rtpmap:95 {brand}/90000\na=control:track3"
    )


def _one_packet_a_slice(unit: AccessUnit, _: list[Packet]) -> list[Packet]:
    """Ten thousand bytes and more, which only a connection carries."""
    return in_packets(unit, list(split_nal_units(unit.data)))


CAMERAS = {
    "TP-Link": Camera(
        rows=("D20", "F2", "R4"),
        sdp=_sdp("TP-LINK"),
        feeds=(Feed("h264", bend=marked_parameter_sets), Feed("pcma")),
        reports=(report(SSRC + 1),),
    ),
    "Tapo": Camera(
        rows=("M12",),
        sdp=_sdp("TP-LINK"),
        feeds=(Feed("h264", bend=_one_packet_a_slice), Feed("pcma")),
        udp=None,
    ),
    "MERCURY": Camera(rows=("D20",), sdp=_sdp("MERCURY"), feeds=(Feed("h264"), Feed("pcma")), line_end="\n"),
}
