"""What telephones speak, as plain samples: where a container has no name for it, and the way back.

MP4 and Matroska hold neither G.711 nor G.722, so a recording has them as L16 (RFC 3551 section 4.5.11). Whoever was
told of the codec is sent it all the same. Of G.711 each sample finds its way back to the octet that it came of, but
that a mu-law zero comes back as the positive one of two; G.722 has a past, and is encoded anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any, Final

import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from reelcast.media.decode import AudioDecoder
from reelcast.media.encode import create_encoder, start_encoder
from reelcast.rtp.payload.pcm import frame_size
from reelcast.track import AccessUnit, Codec, Track

__all__ = ["PLAIN", "TELEPHONY", "Expander", "compressor_for", "cut", "expanded"]

TELEPHONY: Final[frozenset[Codec]] = frozenset({"pcmu", "pcma", "g722"})
"""Codecs that become plain samples, and are made of them again."""
PLAIN: Final[frozenset[Codec]] = TELEPHONY | {"l16"}
"""Codecs of as many octets in each tick of the clock, between which a unit may be cut."""
_BIG_ENDIAN: Final = ">i2"
_G722_RATE: Final = 16_000
_G722_CELL: Final = 320
"""Samples that FFmpeg's encoder takes at once: 20 ms."""


def expanded(track: Track) -> Track:
    """A track of TELEPHONY as plain samples."""
    return replace(track, codec="l16", clock_rate=_G722_RATE if track.codec == "g722" else track.clock_rate)


def cut(track: Track, unit: AccessUnit, ticks: int) -> tuple[AccessUnit, AccessUnit] | None:
    """A unit in two, the second so many ticks of its clock later; None where it cannot be cut there."""
    size = frame_size(track)
    length = len(unit.data) // size
    if track.codec not in PLAIN or not 0 < ticks < length:
        return None
    first, second = unit.data[: ticks * size], unit.data[ticks * size :]
    return (
        replace(unit, data=first, duration=ticks),
        replace(unit, data=second, pts=unit.pts + ticks, dts=unit.dts + ticks, duration=length - ticks),
    )


class Expander:
    """Makes plain samples of the units of one track."""

    def __init__(self, track: Track) -> None:
        self._decoder = AudioDecoder(track)

    def __call__(self, data: bytes) -> bytes:
        """Big-endian samples of a unit's data; empty where they cannot be decoded."""
        runs = self._decoder.decode(AccessUnit(data, 0, 0))
        return b"".join(run.frame.to_ndarray().astype(_BIG_ENDIAN).tobytes() for run in runs)


def compressor_for(track: Track) -> Callable[[AccessUnit], AccessUnit]:
    """What makes units of `track`, one of TELEPHONY, of those of `expanded(track)`, which come in their order.

    Raises MediaError where there is no encoder.
    """
    return _G722() if track.codec == "g722" else _Companding(track.codec)


class _Companding:
    """G.711, sample by sample."""

    def __init__(self, codec: Codec) -> None:
        self._octets = _octets(codec)

    def __call__(self, unit: AccessUnit) -> AccessUnit:
        return replace(unit, data=self._octets[np.frombuffer(unit.data, ">u2")].tobytes())


class _G722:
    """G.722: two samples an octet, of a quantiser that follows the sound."""

    def __init__(self) -> None:
        context = create_encoder("g722", "g722")
        assert isinstance(context, AudioCodecContext)
        context.sample_rate, context.layout, context.format = _G722_RATE, "mono", "s16"
        context.time_base = Fraction(1, _G722_RATE)
        start_encoder(context, "g722")
        self._context = context

    def __call__(self, unit: AccessUnit) -> AccessUnit:
        samples = np.frombuffer(unit.data, _BIG_ENDIAN).astype(np.int16)
        # Nothing is to wait in the encoder for what follows, for there may be a gap.
        whole = np.pad(samples, (0, -len(samples) % _G722_CELL))
        frame = AudioFrame.from_ndarray(whole.reshape(1, -1), "s16", "mono")
        frame.sample_rate = _G722_RATE
        data = b"".join(bytes(packet) for packet in self._context.encode(frame))
        length = len(samples) // 2
        return replace(unit, data=data[:length], pts=unit.pts // 2, dts=unit.dts // 2, duration=length)


@cache
def _octets(codec: Codec) -> NDArray[np.uint8]:
    """The octet that is nearest to each of all samples, by the sample's bits."""
    every = np.arange(256, dtype=np.uint8)
    expander = Expander(Track("audio", codec, 8000, 0, channels=1))
    levels: NDArray[Any] = np.frombuffer(expander(every.tobytes()), _BIG_ENDIAN).astype(np.int32)
    order = np.argsort(levels, kind="stable")
    between = (levels[order][1:] + levels[order][:-1]) / 2
    samples = np.arange(1 << 16, dtype=np.uint16).astype(np.int16)
    return every[order[np.searchsorted(between, samples, side="right")]]
