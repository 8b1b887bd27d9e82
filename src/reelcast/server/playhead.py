"""A session's place in a file: which runs are due, and what their NPT is in the session's RTP time.

RTP sequence numbers and timestamps go on without a jump whatever the reader does (RFC 2326 appendix B): a
seek moves `shift`, the difference between RTP time and NPT, so that the new place follows on what was sent last.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from reelcast.errors import ProtocolError
from reelcast.media.groups import leading_track
from reelcast.net.carrier import Carrier
from reelcast.net.flight import Flight
from reelcast.rtp.group import Group, Run
from reelcast.rtp.sender import Sender, stamp, tally
from reelcast.server.pacer import TICK, Pacer
from reelcast.server.reports import Reporter
from reelcast.server.source import Playing
from reelcast.track import Track

__all__ = ["Groups", "Playhead"]

log = logging.getLogger(__name__)

GOODBYE_WAIT = 0.05
"""Seconds between the last packet and the goodbye: ffmpeg reads what came by RTCP first, and ends."""
RETRY = 0.01
"""Seconds until a connection that had no room is looked at again."""
_SAME_TIME = 1e-4
"""Seconds within which two tracks' times, each rounded to its own clock, are the same."""


class Groups(Protocol):
    """Where a playhead gets its media from."""

    tracks: tuple[Track, ...]
    duration: float | None

    def cached(self, index: int) -> Group | None:
        """A group that is in memory."""

    def load(self, index: int) -> asyncio.Task[Group | None]:
        """Read a group, None behind the end."""

    async def start_before(self, seconds: float) -> tuple[Group, Run | None]:
        """The last place at or before `seconds` where decoding can start; no run means the very start."""


@dataclass(frozen=True, slots=True)
class _Start:
    """Where playing began: of the first groups, only what belongs to it is sent."""

    group: int
    run: Run

    def admits(self, group: Group, run: Run) -> bool:
        # Pictures that follow a keyframe but are shown before it refer to what was not sent.
        if run.pts < self.run.pts - _SAME_TIME:
            return False
        return run.track != self.run.track or group.index > self.group or run.burst >= self.run.burst


