"""From the units of one live path to its segments: where each begins and ends, and what stands between them.

A segment ends where a keyframe begins the next one. What belongs together by time stays together: sound that
comes later than the picture it belongs to is still written into the segment before, and so are pictures that
follow a keyframe and are shown before it (H.265 section 3.129, leading pictures), for which the keyframe is
written into both. So nothing is lost between two segments, and what is in both counts once (`Segment.end`).

Units behind a loss are recorded as they came: half a picture is more than none.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Final, Self

from reelcast.archive.held import Entry, Held
from reelcast.archive.index import SAME_SECONDS, Gap, Index, Segment
from reelcast.archive.ledger import Ledger
from reelcast.archive.segment_file import SegmentFile, container_for
from reelcast.archive.spool import Taken, opens
from reelcast.archive.times import MAX_BACK, WallTimes
from reelcast.errors import MediaError
from reelcast.media.parameters import picture_size
from reelcast.server.offer import same_kind
from reelcast.track import Track

__all__ = ["Writer"]

GAP_SECONDS: Final = 10.0
"""Of nothing, that do not stand within a segment."""
LINGER_SECONDS: Final = 2.0
"""Of media, for which a segment waits for a track that has not come as far as the next segment's beginning."""

NEW_SOURCE: Final = "the source began anew"
NOTHING_CAME: Final = "nothing came"
TOO_SLOW: Final = "the disk was too slow, or full"
CLOCK_SET: Final = "the clock was set back"
OTHER_TRACKS: Final = "the tracks changed"
STOPPED: Final = "the recording was stopped"
DISK_FAILED: Final = "the disk was full, or failed"

log = logging.getLogger(__name__)


