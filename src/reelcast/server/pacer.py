"""The pacer: what is due within one tick is sent together.

Players are kept in a wheel of ticks rather than each behind a timer of its own, so that the work of a
thousand sessions is one wake-up, and their datagrams are one batch.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

__all__ = ["TICK", "OnSent", "Paced", "Pacer"]

log = logging.getLogger(__name__)

TICK = 0.008
"""Seconds: media leaves at most half of it early or late, and half of what sending all of a tick takes. A wake-up
costs as much as sending to a dozen readers, so that half of this would cost a fifth more with 100 of them."""
STEPS = 8
"""Parts of a tick that players which have much to send are called in: one of them fills a wake-up."""
STEP = TICK / STEPS
LOOK_AHEAD = 5
"""Ticks within which a player may begin: a frame's time at 25 frames a second."""
ENOUGH = 128
"""Players called in one tick, before others are rather called in a tick of their own: 3 ms of work."""
TOGETHER = 64
"""Players after which what they have put into batches is sent: what the first of them had due is 2 ms old."""
MAX_EARLY = 3
"""Steps by which a tick is begun early at most: half of a tick whose work leaves hardly any time for others."""
MEMORY = 1000
"""Players by whom it is judged how long a tick takes: what a thousand before them saw counts for half."""
SWAY = 0.75
"""Steps by which that has to differ from what is allowed for, so that a tick is not torn in two for nothing."""

OnSent = Callable[[float, float, float], None]
"""Takes when a player's media was due, when it was begun, and when all of it had been handed to the kernel."""


class Paced(Protocol):
    """Something that sends in time."""

    @property
    def lead(self) -> float | None:
        """Seconds before its time at which who has much to send is called; None: in a tick with others."""

    def advance(self, now: float) -> float | None:
        """Send what is due by `now`; the time of what comes next, None where that will be said later."""


