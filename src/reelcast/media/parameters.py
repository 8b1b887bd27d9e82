"""What a container's header says of a track: a stream of PyAV's, made of a Track and its first unit.

PyAV makes streams for writing of streams that were read. So one is read: a Matroska file in memory, written
here, whose one track is ours and whose one block is the first unit, from which libavformat learns what else
there is to know (picture size, profile, pixel format).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from typing import Final

import av
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from reelcast.errors import MediaError
from reelcast.media.reader import READ_ERRORS, reason_of
from reelcast.rtp.payload import av1_obu, h264, h264_sps, h265, h265_sps
from reelcast.rtp.payload.mpa_header import parse_header
from reelcast.rtp.payload.nal_units import START_CODE, NalSyntax, split_nal_units
from reelcast.track import AccessUnit, Codec, Track

__all__ = ["NAL_SYNTAXES", "extradata", "parameter_sets", "picture_size", "template"]

NAL_SYNTAXES: Final[dict[Codec, NalSyntax]] = {"h264": h264.SYNTAX, "h265": h265.SYNTAX}
"""The codecs whose units are NAL units."""

_CODEC_IDS: Final[dict[Codec, str]] = {
    "h264": "V_MPEG4/ISO/AVC",
    "h265": "V_MPEGH/ISO/HEVC",
    "vp8": "V_VP8",
    "vp9": "V_VP9",
    "av1": "V_AV1",
    "jpeg": "V_MJPEG",
    "aac": "A_AAC",
    "opus": "A_OPUS",
    "pcmu": "A_MS/ACM",
    "pcma": "A_MS/ACM",
    "l16": "A_PCM/INT/BIG",
}
"""Matroska's names (RFC 9559 section 5.1.4.1.21 and the codec registry); MPEG audio has one a layer."""
_WAVE_FORMATS: Final[dict[Codec, int]] = {"pcma": 6, "pcmu": 7}
"""wFormatTag of RIFF (RFC 2361)."""

# Identifiers of elements (RFC 8794 section 11.2, RFC 9559 section 5.1).
_EBML, _DOC_TYPE = 0x1A45DFA3, 0x4282
_SEGMENT, _INFO, _TIMESTAMP_SCALE = 0x18538067, 0x1549A966, 0x2AD7B1
_TRACKS, _TRACK_ENTRY = 0x1654AE6B, 0xAE
_NUMBER, _UID, _TYPE, _CODEC_ID, _CODEC_PRIVATE = 0xD7, 0x73C5, 0x83, 0x86, 0x63A2
_VIDEO, _WIDTH, _HEIGHT = 0xE0, 0xB0, 0xBA
_AUDIO, _RATE, _CHANNELS, _BIT_DEPTH = 0xE1, 0xB5, 0x9F, 0x6264
_CLUSTER, _TIMESTAMP, _SIMPLE_BLOCK = 0x1F43B675, 0xE7, 0xA3
_BLOCK_HEAD: Final = b"\x81\0\0\x80"
"""Track 1, at the cluster's time, a keyframe."""
_NANOSECONDS: Final = 1_000_000
"""Of a timestamp's unit: a millisecond."""


def parameter_sets(track: Track, data: bytes = b"") -> tuple[bytes, ...]:
    """The parameter sets of H.264 or H.265 in a keyframe, or else those of the track; () unless of all kinds.

    A description may be older than the stream.
    """
    syntax = NAL_SYNTAXES[track.codec]
    for nals in (split_nal_units(data), iter(track.parameter_sets)):
        sets = tuple(dict.fromkeys(nal for nal in nals if nal and syntax.kind(nal) in syntax.parameter_sets))
        if {syntax.kind(nal) for nal in sets} == set(syntax.parameter_sets):
            return sets
    return ()


def picture_size(track: Track) -> tuple[int, int]:
    """Width and height in pixels by a track's parameter sets, or else as the track says."""
    found: Iterable[h264_sps.SequenceParameters | h265_sps.SequenceParameters | None] = ()
    if track.codec == "h264":
        found = map(h264_sps.parse_sps, track.parameter_sets)
    elif track.codec == "h265":
        found = map(h265_sps.parse_sps, track.parameter_sets)
    return next(((each.width, each.height) for each in found if each), (track.width, track.height))


