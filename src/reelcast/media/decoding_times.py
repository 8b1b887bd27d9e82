"""When units are decoded, where only the times are known at which they are shown.

RTP tells no decoding times, and containers want them: rising strictly, never behind the presentation. Where no
picture is ever reordered by more than n places, the times at which pictures are shown, sorted and moved n
places back, are such times (this is how encoders make theirs), and each is known when its unit comes.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import pairwise

from reelcast.rtp.payload import h264_sps, h265_sps
from reelcast.rtp.payload.h264_sps import MAX_REORDERING
from reelcast.track import Track

__all__ = ["BREAK_SECONDS", "DecodingTimes", "frame_length", "learn_reordering", "told_reordering"]

BREAK_SECONDS = 1
"""Pictures further apart than this are no neighbours that were reordered, unless frames are longer still."""
_BASELINE = 66
"""profile_idc of the H.264 profile without B-slices (section A.2.1)."""
_AS_DECODED = 2
"""pic_order_cnt_type of pictures that are shown as they are decoded (H.264 section 8.2.1.3)."""


def told_reordering(track: Track) -> int | None:
    """How many pictures may precede one in decoding order and follow it in time; None where nothing tells."""
    if track.codec == "h264":
        told = [
            0 if sps.profile == _BASELINE or sps.order.kind == _AS_DECODED else sps.reordering
            for sps in map(h264_sps.parse_sps, track.parameter_sets)
            if sps is not None
        ]
    elif track.codec == "h265":
        told = [sps.reordering for sps in map(h265_sps.parse_sps, track.parameter_sets) if sps is not None]
    else:
        return 0
    known = [count for count in told if count is not None]
    return max(known) if known and len(known) == len(told) else None


def learn_reordering(shown: Sequence[int]) -> int:
    """The same, of the pictures shown at these times, in decoding order."""
    deepest = max((sum(before > pts for before in shown[:at]) for at, pts in enumerate(shown)), default=0)
    return min(deepest, MAX_REORDERING)


def frame_length(shown: Sequence[int]) -> int:
    """The shortest time between two of these pictures; 0 where there are no two."""
    return min((later - earlier for earlier, later in pairwise(sorted(set(shown)))), default=0)


class DecodingTimes:
    """The decoding times of one track.

    reordering   places by which a picture is reordered at most
    frame        a frame's length in units of the clock
    rate         of the clock, in Hz
    """

    def __init__(self, reordering: int, frame: int, rate: int) -> None:
        self._reordering = reordering
        self._frame = frame
        self._break = max(BREAK_SECONDS * rate, 2 * (reordering + 1) * frame)
        self._latest: int | None = None
        self._last: int | None = None
        self._first = self._count = 0
        self._waiting: list[int] = []

    def next(self, pts: int) -> tuple[int, int]:
        """pts and dts of the next unit in decoding order; a pts that would come before its dts is put off."""
        if self._latest is None or abs(pts - self._latest) > self._break:
            # Beyond a gap there is no picture to take a time from: count back from the first.
            self._latest = self._first = pts
            self._count = 0
            self._waiting.clear()
        self._latest = max(self._latest, pts)
        heapq.heappush(self._waiting, pts)
        if self._count < self._reordering:
            dts = self._first - (self._reordering - self._count) * self._frame
            self._count += 1
        else:
            dts = heapq.heappop(self._waiting)
        if self._last is not None and dts <= self._last:
            dts = self._last + 1
        self._last = dts
        return max(pts, dts), dts
