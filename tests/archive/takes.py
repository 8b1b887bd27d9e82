"""Recordings made of a movie in a moment: files, and the index of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.groups import packets_in
from tests.media.recordings import Units, received

from reelcast.archive.footage import FootageReader
from reelcast.archive.index import Index, Segment
from reelcast.archive.layout import place_of
from reelcast.media.record import Recorder
from reelcast.rtp.group import Group
from reelcast.rtp.payload import depacketizer_for
from reelcast.track import Track

__all__ = ["NOON", "Takes", "Unit", "units_in", "units_of"]

NOON = 1_700_000_000.0

Unit = tuple[int, float, bytes]
"""The number of its track, when it is shown, and its bytes."""


class Takes:
    """The folder of recordings of one movie, taken again and again.

    index      what is recorded
    taken      of each unit that was recorded: the clock time, and its bytes
    """

    def __init__(self, folder: Path, movie: Path, name: str = "/cam") -> None:
        self.index = Index(folder)
        self.name = name
        self.units: Units = received(movie)
        self.tracks = tuple(sorted({track for track, _, _ in self.units}, key=lambda track: track.control))
        self.segments: list[Segment] = []
        self._folder = folder

    @property
    def first_keyframe(self) -> bytes:
        """The first picture's bytes."""
        return next(unit.data for track, unit, _ in self.units if track is self.tracks[0])

    def take(self, clock: float, start: float, end: float, *, growing: bool = False) -> Segment:
        """Record what the movie has from `start` to `end`, as if it had begun at the Unix time `clock`."""
        path = self._folder / place_of(self.name, clock, ".mp4")
        path.parent.mkdir(parents=True, exist_ok=True)
        chosen = [each for each in self.units if start - 1e-6 <= each[2] < end - 1e-6]
        with Recorder(path, self.tracks) as recorder:
            for track, unit, seconds in chosen:
                recorder.write(track, unit, clock + seconds)
        first = min(seconds for _, _, seconds in chosen)
        segment = Segment(
            path, self.name, clock + first - start, clock + end - start, growing, path.stat().st_size
        )
        self.index.put(segment)
        self.segments.append(segment)
        return segment

    def put(self, segment: Segment) -> None:
        """Say something else of a segment."""
        self.index.put(segment)

    def end(self, segment: Segment, end: float | None = None) -> Segment:
        """It no longer grows."""
        over = replace(segment, growing=False, end=segment.end if end is None else end)
        self.index.put(over)
        return over

    def expected(self, track: int, start: float, end: float, shift: float = 0.0) -> list[Unit]:
        """What is to be played of what the movie has from `start` to `end`, in the order in which it is shown."""
        return sorted(
            (track, round(seconds + shift, 3), unit.data[-64:])
            for each, unit, seconds in self.units
            if each is self.tracks[track] and start - 1e-6 <= seconds < end - 1e-6
        )


def units_in(group: Group, tracks: tuple[Track, ...]) -> list[Unit]:
    """What a reader makes of a group: the units in it."""
    found: list[Unit] = []
    for number, track in enumerate(tracks):
        depacketizer = depacketizer_for(track)
        packets = [packet for each, packet in packets_in(group) if each == number]
        for place, packet in enumerate(packets):
            for unit in depacketizer.receive(replace(packet, sequence=place)):
                signed = unit.pts - (1 << 32) * (unit.pts >> 31)
                found.append((number, round(signed / track.clock_rate, 3), unit.data[-64:]))
    return found


def units_of(reader: FootageReader, track: int, start: int = 0, end: int | None = None) -> list[Unit]:
    """The units of some groups in a row, in the order in which they are shown."""
    found: list[Unit] = []
    for index in range(start, int(reader.duration + 1) if end is None else end):
        group = reader.read(index)
        if group is not None:
            assert group.index == index
            assert not group.last
            found += units_in(group, reader.tracks)
    return sorted(unit for unit in found if unit[0] == track)
