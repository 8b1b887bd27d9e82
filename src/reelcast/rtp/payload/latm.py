"""AAC as LATM carries it (RFC 6416 section 6): read alone. GStreamer publishes so, and some cameras send it.

The configuration is out of band (cpresent=0): then each audioMuxElement is units behind their lengths, in a packet
of its own or in several, of which the last has the marker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from reelcast.errors import PayloadError
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload.aac_config import parse_config
from reelcast.rtp.payload.base import Continuity, OneByOne, Step
from reelcast.rtp.payload.bits import Bits
from reelcast.track import AccessUnit, Track

__all__ = ["MAX_ELEMENT_BYTES", "LatmDepacketizer", "apply_latm_parameters", "audio_config"]

MAX_ELEMENT_BYTES: Final = 1 << 16
"""Of one audioMuxElement that is put together: 64 units at the highest bit rates, the most that one can hold."""

_OTHER_RATE = 15
_SBR, _PS = 5, 29
_GENERAL = frozenset({1, 2, 3, 4, 7})
"""Audio object types whose specific configuration is the general one and no more (ISO 14496-3 section 4.4.1)."""
_EXTENSION = 0x2B7
"""Says, behind the configuration of an old decoder, what there is for newer ones."""


class LatmDepacketizer(OneByOne):
    """Packets of one track into units, without ADTS or LATM around them."""

    def __init__(self, track: Track) -> None:
        config = parse_config(track.config)
        self._ticks = config.frame_ticks(track.clock_rate) if config else 0
        self._continuity = Continuity()
        self._timestamp = 0
        self._element = bytearray()
        self._doubtful = False

    def receive(self, packet: Packet) -> list[AccessUnit]:
        """Take the next packet; see `Depacketizer`."""
        step = self._continuity.step(packet.sequence)
        if step is Step.REPEATED:
            return []
        if step is Step.GAP or packet.timestamp != self._timestamp:
            self._element.clear()
            # Behind a gap, it may be the rest of an element that has begun: then its lengths are none.
            self._doubtful = step is Step.GAP
        self._timestamp = packet.timestamp
        self._element += packet.payload
        if len(self._element) > MAX_ELEMENT_BYTES:
            self._element.clear()
            self._doubtful = True
        if not packet.marker:
            return []
        pieces, whole = _split(bytes(self._element))
        doubtful, self._doubtful = self._doubtful, False
        self._element.clear()
        if doubtful and not whole:
            return []
        return [self._unit(piece, number) for number, piece in enumerate(pieces)]

    def _unit(self, data: bytes, number: int) -> AccessUnit:
        pts = self._timestamp + number * self._ticks & 0xFFFFFFFF
        return AccessUnit(data, pts, pts, duration=self._ticks)


def _split(element: bytes) -> tuple[list[bytes], bool]:
    """What is behind each PayloadLengthInfo (ISO 14496-3 section 1.7.3), and whether nothing is left over.

    A length is a sum of bytes up to the first below 255.
    """
    pieces: list[bytes] = []
    place = 0
    while place < len(element):
        size = 0
        while element[place : place + 1] == b"\xff":
            size, place = size + 0xFF, place + 1
        if place == len(element):
            return pieces, False
        size, place = size + element[place], place + 1
        if size > len(element) - place:
            return pieces, False
        if size:
            pieces.append(element[place : place + size])
        place += size
    return pieces, True


def apply_latm_parameters(track: Track, parameters: Mapping[str, str]) -> Track:
    """Read the a=fmtp of MP4A-LATM (RFC 6416 section 7.3); PayloadError for what is not AAC alone, set up there."""
    try:
        mux = bytes.fromhex(parameters.get("config", ""))
    except ValueError:
        mux = b""
    # Unsaid, cpresent is 1; but where there is a config, that is what counts.
    config = audio_config(mux)
    if config is None:
        raise PayloadError("MP4A-LATM without a configuration of plain AAC in a=fmtp")
    info = parse_config(config)
    channels = info.channels if info and info.channels else track.channels
    return replace(track, config=config, channels=channels, latm=True)


def audio_config(mux: bytes) -> bytes | None:
    """The AudioSpecificConfig of a StreamMuxConfig (ISO 14496-3 section 1.7.3) of AAC alone; None of others."""
    bits = _Bits(mux)
    try:
        version, same_time = bits.read(1), bits.read(1)
        bits.read(6)  # numSubFrames: how many there are shows in their lengths
        programs, layers = bits.read(4), bits.read(3)
        begin = bits.place
        if version or not same_time or programs or layers or not _pass_audio(bits):
            return None
    except EOFError:
        return None
    end = bits.place
    # GStreamer may leave the end out, which says that lengths are given as we expect them.
    frame_length_type = bits.read(3) if bits.left >= 3 else 0
    return None if frame_length_type else bits.cut(begin, end)


def _pass_audio(bits: _Bits) -> bool:
    """Go behind an AudioSpecificConfig, whose end only its content tells; whether that is known."""
    kind = bits.read(5)
    _pass_rate(bits)
    channels = bits.read(4)
    if kind in (_SBR, _PS):
        _pass_rate(bits)
        kind = bits.read(5)
    if kind not in _GENERAL or not channels:
        return False
    bits.read(1)  # frameLengthFlag
    if bits.read(1):  # dependsOnCoreCoder
        bits.read(14)
    extended = bits.read(1)
    if not extended and bits.peek(11) == _EXTENSION:
        bits.read(11)
        if bits.read(5) == _SBR and bits.read(1):
            _pass_rate(bits)
    return not extended


def _pass_rate(bits: _Bits) -> None:
    if bits.read(4) == _OTHER_RATE:
        bits.read(24)


class _Bits(Bits):
    """Bits whose place is known."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._total = self._left

    @property
    def left(self) -> int:
        """How many are left."""
        return self._left

    @property
    def place(self) -> int:
        """How many were read."""
        return self._total - self._left

    def peek(self, count: int) -> int | None:
        """What `read` would give; None where there are not so many."""
        return self._value >> (self._left - count) & ((1 << count) - 1) if count <= self._left else None

    def cut(self, begin: int, end: int) -> bytes:
        """The bits between two places, with zeros behind them up to a whole byte."""
        value = self._value >> (self._total - end) & ((1 << (end - begin)) - 1)
        padding = (begin - end) % 8
        return (value << padding).to_bytes((end - begin + padding) // 8)
