"""The recordings of one live path as one presentation: `reelcast.server.source.Source` over many files.

Group k is second k of the path's `Strip`, whatever files it comes from. What is being recorded is played up to
its last second that is whole on disk; a playhead that arrives there waits for more. Files that are gone or torn
are passed over: nothing is sent while their time passes. Tracks are told apart by their essence; a file that has
no such picture is left out, one that has other sound is silent. G.711 and G.722 are made again of what a file has
as plain samples. Parameter sets are each file's own, in-band.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from reelcast.archive.index import Index, Segment
from reelcast.archive.strip import MARGIN_SECONDS, Piece, Strip
from reelcast.errors import MediaError
from reelcast.media.cache import GroupCache
from reelcast.media.demux import Demuxer, open_demuxer
from reelcast.media.groups import GROUP_SECONDS, GroupReader, leading_track
from reelcast.media.plain_samples import TELEPHONY, compressor_for, cut, expanded
from reelcast.rtp.group import Group
from reelcast.server.disk import Disk
from reelcast.server.file_source import FileSource
from reelcast.track import AccessUnit, Track

__all__ = ["Footage", "FootageReader"]

MAX_OPEN_FILES: Final = 16
"""Of one path: readers at so many places hold their files open; one more opens its own anew."""
LOOK_SECONDS: Final = 0.2
"""Between looks into the index while a playhead waits for more: as many a second as a person would notice."""
ATTEMPTS: Final = 5
RETRY_SECONDS: Final = 0.1
"""To read what is being recorded: as long as it takes to finish a file."""
SAME_TIME: Final = 0.0005
"""Seconds; times in files are rounded to their tracks' clocks."""

log = logging.getLogger(__name__)