class Playhead:
    """See `reelcast.server.source.Player`."""

    exact = False

    def __init__(self, groups: Groups, ssrcs: Mapping[int, int], carrier: Carrier, pacer: Pacer) -> None:
        self.ended = False
        self._groups = groups
        self._leading = leading_track(groups.tracks)
        self._carrier = carrier
        self._pacer = pacer
        self._senders: dict[int, Sender] = {}
        self._bases: dict[int, int] = {}
        self._shift = 0.0
        self._add_senders(ssrcs)
        self._reporter = Reporter(self._senders, carrier)
        self._reached = 0.0
        self._epoch = 0.0
        self._playing = False
        self._said_goodbye = False
        self._stopped = False
        self._stalled = False
        self._start: _Start | None = None
        self._until: float | None = None
        self._group: Group | None = None
        self._chosen: Sequence[Run] = ()
        self._from = 0
        self._flight: Flight | None = None
        self._dues: Sequence[float] = ()
        self._next = 0
        self._counted = 0
        self._final = False
        self._upcoming: Group | None = None
        self._loading: asyncio.Task[Group | None] | None = None

    # What a session asks for

    async def play(self, start: float | None, end: float | None) -> Playing:
        """See `Player.play`."""
        duration = self._groups.duration
        if start is not None and duration is not None and start > duration:
            raise ProtocolError(f"npt={start:.3f} is behind the end, which is at {duration:.3f}", 457)
        if start is None and self._playing:
            return self._answer(self._place())
        if start is None and self._flight is not None:
            self._end_at(self._bounded(end))
            return self._answer(self._next_pts())
        group, run = await self._groups.start_before(start or 0.0)
        self.pause()
        self._leave()
        self._jump(group, run)
        self._until = self._bounded(end)
        self._enter(group)
        return self._answer(0.0 if run is None else run.pts)

    @property
    def position(self) -> float:
        """The NPT that is being played, or was when playing stopped; seconds."""
        return self._place()

    def begin(self) -> None:
        """Send what `play` prepared; see `Player.begin`."""
        if self._playing or self._stopped:
            return
        self._playing, self.ended, self._said_goodbye = True, False, False
        begin = self._pacer.good_moment()
        self._epoch = begin - self._first_due()
        self._reporter.restart()
        self._pacer.add(self, begin)

    def pause(self) -> float:
        """Stop sending, keep the place; its NPT in seconds."""
        place = self._place()
        if self._playing:
            self._playing = self._stalled = False
            self._pacer.discard(self)
            self._finish_burst()
        return place

    def rewire(self, ssrcs: Mapping[int, int], carrier: Carrier) -> None:
        """Send these tracks from now on; see `Player.rewire`."""
        playing, place = self._playing, self.pause()
        self._leave()
        gone = [track for track, sender in self._senders.items() if ssrcs.get(track) != sender.ssrc]
        self._reporter.goodbye(asyncio.get_running_loop().time(), place, gone)
        for track in gone:
            del self._senders[track]
        self._add_senders({track: ssrc for track, ssrc in ssrcs.items() if track not in self._senders})
        self._carrier = carrier
        self._reporter.rewire(carrier)
        self._enter_again()
        if playing:
            self.begin()

    def stop(self) -> None:
        """Stop for good, and say goodbye."""
        place = self.pause()
        self._stopped, self._loading = True, None
        self._say_goodbye(place)

    # What the pacer asks for

    def advance(self, now: float) -> float | None:
        """Send what is due by `now`; the time of what comes next, None where that will be said later."""
        flight = self._flight
        if flight is None:
            return None
        if not self._carrier.ready:
            return now + RETRY
        dues, first = self._dues, self._next
        count = len(dues)
        if first < count:
            played = now - self._epoch
            late = played - dues[first]
            if late > self._carrier.max_lag:
                # Too much to catch up on at once: the rest of the timeline moves instead.
                self._epoch += late
                self._reporter.restart()
                played -= late
            stop = first
            while stop < count and dues[stop] <= played:
                stop += 1
            if stop > first:
                self._carrier.send(flight, first, stop)
                self._next = stop
                if self._reporter.due <= now:
                    self._pacer.after_flush(self._report)
                if stop < count:
                    return self._epoch + dues[stop]
            else:
                return self._epoch + dues[first]
        return self._pass_on(now)

    def _pass_on(self, now: float) -> float | None:
        """All of this group is sent: go on to the next, or come to the end."""
        assert self._flight is not None
        group = self._flight.group
        if self._final:
            end = self._epoch + self._end_of(group)
            if now < end:
                return end
            self._end()
            return None
        self._leave()
        if self._upcoming is None:
            # The file is slower than the reader; `_loaded` goes on.
            self._stalled = True
            return None
        self._enter(self._upcoming)
        return self._epoch + self._dues[0] if self._dues else now

    def _end_of(self, group: Group) -> float:
        """When the last group is over, on the presentation's time axis."""
        if self._until is not None:
            return self._until
        return max(group.end, self._dues[-1] + GOODBYE_WAIT) if self._dues else group.end

    def _end(self) -> None:
        place = self._place()
        self._leave()
        self._playing, self.ended = False, True
        if self._until is None:
            # Behind the end, playing begins anew; behind the end of a range, it goes on from there.
            self._flight = self._group = None
            self._say_goodbye(place)

    def _say_goodbye(self, place: float) -> None:
        if not self._said_goodbye:
            self._said_goodbye = True
            self._count()
            self._reporter.goodbye(asyncio.get_running_loop().time(), place)

    # Groups

    def _enter(self, group: Group, start: int = 0) -> None:
        """Make a group the one that is being sent, from packet `start` on."""
        index, last = group.index, group.last
        self._group, self._chosen, self._from = group, group.runs, start
        final = last or (self._until is not None and bool(group.dues) and group.dues[-1] >= self._until)
        if self._start is not None and index > self._start.group + 1:
            self._start = None
        if start or self._start is not None or self._until is not None or not self._whole:
            self._chosen = [run for run in group.runs if run.first >= start and self._admits(group, run)]
            group = group.select(self._chosen)
        self._flight = Flight(group, stamp(group, self._senders, self._carrier.channels))
        self._dues = self._carrier.dues(group)
        self._next = self._counted = 0
        self._final = final
        self._upcoming = self._loading = None
        if not final:
            self._fetch(index + 1)

    def _end_at(self, until: float | None) -> None:
        """Play on to another end than the one that the present group was chosen for."""
        if until != self._until:
            self._until = until
            self._leave()
            self._enter_again()

    def _enter_again(self) -> None:
        """Choose anew from what of the present group has not been sent."""
        if self._group is not None:
            last = self._chosen[self._next - 1] if self._next else None
            self._enter(self._group, self._from if last is None else last.first + last.count)

    def _add_senders(self, ssrcs: Mapping[int, int]) -> None:
        for track, ssrc in ssrcs.items():
            rate, base = self._groups.tracks[track].clock_rate, secrets.randbits(32)
            self._bases[track] = base
            self._senders[track] = Sender(ssrc, secrets.randbits(16), base + round(self._shift * rate), rate)
        self._whole = len(self._senders) == len(self._groups.tracks)

    def _admits(self, group: Group, run: Run) -> bool:
        if run.track not in self._senders or (self._start and not self._start.admits(group, run)):
            return False
        return self._until is None or run.due < self._until

    def _fetch(self, index: int) -> None:
        self._upcoming = self._groups.cached(index)
        if self._upcoming is None:
            self._loading = self._groups.load(index)
            self._loading.add_done_callback(self._loaded)

    def _loaded(self, task: asyncio.Task[Group | None]) -> None:
        if task is not self._loading or task.cancelled():
            return
        self._loading = None
        error = task.exception()
        if error is not None:
            log.warning("cannot read on: %s", error)
        group = None if error is not None else task.result()
        if group is None:
            # The media ended just where a group did, or the file went bad: the end in either case.
            self._final = True
        self._upcoming = group
        if self._stalled:
            self._stalled = False
            self._pacer.add(self, asyncio.get_running_loop().time())

    def _leave(self) -> None:
        """Take leave of the group that was being sent: what was not sent gives its numbers back."""
        flight = self._flight
        if flight is None:
            return
        self._count()
        runs = flight.group.runs
        self._reached = max([self._reached, *(run.end for run in runs[: self._next])])
        for track, packet in self._unsent(flight).items():
            self._senders[track].sequence = flight.sequence(packet)

    def _unsent(self, flight: Flight) -> dict[int, int]:
        """Of each track that has any: its first packet that was not sent."""
        first: dict[int, int] = {}
        for run in flight.group.runs[self._next :]:
            first.setdefault(run.track, run.first)
        return first

    def _count(self) -> None:
        """Tell the senders what was sent of this group since last time."""
        if self._flight is None:
            return
        group = self._flight.group
        sent = group.runs[self._next - 1].first + group.runs[self._next - 1].count if self._next else 0
        tally(group, self._senders, self._counted, sent)
        self._counted = sent

    # Time

    def _jump(self, group: Group, run: Run | None) -> None:
        """Let a new place follow on what was sent last."""
        place = 0.0 if run is None else run.pts
        if any(sender.packets for sender in self._senders.values()):
            self._shift += self._reached - place
            for track, sender in self._senders.items():
                sender.offset = self._bases[track] + round(self._shift * sender.clock_rate) & 0xFFFFFFFF
        self._reached = place
        self._start = None if run is None else _Start(group.index, run)

    def _place(self) -> float:
        """The NPT that is being played, or was when playing stopped."""
        if not self._playing:
            return self._reached if self.ended else max(0.0, self._next_pts())
        duration = self._groups.duration
        place = max(0.0, asyncio.get_running_loop().time() - self._epoch)
        return place if duration is None else min(place, duration)

    def _first_due(self) -> float:
        """When what comes next is due, or up to a tick before: so that frames fall on ticks, not audio."""
        if self._flight is None or self._next == len(self._dues):
            return self._reached
        first, rest = self._dues[self._next], self._flight.group.runs[self._next :]
        frame = next((run.due for run in rest if run.track == self._leading), first)
        return first - (first - frame) % TICK

    def _next_pts(self) -> float:
        """When the first of the pictures that were not sent is shown: with B-frames, not the one sent next."""
        if self._flight is not None and self._next < len(self._dues):
            rest = self._flight.group.runs[self._next :]
            shown = [run.pts for run in rest if run.track == self._leading] or [run.pts for run in rest]
            return max(0.0, min(shown))
        return self._reached

    def _bounded(self, end: float | None) -> float | None:
        duration = self._groups.duration
        return None if end is None or (duration is not None and end >= duration) else end

    def _answer(self, start: float) -> Playing:
        unsent = {} if self._flight is None else self._unsent(self._flight)
        first: dict[int, tuple[int, int]] = {}
        for track, sender in self._senders.items():
            sequence = sender.sequence
            if track in unsent and self._flight is not None:
                sequence = self._flight.sequence(unsent[track])
            first[track] = sequence, sender.timestamp(start)
        return Playing(start, self._until if self._until is not None else self._groups.duration, first)

    def _report(self) -> None:
        if self._playing:
            self._count()
            now = asyncio.get_running_loop().time()
            self._reporter.report(now, now - self._epoch)

    def _finish_burst(self) -> None:
        """Send the rest of a frame that was begun: half of one is no use to anybody."""
        if self._flight is None or not 0 < self._next < len(self._dues) or not self._carrier.ready:
            return
        runs = self._flight.group.runs
        stop = self._next
        while stop < len(runs) and runs[stop].burst == runs[self._next - 1].burst:
            stop += 1
        if stop > self._next:
            self._carrier.send(self._flight, self._next, stop)
            self._next = stop
        self._pacer.flush()
