"""When H.264 pictures are shown, where the file tells only in which order they are decoded.

Raw H.264 and AVI hold B-frames without presentation times. The slices count the order of the pictures
(H.264 section 8.2.1): read ahead far enough, the first picture to be shown gets the first time, and so on, and
decoding moves ahead by as many frames as pictures are ever reordered.
"""

from __future__ import annotations

import heapq
import logging
from collections import deque
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

from reelcast.rtp.payload.h264_slice import ParameterSets, SliceHeader
from reelcast.rtp.payload.h264_sps import MAX_REORDERING
from reelcast.rtp.payload.nal_units import split_nal_units
from reelcast.track import AccessUnit, Track

__all__ = ["OrderCounter", "PictureOrder"]

MAX_HELD = 128
"""Units that wait for their time. Those shown before a picture but decoded after it are seldom more than 16;
one that claims to be shown after more is broken, and all that wait are shown then."""

_KINDS = (0, 1, 2)
"""Types of picture order count that there are."""
_logger = logging.getLogger(__name__)


class OrderCounter:
    """Picture order counts (section 8.2.1), of one coded video sequence after the other."""

    def __init__(self) -> None:
        self._offset = 0  # FrameNumOffset
        self._frame_num = 0
        self._msb: int | None = None  # of the last reference picture; None where decoding just began
        self._lsb = 0

    def count(self, header: SliceHeader) -> int:
        """The PicOrderCnt of the next picture in decoding order, by the header of its first slice.

        After memory_management_control_operation 5 it counts from the picture itself, as all that follow do.
        """
        top, bottom = self._type_0(header) if header.sps.order.kind == 0 else self._by_frames(header)
        low = (bottom if header.bottom else top) if header.field else min(top, bottom)
        if not header.reset:
            return low
        # Sections 8.2.1 and 8.2.1.1: the picture is renumbered once it is decoded.
        self._msb, self._lsb = 0, 0 if header.bottom else top - low
        self._offset = self._frame_num = 0
        return 0

    def _type_0(self, header: SliceHeader) -> tuple[int, int]:
        """TopFieldOrderCnt and BottomFieldOrderCnt of type 0 (section 8.2.1.1)."""
        lsb = header.lsb
        if header.idr or self._msb is None:
            self._msb, self._lsb = 0, 0 if header.idr else lsb
        msb, whole = self._msb, 1 << header.sps.order.lsb_bits
        if self._lsb - lsb >= whole // 2:
            msb += whole
        elif lsb - self._lsb > whole // 2:
            msb -= whole
        if header.reference:
            self._msb, self._lsb = msb, lsb
        return msb + lsb, msb + lsb + header.deltas[0]

    def _by_frames(self, header: SliceHeader) -> tuple[int, int]:
        """The same of types 1 and 2, from frame_num (sections 8.2.1.2 and 8.2.1.3)."""
        if header.idr:
            self._offset = 0
        elif self._frame_num > header.frame_num:
            self._offset += 1 << header.sps.frame_num_bits
        self._frame_num = header.frame_num
        place = self._offset + header.frame_num
        if header.sps.order.kind != 1:
            count = 0 if header.idr else 2 * place - (not header.reference)
            return count, count
        return _expected(header, place)


def _expected(header: SliceHeader, place: int) -> tuple[int, int]:
    """Type 1: what is expected of the `place`-th frame, and the deltas (equations 8-6 to 8-10)."""
    order = header.sps.order
    number = place if order.cycle else 0
    if not header.reference and number > 0:
        number -= 1
    count = 0
    if number > 0:
        cycles, rest = divmod(number - 1, len(order.cycle))
        count = cycles * sum(order.cycle) + sum(order.cycle[: rest + 1])
    if not header.reference:
        count += order.non_ref_offset
    top = count + header.deltas[0]
    bottom = top + order.field_offset + (0 if header.field else header.deltas[1])
    return top, bottom


@dataclass(slots=True)
class _Picture:
    """A frame or a pair of fields: its number and time in decoding order, and when it is shown if known."""

    number: int
    decoded: int
    shown: int | None = None


class PictureOrder:
    """Gives the access units of one H.264 track their times, in bounded memory.

    `pts` and `dts` of a unit that comes in are its place in decoding order; what goes out has pts of the same
    axis, reordered, and dts earlier by `delay`. A unit whose slices cannot be read is shown in its place, and
    nothing is reordered across it. `name` is the file's, for the log.
    """

    def __init__(self, track: Track, name: str) -> None:
        self._name = name
        self._sets = ParameterSets(track.parameter_sets)
        self._lost = False
        self._deepest = 0
        sequences = self._sets.sequences
        told = [sps.reordering for sps in sequences if sps.reordering is not None]
        self.reordering = max(told) if told and len(told) == len(sequences) else None
        """Frames by which decoding is ahead, as the parameter sets tell; None where they do not."""
        self.delay = 0
        """How far dts is ahead of the place in decoding order, in units of the clock: see `learn`."""
        self.restart()

    def restart(self) -> None:
        """Forget what waits: the next unit is a keyframe from elsewhere in the file."""
        self._counter = OrderCounter()
        self._before: SliceHeader | None = None  # of a field that may be the first of two
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
        header = self._header(unit.data)
        if header is None:
            self._settle()
            self._append(_Picture(self._number, unit.pts, unit.pts), unit)
            self._shown = self._number
            self._before = None
            return self._released()
        count = self._counter.count(header)
        second = self._is_second(header)
        if header.reset or (header.idr and not second):
            self._settle()
        if second and self._last is not None:
            self._waiting.append((self._last, unit))
        else:
            picture = _Picture(self._number, unit.pts)
            self._append(picture, unit)
            self._times.append(unit.pts)
            heapq.heappush(self._unshown, (count, picture.number, picture))
        self._before = header if header.field and not second else None
        if len(self._unshown) > MAX_REORDERING:
            self._show()
        if len(self._waiting) > MAX_HELD:
            self._settle()
        return self._released()

    def flush(self) -> list[AccessUnit]:
        """The units that still wait, at the end of the file."""
        self._settle()
        return self._released()

    def _header(self, data: bytes) -> SliceHeader | None:
        """The header of a unit's first slice; None, with one warning, where order cannot be known."""
        for nal in split_nal_units(data):
            header = self._sets.take(nal)
            if header is not None and header.sps.order.kind in _KINDS:
                return header
        if not self._lost:
            self._lost = True
            _logger.warning(
                "%s: some pictures do not tell their order; they are shown as decoded", self._name
            )
        return None

    def _is_second(self, header: SliceHeader) -> bool:
        """Whether a field completes the frame that the field before it began (section 7.4.1.2.4)."""
        first = self._before
        return (
            first is not None
            and header.field
            and header.bottom != first.bottom
            and header.frame_num == (0 if first.reset else first.frame_num)
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
