"""Audio streams of containers as tracks: passed as they are where RTP carries them, or decoded to L16.

Passed: AAC (without ADTS), Opus, MPEG audio, G.722 and PCM of 8 and 16 bits (in the byte order of RFC 3551
section 4.5.11). Decoded, without loss but for what 16 bits cannot hold: PCM of other widths, FLAC and ALAC.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable

import av
import av.error
from av.audio.codeccontext import AudioCodecContext
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream

from reelcast.errors import PayloadError
from reelcast.media.lane import FIRST_DYNAMIC_TYPE, Lane
from reelcast.rtp.payload.aac_config import build_config, parse_config
from reelcast.rtp.payload.mpa_header import parse_header
from reelcast.rtp.payload.opus_packet import OPUS_CLOCK, duration_of
from reelcast.track import Codec, Track

__all__ = ["MAX_CHANNELS", "MAX_SAMPLE_RATE", "MPA_CLOCK", "MPA_TYPE", "adapt_audio", "samples_track"]

_STATIC_TYPES: dict[tuple[Codec, int, int], int] = {
    ("pcmu", 8000, 1): 0,
    ("pcma", 8000, 1): 8,
    ("g722", 8000, 1): 9,
    ("l16", 44100, 2): 10,
    ("l16", 44100, 1): 11,
}
"""RFC 3551 section 6, by codec, clock and channels."""
MPA_TYPE = 14
MPA_CLOCK = 90_000
MAX_SAMPLE_RATE = 768_000
MAX_CHANNELS = 8
"""More than any recording has; a header that says so is broken."""

_ADTS_HEADER = 7
_ADTS_CHECKSUM = 2
_ADTS_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)

_OPUS_CHANNELS, _OPUS_MAPPING = 9, 18
"""Where the identification header (RFC 7845 section 5.1) has the channels, and how streams are put into them."""


def adapt_audio(stream: AudioStream, name: str, first: bytes) -> Lane:
    """The lane of an audio stream of a codec, see `reelcast.media.codecs.adapt`."""
    if name == "aac":
        return _aac(stream, first)
    if name == "opus":
        return _opus(stream)
    if name in _MPEG_AUDIO:
        return _mpa(stream)
    if name in _PASSED:
        return _pcm(stream, *_PASSED[name])
    if name in _LOSSLESS or name.startswith("pcm_"):
        return _decoded(stream)
    raise PayloadError("there is no RTP payload format for it here")


def _aac(stream: AudioStream, first: bytes) -> Lane:
    config = stream.codec_context.extradata or b""
    framed = parse_config(config) is None
    if framed:
        config = _adts_config(first)
    # The core's rate is the clock: a decoder of SBR doubles it, but a unit stays 1024 of the core's samples.
    known = parse_config(config)
    if known is None or not known.channels:
        raise PayloadError("its AAC configuration is missing, or has channels of its own making")
    samples = known.frame_samples
    track = Track(
        kind="audio",
        codec="aac",
        clock_rate=known.rate,
        payload_type=FIRST_DYNAMIC_TYPE,
        channels=known.channels,
        config=config,
        bit_rate=max(stream.bit_rate or 0, 0),
    )
    return Lane(track, _without_adts if framed else bytes, lambda data: samples)


def _adts_config(frame: bytes) -> bytes:
    """The AudioSpecificConfig that an ADTS header (ISO/IEC 14496-3 section 1.A.2.2) stands for, or b""."""
    if not _without_adts(frame):
        return b""
    index = frame[2] >> 2 & 0x0F
    channels = (frame[2] & 0x01) << 2 | frame[3] >> 6
    if index >= len(_ADTS_RATES) or not channels:
        return b""
    return build_config(_ADTS_RATES[index], channels + (channels == 7), (frame[2] >> 6) + 1)


def _without_adts(frame: bytes) -> bytes:
    """The raw data block of an ADTS frame; empty where it is none, or holds several."""
    if len(frame) < _ADTS_HEADER or frame[0] != 0xFF or frame[1] & 0xF6 != 0xF0 or frame[6] & 0x03:
        return b""
    end = (frame[3] & 0x03) << 11 | frame[4] << 3 | frame[5] >> 5
    start = _ADTS_HEADER + (0 if frame[1] & 0x01 else _ADTS_CHECKSUM)
    return frame[start:end] if end <= len(frame) else b""


def _opus(stream: AudioStream) -> Lane:
    head = stream.codec_context.extradata or b""
    channels = stream.codec_context.channels
    if channels > 2 or head[_OPUS_MAPPING : _OPUS_MAPPING + 1] not in (b"", b"\0"):
        raise PayloadError(f"it has Opus of {channels} channels, RTP carries mono and stereo")
    track = Track(
        kind="audio",
        codec="opus",
        clock_rate=OPUS_CLOCK,
        payload_type=FIRST_DYNAMIC_TYPE,
        channels=head[_OPUS_CHANNELS] if len(head) > _OPUS_MAPPING else channels,
        bit_rate=max(stream.bit_rate or 0, 0),
    )
    return Lane(track, lambda data: data if duration_of(data) else b"", duration_of)


def _mpa(stream: AudioStream) -> Lane:
    rate, channels = _rate_and_channels(stream)
    track = Track(
        kind="audio",
        codec="mpa",
        clock_rate=MPA_CLOCK,
        payload_type=MPA_TYPE,
        channels=channels,
        bit_rate=max(stream.bit_rate or 0, 0),
    )

    def checked(frame: bytes) -> bytes:
        header = parse_header(frame)
        return frame if header and header.rate == rate and header.size == len(frame) else b""

    def samples(frame: bytes) -> int:
        header = parse_header(frame)
        return header.samples if header else 0

    return Lane(track, checked, samples, count_rate=rate)


def _rate_and_channels(stream: AudioStream) -> tuple[int, int]:
    rate, channels = stream.codec_context.sample_rate, stream.codec_context.channels
    if not 0 < rate <= MAX_SAMPLE_RATE or not 0 < channels <= MAX_CHANNELS:
        raise PayloadError(f"{channels} channels at {rate} Hz are not possible")
    return rate, channels


def _pcm(stream: AudioStream, codec: Codec, width: int, swapped: bool) -> Lane:
    rate, channels = _rate_and_channels(stream)
    whole = width * channels

    def trimmed(data: bytes) -> bytes:
        return data[: len(data) - len(data) % whole]

    def exchanged(data: bytes) -> bytes:
        return _swapped(trimmed(data))

    if codec == "g722":
        if rate != _G722_RATE or channels != 1:
            raise PayloadError(
                f"it has G.722 of {channels} channels at {rate} Hz, RTP carries one at 16000 Hz"
            )
        rate //= 2
    return Lane(
        samples_track(codec, rate, channels, width),
        exchanged if swapped else trimmed,
        lambda data: len(data) // whole,
        frame=whole,
    )


def samples_track(codec: Codec, clock: int, channels: int, width: int) -> Track:
    """A track of plain samples of `width` bytes; under its static payload type, if it has one."""
    return Track(
        kind="audio",
        codec=codec,
        clock_rate=clock,
        payload_type=_STATIC_TYPES.get((codec, clock, channels), FIRST_DYNAMIC_TYPE),
        channels=channels,
        bit_rate=8 * width * channels * clock,
    )


def _swapped(data: bytes) -> bytes:
    samples = array("H", data)
    samples.byteswap()
    return samples.tobytes()


def _decoded(stream: AudioStream) -> Lane:
    """L16 of one or two channels, at the stream's rate."""
    rate, channels = _rate_and_channels(stream)
    channels = min(channels, 2)
    whole = 2 * channels
    decode = _decoder(stream.codec_context, "mono" if channels == 1 else "stereo")
    return Lane(
        samples_track("l16", rate, channels, 2),
        decode,
        lambda data: len(data) // whole,
        frame=whole,
    )


def _decoder(context: AudioCodecContext, layout: str) -> Callable[[bytes], bytes]:
    # Each packet is decoded by itself: with threads, a frame would come out some packets later.
    context.thread_count = 1
    resampler = AudioResampler(format="s16", layout=layout)

    def decode(data: bytes) -> bytes:
        try:
            frames = [
                converted
                for frame in context.decode(av.Packet(data))
                for converted in resampler.resample(frame)
            ]
        except (av.error.FFmpegError, ValueError):
            return b""
        samples = b"".join(frame.to_ndarray().tobytes() for frame in frames)
        return _swapped(samples) if sys.byteorder == "little" else samples

    return decode


_G722_RATE = 16_000
_MPEG_AUDIO = frozenset({"mp1", "mp2", "mp3"})
_LOSSLESS = frozenset({"alac", "flac"})
_PASSED: dict[str, tuple[Codec, int, bool]] = {
    "pcm_mulaw": ("pcmu", 1, False),
    "pcm_alaw": ("pcma", 1, False),
    "adpcm_g722": ("g722", 1, False),
    "pcm_s16be": ("l16", 2, False),
    "pcm_s16le": ("l16", 2, True),
}
"""By the stream's codec: ours, bytes of a sample, and whether they change places."""
