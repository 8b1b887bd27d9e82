"""A file's pictures and sound, decoded: for what cannot be sent as it is, or is to be made smaller."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from reelcast.errors import MediaError
from reelcast.media.reader import READ_ERRORS, PacketReader
from reelcast.media.shots import Shot

__all__ = ["DecodedFile"]

_MAX_CHANNELS = 2
"""Of the sound that is given: what every codec of RTP carries."""


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
        self._reader = PacketReader(path)
        streams = self._reader.container.streams
        video, audio = next(iter(streams.video), None), next(iter(streams.audio), None)
        if (video is None or video.codec_context is None) and (audio is None or audio.codec_context is None):
            self.close()
            raise MediaError(f"{path}: has neither pictures nor sound that can be decoded")
        rate = float(video.average_rate or video.guessed_rate or 25) if video is not None else 0.0
        self._least = 0.0 if fps is None else 1 / fps
        self.fps = rate if fps is None else min(rate, fps)
        self.sample_rate: int | None = None
        self.channels = 1
        if audio is not None and audio.codec_context is not None:
            self.sample_rate = audio.codec_context.sample_rate
            self.channels = min(audio.codec_context.channels, _MAX_CHANNELS)
        self._chosen = [stream.index for stream in (video, audio) if stream is not None]

    def shots(self) -> Iterator[Shot]:
        """Pictures and samples with the times that the file gives them; what is broken is left out."""
        shift, end = 0.0, 0.0
        while True:
            begun, origin = False, 0.0
            due = 0.0
            for frame in self._frames():
                if frame.time is None:
                    continue
                if not begun:
                    begun, origin = True, frame.time
                pts = shift + frame.time - origin
                if isinstance(frame, VideoFrame):
                    end = max(end, pts + 1 / (self.fps or 1.0))
                    if pts < due - self._least / 2:
                        continue
                    due = max(due + self._least, pts)
                    yield Shot(pts, frame)
                else:
                    end = max(end, pts + frame.samples / frame.sample_rate)
                    yield Shot(pts, samples=_samples(frame))
            if not begun:
                raise MediaError(f"{self._path}: nothing in it can be decoded")
            if not self._loop:
                return
            shift = end
            self._reader.rewind()

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def _frames(self) -> Iterator[VideoFrame | AudioFrame]:
        resampler = AudioResampler("flt", "mono" if self.channels == 1 else "stereo", self.sample_rate)
        while (packet := self._reader.read()) is not None:
            if packet.stream_index not in self._chosen:
                continue
            try:
                frames = packet.decode()
            except READ_ERRORS:
                continue
            for frame in frames:
                if isinstance(frame, VideoFrame):
                    yield frame
                elif isinstance(frame, AudioFrame):
                    yield from resampler.resample(frame)


def _samples(frame: AudioFrame) -> NDArray[Any]:
    return frame.to_ndarray().reshape(frame.samples, -1).astype(np.float32, copy=False)
