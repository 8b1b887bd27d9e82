"""RTCP: the reports that go beside the media (RFC 3550 section 6), read and written.

`parse` reads a datagram of several packets back to back, a compound packet, into small dataclasses;
`compound` writes them. What other types a compound holds (feedback, application data, extended reports) is
stepped over. `next_interval` says when to send the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

__all__ = [
    "MAX_BLOCKS",
    "MAX_PACKETS",
    "Bye",
    "ReceiverReport",
    "Report",
    "ReportBlock",
    "SenderReport",
    "SourceDescription",
    "compound",
    "is_rtcp",
    "next_interval",
    "parse",
]

MAX_BLOCKS: Final = 31
"""Report blocks, chunks or sources in one packet: the count has five bits (RFC 3550 section 6.4)."""
MAX_PACKETS: Final = 64
"""Packets read of one compound. Real ones have two to five; a datagram of empty ones would be thousands."""
MAX_TEXT: Final = 255
"""Bytes of a CNAME or a reason: the length has eight bits (RFC 3550 section 6.5)."""
MIN_INTERVAL: Final = 5.0
"""Seconds between compounds, the fixed minimum of RFC 3550 section 6.2."""

_SENDER_REPORT: Final = 200
_RECEIVER_REPORT: Final = 201
_SOURCE_DESCRIPTION: Final = 202
_BYE: Final = 203
_TYPES: Final = range(192, 224)
"""What can be an RTCP packet type; anything else is no RTCP (RFC 5761 section 4)."""
_END: Final = 0
_CNAME: Final = 1

_HEADER = Struct("!BBH")
_SSRC = Struct("!I")
_SENDER_INFO = Struct("!IQIII")
_BLOCK = Struct("!IIIIII")
_COMPENSATION: Final = 1.21828
"""e - 3/2, which undoes the shortening by timer reconsideration (RFC 3550 section 6.3.1)."""


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """How one source is received (RFC 3550 section 6.4.1).

    fraction_lost         of the packets since the last report, in 1/256
    cumulative_lost       signed 24 bits: duplicates can make it negative
    highest_sequence      cycles in the upper 16 bits, highest sequence number received in the lower
    jitter                in units of the source's RTP clock
    last_sr               the middle 32 bits of the NTP time of the last sender report, 0 if there was none
    delay_since_last_sr   since that report arrived, in 1/65536 s
    """

    ssrc: int
    fraction_lost: int
    cumulative_lost: int
    highest_sequence: int
    jitter: int
    last_sr: int
    delay_since_last_sr: int


@dataclass(frozen=True, slots=True)
class SenderReport:
    """SR (RFC 3550 section 6.4.1): one moment on two clocks, and what was sent until then.

    ntp       64-bit NTP time, seconds since 1900 in the upper half; 0 if the sender has no wall clock
    rtp       the same moment as an RTP timestamp
    packets   sent since the start; octets: of their payloads. Both wrap at 32 bits
    """

    ssrc: int
    ntp: int
    rtp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """RR (RFC 3550 section 6.4.2)."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """The CNAME of one source (RFC 3550 section 6.5.1), the same for all tracks of a presentation."""

    ssrc: int
    cname: str


@dataclass(frozen=True, slots=True)
class Bye:
    """BYE: these sources send no more (RFC 3550 section 6.6)."""

    ssrcs: tuple[int, ...]
    reason: str = ""


Report = SenderReport | ReceiverReport | SourceDescription | Bye


def is_rtcp(data: bytes) -> bool:
    """Whether a datagram looks like RTCP rather than RTP, where both may arrive (RFC 5761 section 4)."""
    return len(data) > 1 and data[1] in _TYPES


def parse(data: bytes) -> list[Report]:
    """Read a compound packet; never raises, and stops at the first packet that cannot be trusted.

    The checks are those of RFC 3550 appendix A.2, but for its first packet: that it is no SR or RR is the
    reduced size of RFC 5506, and accepted.
    """
    reports: list[Report] = []
    for kind, count, body in _packets(data):
        if kind == _SENDER_REPORT:
            if len(body) < _SENDER_INFO.size + count * _BLOCK.size:
                break
            ssrc, ntp, rtp, packets, octets = _SENDER_INFO.unpack_from(body)
            blocks = _blocks(body, _SENDER_INFO.size, count)
            reports.append(SenderReport(ssrc, ntp, rtp, packets, octets, blocks))
        elif kind == _RECEIVER_REPORT:
            if len(body) < _SSRC.size + count * _BLOCK.size:
                break
            (ssrc,) = _SSRC.unpack_from(body)
            reports.append(ReceiverReport(ssrc, _blocks(body, _SSRC.size, count)))
        elif kind == _SOURCE_DESCRIPTION:
            reports.extend(_descriptions(body, count))
        elif kind == _BYE:
            if len(body) < count * _SSRC.size:
                break
            reports.append(_bye(body, count))
    return reports


def _packets(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Type, count and body of each packet, without padding."""
    start = 0
    for _ in range(MAX_PACKETS):
        if start + _HEADER.size > len(data):
            return
        first, kind, words = _HEADER.unpack_from(data, start)
        body = start + _HEADER.size
        end = body + 4 * words
        if first >> 6 != 2 or kind not in _TYPES or end > len(data):
            return
        start = end
        if first & 0x20:
            # Only the last packet may be padded (section 6.4.1), in whole words.
            padding = data[end - 1]
            if end != len(data) or padding == 0 or padding % 4 or padding > end - body:
                return
            end -= padding
        yield kind, first & 0x1F, data[body:end]


