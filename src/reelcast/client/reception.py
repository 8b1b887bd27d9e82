"""One track of a session as it comes: by its lane, through its intake, counted, and handed on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from reelcast.client.lane import Lane
from reelcast.rtp.intake import Clock, Intake, ReceivedUnit
from reelcast.rtp.receiver import Statistics
from reelcast.track import Track

__all__ = ["Early", "Reception"]

MAX_EARLY: Final = 1024
"""Packets kept that overtake the PLAY response, which says what their timestamps mean."""
MAX_LATENCY: Final = 60.0
"""Seconds: nothing is so long on its way."""


class Reception:
    """One track of a session: its lane, its intake, and what is counted beside.

    units      that were complete; corrupt: of them, those behind a loss
    latency    seconds from the sender's clock to ours, of the last unit; None while that clock is not known, and
               where it is of another time than ours: a recording's, or one that was never set
    """

    def __init__(self, intake: Intake, lane: Lane, outlet: Callable[[ReceivedUnit], None]) -> None:
        self.intake = intake
        self.lane = lane
        self.units = 0
        self.corrupt = 0
        self.latency: float | None = None
        self.clock: Clock = "estimated"
        self._outlet = outlet

    @property
    def track(self) -> Track:
        """What it receives."""
        return self.intake.track

    @property
    def packets(self) -> Statistics:
        """What the receiver counts."""
        return self.intake.statistics

    def take(self, datagrams: Sequence[bytes], now: float, wall: float) -> None:
        """Take what came at once; `now` by a monotonic clock, `wall` by the Unix clock, both in seconds."""
        units = self.intake.take(datagrams, now, wall)
        if units:
            self._deliver(units, wall)

    def flush(self, deadline: float, now: float, wall: float) -> None:
        """Hand on what has waited until `deadline` for packets before it; with infinity, all that waits."""
        self._deliver(self.intake.flush(deadline, now, wall), wall)

    def _deliver(self, units: Sequence[ReceivedUnit], wall: float) -> None:
        for received in units:
            self._count(received, wall)
            self._outlet(received)

    def _count(self, received: ReceivedUnit, wall: float) -> None:
        """A unit has come, at a Unix time."""
        self.units += 1
        self.corrupt += received.corrupt
        self.clock = received.clock
        known = received.clock != "estimated" and received.time is not None
        latency = wall - received.time if known and received.time is not None else math.inf
        self.latency = latency if abs(latency) <= MAX_LATENCY else None


class Early:
    """What comes before the response to PLAY, of all tracks, in the order in which it came.

    waits   whether that response is waited for
    """

    def __init__(self) -> None:
        self.waits = True
        self._kept: list[Callable[[], None]] = []

    def wait(self) -> None:
        """PLAY is asked for."""
        self.waits = True
        self._kept = []

    def keep(self, take: Callable[[], None]) -> None:
        """Something has come; what is too much is lost."""
        if len(self._kept) < MAX_EARLY:
            self._kept.append(take)

    def release(self) -> None:
        """The response has come: take what was kept."""
        self.waits = False
        kept, self._kept = self._kept, []
        for take in kept:
            take()
