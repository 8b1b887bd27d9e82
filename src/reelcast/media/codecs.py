"""What becomes of a container's stream: a Track, and how its packets turn into the data of access units.

Of video see `reelcast.media.video_lanes`, of audio `reelcast.media.audio_lanes`.
"""

from __future__ import annotations

from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from reelcast.media.audio_lanes import adapt_audio
from reelcast.media.lane import Lane
from reelcast.media.video_lanes import adapt_video, video_wants_first
from reelcast.rtp.payload.aac_config import parse_config

__all__ = ["adapt", "name_of", "wants_first"]


def name_of(stream: VideoStream | AudioStream) -> str:
    """The codec's name as people know it; streams of unknown codecs have no codec context."""
    context = stream.codec_context
    return context.codec.canonical_name if context is not None else "an unknown codec"


def wants_first(stream: VideoStream | AudioStream) -> bool:
    """Whether `adapt` needs the stream's first packet, because the header says too little."""
    name = name_of(stream)
    extradata = stream.codec_context.extradata or b"" if stream.codec_context is not None else b""
    return video_wants_first(name, extradata) or (name == "aac" and parse_config(extradata) is None)


def adapt(stream: VideoStream | AudioStream, first: bytes) -> Lane:
    """The lane of a stream; `first` is the data of its first keyframe, empty where that was not wanted.

    Raises PayloadError, with the reason, where the stream cannot be carried.
    """
    name = name_of(stream)
    if isinstance(stream, VideoStream):
        return adapt_video(stream, name, first)
    return adapt_audio(stream, name, first)
