"""One RTP packet (RFC 3550 section 5.1), parsed; and the header that senders write.

Objects of this kind exist on the receiving side only: a sender lays out whole bursts (see `burst`).
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

__all__ = ["EXTENSION", "HEADER", "HEADER_SIZE", "Packet"]

HEADER = Struct("!BBHII")
"""Version and flags, marker and payload type, sequence number, timestamp, SSRC."""
HEADER_SIZE = HEADER.size
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
