"""The recordings of one live path on one time axis: NPT, on which clock time goes on from file to file.

NPT 0 is the first recorded instant. Segments that follow on one another stand as far apart as they are; a gap
is cut out, and what comes behind it begins at the next whole second. So nobody looks at a still picture for an
hour, and playing from anywhere to anywhere takes exactly as long as NPT says.

A place on the axis, once given, stays: while the recording grows, and while its oldest files are removed.

No I/O: time is an argument.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reelcast.archive.index import Segment

__all__ = ["MARGIN_SECONDS", "Piece", "Strip"]

JOINT_SECONDS: Final = 0.25
"""By which two segments may be apart, or overlap, and still be one take: a few frames."""
SETTLE_SECONDS: Final = 5.0
"""After which what stopped growing is over: the next segment is in the index long before, where there is one."""
MARGIN_SECONDS: Final = 0.3
"""Read behind what is to be whole: tracks that are written together end a little apart."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A segment, and the NPT of its file's time 0, in seconds."""

    segment: Segment
    place: float

    @property
    def end(self) -> float:
        """The NPT up to which there is something of it."""
        return self.place + self.segment.end - self.segment.start


class Strip:
    """The pieces of one live path, in order of time.

    end        the NPT up to which there is something
    settled    whether it is not growing
    """

    def __init__(self) -> None:
        self.end = 0.0
        self.settled = True
        self._pieces: list[Piece] = []
        # Of the pieces: where they stand, and when they were.
        self._places: list[float] = []
        self._clocks: list[float] = []
        self._removed: set[Path] = set()
        self._last: Piece | None = None
        self._given = -1

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """Those whose files are there."""
        return tuple(self._pieces)

    @property
    def start(self) -> float:
        """The NPT from which on there is something."""
        return self._places[0] if self._places else self.end

    @property
    def since(self) -> float:
        """From when on `update` is to be told what begins, in Unix seconds: what was before is known."""
        return -math.inf if self._last is None else self._last.segment.start

    def update(self, segments: Iterable[Segment], now: float, oldest: float = -math.inf) -> None:
        """Take in the segments that begin at `since` or later, by time; `now` in Unix seconds.

        What began before `oldest` is gone. What stands before a segment that has its place already is left out,
        and so is what follows on one that is not over: its place depends on that.
        """
        for segment in segments:
            last = self._last
            if last is not None and segment.path == last.segment.path:
                self._put(Piece(segment, last.place))
            elif last is None or _is_over(last.segment, now):
                place = self._place_of(segment)
                if place is not None:
                    self._put(Piece(segment, place))
            else:
                break
        count = bisect_left(self._clocks, oldest)
        del self._pieces[:count], self._places[:count], self._clocks[:count]
        self.settled = self._last is None or (
            not self._last.segment.growing and now - self._last.segment.end > SETTLE_SECONDS
        )

    def _put(self, piece: Piece) -> None:
        """Add the last piece, or say anew what it is."""
        self._last = piece
        self.end = max(self.end, piece.end)
        if piece.segment.path in self._removed:
            return
        if self._places and self._places[-1] == piece.place:
            self._pieces[-1] = piece
        else:
            self._pieces.append(piece)
            self._places.append(piece.place)
            self._clocks.append(piece.segment.start)

    def _place_of(self, segment: Segment) -> float | None:
        """Where a new segment stands; None where that is before what has a place."""
        if self._last is None:
            return 0.0
        before = self._last.segment
        if segment.start <= before.start:
            return None
        place = self._last.place + segment.start - before.start
        follows = abs(segment.start - before.end) <= JOINT_SECONDS and place >= self._given + 1
        return place if follows else float(max(math.floor(self.end), self._given) + 1)

    def remove(self, segment: Segment) -> None:
        """A file is gone, or cannot be read: its time stays empty."""
        number = bisect_left(self._clocks, segment.start)
        if number < len(self._pieces) and self._pieces[number].segment.path == segment.path:
            del self._pieces[number], self._places[number], self._clocks[number]
            self._removed.add(segment.path)

    def is_whole(self, second: int) -> bool:
        """Whether all is there that will ever be of a second of the axis; what is asked so is taken as it is."""
        if second + 1 + MARGIN_SECONDS <= self.end:
            return True
        if self.settled:
            self._given = max(self._given, min(second, int(self.end)))
        return self.settled

    def over(self, second: int) -> list[Piece]:
        """The pieces that have something of a second."""
        first = max(bisect_right(self._places, second) - 1, 0)
        behind = bisect_left(self._places, second + 1)
        return [piece for piece in self._pieces[first:behind] if piece.end > second]

    def at(self, npt: float) -> Piece | None:
        """The piece that is shown at a time, or the last before it; the first where there is none before."""
        return self._pieces[max(bisect_right(self._places, npt) - 1, 0)] if self._pieces else None

    def clock(self, npt: float) -> float:
        """The clock time of an NPT, in Unix seconds."""
        piece = self.at(npt) or self._last
        return npt if piece is None else piece.segment.start + npt - piece.place

    def npt(self, clock: float) -> float:
        """The NPT of a clock time; within a gap, of what follows. Outside the recording it is outside as well."""
        number = bisect_right(self._clocks, clock) - 1
        if 0 <= number < len(self._pieces) - 1 and clock >= self._pieces[number].segment.end:
            return self._places[number + 1]
        piece = self._pieces[max(number, 0)] if self._pieces else self._last
        return clock if piece is None else piece.place + clock - piece.segment.start


def _is_over(segment: Segment, now: float) -> bool:
    """Whether a segment will not grow any more; one whose process was killed is growing for ever."""
    return not segment.growing or now - segment.end > SETTLE_SECONDS