class Pacer:
    """Calls players when they are due. Times are those of the event loop's clock."""

    def __init__(self, flush: Callable[[], None], on_sent: OnSent | None = None) -> None:
        """`flush` sends what players have put into batches; `on_sent` is told when that was."""
        self._loop = asyncio.get_running_loop()
        self._flush = flush
        self._on_sent = on_sent
        self._dues: dict[Paced, float] = {}
        # When their media was due, and when they were called.
        self._called: list[tuple[float, float]] = []
        # By the step, of 1 ms, at which they are called.
        self._wheel: dict[int, list[Paced]] = {}
        self._after: list[Callable[[], None]] = []
        self._handle: asyncio.TimerHandle | None = None
        self._armed = 0
        self._ticking = False
        self._last = int(self._loop.time() / STEP)
        # Seconds that the work of a tick takes, and steps by which ticks are begun early for it.
        self._work = 0.0
        self._early = 0
        # The latest ticks, and how many players were called in each.
        self._lately = [(0, 0)] * LOOK_AHEAD

    def good_moment(self, period: float = LOOK_AHEAD * TICK, later: float = 0.0) -> float:
        """When a player had best begin whose frames are `period` seconds apart: soon, and in step with others.

        `later` is how long behind its beginning its frames come, in seconds: the first may be an exception.

        All begin at multiples of the period, as long as those are not too many: a hundred readers are then called
        in one tick of each frame's time, not in all of them.
        """
        period = max(period, TICK)
        ticks = min(int(period / TICK + 0.01), LOOK_AHEAD)
        now, ahead = int(self._loop.time() / TICK), round(later / TICK)
        sizes = {tick: self._crowd(tick + ahead, now) for tick in range(now + 1, now + 1 + ticks)}
        in_step = sorted(sizes, key=lambda tick: ((tick + 0.5) * TICK + later) % period)
        fewest = min(sizes, key=sizes.__getitem__)
        return next((tick for tick in in_step if sizes[tick] < ENOUGH), fewest) * TICK

    def _crowd(self, tick: int, now: int) -> int:
        """How many wait for a tick, or were called a frame's time before it, or a multiple of that."""
        before, called = self._lately[tick % LOOK_AHEAD]
        waiting = len(self._wheel.get(tick * STEPS - self._early, ()))
        # Between two frames, players wait for the rest of a keyframe, or for sound.
        return max(waiting, called if now - before <= LOOK_AHEAD else 0)

    def add(self, player: Paced, when: float) -> None:
        """Have `player.advance` called at `when`."""
        lead = player.lead
        if lead is None:
            next_tick = (self._last + self._early) // STEPS + 1
            step = max(int(when / TICK + 0.5), next_tick) * STEPS - self._early
        else:
            # Rounded down, for an event loop wakes up as much as a millisecond late.
            step = max(int((when - lead) / STEP), self._last + 1)
        waiting = self._wheel.get(step)
        if waiting is None:
            self._wheel[step] = [player]
            self._arm(step)
        else:
            waiting.append(player)
        if self._on_sent is not None:
            self._dues[player] = when

    def call_now(self, player: Paced) -> None:
        """Call `player.advance` at once, outside any tick: what comes as it happens is due when it comes."""
        self._advance(player, self._loop.time())
        self._send()

    def after_flush(self, call: Callable[[], None]) -> None:
        """Call once the media of this tick has been sent (or of the next step, outside one)."""
        self._after.append(call)
        self._arm(self._last + 1)

    def discard(self, player: Paced) -> None:
        """No longer call this player."""
        for waiting in self._wheel.values():
            if player in waiting:
                waiting.remove(player)

    def flush(self) -> None:
        """Send what is in the batches without waiting for the end of the tick."""
        self._flush()

    def close(self) -> None:
        """Stop calling anybody."""
        if self._handle is not None:
            self._handle.cancel()
        self._wheel.clear()
        self._after.clear()

    def _arm(self, step: int) -> None:
        """Be called at a step, where that is sooner than now agreed; in a tick, that is seen to at its end."""
        if self._ticking or (self._handle is not None and self._armed <= step):
            return
        if self._handle is not None:
            self._handle.cancel()
        self._armed = step
        self._handle = self._loop.call_at(step * STEP, self._tick)

    def _tick(self) -> None:
        self._handle, self._ticking = None, True
        time = self._loop.time()
        current = int(time / STEP + 0.5)
        wheel = self._wheel
        due = [step for step in wheel if step <= current] if wheel else []
        self._last = current
        called = 0
        for step in sorted(due):
            for player in wheel.pop(step):
                self._advance(player, time)
                called += 1
                if called % TOGETHER == 0:
                    self._send()
        self._send()
        self._remember((current + self._early) // STEPS, called, self._loop.time() - time)
        after, self._after = self._after, []
        for call in after:
            try:
                call()
            except Exception:
                log.exception("a call behind a tick failed: %r", call)
        self._ticking = False
        if wheel or self._after:
            self._arm(current + 1 if self._after else min(wheel))

    def _advance(self, player: Paced, time: float) -> None:
        if self._on_sent is not None:
            began = self._loop.time()
            self._called.append((self._dues.pop(player, began), began))
        try:
            lead = player.lead
            when = player.advance(time + (TICK / 2 + self._early * STEP if lead is None else lead + STEP))
        except Exception:
            # A fault in one player must not stop all the others.
            log.exception("a player failed and is dropped: %r", player)
            return
        if when is not None:
            self.add(player, when)

    def _remember(self, tick: int, called: int, seconds: float) -> None:
        """In a tick, or a step of it, so many players took so long together: ticks begin early by half of that."""
        before, others = self._lately[tick % LOOK_AHEAD]
        self._lately[tick % LOOK_AHEAD] = tick, called + (others if before == tick else 0)
        self._work += (seconds - self._work) * called / (called + MEMORY)
        early = min(self._work / 2 / STEP, MAX_EARLY)
        if abs(early - self._early) > SWAY:
            self._early = round(early)

    def _send(self) -> None:
        self._flush()
        if self._on_sent is not None:
            done = self._loop.time()
            for due, began in self._called:
                self._on_sent(due, began, done)
            self._called.clear()
