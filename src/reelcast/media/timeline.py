"""From a container's timestamps to a track's clock, and the repair of those that lie.

A container counts in a time base of its own and may leave timestamps out, turn them back or let them leap; a
transport stream joined from two recordings starts again from another place. What comes out here rises
strictly, never leaps, and keeps the tracks of a file together. All arithmetic is in whole numbers.
"""

from __future__ import annotations

from fractions import Fraction

__all__ = ["MAX_GAP_SECONDS", "MAX_REORDER_SECONDS", "Splice", "Timeline"]

MAX_GAP_SECONDS = 600
"""A longer gap in a track is a lie of the file, a shorter one may be a slide show."""
MAX_REORDER_SECONDS = 10
"""pts and dts further apart than any reordering of frames: pts is not believed."""
_NEIGHBOURHOOD_SECONDS = 1
"""Further back is no disorder among neighbours but a new beginning; tracks break this near each other."""
_REORDER_DELAY_SECONDS = 1
"""No H.264 frame at 16 or more frames a second is decoded further ahead of its time."""
_SNAP = Fraction(2, 1000)
"""Containers that count milliseconds are at most this far from the samples counted."""


class Splice:
    """How far the last track that met a break in time was moved, in seconds; shared by the tracks of a file.

    The others meet the same break a little later or earlier in the file; moved by the same amount, they stay
    in step with it.
    """

    def __init__(self) -> None:
        self.seconds = Fraction(0)


class Timeline:
    """The clock of one track.

    clock_rate    of the track, in Hz
    time_base     seconds of one unit of the container's timestamps
    origin        NPT 0 on the container's axis, in seconds
    step          a frame's length in units of the clock where a unit does not say its own
    """

    def __init__(
        self, clock_rate: int, time_base: Fraction, origin: Fraction, step: int, splice: Splice
    ) -> None:
        self._rate = clock_rate
        # value * time_base * clock_rate - origin * clock_rate, over one denominator.
        scale, offset = time_base * clock_rate, origin * clock_rate
        self._numerator = scale.numerator * offset.denominator
        self._offset = offset.numerator * scale.denominator
        self._denominator = scale.denominator * offset.denominator
        self._step = max(step, 1)
        self._splice = splice
        self._snap = int(_SNAP * clock_rate)
        self._first: int | None = None
        self.restart(0)

    def count_from(self, first: int) -> None:
        """Count units of a known length from the stream's first, a timestamp of the container.

        Behind a seek they are then where they would be, had all before them been counted: the container tells
        that place with less precision than they have.
        """
        self._first = self.ticks(first)

    def restart(self, at: int, first_dts: int | None = None) -> None:
        """Forget what came before: the next unit is expected around `at`, in units of the clock.

        `first_dts` is when it is decoded, should it come without a dts and someone have looked ahead.
        """
        self._shift = 0
        self._first_dts = first_dts
        self._last: int | None = None
        self._expected = at

    def ticks(self, value: int) -> int:
        """A timestamp of the container in units of the clock, to the nearest, halves up; nothing repaired."""
        scaled = value * self._numerator - self._offset
        return (2 * scaled + self._denominator) // (2 * self._denominator)

    def length(self, value: int) -> int:
        """A duration of the container in units of the clock; 0 where it is unknown or impossible."""
        scaled = value * self._numerator
        length = (2 * scaled + self._denominator) // (2 * self._denominator) if self._numerator else 0
        return length if 0 < length <= MAX_GAP_SECONDS * self._rate else 0

    def place(self, pts: int | None, dts: int | None, duration: int, *, counted: bool) -> tuple[int, int]:
        """pts and dts of the next unit in decoding order.

        `pts` and `dts` are the container's; `duration` is the unit's, in units of the clock, 0 where unknown.
        `counted` says that the duration is exact (audio samples): a unit within two milliseconds of where the
        one before it ended then follows it without a gap.
        """
        place = self._expected
        if dts is not None:
            place = self._repair(self.ticks(dts))
        elif pts is not None:
            place = self._decoding_time(self._repair(self.ticks(pts)))
        if counted:
            likely = self._counted(place, duration) if self._last is None else self._expected
            place = likely if abs(place - likely) <= self._snap else place
        if self._last is not None and place <= self._last:
            place = self._last + 1
        self._last = place
        self._expected = place + (duration or self._step)
        if pts is None or counted:
            return place, place
        shown = self.ticks(pts) + self._shift
        return (shown if abs(shown - place) <= MAX_REORDER_SECONDS * self._rate else place), place

    def _counted(self, place: int, duration: int) -> int:
        """The place next to `place` that is a whole number of units behind the first, if that is known."""
        if self._first is None or duration <= 0:
            return place
        return self._first + (2 * (place - self._first) + duration) // (2 * duration) * duration

    def _decoding_time(self, shown: int) -> int:
        """A dts for a unit with a pts alone: behind the unit before it, and never far from its own pts.

        Matroska has no dts; the first frames come like this, until libavformat knows the reordering.
        """
        earliest = shown - _REORDER_DELAY_SECONDS * self._rate
        if self._last is None:
            known = self._first_dts
            return known if known is not None and earliest <= known <= shown else shown
        return max(self._last + 1, earliest, min(self._expected, shown))

    def _repair(self, raw: int) -> int:
        """A dts moved as far as the last break asks; a new break where it still leaps."""
        if self._leaps(raw + self._shift):
            self._shift = round(self._splice.seconds * self._rate)
            if abs(raw + self._shift - self._expected) > _NEIGHBOURHOOD_SECONDS * self._rate:
                self._shift = self._expected - raw
                self._splice.seconds = Fraction(self._shift, self._rate)
        return raw + self._shift

    def _leaps(self, place: int) -> bool:
        if self._last is None:
            return abs(place - self._expected) > MAX_GAP_SECONDS * self._rate
        # Measured from the unit before, not from its end: durations lie as well.
        gap = place - self._last
        return gap > MAX_GAP_SECONDS * self._rate or gap < -_NEIGHBOURHOOD_SECONDS * self._rate
