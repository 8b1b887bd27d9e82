"""A Burst: the RTP packets of one access unit, laid out for sending; immutable and shared by all readers.

The packets stand back to back, each behind a 12-byte header that is right but for what belongs to the sender:
sequence numbers count from 0 and the SSRC is 0. A live stream writes its own numbers once for all readers; a VOD
session puts headers of its own in front of the shared payloads. No packet object is made for sending.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reelcast.rtp.packet import EXTENSION, HEADER

__all__ = ["MAX_PACKET_SIZE", "Burst", "lay_out"]

MAX_PACKET_SIZE = 1452
"""Bytes of an RTP packet, header included: fills an Ethernet frame of 1,500 bytes over UDP and IPv6."""


@dataclass(frozen=True, slots=True)
class Burst:
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
    timestamp = pts & 0xFFFFFFFF
    last = len(payloads) - 1
    pieces: list[bytes] = []
    if extension is not None:
        profile, data = extension
        payloads = [EXTENSION.pack(profile, len(data) // 4) + data + payloads[0], *payloads[1:]]
    for number, payload in enumerate(payloads):
        second = payload_type | 0x80 if marker and number == last else payload_type
        first = 0x80 if number or extension is None else 0x90
        pieces.append(HEADER.pack(first, second, number & 0xFFFF, timestamp, 0))
        pieces.append(payload)
    sizes = tuple(HEADER.size + len(payload) for payload in payloads)
    return Burst(b"".join(pieces), sizes, pts, dts, keyframe, duration)
