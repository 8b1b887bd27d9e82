"""RTP payload formats, one module a codec, behind one registry.

A Packetizer turns access units into bursts, a Depacketizer turns packets back into access units. A format
also knows what SDP says of its codec: encoding name and format parameters, written and read.
"""

from __future__ import annotations

from reelcast.rtp.payload.registry import (
    Depacketizer,
    Packetizer,
    PayloadFormat,
    depacketizer_for,
    format_by_encoding,
    format_of,
    packetizer_for,
)

__all__ = [
    "Depacketizer",
    "Packetizer",
    "PayloadFormat",
    "depacketizer_for",
    "format_by_encoding",
    "format_of",
    "packetizer_for",
]
