"""From a file to packetised groups: one second of all its tracks at a time, in any order, always the same.

The time axis is cut on a fixed grid (`GROUP_SECONDS`), not at keyframes: so a group stays small however far
apart keyframes are, its number alone says what is in it, and every session shares it. Where a group begins
between two keyframes, it can be read in sequence or from the keyframe before it; both give the same bytes.
"""

from __future__ import annotations

import logging
import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from reelcast.errors import MediaError, PayloadError
from reelcast.media.demux import Demuxer, open_demuxer
from reelcast.rtp import onvif
from reelcast.rtp.burst import MAX_PACKET_SIZE, Burst
from reelcast.rtp.group import Group
from reelcast.rtp.payload import Packetizer, packetizer_for
from reelcast.track import AccessUnit, Track

__all__ = ["GROUP_SECONDS", "GroupReader", "leading_track"]

log = logging.getLogger(__name__)

GROUP_SECONDS = 1.0
"""Long enough to make a session's headers seldom, short enough that they are small and memory is bounded."""
INTERLEAVE_SECONDS = 5.0
"""How far one track may run ahead of another in the file before the slower one is no longer waited for."""
SEEK_MARGIN = 1.0
"""Seconds read before a group that is reached by seeking: in a file, audio may stand before its video."""
MAX_CURSORS = 4
"""Places in one file that are kept open for sequential reading."""

_Units = list[tuple[float, int, AccessUnit]]


class GroupReader:
    """Reads the groups of one file. Blocking; may be called from several threads, one at a time gets in.

    tracks     what the file offers
    duration   seconds, None where the container does not say
    first      the number of the first group
    """

    def __init__(
        self,
        file: Path | Callable[[], Demuxer],
        *,
        whole_ts: bool = False,
        first: int = 0,
        began: float | None = None,
    ) -> None:
        """Open the file, see `open_demuxer`; raises MediaError where it cannot be served.

        What opens it may be given instead, with the number of the group that its media begins in. Packets say
        when it was what they carry, where `began` says when time 0 was, in Unix seconds (see `onvif`).
        """
        self._demuxer = partial(open_demuxer, file, whole_ts=whole_ts) if isinstance(file, Path) else file
        self._file = file if isinstance(file, Path) else None
        self._lock = threading.Lock()
        self._closing = False
        self._began = began
        self.first = first
        demuxer = self._demuxer()
        _check_first_unit(demuxer, file if isinstance(file, Path) else "motion JPEG")
        start = _Cursor(demuxer, first, first, began)
        self._cursors = [start]
        self._scout: Demuxer | None = None
        self.tracks: tuple[Track, ...] = demuxer.tracks
        self.duration: float | None = demuxer.duration
        self._stamp = _stamp(self._file)

    def read(self, index: int) -> Group | None:
        """Group number `index`, None behind the end. Raises MediaError where the file went bad meanwhile."""
        with self._locked():
            cursor = self._cursor_at(index)
            group: Group | None = None
            try:
                group = cursor.next_group()
            finally:
                # At the end, and after an error, a cursor is of no more use.
                if group is None:
                    self._cursors.remove(cursor)
                    cursor.close()
            return group

    def keyframe_before(self, seconds: float) -> float:
        """The decoding time of the last place at or before `seconds` where decoding can start, in seconds."""
        with self._locked():
            if self._scout is None:
                self._scout = self._open_again()
            self._scout.seek(seconds)
            leading = leading_track(self.tracks)
            for track, unit in self._scout.units():
                if track == leading:
                    return unit.dts / self.tracks[track].clock_rate
            return 0.0

    def close(self) -> None:
        """Close the file without waiting: where it is being read, whoever reads it closes it."""
        self._closing = True
        if self._lock.acquire(blocking=False):
            self._unlock()

    def _open_again(self) -> Demuxer:
        """One place more in the file; MediaError where another has come in its place: they are not to be mixed."""
        demuxer = self._demuxer()
        alike = [each.essence for each in demuxer.tracks] == [each.essence for each in self.tracks]
        # One that grows stays where it is; one that was away and is back is as large as before.
        if not alike or self._stamp.isdisjoint(_stamp(self._file)):
            demuxer.close()
            raise MediaError(f"{self._file}: another file has come in its place")
        return demuxer

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._lock.acquire()
        try:
            yield
        finally:
            self._unlock()

    def _unlock(self) -> None:
        try:
            if self._closing:
                for cursor in self._cursors:
                    cursor.close()
                self._cursors.clear()
                if self._scout is not None:
                    self._scout.close()
                    self._scout = None
        finally:
            self._lock.release()

    def _cursor_at(self, index: int) -> _Cursor:
        for cursor in self._cursors:
            if cursor.index == index:
                self._cursors.remove(cursor)
                break
        else:
            cursor = _Cursor(self._open_again(), index, self.first, self._began)
            if len(self._cursors) >= MAX_CURSORS:
                self._cursors.pop(0).close()
        self._cursors.append(cursor)
        return cursor


