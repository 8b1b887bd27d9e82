"""A Burst: the RTP packets of one access unit, laid out for sending; immutable and shared by all readers.

The packets stand back to back, each behind a 12-byte header that is right but for what belongs to the sender:
sequence number and SSRC are 0. A live stream writes its own numbers once for all readers; a VOD
session puts headers of its own in front of the shared payloads. No packet object is made for sending.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from reelcast.rtp.packet import EXTENSION, HEADER, HEADER_SIZE, PLAIN

__all__ = ["MAX_PACKET_SIZE", "Burst", "lay_out"]

MAX_PACKET_SIZE = 1452
"""Bytes of an RTP packet, header included: fills an Ethernet frame of 1,500 bytes over UDP and IPv6."""


class Burst(NamedTuple):
    """The packets of one access unit, or of several audio units that share a packet.

    data        the packets back to back
    sizes       the bytes of each packet, header included
    pts         presentation time of the first unit, in units of the track's clock, not wrapped
    dts         when it is due to be sent, on the same axis
    keyframe    True where decoding can start
    duration    of all units in it together, in the same units
    """

    data: bytes
    sizes: tuple[int, ...]
    pts: int
    dts: int
    keyframe: bool
    duration: int


def lay_out(
    payloads: Sequence[bytes],
    payload_type: int,
    pts: int,
    dts: int,
    *,
    keyframe: bool = True,
    duration: int = 0,
    marker: bool = True,
    extension: tuple[int, bytes] | None = None,
) -> Burst:
    """Put an RTP header in front of each payload; `marker` is set on the last packet alone (RFC 3550 5.1).

    `extension` is the first packet's header extension: profile, and data of whole words (RFC 3550 5.3.1).
    """
    timestamp, last = pts & 0xFFFFFFFF, len(payloads) - 1
    headers = [HEADER.pack(PLAIN, payload_type, 0, timestamp, 0)] * len(payloads)
    if marker and payloads:
        headers[last] = HEADER.pack(PLAIN, payload_type | _MARKER, 0, timestamp, 0)
    if extension is not None:
        profile, data = extension
        payloads = [EXTENSION.pack(profile, len(data) // 4) + data + payloads[0], *payloads[1:]]
        headers[0] = bytes((headers[0][0] | _EXTENDED,)) + headers[0][1:]
    whole = b"".join(chain.from_iterable(zip(headers, payloads, strict=True)))
    sizes = tuple([HEADER_SIZE + size for size in map(len, payloads)])
    return Burst(whole, sizes, pts, dts, keyframe, duration)


_MARKER, _EXTENDED = 0x80, 0x10
"""In the second, and in the first octet of a header."""
