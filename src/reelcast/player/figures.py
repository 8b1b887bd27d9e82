"""How a stream arrives, as series over time: what the plots show."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reelcast.client.stream import TrackStatistics

__all__ = ["Figures", "Sample"]

KEPT: Final = 240
"""Samples: two minutes at two a second."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the stream.

    time        monotonic, in seconds
    bit_rate    bits a second since the look before, all tracks together
    interval    milliseconds between pictures, the longest since the look before; None where there were none
    loss        per cent of the packets since the look before
    jitter      milliseconds, of the track where it is largest (RFC 3550 section 6.4.1)
    stored      milliseconds received that are still to be played
    latency     milliseconds from the sender's clock to its picture being received; None while that is not known
    """

    time: float
    bit_rate: float
    interval: float | None
    loss: float
    jitter: float
    stored: float
    latency: float | None


class Figures:
    """Takes looks, and keeps the last `KEPT` of them."""

    def __init__(self) -> None:
        self.samples: deque[Sample] = deque(maxlen=KEPT)
        self._before: tuple[float, int, int, int] | None = None
        self._arrived: float | None = None
        self._longest: float | None = None

    def clear(self) -> None:
        """Forget everything: another stream begins."""
        self.samples.clear()
        self._before = self._arrived = self._longest = None

    def pause(self) -> None:
        """What comes next is not late: nothing was to come."""
        self._arrived = None

    def picture(self, now: float) -> None:
        """A picture has come."""
        if self._arrived is not None:
            self._longest = max(self._longest or 0.0, now - self._arrived)
        self._arrived = now

    def look(self, tracks: Sequence[TrackStatistics], stored: float, now: float) -> None:
        """Take a sample; `stored` in seconds."""
        received = sum(each.packets.received for each in tracks)
        lost = sum(each.packets.lost for each in tracks)
        size = sum(each.packets.bytes for each in tracks)
        before, self._before = self._before, (now, size, received, lost)
        if before is None or now <= before[0] or size < before[1]:
            return
        new_lost = max(0, lost - before[3])
        expected = max(0, received - before[2]) + new_lost
        latencies = [each.latency for each in tracks if each.latency is not None]
        self.samples.append(
            Sample(
                now,
                (size - before[1]) * 8 / (now - before[0]),
                None if self._longest is None else self._longest * 1000,
                100 * new_lost / expected if expected else 0.0,
                1000 * max((each.packets.jitter for each in tracks), default=0.0),
                1000 * stored,
                1000 * max(latencies) if latencies else None,
            )
        )
        self._longest = None
