"""The AudioSpecificConfig of AAC (ISO/IEC 14496-3 section 1.6.2.1), read and written; and ADTS taken off."""

from __future__ import annotations

from dataclasses import dataclass

from reelcast.errors import PayloadError

__all__ = ["AudioConfig", "adts_blocks", "build_config", "parse_config"]

_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
"""Sampling frequencies by their index (table 1.18)."""
_OTHER_RATE = 15
_CHANNELS = (0, 1, 2, 3, 4, 5, 6, 8)
"""Channels by channelConfiguration (table 1.19); 0 means that the stream tells."""

_AAC_LC = 2
_SBR, _PS = 5, 29
_ESCAPE = 31

_ADTS_BYTES = 7
_ADTS_CRC_BYTES = 2


@dataclass(frozen=True, slots=True)
class AudioConfig:
    """What an AudioSpecificConfig says.

    object_type      2 for AAC-LC; of the core, where SBR is signalled
    rate             samples a second of the core
    channels         0 where the stream tells
    frame_samples    samples of an access unit at `rate`: 1024, or 960 for some broadcasters
    """

    object_type: int
    rate: int
    channels: int
    frame_samples: int = 1024

    def frame_ticks(self, clock_rate: int) -> int:
        """Duration of an access unit in RTP clock ticks; with SBR the clock may run twice as fast."""
        return self.frame_samples * clock_rate // self.rate


def parse_config(data: bytes) -> AudioConfig | None:
    """Read an AudioSpecificConfig; None where it is cut short or names no known rate."""
    # The fields we read end within 12 bytes; zeros behind a short one would read as a config nobody wrote.
    value, left = int.from_bytes(data[:12], "big"), 8 * len(data[:12])

    def read(count: int) -> int:
        nonlocal left
        left -= count
        return value >> left & ((1 << count) - 1) if left >= 0 else 0

    def read_object_type() -> int:
        kind = read(5)
        return 32 + read(6) if kind == _ESCAPE else kind

    def read_rate() -> int:
        index = read(4)
        if index == _OTHER_RATE:
            return read(24)
        return _RATES[index] if index < len(_RATES) else 0

    object_type, rate, channels = read_object_type(), read_rate(), read(4)
    if object_type in (_SBR, _PS):
        read_rate()  # of the output, twice the core's
        object_type = read_object_type()
    short = read(1) if left else 0  # frameLengthFlag
    if left < 0 or not rate or not object_type or channels >= len(_CHANNELS):
        return None
    return AudioConfig(object_type, rate, _CHANNELS[channels], 960 if short else 1024)


def build_config(rate: int, channels: int, object_type: int = _AAC_LC) -> bytes:
    """Write a two-byte AudioSpecificConfig (five bytes for an uncommon rate) for frames of 1024 samples.

    PayloadError where it cannot be written so: object types from 31 on, seven channels or more than eight.
    """
    if channels not in _CHANNELS[1:] or not 0 < object_type < _ESCAPE or not 0 < rate < 1 << 24:
        raise PayloadError(f"no AudioSpecificConfig for type {object_type}, {rate} Hz, {channels} channels")
    head = object_type << 4
    if rate in _RATES:
        bits, size = head | _RATES.index(rate), 9
    else:
        bits, size = (head | _OTHER_RATE) << 24 | rate, 33
    bits, size = bits << 4 | _CHANNELS.index(channels), size + 4
    padding = -size % 8
    return (bits << padding).to_bytes((size + padding) // 8, "big")


def adts_blocks(data: bytes) -> list[bytes]:
    """The raw blocks of ADTS frames (ISO/IEC 13818-7 section 6.2) that fill `data` exactly; empty if it is none."""
    blocks: list[bytes] = []
    place = 0
    while place < len(data):
        head = data[place : place + _ADTS_BYTES]
        # Twelve bits of synchronisation, and a layer of 0; no raw block begins like that.
        if len(head) < _ADTS_BYTES or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
            return []
        begin = place + _ADTS_BYTES + (0 if head[1] & 1 else _ADTS_CRC_BYTES)
        place += (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        if not begin < place <= len(data):
            return []
        blocks.append(data[begin:place])
    return blocks
