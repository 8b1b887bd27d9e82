"""The pacer: what is due within one tick is sent together.

Players are kept in a wheel of ticks rather than each behind a timer of its own, so that the work of a
thousand sessions is one wake-up, and their datagrams are one batch.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

__all__ = ["TICK", "Paced", "Pacer"]

log = logging.getLogger(__name__)

TICK = 0.008
"""Seconds: media leaves at most half of it early and, while the processor keeps up, half of it late. A wake-up
costs as much as sending to a dozen readers, so that half of this would cost a fifth more with 100 of them."""
LOOK_AHEAD = 5
"""Ticks within which a player may begin: a frame's time at 25 frames a second."""
ENOUGH = 64
"""Players called in one tick, before others are rather called in a tick of their own: 2 ms of work."""


class Paced(Protocol):
    """Something that sends in time."""

    def advance(self, now: float) -> float | None:
        """Send what is due by `now`; the time of what comes next, None where that will be said later."""


class Pacer:
    """Calls players when they are due. Times are those of the event loop's clock."""

    def __init__(self, flush: Callable[[], None]) -> None:
        """`flush` sends what the players of one tick have put into batches."""
        self._loop = asyncio.get_running_loop()
        self._flush = flush
        self._wheel: dict[int, list[Paced]] = {}
        self._after: list[Callable[[], None]] = []
        self._handle: asyncio.TimerHandle | None = None
        self._armed = 0
        self._ticking = False
        self._last = int(self._loop.time() / TICK)

    def good_moment(self) -> float:
        """When a player had best begin: soon, and together with others that will be called then.

        Frames of equal rate that begin in step stay in step: a hundred readers are then called in two ticks of
        each frame's time, not in all of them.
        """
        soonest = int(self._loop.time() / TICK) + 1
        sizes = [(len(self._wheel.get(tick, ())), tick) for tick in range(soonest, soonest + LOOK_AHEAD)]
        shared = [tick for size, tick in sizes if 0 < size < ENOUGH]
        unused = [tick for size, tick in sizes if not size]
        return min(shared or unused[:1] or [min(sizes)[1]]) * TICK

    def add(self, player: Paced, when: float) -> None:
        """Have `player.advance` called at `when`."""
        tick = max(int(when / TICK + 0.5), self._last + 1)
        waiting = self._wheel.get(tick)
        if waiting is None:
            self._wheel[tick] = [player]
            self._arm(tick)
        else:
            waiting.append(player)

    def after_flush(self, call: Callable[[], None]) -> None:
        """Call once the media of this tick has been sent (or of the next tick, outside one)."""
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

    def _arm(self, tick: int) -> None:
        """Be called at a tick, where that is sooner than now agreed; in a tick, that is seen to at its end."""
        if self._ticking or (self._handle is not None and self._armed <= tick):
            return
        if self._handle is not None:
            self._handle.cancel()
        self._armed = tick
        self._handle = self._loop.call_at(tick * TICK, self._tick)

    def _tick(self) -> None:
        self._handle, self._ticking = None, True
        now = self._loop.time() + TICK / 2
        current = int(now / TICK)
        wheel = self._wheel
        due = [tick for tick in wheel if tick <= current] if wheel else []
        self._last = current
        for tick in sorted(due):
            for player in wheel.pop(tick):
                try:
                    when = player.advance(now)
                except Exception:
                    # A fault in one player must not stop all the others.
                    log.exception("a player failed and is dropped: %r", player)
                    continue
                if when is not None:
                    self.add(player, when)
        self._flush()
        after, self._after = self._after, []
        for call in after:
            try:
                call()
            except Exception:
                log.exception("a call behind a tick failed: %r", call)
        self._ticking = False
        if wheel or self._after:
            self._arm(current + 1 if self._after else min(wheel))
