"""A file's pictures and sound, decoded: for what cannot be sent as it is, or is to be made smaller."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from reelcast.errors import MediaError
from reelcast.media.container import FORMATS_WITHOUT_PTS
from reelcast.media.decode import VideoDecoder
from reelcast.media.mjpeg import MjpegDemuxer, is_mjpeg
from reelcast.media.reader import READ_ERRORS, PacketReader
from reelcast.media.shots import Shot

__all__ = ["DecodedFile"]

MAX_CHANNELS: Final = 2
"""Of the sound that is given: what every codec of RTP carries."""
DEFAULT_RATE: Final = 25.0
"""Pictures a second where a file does not say."""


class DecodedFile:
    """See `reelcast.media.shots.Shots`; over and over if it is to `loop`.

    fps    at most so many pictures a second where given; else those of the file

    Raises MediaError where the file cannot be read, or has neither pictures nor sound.
    """

    def __init__(self, path: Path, *, fps: float | None = None, loop: bool = False) -> None:
        if not path.is_file():
            raise MediaError(f"{path}: {'not a regular file' if path.exists() else 'no such file'}")
        self._path = path
        self._loop = loop
        self.sample_rate: int | None = None
        self.channels = 1
        self._film: _Container | _Images = _Images(path) if is_mjpeg(path) else _Container(path)
        rate = self._film.rate
        if audio := self._film.audio:
            self.sample_rate, self.channels = audio
        elif not rate:
            self.close()
            raise MediaError(f"{path}: has neither pictures nor sound that can be decoded")
        self._least = 0.0 if fps is None else 1 / fps
        self.fps = rate if fps is None else min(rate, fps)
        self._step = 1 / rate if rate else 0.0

    def shots(self) -> Iterator[Shot]:
        """Pictures and samples with the times that the file gives them; what is broken is left out."""
        shift = 0.0
        while True:
            end = shift
            for shot in self._round(shift):
                assert shot.pts is not None
                length = self._step if shot.samples is None else len(shot.samples) / (self.sample_rate or 1)
                end = max(end, shot.pts + length)
                yield shot
            if end == shift:
                raise MediaError(f"{self._path}: nothing in it can be decoded")
            if not self._loop:
                return
            shift = end
            self._film.rewind()

    def _round(self, shift: float) -> Iterator[Shot]:
        """The file once, from this time on."""
        origin: float | None = None
        following = due = shift
        for frame in self._frames():
            if origin is None:
                origin = frame.time or 0.0
            pts = following if frame.time is None else shift + frame.time - origin
            if not isinstance(frame, VideoFrame):
                yield Shot(pts, samples=_samples(frame))
                continue
            pts = following if self._film.counted else pts
            following = pts + self._step
            if not self._least or pts >= due - self._least / 2:
                due = max(due + self._least, pts)
                yield Shot(pts, frame)

    def close(self) -> None:
        """Close the file."""
        self._film.close()

    def _frames(self) -> Iterator[VideoFrame | AudioFrame]:
        resampler = AudioResampler("flt", "mono" if self.channels == 1 else "stereo", self.sample_rate)
        for frame in self._film.frames():
            if isinstance(frame, VideoFrame):
                yield frame
            else:
                yield from resampler.resample(frame)


class _Container:
    """What PyAV reads, its first video and its first audio stream.

    rate      pictures a second, 0.0 where there are none
    audio     samples a second and channels that are wanted of them, None where there are none
    counted   whether times of pictures say nothing: they come in the order in which they are shown, which some
              formats know nothing of
    """

    def __init__(self, path: Path) -> None:
        self._reader = PacketReader(path)
        streams = self._reader.container.streams
        known = [stream for stream in (*streams.video, *streams.audio) if stream.codec_context is not None]
        video = next((stream for stream in known if isinstance(stream, VideoStream)), None)
        audio = next((stream for stream in known if isinstance(stream, AudioStream)), None)
        self.rate = (
            float(video.average_rate or video.guessed_rate or DEFAULT_RATE) if video is not None else 0.0
        )
        self.audio: tuple[int, int] | None = None
        if audio is not None:
            context = audio.codec_context
            self.audio = context.sample_rate, min(context.channels, MAX_CHANNELS)
        self.counted = bool(self._reader.formats & FORMATS_WITHOUT_PTS)
        self._chosen = [stream.index for stream in (video, audio) if stream is not None]

    def frames(self) -> Iterator[VideoFrame | AudioFrame]:
        """All of both, to the end."""
        while (packet := self._reader.read()) is not None:
            if packet.stream_index in self._chosen:
                yield from _frames_of(packet.stream, packet)
        for index in self._chosen:
            yield from _frames_of(self._reader.container.streams[index], None)

    def rewind(self) -> None:
        """Go to the start; MediaError where the file has been replaced."""
        self._reader.rewind()

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


class _Images:
    """A movie of JPEG images and nothing else; as above."""

    audio: tuple[int, int] | None = None
    counted = True

    def __init__(self, path: Path) -> None:
        self._demuxer = MjpegDemuxer(path)
        (self._track,) = self._demuxer.tracks
        self.rate = self._track.frame_rate or DEFAULT_RATE

    def frames(self) -> Iterator[VideoFrame | AudioFrame]:
        """All of them."""
        decoder = VideoDecoder(self._track)
        for _, unit in self._demuxer.units():
            yield from (picture.frame for picture in decoder.decode(unit))

    def rewind(self) -> None:
        """Go to the start."""
        self._demuxer.seek(0.0)

    def close(self) -> None:
        """Close the file."""
        self._demuxer.close()


def _frames_of(stream: Stream, packet: Packet[Stream] | None) -> list[VideoFrame | AudioFrame]:
    """What a packet is decoded to, or what the decoder still has at the end."""
    frames: list[VideoFrame | AudioFrame] = []
    if isinstance(stream, VideoStream | AudioStream):
        with contextlib.suppress(*READ_ERRORS):
            frames += stream.decode(packet)
    for frame in frames:
        # At the end there is no packet that would say what times are counted in.
        frame.time_base = stream.time_base
    return frames


def _samples(frame: AudioFrame) -> NDArray[Any]:
    return frame.to_ndarray().reshape(frame.samples, -1).astype(np.float32, copy=False)
