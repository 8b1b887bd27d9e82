"""What a program can publish without having made it: pictures and sound of files, devices and of nothing at all.

A source says what it gives (size, rate, sound) and then gives shot after shot. Everything blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from reelcast.media.encode import AnyPicture

__all__ = ["Shot", "Shots"]


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture, or samples.

    pts        seconds from the source's beginning, at which it is due; None for what is of now
    picture    None where there are samples
    samples    int16 or float32, shaped (samples, channels); None where there is a picture
    """

    pts: float | None
    picture: AnyPicture | None = None
    samples: NDArray[Any] | None = None


class Shots(Protocol):
    """A source of shots.

    fps            pictures a second, 0.0 where there are none
    sample_rate    of the sound in Hz, None where there is none
    channels       of the sound
    """

    fps: float
    sample_rate: int | None
    channels: int

    def shots(self) -> Iterator[Shot]:
        """One after the other, in order; MediaError where there are no more but should be."""

    def close(self) -> None:
        """Let go of the source; closing twice does nothing."""
