"""What an Opus packet says of itself (RFC 6716 section 3): how long it lasts, and the frames it holds."""

from __future__ import annotations

__all__ = ["OPUS_CLOCK", "duration_of", "split_frames"]

OPUS_CLOCK = 48_000
"""Hz; the clock of Opus in RTP whatever rate was encoded (RFC 7587 section 4.1)."""
MAX_DURATION = 5760
"""Samples in one packet at 48 kHz: 120 ms (RFC 6716 section 3.2.5)."""
MAX_FRAME_BYTES = 1275
"""Of one frame: what its length can say (RFC 6716 section 3.2.1)."""

_SILK = (480, 960, 1920, 2880)
_HYBRID = (480, 960)
_CELT = (120, 240, 480, 960)
_FRAME_SAMPLES = (*3 * _SILK, *2 * _HYBRID, *4 * _CELT)
"""Samples of a frame at 48 kHz, by the configuration number (RFC 6716 table 2)."""
_TWO_BYTE_LENGTH = 252
_VARIABLE, _PADDED, _COUNT = 0x80, 0x40, 0x3F
"""The frame count byte of code 3 (RFC 6716 section 3.2.5)."""


def duration_of(packet: bytes) -> int:
    """Samples at 48 kHz that a packet lasts, from its TOC; 0 where that is not possible."""
    if not packet:
        return 0
    counts = (1, 2, 2, packet[1] & _COUNT if len(packet) > 1 else 0)
    samples = counts[packet[0] & 3] * _FRAME_SAMPLES[packet[0] >> 3]
    return samples if samples <= MAX_DURATION else 0


def split_frames(packet: bytes) -> list[bytes]:
    """The frames of a packet, each as a packet of its own (code 0); empty where the packet is malformed.

    A decoder makes the same of them: frames of one packet share its configuration, and nothing else.
    """
    if not duration_of(packet):
        return []
    code, place, end = packet[0] & 3, 1, len(packet)
    sizes: list[int] = []
    count, variable = (1, False) if code == 0 else (2, code == 2)
    if code == 3:
        count, variable = packet[1] & _COUNT, bool(packet[1] & _VARIABLE)
        place, padding = _padding(packet) if packet[1] & _PADDED else (2, 0)
        end -= padding
    for _ in range(count - 1 if variable else 0):
        size, place = _length(packet, place)
        sizes.append(size)
    rest = end - place - sum(sizes)
    if not variable:
        if rest % count:
            return []
        sizes = [rest // count] * count
    else:
        sizes.append(rest)
    if min(sizes) < 0 or max(sizes) > MAX_FRAME_BYTES:
        return []
    head = bytes((packet[0] & 0xFC,))
    frames: list[bytes] = []
    for size in sizes:
        frames.append(head + packet[place : place + size])
        place += size
    return frames


def _padding(packet: bytes) -> tuple[int, int]:
    """Where the length of the padding ends, and how many bytes of padding stand at the packet's end."""
    place, padding = 2, 0
    while place < len(packet):
        value = packet[place]
        place += 1
        # 255 stands for 254 bytes, and for another byte of length.
        padding += min(value, 254)
        if value < 255:
            return place, padding
    return place, len(packet)


def _length(packet: bytes, place: int) -> tuple[int, int]:
    """A frame's length at `place`, and where the next field begins; what is cut short is too long to be true."""
    first, second = (*packet[place : place + 2], 0, 0)[:2]
    if first < _TWO_BYTE_LENGTH:
        return first, place + 1
    return 4 * second + first, place + 2
