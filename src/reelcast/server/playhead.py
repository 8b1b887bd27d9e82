"""A session's place in a file: which runs are due, and what their NPT is in the session's RTP time.

Times are those of the session's `Reel`, on which NPT is `scale` times as far: only `play`, `pause` and `position`
speak of NPT. What is due, and the epoch that it counts from, are in seconds of sending: `speed` tells those apart.
RTP sequence numbers and timestamps go on without a jump whatever the reader does (RFC 2326 appendix B): a seek
moves `shift`, the difference between RTP time and the reel's, so that the new place follows on what was sent last.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping, Sequence

from reelcast.errors import ProtocolError
from reelcast.media.groups import leading_track
from reelcast.net.carrier import Carrier
from reelcast.net.flight import Flight
from reelcast.rtp.group import Group, Run
from reelcast.rtp.sender import Sender, stamp, tally
from reelcast.server.pacer import LOOK_AHEAD, TICK, Pacer
from reelcast.server.reel import Groups, Reel, Start, honoured
from reelcast.server.reports import Reporter
from reelcast.server.source import Pace, Playing

__all__ = ["Playhead"]

log = logging.getLogger(__name__)

GOODBYE_WAIT = 0.05
"""Seconds between the last packet and the goodbye: ffmpeg reads what came by RTCP first, and ends."""
RETRY = 0.01
"""Seconds until a connection that had no room is looked at again."""
TOLD = 0.0005
"""Seconds by which a client that was told the duration in milliseconds may be behind it."""


class Playhead:
    """See `reelcast.server.source.Player`."""

    lead = None

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
        self._epoch = self._resumed = 0.0
        self._playing = False
        self._said_goodbye = False
        self._stopped = False
        self._stalled = False
        self._pace = Pace()
        self._reel = Reel(groups)
        self._start: Start | None = None
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

    async def play(self, start: float | None, end: float | None, pace: Pace | None = None) -> Playing:
        """See `Player.play`."""
        duration = self._groups.duration
        if start is not None and duration is not None and start > duration + TOLD:
            raise ProtocolError(f"npt={start:.3f} is behind the end, which is at {duration:.3f}", 457)
        pace = self._pace if pace is None else honoured(pace, self._groups.tracks, self._senders)
        if start is None and self._playing and pace == self._pace:
            return self._answer(self._place())
        if start is None and self._flight is not None and pace.scale == self._pace.scale:
            self._go_on(pace, end)
            return self._answer(self._next_pts())
        if start is None:
            origin = (duration or 0.0) if pace.scale < 0 else 0.0
            start = self.position if self._flight is not None else origin
        found = await self._groups.start_before(start)
        self._halt()
        self._leave()
        self._pace, self._reel = pace, Reel(self._groups, pace.scale, found)
        self._jump()
        self._until = self._reel.until(end)
        self._enter(found[0])
        return self._answer(self._reel.begin)

    @property
    def position(self) -> float:
        """The NPT that is being played, or was when playing stopped; seconds."""
        return self._reel.npt(self._place())

    def begin(self) -> None:
        """Send what `play` prepared; see `Player.begin`."""
        if self._playing or self._stopped:
            return
        self._resumed = self._place()
        self._playing, self.ended, self._said_goodbye = True, False, False
        first, period, later = self._rhythm()
        begin = self._pacer.good_moment(period, later)
        self._epoch = begin - first
        self._reporter.restart()
        self._pacer.add(self, begin)

    def pause(self) -> float:
        """Stop sending, keep the place; its NPT in seconds."""
        return self._reel.npt(self._halt())

    def rewire(self, ssrcs: Mapping[int, int], carrier: Carrier) -> None:
        """Send these tracks from now on; see `Player.rewire`."""
        playing, place = self._playing, self._halt()
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
        place = self._halt()
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
                # Too much to catch up on at once: the rest of the timeline moves instead, by whole frames' times,
                # so that all whom this has befallen keep their places behind each other.
                late -= late % LOOK_AHEAD
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
        if self._final or not (self._reel.whole or self._dues):
            # Between keyframes that are far apart, time passes all the same.
            end = self._epoch + self._end_of(group)
            if now < end:
                return end
        if self._final:
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
        """When a group is over, in seconds of sending."""
        if self._final and self._until is not None:
            return self._until / self._pace.speed
        end = group.end / self._pace.speed
        return max(end, self._dues[-1] + GOODBYE_WAIT) if self._dues else end

    def _halt(self) -> float:
        """Stop sending, keep the place."""
        place = self._place()
        if self._playing:
            self._playing = self._stalled = False
            self._pacer.discard(self)
            self._finish_burst()
            if not self._reel.whole:
                # Since the last keyframe, the picture stood still and time went on.
                self._reached = max(self._reached, place)
        return place

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
        """Make a group of the file the one that is being sent, from packet `start` of what is played of it on."""
        self._group, self._from = group, start
        group = self._reel.cut(group)
        index, self._chosen = group.index, group.runs
        reached = group.dues[-1] if group.dues else group.end
        final = group.last or (self._until is not None and reached >= self._until)
        if self._start is not None and index > self._start.group + 1:
            self._start = None
        if start or self._start or self._until is not None or self._reel.silent or not self._whole:
            self._chosen = [run for run in group.runs if run.first >= start and self._admits(group, run)]
            group = group.select(self._chosen)
        self._flight = Flight(group, stamp(group, self._senders, self._carrier.channels))
        dues, speed = self._carrier.dues(group), self._pace.speed
        self._dues = dues if speed == 1.0 else [due / speed for due in dues]
        self._next = self._counted = 0
        self._final = final
        self._upcoming = self._loading = None
        if not final:
            self._fetch(self._reel.number(index + 1))

    def _go_on(self, pace: Pace, end: float | None) -> None:
        """Play on, at another speed or to another end than the present group was chosen for."""
        until = self._reel.until(end)
        if pace != self._pace or until != self._until:
            self._halt()
            self._leave()
            self._pace, self._until = pace, until
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
        if run.track not in self._senders or run.track in self._reel.silent:
            return False
        if self._start is not None and not self._start.admits(group, run):
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
        tally(self._flight.group.runs[self._counted : self._next], self._senders)
        self._counted = self._next

    # Time

    def _jump(self) -> None:
        """Let the beginning of the reel follow on what was sent last."""
        place = self._reel.begin
        if any(sender.packets for sender in self._senders.values()):
            self._move(self._shift + self._reached - place)
        self._reached, self._start, self._reporter.muted = place, self._reel.start, self._reel.silent

    def _move(self, shift: float) -> None:
        self._shift = shift
        for track, sender in self._senders.items():
            sender.offset = self._bases[track] + round(shift * sender.clock_rate) & 0xFFFFFFFF

    def _place(self) -> float:
        """What is being played, or was when playing stopped."""
        if self._playing:
            # Playing may begin in a moment only, in step with others.
            place = max(self._time_at(asyncio.get_running_loop().time()), self._resumed)
        else:
            place = self._reached if self.ended or not self._reel.whole else self._next_pts()
        return self._reel.within(place)

    def _time_at(self, now: float) -> float:
        return (now - self._epoch) * self._pace.speed

    def _rhythm(self) -> tuple[float, float, float]:
        """When what comes next is due, how far pictures are apart, and how much later the second of them is due.

        The first may be up to a tick before, so that frames fall on ticks, not audio; without pictures, the others
        are 0.
        """
        flight, speed = self._flight, self._pace.speed
        if flight is None or self._next == len(self._dues):
            return self._reached / speed, 0.0, 0.0
        first = self._dues[self._next]
        pictures = [run for run in flight.group.runs[self._next :] if run.track == self._leading]
        if not pictures:
            return first, 0.0, 0.0
        frame = pictures[0]
        second = next((run for run in pictures if run.burst != frame.burst), frame)
        first -= (first - frame.due / speed) % TICK
        return first, (frame.end - frame.pts) / speed, max(second.due / speed - first, 0.0)

    def _next_pts(self) -> float:
        """When the first of the pictures that were not sent is shown: with B-frames, not the one sent next."""
        if self._flight is not None and self._next < len(self._dues):
            rest = self._flight.group.runs[self._next :]
            shown = [run.pts for run in rest if run.track == self._leading] or [run.pts for run in rest]
            return self._reel.within(min(shown))
        return self._reached

    def _answer(self, start: float) -> Playing:
        unsent = {} if self._flight is None else self._unsent(self._flight)
        first: dict[int, tuple[int, int]] = {}
        for track, sender in self._senders.items():
            sequence = sender.sequence
            if track in unsent and self._flight is not None:
                sequence = self._flight.sequence(unsent[track])
            first[track] = sequence, sender.timestamp(start)
        end = self._reel.limit if self._until is None else self._reel.npt(self._until)
        return Playing(self._reel.npt(start), end, first, self._pace)

    def _report(self) -> None:
        if self._playing:
            self._count()
            now = asyncio.get_running_loop().time()
            self._reporter.report(now, self._time_at(now))

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
