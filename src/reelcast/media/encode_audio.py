"""From samples to access units: see `reelcast.media.encode`.

Samples are counted: those of one call follow those of the call before without a gap, however unevenly the calls
come, until they are so late that some must be missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, Final

import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.packet import Packet
from av.stream import Stream
from numpy.typing import NDArray

from reelcast.errors import MediaError
from reelcast.media.audio_lanes import MAX_CHANNELS, MAX_SAMPLE_RATE, MPA_CLOCK, MPA_TYPE, samples_track
from reelcast.media.encode import ENCODE_ERRORS, create_encoder, start_encoder
from reelcast.media.lane import FIRST_DYNAMIC_TYPE
from reelcast.media.reader import reason_of
from reelcast.rtp.payload.opus_packet import OPUS_CLOCK
from reelcast.track import AccessUnit, Codec, Track

__all__ = ["AUDIO_CODECS", "AudioEncoder", "to_sound"]

BIT_RATE: Final = 64_000
"""Of one channel, where no other is asked for."""
MAX_LATE: Final = 0.2
"""Seconds by which samples may be late before it is taken that some are missing."""
PCM_SECONDS: Final = Fraction(1, 50)
"""Of a unit of samples that are not compressed."""
_USUAL_RATE: Final = 48_000

_ENCODERS: Final[dict[Codec, tuple[str, str, frozenset[int]]]] = {
    "aac": (
        "aac",
        "fltp",
        frozenset({96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000}),
    ),
    "opus": ("libopus", "flt", frozenset({OPUS_CLOCK})),
    "mpa": ("mp2", "s16", frozenset({48000, 44100, 32000})),
    "pcmu": ("pcm_mulaw", "s16", frozenset({8000})),
    "pcma": ("pcm_alaw", "s16", frozenset({8000})),
    "g722": ("g722", "s16", frozenset({16000})),
    "l16": ("pcm_s16be", "s16", frozenset()),
}
"""FFmpeg's encoder, the samples it takes, and the rates it may be given; none where any will do."""
_MONO: Final = frozenset({"pcmu", "pcma", "g722"})
"""What telephones speak is one channel; players expect no other."""
_MAX_CHANNELS: Final = 2
"""Of what is coded: what every payload format carries."""
_COMPRESSED: Final = frozenset({"aac", "opus", "mpa"})

AUDIO_CODECS: Final = tuple(_ENCODERS)


def to_sound(samples: NDArray[Any], channels: int) -> NDArray[Any]:
    """Samples for an encoder: a copy of an array, int16 or float32, shaped (samples, channels).

    One channel may be shaped (samples,). What is louder than 1 is cut there. Raises ValueError for anything else.
    """
    if not isinstance(samples, np.ndarray):
        kind = type(samples).__name__
        raise ValueError(f"samples are an array, int16 or float32 shaped (samples, {channels}), not {kind}")
    if samples.ndim == 1 and channels == 1:
        samples = samples[:, np.newaxis]
    if samples.dtype not in (np.int16, np.float32) or samples.ndim != 2 or samples.shape[1] != channels:
        raise ValueError(
            f"samples are int16 or float32 shaped (samples, {channels}), not {samples.dtype} {samples.shape}"
        )
    if samples.dtype == np.int16:
        return samples.copy()
    if not np.isfinite(samples).all():
        raise ValueError("samples are finite numbers between -1 and 1: these hold NaN or an infinity")
    # An encoder may refuse what is very loud, and end with it.
    sound = samples.copy()
    return sound.clip(-1.0, 1.0, out=sound)


