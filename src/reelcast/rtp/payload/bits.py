"""Bits of a header: fixed lengths and Exp-Golomb codes (H.264 sections 7.3.1 and 9.1, which H.265 keeps)."""

from __future__ import annotations

__all__ = ["Bits", "unescape"]

MAX_BYTES = 1024
"""Any SPS with all its scaling lists, and any slice header with all its weights; no more is read."""


class Bits:
    """Reads bits from the left; EOFError past the end."""

    def __init__(self, data: bytes) -> None:
        payload = data[:MAX_BYTES]
        self._value = int.from_bytes(payload)
        self._left = 8 * len(payload)

    def read(self, count: int) -> int:
        """u(n): `count` bits as a number."""
        if count > self._left:
            raise EOFError
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def unsigned(self) -> int:
        """ue(v), section 9.1."""
        zeros = 0
        while not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)

    def signed(self) -> int:
        """se(v), section 9.1.1."""
        value = self.unsigned()
        return (value + 1) // 2 if value & 1 else -(value // 2)


def unescape(payload: bytes) -> bytes:
    """What follows a NAL unit's header, without emulation prevention bytes, as far as `Bits` reads."""
    return payload[:MAX_BYTES].replace(b"\0\0\3", b"\0\0")
