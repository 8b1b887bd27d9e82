"""One RTP packet (RFC 3550 section 5.1), parsed; a run of them; and the header that senders write.

Objects of these kinds exist on the receiving side only: a sender lays out whole bursts (see `burst`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

__all__ = ["EXTENSION", "HEADER", "HEADER_SIZE", "PLAIN", "Packet", "Run"]

HEADER = Struct("!BBHII")
"""Version and flags, marker and payload type, sequence number, timestamp, SSRC."""
HEADER_SIZE = HEADER.size
PLAIN = 0x80
"""The first byte of a header of version 2 without padding, extension and contributing sources."""
EXTENSION = Struct("!HH")
"""Profile, and the length of the data behind it in words of four bytes."""


@dataclass(frozen=True, slots=True)
class Packet:
    """A received RTP packet.

    sequence     16 bits, as sent
    timestamp    32 bits, as sent
    payload      what stands behind header, CSRCs and extension, without padding
    extension    the header extension's profile and its data, or None (RFC 3550 section 5.3.1)
    """

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    marker: bool
    payload: bytes
    extension: tuple[int, bytes] | None = None

    @classmethod
    def parse(cls, data: bytes) -> Packet | None:
        """Read one datagram; None where it is no valid RTP packet (RFC 3550 appendix A.1)."""
        if len(data) < HEADER_SIZE:
            return None
        flags, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
        if flags >> 6 != 2:
            return None
        start = HEADER_SIZE + 4 * (flags & 0x0F)
        end = len(data)
        extension = None
        if flags & 0x10:
            if end < start + 4:
                return None
            profile, words = EXTENSION.unpack_from(data, start)
            extension = profile, data[start + 4 : start + 4 + 4 * words]
            start += 4 + 4 * words
        if start > end:
            return None
        if flags & 0x20:
            padding = data[-1] if end > start else 0
            if padding == 0 or padding > end - start:
                return None
            end -= padding
        return cls(second & 0x7F, sequence, timestamp, ssrc, second >= 0x80, data[start:end], extension)

    def to_bytes(self) -> bytes:
        """The packet as it goes on the wire; an extension is padded to whole words with zeros."""
        flags = 0x90 if self.extension else 0x80
        head = HEADER.pack(
            flags, self.marker << 7 | self.payload_type, self.sequence, self.timestamp, self.ssrc
        )
        if self.extension is None:
            return head + self.payload
        profile, data = self.extension
        words = (len(data) + 3) // 4
        return head + EXTENSION.pack(profile, words) + data.ljust(4 * words, b"\0") + self.payload


@dataclass(slots=True)
class Run:
    """Packets of one source that follow one another, without padding and extension: a frame, or a part of one.

    sequence    16 bits, of the first of them
    timestamp   32 bits, of all of them
    marker      of the last; no other has it
    payloads    of each, in order; at least one
    """

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    marker: bool
    payloads: list[bytes]

    def packets(self) -> Iterator[Packet]:
        """One by one."""
        last = len(self.payloads) - 1
        for number, payload in enumerate(self.payloads):
            sequence = self.sequence + number & 0xFFFF
            marker = self.marker and number == last
            yield Packet(self.payload_type, sequence, self.timestamp, self.ssrc, marker, payload)