class AudioEncoder:
    """One track of audio.

    codec          one of AUDIO_CODECS
    sample_rate    of what it is given, in Hz; another is made of it where the codec wants another
    channels       of what it is given; likewise
    bit_rate       bits a second; None for what suits the channels

    Raises MediaError where there is no such encoder, or it refuses.
    """

    def __init__(self, codec: Codec, sample_rate: int, channels: int, *, bit_rate: int | None = None) -> None:
        if codec not in _ENCODERS:
            raise MediaError(
                f"{codec} is no codec of audio that can be encoded; use one of {', '.join(_ENCODERS)}"
            )
        if not 0 < sample_rate <= MAX_SAMPLE_RATE or not 0 < channels <= MAX_CHANNELS:
            raise MediaError(f"{channels} channels at {sample_rate} Hz are not possible")
        name, format, rates = _ENCODERS[codec]
        self._rate, self._channels = sample_rate, channels
        self._coded_rate = (
            sample_rate if sample_rate in rates or not rates else min(rates, key=_far_from_usual)
        )
        coded = 1 if codec in _MONO else min(channels, _MAX_CHANNELS)
        layout = "mono" if coded == 1 else "stereo"
        context = create_encoder(codec, name)
        assert isinstance(context, AudioCodecContext)
        context.sample_rate, context.layout, context.format = self._coded_rate, layout, format
        context.time_base = Fraction(1, self._coded_rate)
        if codec in _COMPRESSED:
            context.bit_rate = bit_rate or BIT_RATE * coded
        start_encoder(context, codec)
        self._context = context
        self._resampler = AudioResampler(
            format, layout, self._coded_rate, context.frame_size or round(self._coded_rate * PCM_SECONDS)
        )
        self.track = _describe(codec, self._coded_rate, coded, context)
        self._start: float | None = None
        self._read = 0

    def encode(self, samples: NDArray[Any], seconds: float) -> list[AccessUnit]:
        """Samples as `to_sound` makes them, the first of them heard at a time. Raises MediaError."""
        expected = seconds if self._start is None else self._start + self._read / self._rate
        if self._start is None or seconds - expected > MAX_LATE:
            self._start = seconds - self._read / self._rate
        packed = samples.reshape(1, -1)
        layout = _LAYOUTS[self._channels]
        frame = AudioFrame.from_ndarray(packed, "s16" if packed.dtype == np.int16 else "flt", layout)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._read, Fraction(1, self._rate)
        self._read += len(samples)
        return self._run(frame)

    def flush(self) -> list[AccessUnit]:
        """What still waits for a whole unit, at the end; the encoder takes no more."""
        return self._run(None) if self._start is not None else []

    def _run(self, frame: AudioFrame | None) -> list[AccessUnit]:
        try:
            packets: list[Packet[Stream]] = []
            for whole in self._resampler.resample(frame):
                packets += self._context.encode(whole)
            if frame is None:
                packets += self._context.encode(None)
        except ENCODE_ERRORS as error:
            raise MediaError(
                f"samples cannot be encoded as {self.track.codec}: {reason_of(error)}"
            ) from error
        return list(self._units(packets))

    def _units(self, packets: Iterable[Packet[Stream]]) -> Iterable[AccessUnit]:
        clock, rate = self.track.clock_rate, self._coded_rate
        start = round((self._start or 0.0) * clock)
        for packet in packets:
            # Those of AAC and Opus begin before the first sample, with what primes the decoder.
            place = start + round(Fraction((packet.pts or 0) * clock, rate))
            yield AccessUnit(
                bytes(packet), place, place, True, round(Fraction((packet.duration or 0) * clock, rate))
            )


def _far_from_usual(rate: int) -> int:
    return abs(rate - _USUAL_RATE)


_LAYOUTS: Final = ("", "mono", "stereo", "2.1", "quad", "5.0", "5.1", "6.1", "7.1")
"""FFmpeg's, by the number of channels."""


def _describe(codec: Codec, rate: int, channels: int, context: AudioCodecContext) -> Track:
    if codec not in _COMPRESSED:
        clock = rate // 2 if codec == "g722" else rate
        return samples_track(codec, clock, channels, 2 if codec == "l16" else 1)
    return Track(
        kind="audio",
        codec=codec,
        clock_rate=MPA_CLOCK if codec == "mpa" else rate,
        payload_type=MPA_TYPE if codec == "mpa" else FIRST_DYNAMIC_TYPE,
        channels=channels,
        config=bytes(context.extradata or b"") if codec == "aac" else b"",
        bit_rate=context.bit_rate or 0,
    )
