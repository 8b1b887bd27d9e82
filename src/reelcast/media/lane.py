"""The way of one stream's packets to a track."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reelcast.track import Track

__all__ = ["FIRST_DYNAMIC_TYPE", "Lane"]

FIRST_DYNAMIC_TYPE = 96
"""Of payload types (RFC 3551 section 6); which one a track gets is known when all tracks served are."""


@dataclass(frozen=True, slots=True)
class Lane:
    """How a stream is carried.

    track      as served, but for its dynamic payload type and its control
    convert    a packet's data as an access unit has it; empty where the packet is broken
    length     exact length of converted data in units of `rate`; None where the container tells it
    count_rate what lengths are counted at, in Hz, where that is not the track's clock: frames of MPEG audio are a
               whole number of samples, but not of ticks
    frame      bytes of the samples of one tick of the clock, of units that may be cut between any two: PCM;
               0 for all others
    """

    track: Track
    convert: Callable[[bytes], bytes]
    length: Callable[[bytes], int] | None = None
    count_rate: int | None = None
    frame: int = 0

    @property
    def rate(self) -> int:
        """What times of this stream are counted at before they become the track's, in Hz."""
        return self.count_rate or self.track.clock_rate

    def ticks(self, count: int) -> int:
        """A time counted at `rate` in units of the track's clock, to the nearest, halves up."""
        if self.count_rate is None:
            return count
        return (2 * count * self.track.clock_rate + self.count_rate) // (2 * self.count_rate)
