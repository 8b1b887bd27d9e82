"""Packets of an MPEG transport stream, written by hand."""

from __future__ import annotations

__all__ = ["ts_packet"]


def ts_packet(clock: int | None = None, program: int = 256) -> bytes:
    """A packet, with a clock reference at 90 kHz in its adaptation field or without one."""
    head = bytes((0x47, program >> 8, program & 0xFF))
    if clock is None:
        return (head + b"\x10").ljust(188, b"\xff")
    base = (clock % (1 << 33) << 15).to_bytes(6)
    return (head + b"\x30\x07\x10" + base).ljust(188, b"\xff")