def extradata(track: Track) -> bytes:
    """What FFmpeg wants beside the units to decode them: parameter sets (Annex B, OBUs) or the configuration."""
    if track.codec in NAL_SYNTAXES:
        return b"".join(START_CODE + nal for nal in track.parameter_sets)
    if track.codec == "av1":
        return b"".join(map(av1_obu.sized, filter(None, track.parameter_sets)))
    return track.config


def template(track: Track, first: AccessUnit | None) -> VideoStream | AudioStream:
    """A stream to make others of, in a container that its user closes.

    `first` is the track's first unit: of video a keyframe, of MPEG audio any; other audio does without.
    Raises MediaError where no stream can be made of these.
    """
    try:
        container = av.open(
            io.BytesIO(_matroska(track, b"" if first is None else first.data)), format="matroska"
        )
        stream = container.streams[0]
    except READ_ERRORS as error:
        raise MediaError(f"{track.codec} {track.kind} cannot be described: {reason_of(error)}") from error
    if isinstance(stream, VideoStream) and stream.codec_context.width and stream.codec_context.height:
        return stream
    if isinstance(stream, AudioStream):
        return stream
    container.close()
    raise MediaError(f"{track.codec} {track.kind} cannot be described: its first unit is broken")


def _matroska(track: Track, data: bytes) -> bytes:
    entry = [
        _element(_NUMBER, _number(1)),
        _element(_UID, _number(1)),
        _element(_TYPE, _number(1 if track.kind == "video" else 2)),
        *(_video(track) if track.kind == "video" else _audio(track, data)),
    ]
    segment = [
        _element(_INFO, _element(_TIMESTAMP_SCALE, _number(_NANOSECONDS))),
        _element(_TRACKS, _element(_TRACK_ENTRY, *entry)),
        _element(_CLUSTER, _element(_TIMESTAMP, _number(0)), _element(_SIMPLE_BLOCK, _BLOCK_HEAD, data)),
    ]
    return _element(_EBML, _element(_DOC_TYPE, b"matroska")) + _element(_SEGMENT, *segment)


def _video(track: Track) -> Iterable[bytes]:
    yield _element(_CODEC_ID, _codec_id(track))
    # No size is one to be learned: the unit knows better than a description that may be old.
    yield _element(_VIDEO, _element(_WIDTH, _number(0)), _element(_HEIGHT, _number(0)))
    if private := extradata(track):
        yield _element(_CODEC_PRIVATE, private)


def _audio(track: Track, data: bytes) -> Iterable[bytes]:
    rate, channels = track.clock_rate, max(track.channels, 1)
    if track.codec == "mpa":
        header = parse_header(data)
        if header is None:
            raise ValueError("no frame of MPEG audio")
        rate, channels = header.rate, header.channels
        yield _element(_CODEC_ID, b"A_MPEG/L%d" % header.layer)
    else:
        yield _element(_CODEC_ID, _codec_id(track))
    shape = [_element(_RATE, struct.pack(">d", rate)), _element(_CHANNELS, _number(channels))]
    if track.codec == "l16":
        shape.append(_element(_BIT_DEPTH, _number(16)))
    yield _element(_AUDIO, *shape)
    if private := _private(track, channels):
        yield _element(_CODEC_PRIVATE, private)


def _codec_id(track: Track) -> bytes:
    name = _CODEC_IDS.get(track.codec)
    if name is None:
        raise ValueError("containers have no name for it")
    return name.encode()


def _private(track: Track, channels: int) -> bytes:
    if track.codec == "opus":
        # RFC 7845 section 5.1; nothing is skipped, for a recording begins somewhere in the stream.
        return struct.pack("<8sBBHIHB", b"OpusHead", 1, channels, 0, track.clock_rate, 0, 0)
    if track.codec in _WAVE_FORMATS:
        rate = track.clock_rate
        return struct.pack(
            "<HHIIHHH", _WAVE_FORMATS[track.codec], channels, rate, rate * channels, channels, 8, 0
        )
    return extradata(track)


def _element(identifier: int, *content: bytes) -> bytes:
    """An EBML element, its size in eight bytes (RFC 8794 section 4)."""
    data = b"".join(content)
    return identifier.to_bytes((identifier.bit_length() + 7) // 8) + (len(data) | 1 << 56).to_bytes(8) + data


def _number(value: int) -> bytes:
    return value.to_bytes(8)
