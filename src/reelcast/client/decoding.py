"""The decoders of a stream's tracks: units in, frames out, none that lost references have spoilt unsaid.

Loads PyAV, which takes long: whoever receives meanwhile has this done in a thread (`reelcast.client.frames`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from reelcast.client.frame import Frame
from reelcast.media.decode import AudioDecoder, Picture, Samples, VideoDecoder, decoder_for
from reelcast.rtp.intake import ReceivedUnit
from reelcast.track import Kind, Track

__all__ = ["Decoding"]

MAX_UNDECODED: Final = 64
"""Units remembered until their frames come: the deepest reordering that a codec has is 16 pictures."""


class Decoding:
    """The decoders of one stream's tracks, and the units whose frames are still to come. Used by one thread."""

    def __init__(self, kinds: tuple[Kind, ...], flag: bool) -> None:
        self._kinds = kinds
        self._flag = flag
        self._segment: int | None = None
        self._decoders: dict[Track, VideoDecoder | AudioDecoder] = {}
        self._units: dict[tuple[Track, int], ReceivedUnit] = {}
        self._latest: dict[Track, int] = {}

    def wants(self, received: ReceivedUnit) -> bool:
        """Whether a unit is to be decoded at all."""
        return received.track.kind in self._kinds

    def decode(self, received: ReceivedUnit) -> list[Frame]:
        """What one more unit yields: usually one frame."""
        if received.segment == self._segment:
            return self._decode(received)
        rest = self.flush()
        self._segment = received.segment
        self._decoders.clear()
        self._units.clear()
        self._latest.clear()
        return rest + self._decode(received)

    def _decode(self, received: ReceivedUnit) -> list[Frame]:
        track = received.track
        decoder = self._decoders.get(track)
        if decoder is None:
            decoder = self._decoders[track] = self._decoder(track)
        if received.corrupt and not self._flag:
            # Nothing is decoded until the next keyframe; what was decoded before is still shown.
            return self._frames(track, decoder.flush())
        ticks = round(received.pts * track.clock_rate)
        while (track, ticks) in self._units:  # a camera's times may stand still
            ticks += 1
        if len(self._units) >= MAX_UNDECODED:
            del self._units[next(iter(self._units))]
        self._units[track, ticks] = received
        return self._frames(track, decoder.decode(replace(received.unit, pts=ticks)))

    def flush(self) -> list[Frame]:
        """What the decoders still hold back."""
        return [
            frame
            for track, decoder in self._decoders.items()
            for frame in self._frames(track, decoder.flush())
        ]

    def _decoder(self, track: Track) -> VideoDecoder | AudioDecoder:
        decoder = decoder_for(track)
        if isinstance(decoder, VideoDecoder):
            decoder.keep_corrupt = self._flag
        return decoder

    def _frames(self, track: Track, pictures: Iterable[Picture | Samples]) -> list[Frame]:
        frames: list[Frame] = []
        for picture in pictures:
            received = self._units.pop((track, picture.pts), None)
            if received is not None:
                frame = _frame(received, picture)
                if self._in_order(frame, picture.pts):
                    frames.append(frame)
        return frames

    def _in_order(self, frame: Frame, ticks: int) -> bool:
        """Whether it follows what came last: where references are lost, FFmpeg shows some pictures too late."""
        if frame.corrupt and not frame.key and ticks < self._latest.get(frame.track, ticks):
            return False
        self._latest[frame.track] = ticks
        return True


def _frame(received: ReceivedUnit, picture: Picture | Samples) -> Frame:
    torn = isinstance(picture, Picture) and picture.corrupt
    return Frame(
        received.track,
        received.pts,
        received.time,
        received.clock,
        received.unit.keyframe,
        received.corrupt or torn,
        received.arrival,
        received.segment,
        picture,
    )
