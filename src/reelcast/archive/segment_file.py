"""One segment while it is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from reelcast.archive.held import Entry
from reelcast.archive.index import Segment
from reelcast.archive.layout import place_of, start_of
from reelcast.errors import MediaError
from reelcast.media.output import held_as
from reelcast.media.parameters import picture_size
from reelcast.media.record import Recorder
from reelcast.track import Track

__all__ = ["SegmentFile", "container_for"]

MICROSECOND: Final = 1e-6
"""Two segments that begin together are told apart by so much."""
FALLBACK: Final = ".mkv"
"""Holds what other containers do not (VP8)."""


def container_for(tracks: Sequence[Track], suffix: str) -> tuple[str, tuple[Track, ...]]:
    """The container for these tracks, and those of them that it holds: `suffix` if it is as good as another."""
    choices = [
        (each, tuple(track for track in tracks if held_as(each, track.codec) is not None))
        for each in (suffix, FALLBACK)
    ]
    return max(choices, key=lambda choice: len(choice[1]))


class SegmentFile:
    """A file that begins with `opening`, which is a keyframe or sound alone.

    opened     when its first unit is shown, in Unix seconds
    start      of the file, in Unix seconds and whole microseconds: its name says it
    told       its end as the index knows it; `start` if it knows nothing
    cut        the unit that the next segment begins with, None as long as there is none
    next_start   when that segment starts
    bridged    whether the unit that the next one begins with was written here too
    passed     controls of tracks that have come as far as the next one

    Raises MediaError where the file cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        start: float,
        opening: Entry,
        tracks: Sequence[Track],
        suffix: str,
        fragment_seconds: float,
    ) -> None:
        place = place_of(name, start, suffix)
        while (folder / place).exists():
            start += MICROSECOND
            place = place_of(name, start, suffix)
        self.name = name
        self.path = folder / place
        self.start = start_of(place) or start
        self.opened = opening.wall
        self.told = self.start
        self.cut: Entry | None = None
        self.next_start = 0.0
        self.bridged = False
        self.passed: set[str] = set()
        self.size = picture_size(opening.taken.received.track)
        self._tracks = tuple(tracks)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MediaError(f"{self.path.parent}: cannot be made: {error.strerror}") from error
        self.recorder = Recorder(self.path, tracks, silent=False, fragment_seconds=fragment_seconds)

    def write(self, entry: Entry) -> None:
        """Append a unit."""
        received = entry.taken.received
        self.recorder.write(received.track, received.unit, entry.wall)

    def holds(self, track: Track) -> bool:
        """Whether units of a track go into this file."""
        return self.recorder.holds(track)

    @property
    def has_passed(self) -> bool:
        """Whether all tracks have come as far as the next segment's beginning."""
        return all(track.control in self.passed for track in self._tracks if self.holds(track))

    def as_segment(self, end: float, *, growing: bool) -> Segment:
        """What the index is to know of it."""
        if self.cut is not None:
            end = min(end, self.next_start)
        return Segment(self.path, self.name, self.start, end, growing, self.recorder.bytes)
