"""A file at a session's scale: its groups on a time axis on which playing takes as long as it does.

On that axis, NPT is `scale` times as far from 0. What is sent gets its RTP timestamps there, so that two frames
80 ms apart in the movie are 40 ms apart at a scale of 2 (RFC 2326 appendix B), and backwards, where NPT falls,
time still rises: a playhead knows no other.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from reelcast.media.groups import GROUP_SECONDS, leading_track
from reelcast.rtp.group import Group, Run
from reelcast.server.source import Pace
from reelcast.track import Track

__all__ = ["Groups", "Reel", "Start", "honoured"]

MAX_SCALE = 8.0
"""Seconds of a file that one session may have read and packetised in a second, forwards or backwards."""
MIN_SCALE = 0.25
"""A picture in 160 ms, of 25 a second: slower is a PAUSE."""
MAX_WHOLE_SCALE = 2.0
"""Up to twice the bit rate of the file and 60 frames a second, which networks and decoders still take, all
frames are sent; above it, and backwards, keyframes."""
KEYFRAME_INTERVAL = 0.1
"""Seconds between keyframes, where there are more (all pictures of motion JPEG are): ten times an average frame
in size, they are then about the bit rate of the file."""
MAX_SPEED = 4.0
"""Times the natural rate that anything is sent at, whatever scale and speed make of it together."""
MIN_SPEED = 0.25
"""What is sent more slowly times out at the reader."""
_SAME_TIME = 1e-4
"""Seconds within which two tracks' times, each rounded to its own clock, are the same."""


class Groups(Protocol):
    """Where a playhead gets its media from."""

    tracks: tuple[Track, ...]

    @property
    def duration(self) -> float | None:
        """Seconds; None where that is not known."""

    def cached(self, index: int) -> Group | None:
        """A group that is in memory."""

    def load(self, index: int) -> asyncio.Task[Group | None]:
        """Read a group, None behind the end."""

    async def start_before(self, seconds: float) -> tuple[Group, Run | None]:
        """The last place at or before `seconds` where decoding can start; no run means the very start."""


def honoured(asked: Pace, tracks: Sequence[Track], sent: Collection[int]) -> Pace:
    """The nearest pace that can be had (RFC 2326 sections 12.34 and 12.35), of the tracks that are sent.

    Without pictures, or inside a transport stream, whose clock is its own, there is only the natural scale.
    """
    leading = leading_track(tuple(tracks))
    scale = 1.0
    if leading in sent and tracks[leading].kind == "video" and tracks[leading].codec != "mp2t":
        size = round(min(max(abs(asked.scale), MIN_SCALE), MAX_SCALE), 6)
        scale = size if asked.scale > 0 else -size
    most = MAX_SPEED / max(1.0, scale if _is_whole(scale) else 1.0)
    return Pace(scale, round(min(max(asked.speed, MIN_SPEED), most), 6))


@dataclass(frozen=True, slots=True)
class Start:
    """Where playing begins: of the first groups, only what belongs to it is sent.

    group   index of the file's group; time: on the axis of the session
    heard   of other tracks: what is shown up to then was sent before
    """

    group: int
    track: int
    burst: int
    time: float
    heard: Mapping[int, float] = field(default_factory=dict)

    def admits(self, group: Group, run: Run) -> bool:
        """Whether a run is part of what is played."""
        # Pictures that follow a keyframe but are shown before it refer to what was not sent.
        if run.pts < self.time - _SAME_TIME or run.pts <= self.heard.get(run.track, run.pts - 1) + _SAME_TIME:
            return False
        return run.track != self.track or group.index > self.group or run.burst >= self.burst


