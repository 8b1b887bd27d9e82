"""What becomes of a container's stream: a Track, and how its packets turn into the data of access units.

Video is passed as it is but for the framing of NAL units; of audio see `reelcast.media.audio_lanes`.
"""

from __future__ import annotations

from dataclasses import replace

from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from reelcast.errors import PayloadError
from reelcast.media import annexb
from reelcast.media.audio_lanes import adapt_audio
from reelcast.media.lane import FIRST_DYNAMIC_TYPE, Lane
from reelcast.rtp.payload import packetizer_for
from reelcast.rtp.payload.aac_config import parse_config
from reelcast.track import AccessUnit, Codec, Track

__all__ = ["adapt", "name_of", "wants_first"]

_VIDEO_CLOCK = 90_000
_JPEG_TYPE = 26
MIN_FRAME_RATE, MAX_FRAME_RATE = 1 / 60, 1000.0
"""Frames a second, from a time lapse to a high-speed camera; what claims else is taken as unknown."""


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
    else:
        return adapt_audio(stream, name, first)
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
        payload_type=FIRST_DYNAMIC_TYPE,
        width=stream.codec_context.width,
        height=stream.codec_context.height,
        frame_rate=rate if MIN_FRAME_RATE <= rate <= MAX_FRAME_RATE else 0.0,
        bit_rate=max(stream.bit_rate or 0, 0),
    )
