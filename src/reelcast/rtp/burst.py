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

__all__ = ["MAX_PACKET_SIZE", "Burst", "extended", "lay_out"]

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

    `extension` is the first packet's header extension, see `extended`.
    """
    timestamp, last = pts & 0xFFFFFFFF, len(payloads) - 1
    headers = [HEADER.pack(PLAIN, payload_type, 0, timestamp, 0)] * len(payloads)
    if marker and payloads:
        headers[last] = HEADER.pack(PLAIN, payload_type | _MARKER, 0, timestamp, 0)
    whole = b"".join(chain.from_iterable(zip(headers, payloads, strict=True)))
    sizes = tuple([HEADER_SIZE + size for size in map(len, payloads)])
    burst = Burst(whole, sizes, pts, dts, keyframe, duration)
    return burst if extension is None else extended(burst, *extension)


def extended(burst: Burst, profile: int, data: bytes) -> Burst:
    """The burst with a header extension on its first packet: profile, and data of whole words (RFC 3550 5.3.1).

    One that is there already stands whole in the new one, behind `data`, as ONVIF's replay wants it of JPEG's.
    """
    flags, words = burst.data[0], len(data) // 4
    if flags & _EXTENDED:
        words += EXTENSION.size // 4 + EXTENSION.unpack_from(burst.data, HEADER_SIZE)[1]
    added = EXTENSION.pack(profile, words) + data
    header = bytes((flags | _EXTENDED,)) + burst.data[1:HEADER_SIZE]
    first, *others = burst.sizes
    return burst._replace(data=header + added + burst.data[HEADER_SIZE:], sizes=(first + len(added), *others))


_MARKER, _EXTENDED = 0x80, 0x10
"""In the second, and in the first octet of a header."""