class FootageReader:
    """Groups out of the files of one path. Blocking; may be called from several threads.

    tracks   what is played; by default what the newest file has
    strip    the axis

    Raises MediaError where nothing is recorded of the path, or nothing of it can be played.
    """

    def __init__(
        self,
        index: Index,
        name: str,
        tracks: tuple[Track, ...] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.strip = Strip()
        self._index = index
        self._name = name
        self._clock = clock
        self._lock = threading.Lock()
        # By file: what was known of it when it was opened, and what reads it.
        self._open: OrderedDict[Path, tuple[Segment, GroupReader]] = OrderedDict()
        self.refresh()
        self.tracks = self._newest_tracks() if tracks is None else tracks

    @property
    def first(self) -> int:
        """The number of the first group that there is."""
        return int(self.strip.start // GROUP_SECONDS)

    @property
    def duration(self) -> float:
        """The NPT up to which there is something."""
        return self.strip.end

    def refresh(self) -> None:
        """Look what has been recorded, and removed, since. Raises MediaError where the index cannot be read."""
        segments = self._index.segments_from(self._name, self.strip.since)
        beginning = self._index.beginning(self._name)
        oldest = math.inf if beginning is None else beginning
        with self._lock:
            self.strip.update(segments, self._clock(), oldest)
            for path, (segment, _) in list(self._open.items()):
                if segment.start < oldest:
                    self._drop(path)

    def is_whole(self, index: int) -> bool:
        """Whether a group has all that it will ever have."""
        with self._lock:
            return self.strip.is_whole(index)

    def read(self, index: int) -> Group | None:
        """A group, None behind the end."""
        with self._lock:
            if index >= self.strip.end or index < self.first:
                return None
            pieces = self.strip.over(index)
        groups = [group for piece in pieces if (group := self._read(piece, index)) is not None]
        # More may be recorded at any time: a playhead learns of the end when it asks for what is behind it.
        return Group.joined(index, groups, last=False)

    def keyframe_before(self, seconds: float) -> float:
        """The decoding time of the last place at or before `seconds` where decoding can start, in seconds."""
        with self._lock:
            piece = self.strip.at(seconds)
        if piece is None:
            return seconds
        try:
            return self._reader(piece, seconds).keyframe_before(seconds)
        except MediaError:
            return seconds

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            for path in list(self._open):
                self._drop(path)

    def _newest_tracks(self) -> tuple[Track, ...]:
        for piece in reversed(self.strip.pieces):
            try:
                with closing(open_demuxer(piece.segment.path)) as demuxer:
                    return demuxer.tracks
            except MediaError as error:
                log.warning("%s", error)
        raise MediaError(f"{self._name}: nothing of it is recorded that could be played")

    def _read(self, piece: Piece, index: int) -> Group | None:
        # A file that is just being finished is not whole for a moment.
        for left in reversed(range(ATTEMPTS if piece.segment.growing else 1)):
            try:
                return self._reader(piece, index + 1 + MARGIN_SECONDS).read(index)
            except MediaError as error:
                if left:
                    time.sleep(RETRY_SECONDS)
                else:
                    self._pass_over(piece.segment, error)
        return None

    def _reader(self, piece: Piece, npt: float) -> GroupReader:
        """What reads a file on the axis of all; opened again where it has grown since, and that is wanted."""
        segment = piece.segment
        with self._lock:
            held = self._open.get(segment.path)
            if held is not None and _has(held[0], segment, segment.start + npt - piece.place):
                self._open.move_to_end(segment.path)
                return held[1]
        opener = partial(_Excerpt, piece, self.tracks)
        began = segment.start - piece.place
        reader = GroupReader(opener, first=int(piece.place // GROUP_SECONDS), began=began)
        with self._lock:
            if segment.path in self._open:
                self._drop(segment.path)
            self._open[segment.path] = segment, reader
            while len(self._open) > MAX_OPEN_FILES:
                self._drop(next(iter(self._open)))
        return reader

    def _pass_over(self, segment: Segment, error: MediaError) -> None:
        log.warning("%s is passed over: %s", segment.path.name, error)
        if not segment.growing:
            with self._lock:
                self.strip.remove(segment)

    def _drop(self, path: Path) -> None:
        self._open.pop(path)[1].close()


class Footage(FileSource):
    """A path's recordings, as sessions play them; see `reelcast.server.source.Source` and `Calendar`."""

    def __init__(self, reader: FootageReader, cache: GroupCache, disk: Disk | None = None) -> None:
        super().__init__(reader, cache, disk)
        self.calendar = self
        self.closed = False
        self._footage = reader

    @classmethod
    async def develop(
        cls, index: Index, name: str, cache: GroupCache, disk: Disk, tracks: tuple[Track, ...] | None = None
    ) -> Footage:
        """The film of a path; raises MediaError where nothing is recorded of it."""
        return cls(await disk.run(FootageReader, index, name, tracks), cache, disk)

    @property
    def span(self) -> tuple[float, float]:
        """See `Calendar`."""
        return self._footage.strip.start, self._footage.strip.end

    def clock(self, npt: float) -> float:
        """See `Calendar`."""
        return self._footage.strip.clock(npt)

    def npt(self, clock: float) -> float:
        """See `Calendar`."""
        return self._footage.strip.npt(clock)

    def close(self) -> None:
        """Close all files."""
        self.closed = True
        super().close()

    async def refresh(self) -> None:
        """Look what has been recorded, and removed, since. Raises MediaError."""
        await self._disk.run(self._footage.refresh)

    async def _load(self, index: int) -> Group | None:
        try:
            while not self._footage.is_whole(index):
                await self.refresh()
                if not self._footage.is_whole(index):
                    await asyncio.sleep(LOOK_SECONDS)
        except BaseException:
            self._loading.pop(index, None)
            raise
        return await super()._load(index)


class _Excerpt:
    """One file on the axis of all, with the tracks of all: see `Demuxer`."""

    def __init__(self, piece: Piece, tracks: tuple[Track, ...]) -> None:
        self._demuxer: Demuxer = open_demuxer(piece.segment.path)
        self._piece = piece
        self._numbers = _matched(self._demuxer.tracks, tracks)
        own = {number: self._demuxer.tracks[place] for place, number in self._numbers.items()}
        if tracks and leading_track(tracks) not in own:
            self.close()
            raise MediaError(
                f"there is no {tracks[leading_track(tracks)].codec} in it, as there is in others"
            )
        self.tracks = tuple(
            replace(track, parameter_sets=own[number].parameter_sets) if number in own else track
            for number, track in enumerate(tracks)
        )
        self._compressors = {
            number: compressor_for(tracks[number])
            for number, track in own.items()
            if track.codec != tracks[number].codec
        }
        self.duration = piece.end

    def seek(self, seconds: float) -> None:
        self._demuxer.seek(seconds - self._piece.place)

    def units(self) -> Iterator[tuple[int, AccessUnit]]:
        shifts = [round(self._piece.place * track.clock_rate) for track in self.tracks]
        for place, unit in self._demuxer.units():
            number = self._numbers.get(place)
            if number is None:
                continue
            if number in self._compressors:
                unit = self._compressors[number](unit)
            own = self._own(self.tracks[number], unit)
            if own is not None:
                shift = shifts[number]
                yield number, replace(own, pts=own.pts + shift, dts=own.dts + shift)

    def _own(self, track: Track, unit: AccessUnit) -> AccessUnit | None:
        """What of a unit comes before the segment's end; what comes behind it stands in the next one as well."""
        segment = self._piece.segment
        left = (segment.end - segment.start) * track.clock_rate - unit.pts
        if segment.growing or left > unit.duration:
            return unit
        if left <= SAME_TIME * track.clock_rate:
            return None
        parts = cut(track, unit, round(left))
        return unit if parts is None else parts[0]

    def close(self) -> None:
        self._demuxer.close()


def _has(opened: Segment, segment: Segment, clock: float) -> bool:
    """Whether a file, as it was when it was opened, has all up to a clock time that it has now."""
    if opened.growing != segment.growing or not segment.growing:
        return opened == segment
    return opened.end >= min(segment.end, clock)


def _matched(found: tuple[Track, ...], wanted: tuple[Track, ...]) -> dict[int, int]:
    """Which of a file's tracks is which of those that are played, as it is or as plain samples."""
    numbers: dict[int, int] = {}
    for number, track in enumerate(wanted):
        for place, each in enumerate(found):
            plain = track.codec in TELEPHONY and each.essence == expanded(track).essence
            if place not in numbers and (plain or each.essence == track.essence):
                numbers[place] = number
                break
    return numbers
