"""From access units to pictures and samples.

    decoder = decoder_for(track)
    for picture in decoder.decode(unit):
        print(picture.pts, picture.to_ndarray().shape)

A decoder works in the thread that calls it and lets other threads run meanwhile (PyAV lets go of the GIL). It
adds no delay: a picture comes out with its own unit, unless B-frames want it later. Pictures are made into
arrays only when asked. No bytes make it raise: what cannot be decoded is left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import av.error
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.codec import codecs_available
from av.codec.context import CodecContext, ThreadType
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from reelcast.errors import MediaError, ReelcastError
from reelcast.media.parameters import NAL_SYNTAXES, extradata, parameter_sets
from reelcast.rtp.payload.nal_units import split_nal_units
from reelcast.track import AccessUnit, Track

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["AudioDecoder", "Picture", "PixelFormat", "Samples", "VideoDecoder", "decoder_for"]

PixelFormat = Literal["bgr24", "rgb24", "bgra", "rgba", "gray8"]
"""Layouts of arrays: channels in this order, eight bits each."""

MAX_PIXELS = 8192 * 4352
"""Of one picture: 8K has fewer. A header may claim 16384 x 16384, and a decoder keeps sixteen such pictures."""
DECODE_ERRORS = (av.error.FFmpegError, OSError, ValueError, MemoryError)
"""What PyAV raises on broken data."""

_PYAV_FORMATS: dict[PixelFormat, str] = {"gray8": "gray"}
_VIDEO = {"h264": "h264", "h265": "hevc", "jpeg": "mjpeg", "vp8": "vp8", "vp9": "vp9", "av1": "libdav1d"}
_AUDIO = {
    "aac": "aac",
    "opus": "opus",
    "mpa": "mp3float",
    "pcmu": "pcm_mulaw",
    "pcma": "pcm_alaw",
    "l16": "pcm_s16be",
    "g722": "g722",
}
"""FFmpeg's decoders by our name of the codec; that of MP3 decodes all layers of MPEG audio."""
_RATES = {"g722": 16_000, "mpa": 0}
"""Samples a second where the clock tells another number; each frame of MPEG audio tells its own."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded video frame.

    frame      PyAV's, with its pixels as the decoder left them
    pts        that of the access unit, in units of the track's clock
    key        True where decoding could start with it
    corrupt    True where it is damaged, or refers to a picture that is damaged or missing
    """

    frame: VideoFrame
    pts: int
    key: bool
    corrupt: bool = False

    def __reduce__(self) -> NoReturn:
        raise TypeError("a picture cannot be pickled: send what its to_ndarray() gives")

    @property
    def width(self) -> int:
        """Pixels."""
        return self.frame.width

    @property
    def height(self) -> int:
        """Pixels."""
        return self.frame.height

    @property
    def format(self) -> str:
        """FFmpeg's name of the pixel format as decoded: "yuv420p" mostly."""
        return self.frame.format.name

    def to_ndarray(self, format: PixelFormat = "bgr24") -> NDArray[np.uint8]:
        """The pixels, converted by the matrix and range that the stream names (BT.601 where it names none).

        Shaped (height, width, channels), or (height, width) for gray8. A copy that is the caller's to change.
        """
        # More threads are started anew for each picture, and cost more than they bring.
        array = self.frame.to_ndarray(format=_PYAV_FORMATS.get(format, format), threads=1)
        # Rows of widths that are no multiple of a power of two come with a margin.
        return np.ascontiguousarray(array, np.uint8)

    def to_image(self) -> Image:
        """The pixels as an RGB image of Pillow; ReelcastError where Pillow is not installed."""
        try:
            from PIL.Image import fromarray
        except ImportError:
            raise ReelcastError("images need Pillow: pip install 'reelcast[image]'") from None
        return fromarray(self.to_ndarray("rgb24"))


@dataclass(frozen=True, slots=True)
class Samples:
    """A decoded run of audio.

    frame      PyAV's, with its samples as the decoder left them
    pts        that of the access unit, in units of the track's clock
    rate       samples a second; twice that of the clock for AAC with SBR, and for G.722
    channels   as decoded
    """

    frame: AudioFrame
    pts: int
    rate: int
    channels: int

    def __reduce__(self) -> NoReturn:
        raise TypeError("samples cannot be pickled: send what their to_ndarray() gives")

    def to_ndarray(self) -> NDArray[np.float32]:
        """The samples between -1.0 and 1.0, shaped (samples, channels); a copy."""
        raw: NDArray[Any] = self.frame.to_ndarray()
        rows = raw.T if self.frame.format.is_planar else raw.reshape(-1, self.channels)
        samples = rows.astype(np.float32)
        if np.issubdtype(raw.dtype, np.integer):
            samples /= -float(np.iinfo(raw.dtype).min)
        return samples


