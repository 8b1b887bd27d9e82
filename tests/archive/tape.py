"""Units of a live path, made of a movie that numbers its frames, and what is found of them in recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
from scripts.movies.marks import read_mark
from tests.media.coded import quiet
from tests.media.recordings import received

from reelcast.archive.index import Index, Segment
from reelcast.archive.spool import Taken
from reelcast.archive.writer import Writer
from reelcast.media.demux import open_demuxer
from reelcast.rtp.intake import ReceivedUnit
from reelcast.track import Track

NOON = 1_700_000_040.0
"""A whole minute of the clock."""
FRAME = 0.04


class Tape:
    """A live path that brings a movie; see `reelcast.archive.recording.Tapped`.

    now   our own clock, which is right
    """

    def __init__(self, movie: Path, seconds: float = 99.0, name: str = "/cam") -> None:
        self.name = name
        units = received(movie, seconds)
        told = dict.fromkeys(track for track, _, _ in units)
        renamed = {
            track: replace(track, control=f"trackID={number + 1}") for number, track in enumerate(told)
        }
        self.tracks: tuple[Track, ...] = tuple(renamed.values())
        self.units = [
            ReceivedUnit(renamed[track], unit, at, NOON + at, "sender", at) for track, unit, at in units
        ]
        self.now = NOON
        self._taps: list[Callable[[ReceivedUnit], None]] = []

    def tap(self, take: Callable[[ReceivedUnit], None]) -> Callable[[], None]:
        self._taps.append(take)
        return lambda: self._taps.remove(take)

    def play(self, units: Iterable[ReceivedUnit] | None = None) -> None:
        """Give the taps these units, or all."""
        for each in self.units if units is None else units:
            self.now = each.time or 0.0
            for take in tuple(self._taps):
                take(each)

    def taken(self, units: Iterable[ReceivedUnit] | None = None) -> Iterator[Taken]:
        """Units as a writer gets them."""
        for each in self.units if units is None else units:
            assert each.time is not None
            yield Taken(each, self.tracks, each.time)


def later(units: Iterable[ReceivedUnit], seconds: float, segment: int = 0) -> list[ReceivedUnit]:
    """The same units at another time, from another feeding perhaps."""
    return [
        replace(each, pts=each.pts + seconds, time=(each.time or 0) + seconds, segment=segment)
        for each in units
    ]


def writer_into(index: Index, suffix: str = ".mp4", segment_seconds: float = 4.0) -> Writer:
    return Writer("/cam", index, suffix=suffix, segment_seconds=segment_seconds, fragment_seconds=1.0)


def times_in(segment: Segment, kind: str) -> list[float]:
    """When the units of a segment are shown that count as its own, in Unix seconds, rounded to milliseconds."""
    with quiet(), closing(open_demuxer(segment.path)) as demuxer:
        times = [
            segment.start + unit.pts / demuxer.tracks[number].clock_rate
            for number, unit in demuxer.units()
            if demuxer.tracks[number].kind == kind
        ]
    return [round(at, 3) for at in times if at < segment.end - 0.001]


def marks_in(segment: Segment) -> list[int]:
    """The numbers of a segment's pictures that count as its own."""
    marks: list[int] = []
    with quiet(), av.open(str(segment.path)) as container:
        for frame in container.decode(video=0):
            assert frame.time is not None
            if segment.start + frame.time < segment.end - 0.001:
                mark = read_mark(frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False))
                assert mark is not None
                marks.append(mark)
    return marks
