"""A stream that needs no server: pictures and a tone of known times, as fast as they are taken."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from reelcast.client import events
from reelcast.client.frame import Frame
from reelcast.client.options import Moment
from reelcast.client.stream import TrackStatistics
from reelcast.client.transcript import Utterance
from reelcast.errors import ReelcastError
from reelcast.media.decode import Picture, Samples
from reelcast.player.source import Source
from reelcast.rtp.receiver import Statistics
from reelcast.track import Kind, Track

VIDEO = Track("video", "h264", 90_000, 96, width=64, height=36, frame_rate=25.0)
AUDIO = Track("audio", "pcmu", 8_000, 0, channels=1)
FRAME_SECONDS = 0.04
BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHANNELS = 1


def picture(number: int, width: int = 64, height: int = 36) -> Picture:
    """Grey; a little lighter from one to the next."""
    pixels = np.full((height, width, 3), number % 256, np.uint8)
    return Picture(VideoFrame.from_ndarray(pixels, format="rgb24"), number * 3600, key=True)


def samples(number: int, channels: int = 1) -> Samples:
    """A frame's time of half of full scale."""
    count = round(AUDIO.clock_rate * FRAME_SECONDS)
    frame = AudioFrame.from_ndarray(
        np.full((1, count * channels), 16384, np.int16),
        format="s16",
        layout="mono" if channels == 1 else "stereo",
    )
    frame.sample_rate = AUDIO.clock_rate
    return Samples(frame, number * count, AUDIO.clock_rate, channels)


@dataclass
class Reel:
    """What the stream is to do, and what it was told; one for all streams that `connect` makes.

    errors     raised by the method of that name, each once
    lost_at    a picture before which `frames` raises
    silent     no sound
    """

    duration: float | None = 10.0
    silent: bool = False
    scales: bool = True
    errors: dict[str, list[ReelcastError]] = field(default_factory=dict)
    lost_at: int | None = None
    corrupt: frozenset[int] = frozenset()
    opening: Callable[[], asyncio.Event] | None = None
    calls: list[tuple[object, ...]] = field(default_factory=list)
    streams: list[ReelStream] = field(default_factory=list)

    def connect(
        self,
        source: Source,
        on_event: Callable[[events.Event], None],
        on_message: Callable[[Utterance], None],
    ) -> ReelStream:
        stream = ReelStream(self, on_event, on_message)
        self.streams.append(stream)
        return stream

    @property
    def methods(self) -> list[str]:
        return [str(call[0]) for call in self.calls]


class ReelStream:
    """See `reelcast.player.source.Stream`."""

    def __init__(
        self, reel: Reel, on_event: Callable[[events.Event], None], on_message: Callable[[Utterance], None]
    ) -> None:
        self.tracks: tuple[Track, ...] = (VIDEO,) if reel.silent else (VIDEO, AUDIO)
        self.duration = reel.duration
        self.transport = "udp"
        self.scale = 1.0
        self.on_event = on_event
        self._say = on_message
        self._reel = reel
        self._playing = asyncio.Event()
        self._number = 0
        self._segment = 0
        self._sent = 0

    async def open(self) -> None:
        self._note("open")
        if self._reel.opening is not None:
            await self._reel.opening().wait()
        self._fail("open")

    async def play(self, at: Moment | None = None, scale: float | None = None) -> None:
        self._note("play", at, scale)
        self._fail("play")
        if isinstance(at, datetime):
            at = (at - BEGAN).total_seconds()
        if isinstance(at, int | float):
            self._number = round(at / FRAME_SECONDS)
        if scale is not None and self._reel.scales:
            self.scale = scale
        self._segment += 1
        self._playing.set()

    async def pause(self) -> None:
        self._note("pause")
        self._fail("pause")
        self._playing.clear()

    async def close(self) -> None:
        self._note("close")
        self._playing.clear()

    def statistics(self) -> tuple[TrackStatistics, ...]:
        return tuple(
            TrackStatistics(
                track=track,
                units=self._sent,
                corrupt=0,
                dropped=0,
                packets=Statistics(received=10 * self._sent, bytes=10_000 * self._sent, jitter=0.0012),
                latency=0.02,
                clock="sender",
            )
            for track in self.tracks
        )

    async def frames(
        self,
        kinds: tuple[Kind, ...] = ("video",),
        *,
        every: bool = False,
        corrupt: Literal["drop", "flag"] = "drop",
    ) -> AsyncIterator[Frame]:
        assert kinds == ("video", "audio")
        assert every
        while self.duration is None or self._number * FRAME_SECONDS < self.duration:
            await self._playing.wait()
            if self._number == self._reel.lost_at:
                self._reel.lost_at = None
                raise ReelcastError("the server closed the connection", url="rtsp://reel/")
            number, segment = self._number, self._segment
            self._number += 1
            for frame in self._frames(number, segment):
                self._sent += 1
                yield frame
            await asyncio.sleep(FRAME_SECONDS if self.duration is None else 0)

    def _frames(self, number: int, segment: int) -> Iterator[Frame]:
        pts = number * FRAME_SECONDS
        shown: tuple[Picture | Samples, ...] = (picture(number), samples(number, CHANNELS))
        for track, made in zip(self.tracks, shown, strict=False):
            yield Frame(
                track=track,
                pts=pts,
                time=time.time() - 0.5,
                clock="sender",
                key=True,
                corrupt=number in self._reel.corrupt,
                arrival=time.monotonic(),
                segment=segment,
                picture=made,
            )

    def _note(self, *call: object) -> None:
        self._reel.calls.append(call)
        for sent in (True, False):
            self._say(
                Utterance(time.time(), sent, f"{call[0]} {'request' if sent else 'response'}\nCSeq: 1\n")
            )

    def _fail(self, method: str) -> None:
        errors = self._reel.errors.get(method)
        if errors:
            raise errors.pop(0)
