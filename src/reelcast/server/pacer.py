"""The pacer: what is due at about the same time is sent together.

Players are kept in a wheel of steps rather than each behind a timer of its own. A wake-up calls all that are due
within a few steps, so that the work of a thousand sessions is few wake-ups and few batches; and where there is
much to do, that is a head start, which makes up for what comes between.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

__all__ = ["STEP", "TICK", "OnSent", "Paced", "Pacer"]

log = logging.getLogger(__name__)

TICK = 0.008
"""Seconds: media leaves at most half of it early."""
STEP = 0.001
"""Seconds: players are called at multiples of this; asyncio's own event loop does not wake up more exactly."""
AHEAD = 3
"""Steps before their time at which players are called where somebody else is due: no more than half a tick. A
wake-up costs as much as sending to a dozen readers."""
TOGETHER = 64
"""Players after which what they have put into batches is sent, and those who are not yet due wait for the event
loop's next turn: 2 ms of work."""
SLOT = 0.002
"""Seconds: players begin at multiples of this. Those of one slot are called together."""
FULL = 0.6
"""The part of a slot that calling its players may take before others rather begin in the next one;"""
IN_STEP = 2
"""Slots at the beginning of a period that are one wake-up;"""
FULL_IN_STEP = 0.9
"""they hold more: so a hundred readers are called once in each frame's time."""
LOOK_AHEAD = 0.04
"""Seconds within which a player may begin: a frame's time at 25 frames a second."""
FIRST_COST = 33e-6
"""Seconds that it takes to call a player, until more is known;"""
MEMORY = 1000
"""that, and what was seen later, counts for as much as so many players that are called."""
FEW = 16
"""Of fewer players that are called together, most of what it takes is the wake-up."""

OnSent = Callable[[float, float, float], None]
"""Takes when a player's media was due, when it was begun, and when all of it had been handed to the kernel."""


class Paced(Protocol):
    """Something that sends in time."""

    @property
    def lead(self) -> float | None:
        """Seconds before its time at which who has much to send is called; None: with others, near its time."""

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
        # By the step in which they are due; and those who have much to send, each called by itself.
        self._wheel: dict[int, list[Paced]] = {}
        self._alone: dict[Paced, asyncio.TimerHandle] = {}
        self._after: list[Callable[[], None]] = []
        self._handle: asyncio.TimerHandle | None = None
        self._armed = 0
        self._ticking = False
        self._last = int(self._loop.time() / STEP)
        # Seconds that it takes to call a player.
        self._cost = FIRST_COST

    def good_moment(self, period: float = LOOK_AHEAD, later: float = 0.0) -> float:
        """When a player had best begin whose frames are `period` seconds apart: soon, and in step with others.

        `later` is how long behind its beginning its frames come, in seconds: the first may be an exception.

        All begin at multiples of the period until there is enough to do, others in the slot behind that, and so
        on: a hundred readers are then called one after the other once in each frame's time, and of a thousand
        nobody waits for more than a few dozens.
        """
        period = max(period, TICK)
        crowds = [0] * (int(period / SLOT) + 1)
        for step, waiting in self._wheel.items():
            crowds[_slot(step * STEP, period)] += len(waiting)
        soon = int(self._loop.time() / SLOT) + 1
        slots = range(soon, soon + int(min(period, LOOK_AHEAD) / SLOT + 0.01))
        in_step = sorted((_slot(slot * SLOT + later, period), slot) for slot in slots)
        room = SLOT / self._cost
        enough = [room * (FULL_IN_STEP if place < IN_STEP else FULL) for place in range(len(crowds))]
        _, chosen = next(
            (place for place in in_step if crowds[place[0]] < enough[place[0]]),
            min(in_step, key=lambda place: crowds[place[0]]),
        )
        return chosen * SLOT

    def add(self, player: Paced, when: float) -> None:
        """Have `player.advance` called at `when`."""
        if self._on_sent is not None:
            self._dues[player] = when
        lead = player.lead
        if lead is not None:
            self._alone[player] = self._loop.call_at(when - lead, self.call_now, player)
            return
        step = max(int(when / STEP + 0.5), self._last + 1)
        waiting = self._wheel.get(step)
        if waiting is None:
            self._wheel[step] = [player]
            self._arm(step)
        else:
            waiting.append(player)

    def call_now(self, player: Paced) -> None:
        """Call `player.advance` at once, outside any tick: what comes as it happens is due when it comes."""
        self._alone.pop(player, None)
        self._advance(player, self._loop.time())
        self._send()

    def after_flush(self, call: Callable[[], None]) -> None:
        """Call once the media of this tick has been sent (or of the next step, outside one)."""
        self._after.append(call)
        self._arm(self._last + 1)

    def discard(self, player: Paced) -> None:
        """No longer call this player."""
        alone = self._alone.pop(player, None)
        if alone is not None:
            alone.cancel()
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
        for alone in self._alone.values():
            alone.cancel()
        self._alone.clear()
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
        self._last = current
        called, waits = 0, False
        for step in sorted(step for step in wheel if step <= current + AHEAD):
            waits = step > current and called >= TOGETHER
            if waits:
                break
            for player in wheel.pop(step):
                self._advance(player, time)
                called += 1
                if called % TOGETHER == 0:
                    self._send()
        self._send()
        if called >= FEW:
            cost = (self._loop.time() - time) / called
            self._cost += (cost - self._cost) * called / (called + MEMORY)
        after, self._after = self._after, []
        for call in after:
            try:
                call()
            except Exception:
                log.exception("a call behind a tick failed: %r", call)
        self._ticking = False
        if waits:
            self._arm(current)
        elif self._after:
            self._arm(current + 1)
        elif wheel:
            # As early as is needed for all of them to be in time.
            first = min(wheel)
            self._arm(first - min(int(len(wheel[first]) * self._cost / STEP), AHEAD))

    def _advance(self, player: Paced, time: float) -> None:
        if self._on_sent is not None:
            began = self._loop.time()
            self._called.append((self._dues.pop(player, began), began))
        try:
            lead = player.lead
            when = player.advance(time + (TICK / 2 if lead is None else lead + STEP))
        except Exception:
            # A fault in one player must not stop all the others.
            log.exception("a player failed and is dropped: %r", player)
            return
        if when is not None:
            self.add(player, when)

    def _send(self) -> None:
        self._flush()
        if self._on_sent is not None:
            done = self._loop.time()
            for due, began in self._called:
                self._on_sent(due, began, done)
            self._called.clear()


def _slot(time: float, period: float) -> int:
    """How many slots a time is behind the latest multiple of a period; what is just before the next is that."""
    return int((time + STEP / 2) % period / SLOT)
