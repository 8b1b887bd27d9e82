"""When pictures are shown, where the file tells only in which order they are decoded.

Raw H.264 and H.265, and AVI, hold B-frames without presentation times. The slices count the order of the pictures
(see `h264_order` and `h265_order`): read ahead far enough, the first picture to be shown gets the first time, and
so on, and decoding moves ahead by as many frames as pictures are ever reordered.
"""

from __future__ import annotations

import heapq
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import Protocol

from reelcast.media.h264_order import H264Counter
from reelcast.media.h265_order import H265Counter
from reelcast.media.place import Place
from reelcast.rtp.payload.h264_sps import MAX_REORDERING
from reelcast.track import AccessUnit, Codec, Track

__all__ = ["ORDERED_CODECS", "Counter", "PictureOrder"]

MAX_HELD = 128
"""Units that wait for their time. Those shown before a picture but decoded after it are seldom more than 16;
one that claims to be shown after more is broken, and all that wait are shown then."""

_COUNTERS: dict[Codec, Callable[[Iterable[bytes]], Counter]] = {"h264": H264Counter, "h265": H265Counter}
"""What counts the pictures of a codec, made of its parameter sets."""
ORDERED_CODECS = frozenset(_COUNTERS)
"""Codecs whose pictures tell their order."""
_logger = logging.getLogger(__name__)


class Counter(Protocol):
    """Picture order counts of one track, of one coded video sequence after the other."""

    @property
    def reordering(self) -> int | None:
        """Frames by which decoding is ahead, as the parameter sets tell; None where they do not."""
        ...

    def restart(self) -> None:
        """Forget the pictures before: the next is a keyframe from elsewhere in the file."""
        ...

    def place(self, data: bytes) -> Place | None:
        """The place of a unit, in decoding order; None where its slices do not tell."""
        ...


@dataclass(slots=True)
class _Picture:
    """A frame or a pair of fields: its number and time in decoding order, and when it is shown if known."""

    number: int
    decoded: int
    shown: int | None = None


class PictureOrder:
    """Gives the access units of one H.264 or H.265 track their times, in bounded memory.

    `pts` and `dts` of a unit that comes in are its place in decoding order; what goes out has pts of the same
    axis, reordered, and dts earlier by `delay`. A unit whose slices cannot be read is shown in its place, and
    nothing is reordered across it. `name` is the file's, for the log.
    """

    def __init__(self, track: Track, name: str) -> None:
        self._name = name
        self._counter = _COUNTERS[track.codec](track.parameter_sets)
        self._lost = False
        self._deepest = 0
        self.reordering = self._counter.reordering
        """Frames by which decoding is ahead, as the parameter sets tell; None where they do not."""
        self.delay = 0
        """How far dts is ahead of the place in decoding order, in units of the clock: see `learn`."""
        self.restart()

    def restart(self) -> None:
        """Forget what waits: the next unit is a keyframe from elsewhere in the file."""
        self._counter.restart()
        self._last: _Picture | None = None
        self._number = self._shown = 0
        self._waiting: deque[tuple[_Picture, AccessUnit]] = deque()
        self._unshown: list[tuple[int, int, _Picture]] = []  # a heap by picture order count
        self._times: deque[int] = deque()

    def learn(self, frame: Fraction) -> None:
        """Fix the delay and start again; `frame` is a frame's length in units of the clock.

        Where the parameter sets do not tell how far pictures are reordered, it is what was pushed until now.
        """
        self._settle()
        frames = self._deepest if self.reordering is None else self.reordering
        # Enough for times that were rounded each, and for frames of a rounded length that were added up.
        self.delay = max(ceil(frames * frame), frames * round(frame))
        self.restart()

    def push(self, unit: AccessUnit) -> list[AccessUnit]:
        """Take the next unit in decoding order; return those whose times are known now, in the same order."""
        place = self._counter.place(unit.data)
        if place is None:
            self._warn()
            self._settle()
            self._append(_Picture(self._number, unit.pts, unit.pts), unit)
            self._shown = self._number
            return self._released()
        if place.barrier:
            self._settle()
        if place.second and self._last is not None:
            self._waiting.append((self._last, unit))
        else:
            picture = _Picture(self._number, unit.pts)
            self._append(picture, unit)
            self._times.append(unit.pts)
            heapq.heappush(self._unshown, (place.count, picture.number, picture))
        if len(self._unshown) > MAX_REORDERING:
            self._show()
        if len(self._waiting) > MAX_HELD:
            self._settle()
        return self._released()

    def flush(self) -> list[AccessUnit]:
        """The units that still wait, at the end of the file."""
        self._settle()
        return self._released()

    def _warn(self) -> None:
        """Say once that order cannot be known."""
        if not self._lost:
            self._lost = True
            _logger.warning(
                "%s: some pictures do not tell their order; they are shown as decoded", self._name
            )

    def _append(self, picture: _Picture, unit: AccessUnit) -> None:
        self._number += 1
        self._last = picture
        self._waiting.append((picture, unit))

    def _show(self) -> None:
        """Give the first picture of those that wait the first time that waits."""
        _, _, picture = heapq.heappop(self._unshown)
        picture.shown = self._times.popleft()
        self._deepest = max(self._deepest, picture.number - self._shown)
        self._shown += 1

    def _settle(self) -> None:
        """Show all that wait: nothing that follows comes before them."""
        while self._unshown:
            self._show()
        self._shown = self._number

    def _released(self) -> list[AccessUnit]:
        released: list[AccessUnit] = []
        while self._waiting and (shown := self._waiting[0][0].shown) is not None:
            picture, unit = self._waiting.popleft()
            # The second field follows its first as far behind as it is decoded.
            pts = shown + unit.pts - picture.decoded
            released.append(replace(unit, pts=pts, dts=unit.dts - self.delay))
        return released