class _Cursor:
    """One place in the file, moving forward a group at a time."""

    def __init__(self, demuxer: Demuxer, index: int, first: int, began: float | None) -> None:
        self.demuxer = demuxer
        self._began = began
        self.index = index
        self._tracks = demuxer.tracks
        # What is decoded before the first group begins belongs to it.
        self._start = index * GROUP_SECONDS if index > first else float("-inf")
        if index > first:
            demuxer.seek(self._start - SEEK_MARGIN)
        self._units: Iterator[tuple[int, AccessUnit]] = demuxer.units()
        self._waiting: dict[int, _Units] = defaultdict(list)
        self._reached = [float("-inf")] * len(self._tracks)
        self._ended = False

    def close(self) -> None:
        self.demuxer.close()

    def next_group(self) -> Group | None:
        """The group at this place; None behind the end."""
        self._read_until((self.index + 1) * GROUP_SECONDS)
        units = self._waiting.pop(self.index, [])
        last = self._ended and not self._waiting
        if last and not units:
            return None
        units.sort(key=lambda unit: unit[0])
        bursts = list(_bursts(units, self._tracks, self._began))
        group = Group.build(self.index, bursts, self._tracks, last=last).prepared()
        self.index += 1
        return group

    def _read_until(self, end: float) -> None:
        """Read on until every track has passed `end`, or is too far behind to be waited for."""
        while min(self._reached) < end and max(self._reached) < end + INTERLEAVE_SECONDS:
            try:
                track, unit = next(self._units)
            except StopIteration:
                self._ended = True
                return
            due = unit.dts / self._tracks[track].clock_rate
            if due < self._start:
                continue
            self._reached[track] = max(self._reached[track], due)
            self._waiting[max(self.index, int(due // GROUP_SECONDS))].append((due, track, unit))


def _stamp(file: Path | None) -> set[tuple[str, int]]:
    """What tells a file from another under its name: where it is, and how large."""
    try:
        status = None if file is None else file.stat()
    except OSError:
        status = None
    return {("none", 0)} if status is None else {("place", status.st_ino), ("size", status.st_size)}


def leading_track(tracks: tuple[Track, ...]) -> int:
    """The index of the track whose keyframes are places to start at: the first of video, else the first."""
    return next((index for index, track in enumerate(tracks) if track.kind == "video"), 0)


def _check_first_unit(demuxer: Demuxer, name: Path | str) -> None:
    """MediaError where a motion JPEG file begins with what RFC 2435 cannot carry: the rest will be the same."""
    leading = leading_track(demuxer.tracks)
    if demuxer.tracks[leading].codec != "jpeg":
        return
    for track, unit in demuxer.units():
        if track == leading:
            try:
                packetizer_for(demuxer.tracks[track]).packetize(unit)
            except PayloadError as error:
                demuxer.close()
                raise MediaError(f"{name}: {error}") from error
            break
    demuxer.seek(0.0)


def _bursts(units: _Units, tracks: tuple[Track, ...], began: float | None) -> Iterator[tuple[int, Burst]]:
    """Packetise, and say when it was, where that is known."""
    if began is None:
        yield from _packetized(units, tracks, MAX_PACKET_SIZE)
        return
    for track, burst in _packetized(units, tracks, MAX_PACKET_SIZE - onvif.SIZE):
        yield track, onvif.dated(burst, began + burst.pts / tracks[track].clock_rate)


def _packetized(
    units: _Units, tracks: tuple[Track, ...], max_packet_size: int
) -> Iterator[tuple[int, Burst]]:
    """Packetise; audio units do not share a packet across a keyframe, so that a seek finds them apart."""
    packetizers = [packetizer_for(track, max_packet_size) for track in tracks]
    leading = leading_track(tracks)
    keyframes = [
        unit.pts / tracks[track].clock_rate for _, track, unit in units if track == leading and unit.keyframe
    ]
    passed = [0] * len(tracks)
    for _, track, unit in units:
        if track != leading:
            place = bisect_right(keyframes, unit.pts / tracks[track].clock_rate)
            if place != passed[track]:
                passed[track] = place
                for burst in packetizers[track].flush():
                    yield track, burst
        for burst in _carried(packetizers[track], unit):
            yield track, burst
    for track, packetizer in enumerate(packetizers):
        for burst in packetizer.flush():
            yield track, burst


def _carried(packetizer: Packetizer, unit: AccessUnit) -> list[Burst]:
    """The bursts of one unit; one that cannot be carried must not end the file for its readers."""
    try:
        return packetizer.packetize(unit)
    except PayloadError as error:
        log.warning("a unit is left out: %s", error)
        return []
