"""Video streams of containers as tracks; nothing is transcoded.

NAL units change their framing, AV1 gets the temporal delimiters that MP4 and Matroska leave out, and everything
else passes as it is.
"""

from __future__ import annotations

from dataclasses import replace

from av.video.stream import VideoStream

from reelcast.errors import PayloadError
from reelcast.media import annexb
from reelcast.media.lane import FIRST_DYNAMIC_TYPE, Lane
from reelcast.rtp.payload import av1_obu, packetizer_for
from reelcast.rtp.payload.h264 import SYNTAX as H264
from reelcast.rtp.payload.h265 import SYNTAX as H265
from reelcast.rtp.payload.nal_units import NalSyntax
from reelcast.rtp.payload.vp9 import profile_of
from reelcast.track import AccessUnit, Codec, Track

__all__ = ["JPEG_TYPE", "VIDEO_CLOCK", "adapt_video", "sequence_headers", "video_wants_first"]

VIDEO_CLOCK = 90_000
JPEG_TYPE = 26
MIN_FRAME_RATE, MAX_FRAME_RATE = 1 / 60, 1000.0
"""Frames a second, from a time lapse to a high-speed camera; what claims else is taken as unknown."""

_NAL_CODECS: dict[str, tuple[Codec, NalSyntax]] = {"h264": ("h264", H264), "hevc": ("h265", H265)}
_CONFIG_HEAD = 4
"""Bytes of an AV1CodecConfigurationRecord before its OBUs (AV1 in ISO BMFF, section 2.3.3)."""
_CONFIG_MARKER = 0x81


def video_wants_first(name: str, extradata: bytes) -> bool:
    """Whether `adapt_video` needs the stream's first packet, because the header says too little."""
    if name in _NAL_CODECS:
        return not annexb.parameter_sets(_NAL_CODECS[name][1], extradata)
    return name in ("mjpeg", "vp9") or (name == "av1" and not sequence_headers(extradata))


def adapt_video(stream: VideoStream, name: str, first: bytes) -> Lane:
    """The lane of a video stream of a codec, see `reelcast.media.codecs.adapt`."""
    if name in _NAL_CODECS:
        return _nal_units(stream, *_NAL_CODECS[name], first)
    if name == "vp8":
        return Lane(_track(stream, "vp8"), bytes)
    if name == "vp9":
        return Lane(replace(_track(stream, "vp9"), profile=profile_of(first)), bytes)
    if name == "av1":
        return _av1(stream, first)
    if name == "mjpeg":
        return _jpeg(stream, first)
    raise PayloadError("there is no RTP payload format for it here")


def _nal_units(stream: VideoStream, codec: Codec, syntax: NalSyntax, first: bytes) -> Lane:
    extradata = stream.codec_context.extradata or b""
    size = annexb.length_size(syntax, extradata)

    def from_lengths(data: bytes) -> bytes:
        return annexb.lengths_to_annex_b(data, size)

    convert = from_lengths if size else annexb.with_long_start_codes
    sets = annexb.parameter_sets(syntax, extradata) or annexb.parameter_sets(syntax, convert(first))
    if not sets:
        names = "VPS, SPS and PPS" if syntax is H265 else "SPS and PPS"
        raise PayloadError(f"it has no {names} at its beginning")
    return Lane(replace(_track(stream, codec), parameter_sets=sets), convert)


def _av1(stream: VideoStream, first: bytes) -> Lane:
    headers = sequence_headers(stream.codec_context.extradata or b"") or sequence_headers(first)
    if not headers:
        raise PayloadError("it has no sequence header at its beginning")
    return Lane(replace(_track(stream, "av1"), parameter_sets=headers), _delimited)


def _delimited(data: bytes) -> bytes:
    """A temporal unit with its delimiter in front."""
    return data if data.startswith(av1_obu.TEMPORAL_DELIMITER) else av1_obu.TEMPORAL_DELIMITER + data


def sequence_headers(data: bytes) -> tuple[bytes, ...]:
    """The first sequence header of a configuration record or of a temporal unit; none where there is none."""
    obus = data[_CONFIG_HEAD:] if data and data[0] == _CONFIG_MARKER else data
    try:
        found = [each for each in av1_obu.split_obus(obus) if av1_obu.parse_sequence_header(each) is not None]
    except PayloadError:
        return ()
    return tuple(found[:1])


def _jpeg(stream: VideoStream, first: bytes) -> Lane:
    track = replace(_track(stream, "jpeg"), payload_type=JPEG_TYPE)
    # RFC 2435 carries one kind of JPEG; the first image tells whether the file has that kind.
    packetizer_for(track).packetize(AccessUnit(first, 0, 0))
    return Lane(track, bytes)


def _track(stream: VideoStream, codec: Codec) -> Track:
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    return Track(
        kind="video",
        codec=codec,
        clock_rate=VIDEO_CLOCK,
        payload_type=FIRST_DYNAMIC_TYPE,
        width=stream.codec_context.width,
        height=stream.codec_context.height,
        frame_rate=rate if MIN_FRAME_RATE <= rate <= MAX_FRAME_RATE else 0.0,
        bit_rate=max(stream.bit_rate or 0, 0),
    )