class Writer:
    """The recording of one live path. It blocks as long as the disk takes, and belongs to one thread.

    name               of the live path
    index              of the folder that is recorded into; it is in line with the files (`Index.recover`)
    suffix             of the files; where it cannot hold the tracks, Matroska's is taken
    segment_seconds    a segment ends with the first keyframe in the next so many seconds of the clock
    fragment_seconds   see `Recorder`

    segments   begun so far
    corrupt    units recorded that came behind a loss
    left_out   units that came before a keyframe, or that no container takes
    """

    def __init__(
        self, name: str, index: Index, *, suffix: str, segment_seconds: float, fragment_seconds: float
    ) -> None:
        self.name = name
        self.segments = self.corrupt = self.left_out = 0
        self._bytes = 0
        self._seconds = 0.0
        self._folder = index.folder
        self._wanted_suffix = suffix
        self._segment_seconds = segment_seconds
        self._fragment_seconds = fragment_seconds
        self._ledger = Ledger(index)
        span = index.span(name)
        self._ended = span[1] if span else 0.0
        # Nothing begins before it.
        self._floor = self._ended
        self._times = WallTimes(self._ended)
        self._file: SegmentFile | None = None
        # The one before, as long as units of its time may come.
        self._old: SegmentFile | None = None
        self._held = Held()
        # Segments that what is held may take the place of, from its beginning on.
        self._left: list[Segment] = []
        self._failed = False
        self._next: tuple[Taken, float] | None = None
        self._before: Taken | None = None
        self._latest = 0.0
        self._suffix, self._tracks = suffix, tuple[Track, ...]()
        # Of the file that is written now.
        self._expected: tuple[Track, ...] = ()
        self._heard: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the files, in whatever state they are."""
        for file in self._files():
            with suppress(MediaError):
                file.recorder.close()

    @property
    def bytes(self) -> int:
        """Bytes written so far."""
        return self._bytes + sum(file.recorder.bytes for file in self._files())

    @property
    def seconds(self) -> float:
        """Of media recorded so far."""
        return self._seconds + sum(file.recorder.seconds for file in self._files()[-1:])

    def clock(self, media: float) -> float | None:
        """Under which Unix time a time of the stream's own is recorded now; None before anything is."""
        return self._times.at(media)

    @property
    def failure(self) -> MediaError | None:
        """Why the index could not be written the last time; None where it could."""
        return self._ledger.failure

    def write(self, taken: Taken) -> None:
        """Record the next unit.

        Raises MediaError where the disk is full or gone. The unit is kept then, and so is what was not yet on
        disk: `retry` goes on where the recording broke off, and is to be called before the next unit comes.
        """
        self._next = taken, self._times.place(taken.received, taken.now)
        self.retry()

    def retry(self) -> None:
        """Go on behind an error. Raises MediaError where that does not do."""
        try:
            if self._failed:
                self._replay()
                self._failed = False
            if self._next is not None:
                self._take(*self._next)
        except MediaError as error:
            self._fail(error)
            raise
        file = self._old or self._file
        if file is not None:
            self._held.release(file.opened + file.recorder.playable)

    def tell(self) -> None:
        """Tell the index how far the files have grown."""
        for file in self._files():
            self._tell(file, file.start + file.recorder.playable, growing=True)
        self._ledger.flush()

    def settle(self) -> None:
        """Nothing has come for a while: bring to disk what came. Should more come, it goes on without a gap."""
        with self._guarded():
            self._left = self._end(NOTHING_CAME)
            self._held.release(self._ended)

    def stop(self) -> None:
        """Finish what is being written. What a disk that failed did not take is lost."""
        if self._failed:
            return
        with self._guarded():
            self._end(STOPPED)
            self._forget()

    # Units

    def _take(self, taken: Taken, wall: float) -> None:
        """Take the next unit, behind what it breaks with."""
        received = taken.received
        reason = self._breaks(taken, wall)
        if reason:
            self._end(reason)
            self._forget()
            self._expected = ()
        if self._before is None or taken.tracks is not self._before.tracks:
            self._suffix, self._tracks = container_for(taken.tracks, self._wanted_suffix)
        self._next = None
        self._before = taken
        self._latest = wall if reason else max(self._latest, wall)
        if all(track.control != received.track.control for track in self._tracks):
            self.left_out += 1
            return
        entry = Entry(taken, wall, opens(received, self._tracks))
        if not self._held.add(entry) and self._file is None:
            self.left_out += 1
            return
        self.corrupt += received.corrupt
        if self._file is None:
            self._replay()
        else:
            self._put(entry)

    def _breaks(self, taken: Taken, wall: float) -> str:
        """Why a unit cannot stand in one file with those before it; "" where it can."""
        before = self._before
        if before is None:
            return ""
        if taken.after:
            return TOO_SLOW
        if taken.received.segment != before.received.segment:
            return NEW_SOURCE
        if taken.tracks is not before.tracks and not same_kind(before.tracks, taken.tracks):
            return OTHER_TRACKS
        if wall - self._latest > GAP_SECONDS:
            return NOTHING_CAME
        return CLOCK_SET if self._latest - wall > GAP_SECONDS else ""

    def _replay(self) -> None:
        """Record what is held, from its first keyframe on."""
        for entry in tuple(self._held):
            self._put(entry)

    def _put(self, entry: Entry) -> None:
        track = entry.taken.received.track
        file = self._file
        if file is None:
            file = self._begin(entry, self._expected or self._tracks)
        elif entry.opens and self._is_due(file, entry):
            self._cut(file, entry)
            return
        self._heard.add(track.control)
        if self._old is not None and self._belongs_before(self._old, entry):
            rest = entry.since(file.opened)
            if rest is not None:
                file.write(rest)
        else:
            file.write(entry)

    def _belongs_before(self, old: SegmentFile, entry: Entry) -> bool:
        """Whether a unit belongs into the segment before this one, where it is then written."""
        cut = old.cut
        if cut is None:
            return False
        track = entry.taken.received.track
        if entry.wall < cut.wall:
            if track.control == cut.taken.received.track.control and not old.bridged:
                old.bridged = True
                old.write(cut)
            old.write(entry)
            return True
        old.passed.add(track.control)
        if old.has_passed or entry.wall - cut.wall > LINGER_SECONDS:
            self._finish(old)
            self._old = None
        return False

    def _forget(self) -> None:
        """What is on disk is never recorded again."""
        self._held.clear()
        self._left.clear()
        self._floor = self._ended

    # Segments

    def _is_due(self, file: SegmentFile, entry: Entry) -> bool:
        """Whether the next segment is to begin with this unit."""
        length = self._segment_seconds
        return (
            math.floor(entry.wall / length) > math.floor(file.opened / length)
            or picture_size(entry.taken.received.track) != file.size
            or any(track.control in self._heard and not file.holds(track) for track in self._tracks)
        )

    def _begin(self, opening: Entry, tracks: tuple[Track, ...]) -> SegmentFile:
        self._expected = tracks
        self._heard.clear()
        start = opening.wall
        if self._floor - start < MAX_BACK:
            start = max(start, self._floor)
        self._file = SegmentFile(
            self._folder, self.name, start, opening, tracks, self._suffix, self._fragment_seconds
        )
        self.segments += 1
        return self._file

    def _cut(self, file: SegmentFile, opening: Entry) -> None:
        if self._old is not None:
            self._finish(self._old)
        self._old, self._file = file, None
        # A track that was silent would keep the file from being playable until it is heard.
        begun = self._begin(opening, tuple(track for track in self._tracks if track.control in self._heard))
        file.cut, file.next_start = opening, begun.start
        for entry in (opening, *self._held.before(opening)):
            self._heard.add(entry.taken.received.track.control)
            begun.write(entry)

    def _finish(self, file: SegmentFile) -> list[Segment]:
        """Close a file; the segment it has become, if it has."""
        file.recorder.close()
        if not file.recorder.units:
            return []
        self._bytes += file.recorder.bytes
        end = file.start + file.recorder.end if file.cut is None else file.next_start
        segment = self._tell(file, end, growing=False)
        self._seconds += segment.end - segment.start
        self._ended = segment.end
        return [segment]

    def _end(self, reason: str) -> list[Segment]:
        """Finish what is being written; what follows does not join on."""
        finished: list[Segment] = []
        if self._old is not None:
            finished += self._finish(self._old)
            self._old = None
        if self._file is not None:
            finished += self._finish(self._file)
            self._file = None
        self._note(reason)
        return finished

    def _fail(self, error: MediaError) -> None:
        """Let go of the files. What of them is not on disk is held."""
        if not self._failed:
            log.error("%s: %s", self.name, error)
        self._failed = True
        for file in self._files():
            with suppress(MediaError):
                file.recorder.close()
            if file.recorder.playable > 0:
                self._bytes += file.recorder.bytes
                segment = self._tell(file, file.start + file.recorder.playable, growing=False)
                self._left.append(segment)
                self._ended = segment.end
            else:
                with suppress(OSError):
                    file.path.unlink(missing_ok=True)
        self._old = self._file = None
        self._note(DISK_FAILED)
        self._ledger.flush()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except MediaError as error:
            self._fail(error)
            raise
        self._ledger.flush()

    # The index

    def _tell(self, file: SegmentFile, end: float, *, growing: bool) -> Segment:
        segment = file.as_segment(end, growing=growing)
        if segment.end > file.told or (segment.end == file.told and not growing):
            if file.told == file.start:
                self._give_way(file.start)
                self._ledger.resume(self.name, file.start)
            file.told = segment.end
            self._ledger.put(segment)
        return segment

    def _give_way(self, start: float) -> None:
        """Segments that broke off end where a new one has begun that repeats their end."""
        for segment in self._left:
            if segment.start > start - SAME_SECONDS:
                with suppress(OSError):
                    segment.path.unlink(missing_ok=True)
                self._ledger.drop(segment)
            elif segment.end > start - SAME_SECONDS:
                self._ledger.put(replace(segment, end=start))
        self._left.clear()

    def _note(self, reason: str) -> None:
        if self._ended:
            self._ledger.note(Gap(self.name, self._ended, math.inf, reason))

    def _files(self) -> list[SegmentFile]:
        return [file for file in (self._old, self._file) if file is not None]
