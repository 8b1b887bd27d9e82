"""What becomes of a container's stream: a Track, and how its packets turn into the data of access units.

Nothing is transcoded: NAL units change their framing, ADTS headers are taken off, 16-bit samples change their
byte order (RFC 3551 section 4.5.11), and everything else passes as it is.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, replace

from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from reelcast.errors import PayloadError
from reelcast.media import annexb
from reelcast.rtp.payload import packetizer_for
from reelcast.rtp.payload.aac_config import build_config, parse_config
from reelcast.track import AccessUnit, Codec, Track

__all__ = ["Lane", "adapt", "name_of", "wants_first"]

_VIDEO_CLOCK = 90_000
_DYNAMIC = 96
"""The first dynamic payload type; the real one is given once it is known which tracks are served."""
_JPEG_TYPE = 26
_STATIC_TYPES: dict[tuple[Codec, int, int], int] = {
    ("pcmu", 8000, 1): 0,
    ("pcma", 8000, 1): 8,
    ("l16", 44100, 2): 10,
    ("l16", 44100, 1): 11,
}
"""RFC 3551 section 6, by codec, rate and channels."""
MAX_SAMPLE_RATE = 768_000
MAX_CHANNELS = 8
"""More than any recording has; a header that says so is broken."""
MIN_FRAME_RATE, MAX_FRAME_RATE = 1 / 60, 1000.0
"""Frames a second, from a time lapse to a high-speed camera; what claims else is taken as unknown."""

_ADTS_HEADER = 7
_ADTS_CHECKSUM = 2
_ADTS_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


@dataclass(frozen=True, slots=True)
class Lane:
    """The way of one stream's packets to a track.

    track      as served, but for its dynamic payload type and its control
    convert    a packet's data as an access unit has it; empty where the packet is broken
    length     exact length of converted data in units of the track's clock; None where the container tells it
    """

    track: Track
    convert: Callable[[bytes], bytes]
    length: Callable[[bytes], int] | None = None


def name_of(stream: VideoStream | AudioStream) -> str:
    """The codec's name as people know it; streams of unknown codecs have no codec context."""
    context = stream.codec_context
    return context.codec.canonical_name if context is not None else "an unknown codec"


def wants_first(stream: VideoStream | AudioStream) -> bool:
    """Whether `adapt` needs the stream's first packet, because the header says too little."""
    name = name_of(stream)
    extradata = stream.codec_context.extradata or b"" if stream.codec_context is not None else b""
    return (
        name == "mjpeg"
        or (name == "h264" and not annexb.parameter_sets(extradata))
        or (name == "aac" and parse_config(extradata) is None)
    )


def adapt(stream: VideoStream | AudioStream, first: bytes) -> Lane:
    """The lane of a stream; `first` is the data of its first keyframe, empty where that was not wanted.

    Raises PayloadError, with the reason, where the stream cannot be carried.
    """
    name = name_of(stream)
    if isinstance(stream, VideoStream):
        if name == "h264":
            return _h264(stream, first)
        if name == "mjpeg":
            return _jpeg(stream, first)
    elif name == "aac":
        return _aac(stream, first)
    elif name in _PCM:
        return _pcm(stream, *_PCM[name])
    raise PayloadError("there is no RTP payload format for it here")


def _h264(stream: VideoStream, first: bytes) -> Lane:
    extradata = stream.codec_context.extradata or b""
    size = annexb.length_size(extradata)

    def from_lengths(data: bytes) -> bytes:
        return annexb.lengths_to_annex_b(data, size)

    convert = from_lengths if size else annexb.with_long_start_codes
    sets = annexb.parameter_sets(extradata) or annexb.parameter_sets(convert(first))
    if not sets:
        raise PayloadError("it has no SPS and PPS at its beginning")
    return Lane(replace(_video(stream, "h264"), parameter_sets=sets), convert)


def _jpeg(stream: VideoStream, first: bytes) -> Lane:
    track = replace(_video(stream, "jpeg"), payload_type=_JPEG_TYPE)
    # RFC 2435 carries one kind of JPEG; the first image tells whether the file has that kind.
    packetizer_for(track).packetize(AccessUnit(first, 0, 0))
    return Lane(track, bytes)


def _video(stream: VideoStream, codec: Codec) -> Track:
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    return Track(
        kind="video",
        codec=codec,
        clock_rate=_VIDEO_CLOCK,
        payload_type=_DYNAMIC,
        width=stream.codec_context.width,
        height=stream.codec_context.height,
        frame_rate=rate if MIN_FRAME_RATE <= rate <= MAX_FRAME_RATE else 0.0,
        bit_rate=max(stream.bit_rate or 0, 0),
    )


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
        payload_type=_DYNAMIC,
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


def _pcm(stream: AudioStream, codec: Codec, width: int, swapped: bool) -> Lane:
    rate, channels = stream.codec_context.sample_rate, stream.codec_context.channels
    if not 0 < rate <= MAX_SAMPLE_RATE or not 0 < channels <= MAX_CHANNELS:
        raise PayloadError(f"{channels} channels at {rate} Hz are not possible")
    whole = width * channels

    def trimmed(data: bytes) -> bytes:
        return data[: len(data) - len(data) % whole]

    def exchanged(data: bytes) -> bytes:
        samples = array("H", trimmed(data))
        samples.byteswap()
        return samples.tobytes()

    track = Track(
        kind="audio",
        codec=codec,
        clock_rate=rate,
        payload_type=_STATIC_TYPES.get((codec, rate, channels), _DYNAMIC),
        channels=channels,
        bit_rate=8 * whole * rate,
    )
    return Lane(track, exchanged if swapped else trimmed, lambda data: len(data) // whole)


_PCM: dict[str, tuple[Codec, int, bool]] = {
    "pcm_mulaw": ("pcmu", 1, False),
    "pcm_alaw": ("pcma", 1, False),
    "pcm_s16be": ("l16", 2, False),
    "pcm_s16le": ("l16", 2, True),
}
"""By the stream's codec: ours, bytes of a sample, and whether they change places."""