class VideoDecoder:
    """Decodes one video track; units go in in decoding order, pictures come out as they are shown.

    keep_corrupt   hand out pictures that are damaged, or refer to what is, marked as `corrupt`; they are left
                   out otherwise, up to the next keyframe
    errors         units that could not be decoded and pictures that were damaged, so far

    MediaError where there is no decoder for the codec.
    """

    def __init__(self, track: Track, *, keep_corrupt: bool = False) -> None:
        self.track = track
        self.keep_corrupt = keep_corrupt
        self.errors = 0
        self._torn = False
        self._known = track  # with the parameter sets that came last
        self._context = _video_context(track)

    def decode(self, unit: AccessUnit) -> list[Picture]:
        """Take the next unit; its pts may have any value. A new resolution begins where the stream says so."""
        waiting: list[Picture] = []
        if unit.keyframe:
            self._learn(unit.data)
            if self._torn:
                waiting = self.flush()
        try:
            frames = self._context.decode(_packet(unit))
        except DECODE_ERRORS:
            self.errors += 1
            if _holds_picture(self.track, unit.data):
                return waiting + self.lose()
            # Parameter sets or messages alone are an error to FFmpeg, but tear nothing.
            self._learn(unit.data)
            return waiting
        pictures = waiting + self._pictures(frames)
        if self._torn and not self.keep_corrupt:
            self.reset()
        return pictures

    def lose(self) -> list[Picture]:
        """Say that units are missing before the next one, which FFmpeg would conceal as well as it can.

        Returns what waits to be shown. Until the next keyframe (or recovery point of H.264) pictures are
        corrupt: left out, or marked.
        """
        if self.keep_corrupt:
            self._torn = True
            return []
        return self.flush()

    def flush(self) -> list[Picture]:
        """What waits to be shown, at the end of a stream; decoding can start again with a keyframe."""
        try:
            pictures = self._pictures(self._context.decode(None))
        except DECODE_ERRORS:
            self.errors += 1
            pictures = []
        self.reset()
        return pictures

    def reset(self) -> None:
        """Forget what waits and what was decoded: the next unit comes from elsewhere."""
        # A decoder that is flushed would keep the coefficients of a damaged block, and add them to one of the
        # pictures that follow (FFmpeg's of H.264). A new one costs a tenth of a millisecond.
        self._context = _video_context(self._known)
        self._torn = False

    def _learn(self, data: bytes) -> None:
        """Keep the parameter sets of a unit: they may come but once."""
        if self.track.codec in NAL_SYNTAXES and (sets := parameter_sets(self._known, data)):
            self._known = replace(self._known, parameter_sets=sets)

    def _pictures(self, frames: Iterable[VideoFrame]) -> list[Picture]:
        pictures: list[Picture] = []
        for frame in frames:
            if frame.is_corrupt:
                self.errors += 1
                self._torn = True
            elif frame.key_frame:
                self._torn = False
            if frame.pts is not None and (self.keep_corrupt or not self._torn):
                pictures.append(Picture(frame, frame.pts, frame.key_frame, self._torn))
        return pictures


class AudioDecoder:
    """Decodes one audio track, each unit by itself.

    errors   units that could not be decoded, so far

    MediaError where there is no decoder for the codec.
    """

    def __init__(self, track: Track) -> None:
        self.track = track
        self.errors = 0
        self._context = _audio_context(track)

    def decode(self, unit: AccessUnit) -> list[Samples]:
        """Take the next unit; its pts may have any value."""
        return self._decode(_packet(unit))

    def flush(self) -> list[Samples]:
        """What a decoder keeps at the end of a stream; the next unit starts afresh."""
        rest = self._decode(None)
        self.reset()
        return rest

    def reset(self) -> None:
        """Forget what was decoded: the next unit comes from elsewhere."""
        self._context.flush_buffers()

    def _decode(self, packet: Packet[Stream] | None) -> list[Samples]:
        try:
            frames = self._context.decode(packet)
        except DECODE_ERRORS:
            self.errors += 1
            return []
        return [
            Samples(frame, frame.pts, frame.sample_rate, frame.layout.nb_channels)
            for frame in frames
            if frame.pts is not None and frame.samples
        ]


def decoder_for(track: Track) -> VideoDecoder | AudioDecoder:
    """A decoder for a track, by its kind; MediaError where there is none for the codec."""
    return VideoDecoder(track) if track.kind == "video" else AudioDecoder(track)


def _video_context(track: Track) -> VideoCodecContext:
    context = _open(track, _VIDEO, extradata(track))
    assert isinstance(context, VideoCodecContext)
    return context


def _audio_context(track: Track) -> AudioCodecContext:
    context = _open(track, _AUDIO, extradata(track))
    assert isinstance(context, AudioCodecContext)
    return context


def _open(track: Track, names: Mapping[str, str], data: bytes) -> CodecContext:
    """A decoder that has read the extradata, if that can be read: what is wrong there may be right in-band."""
    name = names.get(track.codec)
    if name is None or name not in codecs_available:
        raise MediaError(f"there is no decoder for {track.codec} {track.kind} here")
    context = CodecContext.create(name, "r")
    # Threads that decode whole frames beside each other would hold as many frames back.
    context.thread_type, context.thread_count = ThreadType.SLICE, 1
    if isinstance(context, AudioCodecContext):
        context.sample_rate = _RATES.get(track.codec, track.clock_rate)
        context.layout = f"{max(track.channels, 1)}c"
    else:
        context.options = {"max_pixels": str(MAX_PIXELS)}
    if data:
        context.extradata = data
    try:
        context.open()
    except DECODE_ERRORS:
        if not data:
            raise MediaError(f"the decoder for {track.codec} {track.kind} cannot be opened") from None
        return _open(track, names, b"")
    return context


def _packet(unit: AccessUnit) -> Packet[Stream]:
    packet: Packet[Stream] = Packet(unit.data)
    packet.pts = unit.pts
    return packet


def _holds_picture(track: Track, data: bytes) -> bool:
    """Whether a unit holds a part of a picture, as far as can be told."""
    syntax = NAL_SYNTAXES.get(track.codec)
    return syntax is None or any(syntax.kind(nal) in syntax.pictures for nal in split_nal_units(data))
