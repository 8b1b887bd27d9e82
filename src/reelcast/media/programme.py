"""What is to be made of pictures and samples: said by a program, and looked at before anything is encoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from reelcast.given import choice, is_number, positive, whole
from reelcast.media.encode import MIN_SIDE, VIDEO_CODECS, ArrayFormat
from reelcast.media.encode_audio import AUDIO_CODECS
from reelcast.track import Codec, Kind

__all__ = ["Programme", "ProgrammeOptions"]


class ProgrammeOptions(TypedDict, total=False):
    """The parameters of a Programme, as keywords."""

    fps: float
    codec: Codec | None
    size: tuple[int, int] | None
    bit_rate: int | None
    keyframe_seconds: float
    pixel_format: ArrayFormat
    audio_codec: Codec
    sample_rate: int | None
    channels: int
    audio_bit_rate: int | None


@dataclass(frozen=True, slots=True)
class Programme:
    """What is to be made of pictures and samples.

    fps                 pictures a second that are to be expected; their times count all the same
    codec               of video, None for sound alone
    size                width and height as coded; None for that of the first picture, which all must have then
    bit_rate            of video, bits a second; None for what suits its size
    keyframe_seconds    between two keyframes
    pixel_format        order of the channels in arrays of pictures
    audio_codec         of sound
    sample_rate         of the samples in Hz; None for no sound
    channels            of the samples
    audio_bit_rate      of sound, bits a second; None for what suits its channels

    Raises ValueError for what makes no sense.
    """

    fps: float = 25.0
    codec: Codec | None = "h264"
    size: tuple[int, int] | None = None
    bit_rate: int | None = None
    keyframe_seconds: float = 2.0
    pixel_format: ArrayFormat = "bgr24"
    audio_codec: Codec = "aac"
    sample_rate: int | None = None
    channels: int = 1
    audio_bit_rate: int | None = None

    def __post_init__(self) -> None:
        choice("codec", self.codec or VIDEO_CODECS[0], VIDEO_CODECS)
        choice("audio_codec", self.audio_codec, AUDIO_CODECS)
        choice("pixel_format", self.pixel_format, ("bgr24", "rgb24"))
        # Numbers of other kinds, such as NumPy's, become Python's: encoders take no others.
        numbers: dict[str, object] = {
            "fps": positive("fps", self.fps),
            "keyframe_seconds": positive("keyframe_seconds", self.keyframe_seconds),
            "channels": whole("channels", self.channels),
            "size": None if self.size is None else _size(self.size),
        }
        for name in ("bit_rate", "sample_rate", "audio_bit_rate"):
            value = getattr(self, name)
            numbers[name] = None if value is None else whole(name, value)
        for name, number in numbers.items():
            object.__setattr__(self, name, number)
        if self.codec is None and self.sample_rate is None:
            raise ValueError("without video (codec=None), say the sample_rate of the sound")

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Of its tracks, in their order."""
        video: tuple[Kind, ...] = ("video",) if self.codec is not None else ()
        return (*video, "audio") if self.sample_rate is not None else video


def _size(size: object) -> tuple[int, int]:
    """A width and a height that can be coded; ValueError for anything else."""
    if isinstance(size, tuple | list | np.ndarray) and len(size) == 2:
        width, height = size
        if is_number(width) and is_number(height) and min(width, height) >= MIN_SIDE:
            return whole("size", width), whole("size", height)
    raise ValueError(f"size must be (width, height), of at least {MIN_SIDE} pixels each, not {size!r}")