def _blocks(body: bytes, start: int, count: int) -> tuple[ReportBlock, ...]:
    blocks: list[ReportBlock] = []
    for offset in range(start, start + count * _BLOCK.size, _BLOCK.size):
        ssrc, loss, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, offset)
        lost = loss & 0xFFFFFF
        if lost >= 1 << 23:
            lost -= 1 << 24
        blocks.append(ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last_sr, delay))
    return tuple(blocks)


def _descriptions(body: bytes, count: int) -> Iterator[SourceDescription]:
    """The chunks that have a CNAME; a chunk may end with the packet (Hanwha sends no end byte)."""
    place = 0
    for _ in range(count):
        if place + _SSRC.size > len(body):
            return
        (ssrc,) = _SSRC.unpack_from(body, place)
        place += _SSRC.size
        while place + 1 < len(body) and body[place] != _END:
            item, text = body[place], place + 2
            place = text + body[place + 1]
            if place > len(body):
                return
            if item == _CNAME:
                yield SourceDescription(ssrc, body[text:place].decode(errors="replace"))
        # At least one zero byte ends a chunk, more of them fill its last word.
        place = (place + 4) & ~3


def _bye(body: bytes, count: int) -> Bye:
    end = count * _SSRC.size
    ssrcs = tuple(ssrc for (ssrc,) in _SSRC.iter_unpack(body[:end]))
    if len(body) == end:
        return Bye(ssrcs)
    return Bye(ssrcs, body[end + 1 : end + 1 + body[end]].decode(errors="replace"))


def compound(*reports: Report) -> bytes:
    """Write one compound packet in the order of RFC 3550 section 6.1: SR and RR, then SDES, then BYE.

    More report blocks than one packet counts go on in receiver reports behind it. A compound that shall pass
    every receiver's check has an SR or RR, if an empty one, and an SDES with the CNAME.
    """
    return b"".join(map(_written, sorted(reports, key=_rank)))


def _rank(report: Report) -> int:
    if isinstance(report, Bye):
        return 2
    return 1 if isinstance(report, SourceDescription) else 0


def _written(report: Report) -> bytes:
    if isinstance(report, SourceDescription):
        text = _text(report.cname)
        chunk = _SSRC.pack(report.ssrc) + bytes((_CNAME, len(text))) + text
        return _packet(_SOURCE_DESCRIPTION, 1, chunk + bytes(4 - len(chunk) % 4))
    if isinstance(report, Bye):
        ssrcs = b"".join(map(_SSRC.pack, report.ssrcs[:MAX_BLOCKS]))
        text = _text(report.reason)
        reason = bytes((len(text),)) + text if text else b""
        return _packet(_BYE, len(ssrcs) // 4, ssrcs + reason + bytes(-len(reason) % 4))
    first, rest = report.blocks[:MAX_BLOCKS], report.blocks[MAX_BLOCKS:]
    if isinstance(report, SenderReport):
        kind = _SENDER_REPORT
        counters = (value & 0xFFFFFFFF for value in (report.rtp, report.packets, report.octets))
        head = _SENDER_INFO.pack(report.ssrc, report.ntp, *counters)
    else:
        kind = _RECEIVER_REPORT
        head = _SSRC.pack(report.ssrc)
    packet = _packet(kind, len(first), head + _written_blocks(first))
    return packet + _written(ReceiverReport(report.ssrc, rest)) if rest else packet


def _written_blocks(blocks: Sequence[ReportBlock]) -> bytes:
    return b"".join(
        _BLOCK.pack(
            block.ssrc,
            block.fraction_lost << 24 | block.cumulative_lost & 0xFFFFFF,
            block.highest_sequence,
            block.jitter,
            block.last_sr,
            block.delay_since_last_sr,
        )
        for block in blocks
    )


def _text(text: str) -> bytes:
    """As UTF-8, cut to what its length byte can say, at a whole character."""
    return text.encode(errors="replace")[:MAX_TEXT].decode(errors="ignore").encode()


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, kind, len(body) // 4) + body


def next_interval(random: float, *, initial: bool = False) -> float:
    """Seconds until the next compound (RFC 3550 sections 6.2 and 6.3.1).

    `random` is uniform in [0, 1); before the first compound the minimum is halved. The two members of a
    unicast session never outgrow the minimum interval, so neither members nor bandwidth come into it.
    """
    minimum = MIN_INTERVAL / 2 if initial else MIN_INTERVAL
    return minimum * (0.5 + random) / _COMPENSATION
