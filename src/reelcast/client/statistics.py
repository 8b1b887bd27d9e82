"""What a stream has received, over all its sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from reelcast.rtp.intake import Clock
from reelcast.rtp.receiver import Statistics
from reelcast.track import Track

__all__ = ["Counted", "Ledger", "TrackStatistics"]


class Counted(Protocol):
    """What a session counts of one track (`reelcast.client.reception.Reception`); meanings as below."""

    @property
    def track(self) -> Track:
        """The track."""

    @property
    def units(self) -> int:
        """Access units."""

    @property
    def corrupt(self) -> int:
        """Corrupt ones."""

    @property
    def packets(self) -> Statistics:
        """Packets."""

    @property
    def latency(self) -> float | None:
        """Seconds."""

    @property
    def clock(self) -> Clock:
        """Whose clock."""


@dataclass(frozen=True, slots=True)
class TrackStatistics:
    """What was received of one track so far, over all reconnections.

    units      access units that were complete
    corrupt    of them, those behind a loss and before the next keyframe
    dropped    of them, those that the application did not take in time
    packets    what the receiver counts
    latency    seconds between the sender's clock and ours at the last unit; None while that is not known, and of
               what was recorded
    clock      whose the wall-clock times are
    """

    track: Track
    units: int
    corrupt: int
    dropped: int
    packets: Statistics
    latency: float | None
    clock: Clock


class Ledger:
    """Adds up what sessions have counted, one after the other."""

    def __init__(self) -> None:
        self._past: tuple[TrackStatistics, ...] = ()

    def sums(self, present: Sequence[Counted], dropped: Mapping[Track, int]) -> tuple[TrackStatistics, ...]:
        """All up to now, with what the present session counts; a camera that has other tracks begins anew.

        dropped   by track, over all sessions
        """
        now = tuple(
            TrackStatistics(
                each.track,
                each.units,
                each.corrupt,
                dropped.get(each.track, 0),
                each.packets,
                each.latency,
                each.clock,
            )
            for each in present
        )
        if len(now) != len(self._past):
            return now or self._past
        return tuple(_sum(before, after) for before, after in zip(self._past, now, strict=True))

    def close(self, present: Sequence[Counted], dropped: Mapping[Track, int]) -> None:
        """A session has ended; its figures stay."""
        self._past = self.sums(present, dropped)


def _sum(before: TrackStatistics, after: TrackStatistics) -> TrackStatistics:
    return TrackStatistics(
        after.track,
        before.units + after.units,
        before.corrupt + after.corrupt,
        after.dropped,
        before.packets + after.packets,
        after.latency,
        after.clock,
    )