class Reel:
    """The groups of a file as a session plays them.

    scale    seconds of NPT in one of the session; negative is backwards
    whole    all frames are sent; else keyframes of the leading track alone
    silent   tracks of which nothing is sent
    begin    where playing begins on the session's axis
    start    what is admitted at the beginning; None for all that `cut` leaves
    """

    def __init__(
        self, film: Groups, scale: float = 1.0, start: tuple[Group, Run | None] | None = None
    ) -> None:
        """`start` is the place where playing begins, as `Groups.start_before` has it."""
        self.scale = scale
        self.whole = _is_whole(scale)
        self._film = film
        self._leading = leading_track(film.tracks)
        self.silent = frozenset(track for track in range(len(film.tracks)) if not self._sounds(track))
        group, run = (None, None) if start is None else start
        self.begin = 0.0 if run is None else self.time(run.pts)
        self.start: Start | None = None
        if self.whole and group is not None and run is not None:
            self.start = Start(group.index, run.track, run.burst, self.begin)
        # Backwards from the very start, only what is shown there; forwards, all that there is.
        bounded = start is not None and (run is not None or scale < 0)
        self._next = self.begin - _SAME_TIME if bounded else -math.inf
        self._latest = -1, self._next

    def time(self, npt: float) -> float:
        """When an NPT is played, on the session's axis."""
        return npt / self.scale

    def npt(self, time: float) -> float:
        """The NPT that is played at a time."""
        return time * self.scale + 0.0  # no negative zero, which would be told

    @property
    def limit(self) -> float | None:
        """The NPT of the end that playing runs to."""
        return self._film.duration if self.scale > 0 else 0.0

    def within(self, time: float) -> float:
        """The nearest time at which there is something of the file."""
        duration = self._film.duration
        low, high = sorted((0.0, self.time(math.inf if duration is None else duration)))
        return min(max(time, low), high)

    def until(self, npt: float | None) -> float | None:
        """When playing ends that is to end at an NPT; None where that is at the end of the file, or behind it."""
        if npt is None or (self.limit is not None and self.time(npt) >= self.time(self.limit)):
            return None
        return self.time(npt)

    def number(self, index: int) -> int:
        """The file's number of the group with an index here: backwards, these rise to 0."""
        return abs(index)

    def cut(self, group: Group) -> Group:
        """A group of the file as it is played; to be called in the order of playing, at times for one again."""
        if self.scale == 1.0:
            return group
        if self.whole:
            end, chosen = self.time(group.end), group
        else:
            chosen = group.select(self._keyframes(group))
            over = group.index if self.scale < 0 else group.index + 1
            # Of a group without keyframes, the time that it takes all the same.
            end = self.time(group.end if group.last and self.scale > 0 else over * GROUP_SECONDS)
        return chosen.retimed(
            [self._timed(run) for run in chosen.runs],
            self._film.tracks,
            index=group.index if self.scale > 0 else -group.index,
            end=end,
            last=group.last if self.scale > 0 else group.index == 0,
        )

    def _sounds(self, track: int) -> bool:
        if self.scale == 1.0:
            return True
        return self._film.tracks[track].kind == "video" if self.whole else track == self._leading

    def _keyframes(self, group: Group) -> list[Run]:
        """The runs of those that are sent, in the order of playing."""
        bursts: dict[int, list[Run]] = {}
        for run in group.runs:
            if run.track == self._leading and run.keyframe:
                bursts.setdefault(run.burst, []).append(run)
        if self._latest[0] != group.index:
            self._latest = group.index, self._next
        next_time = self._latest[1]
        chosen: list[Run] = []
        for runs in sorted(bursts.values(), key=lambda runs: self.time(runs[0].pts)):
            time = self.time(runs[0].pts)
            if time >= next_time:
                chosen += runs
                next_time = time + KEYFRAME_INTERVAL - _SAME_TIME
        self._next = next_time
        return chosen

    def _timed(self, run: Run) -> Run:
        pts = self.time(run.pts)
        # A keyframe alone waits for no other picture.
        due = self.time(run.due) if self.whole else pts
        spread = (run.spread - run.due) / (max(1.0, self.scale) if self.whole else 1.0)
        end = pts + (run.end - run.pts) / abs(self.scale)
        return replace(run, due=due, spread=due + spread, pts=pts, end=end)


def _is_whole(scale: float) -> bool:
    return 0 < scale <= MAX_WHOLE_SCALE
