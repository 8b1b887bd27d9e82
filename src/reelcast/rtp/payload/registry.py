"""Which codecs can be carried: the payload formats by codec and by their encoding name in SDP."""

from __future__ import annotations

from reelcast.errors import PayloadError
from reelcast.rtp.burst import MAX_PACKET_SIZE
from reelcast.rtp.payload import aac, av1, h264, h265, jpeg, mp2t, mpa, opus, pcm, vp8, vp9
from reelcast.rtp.payload.base import Depacketizer, Packetizer, PayloadFormat
from reelcast.track import Codec, Track

__all__ = [
    "FORMATS",
    "Depacketizer",
    "Packetizer",
    "PayloadFormat",
    "depacketizer_for",
    "format_by_encoding",
    "format_of",
    "packetizer_for",
]

FORMATS = (
    h264.FORMAT,
    h265.FORMAT,
    vp8.FORMAT,
    vp9.FORMAT,
    av1.FORMAT,
    jpeg.FORMAT,
    mp2t.FORMAT,
    aac.FORMAT,
    opus.FORMAT,
    mpa.FORMAT,
    *pcm.FORMATS,
)
"""Every payload format; a codec is added by a module of its own and a name here."""

_BY_CODEC = {format.codec: format for format in FORMATS}
_BY_ENCODING = {format.encoding.upper(): format for format in (*FORMATS, aac.LATM)}


def format_of(codec: Codec) -> PayloadFormat:
    """The format that carries a codec; PayloadError where there is none."""
    found = _BY_CODEC.get(codec)
    if found is None:
        raise PayloadError(f"no RTP payload format for {codec}; there are {', '.join(_BY_CODEC)}")
    return found


def format_by_encoding(name: str) -> PayloadFormat | None:
    """The format of an encoding name of a=rtpmap, in any case (RFC 8866 section 6.6)."""
    return _BY_ENCODING.get(name.upper())


def packetizer_for(track: Track, max_packet_size: int = MAX_PACKET_SIZE) -> Packetizer:
    """A new packetizer for a track; packets are at most `max_packet_size` bytes, RTP header included."""
    return format_of(track.codec).packetizer(track, max_packet_size)


def depacketizer_for(track: Track) -> Depacketizer:
    """A new depacketizer for a track."""
    return format_of(track.codec).depacketizer(track)
