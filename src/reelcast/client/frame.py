"""A decoded frame, and what is known of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reelcast.media.decode import Picture, PixelFormat, Samples
from reelcast.rtp.intake import Clock
from reelcast.track import Track

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

__all__ = ["Frame"]


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture, or the samples of an audio unit. It stays in its process: to another, send its array.

    track     that it belongs to
    pts       presentation time in seconds, one timeline over all reconnections
    time      wall-clock time in seconds since the Unix epoch (`datetime.fromtimestamp(time, UTC)`), None where
              nothing is known
    clock     whose that is: "estimated" by its arrival, the "sender"'s by its reports, or the "camera"'s, which
              marks each frame
    key       True for a picture that refers to no other
    corrupt   True where packets were lost since the last keyframe: the picture may be torn
    arrival   of its last packet, in seconds of time.monotonic
    segment   changes with each seek and reconnection
    picture   what it shows or sounds like, not yet converted
    """

    track: Track
    pts: float
    time: float | None
    clock: Clock
    key: bool
    corrupt: bool
    arrival: float
    segment: int
    picture: Picture | Samples

    def __repr__(self) -> str:
        marks = " key" * self.key + " corrupt" * self.corrupt
        return f"<Frame of {self.track.codec} at {self.pts:.3f} s, {self.clock} time {self.time}{marks}>"

    @property
    def age(self) -> float:
        """Seconds since it arrived: more than some frame times mean that the application lags."""
        return time.monotonic() - self.arrival

    def to_ndarray(self, format: PixelFormat = "bgr24") -> NDArray[Any]:
        """A picture's pixels: uint8, shaped (height, width, channels), for "gray8" (height, width).

        Of audio the samples: float32 between -1.0 and 1.0, shaped (samples, channels).
        """
        if isinstance(self.picture, Samples):
            return self.picture.to_ndarray()
        return self.picture.to_ndarray(format)

    def to_image(self) -> Image:
        """A picture as an image of Pillow's; TypeError for audio."""
        if isinstance(self.picture, Samples):
            raise TypeError(f"{self.track.codec} is heard, not seen: use to_ndarray")
        return self.picture.to_image()
