"""What a live path is fed with: units as they come, kept since the last keyframe for those who come later."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from reelcast.errors import PayloadError
from reelcast.media.groups import leading_track
from reelcast.rtp.burst import Burst
from reelcast.rtp.group import Group
from reelcast.rtp.payload import Packetizer, packetizer_for
from reelcast.server.feed import Portion
from reelcast.track import AccessUnit, Track

__all__ = ["CROWD", "SPREAD_SECONDS", "LiveFeed", "Sample"]

log = logging.getLogger(__name__)

MAX_KEPT_BYTES: Final = 32 << 20
"""Kept since a keyframe: 30 seconds of 8 Mbit/s; who comes where there was more waits for the next one."""
WAIT_SECONDS: Final = 10.0
"""How long nothing is kept for want of a keyframe; then it is a stream that refreshes its pictures bit by bit."""
PORTION_BYTES: Final = 256 << 10
"""Put on the air in one piece, but for a larger frame: slow readers who catch up are written so much at a time."""
SPREAD_SECONDS: Final = 0.008
"""What a frame's duration counts for when it is spread: what is live is not to be late."""


CROWD: Final = 150
"""Readers from which on it pays to write to each once for picture and sound together."""
SOUND_SECONDS: Final = 0.04
"""How long sound waits for the picture then: a frame's time, which every player has in store."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An access unit on the path's own axis.

    unit    its times are on the axis, in units of the track's clock: dts is when it came, and is due
    hole    something of the track is missing before it
    """

    track: int
    unit: AccessUnit
    hole: bool = False


class LiveFeed:
    """See `reelcast.server.feed.Feed`. Units that come while nobody watches are kept, but not packetised.

    refused   units that no packet can carry, and were left out
    crowded   whether many watch: sound then leaves with the picture behind it
    """

    paced = False

    def __init__(self, tracks: Sequence[Track]) -> None:
        self.tracks = tuple(tracks)
        self.leading = leading_track(self.tracks)
        self.refused = 0
        self.crowded = False
        self._kept: deque[Sample] = deque()
        self._kept_bytes = 0
        self._keeping = False
        self._since: float | None = None
        # What is to be put on the air next, None while nobody watches.
        self._pending: list[Sample] | None = None
        self._come = asyncio.Event()
        self._ended = False
        self._packetizers: list[Packetizer] = []

    def begin(self, tracks: Sequence[Track]) -> None:
        """Units of another publisher follow: nothing of it refers to what was before."""
        self.tracks = tuple(tracks)
        self._forget()
        self._packetizers = []

    def put(self, sample: Sample, now: float) -> None:
        """Take a unit in, at the stream's time `now`."""
        if sample.unit.keyframe and sample.track == self.leading:
            self._forget()
            self._keeping = True
        elif not self._keeping:
            self._since = now if self._since is None else self._since
            if now - self._since < WAIT_SECONDS:
                return
        if self._keeping:
            self._kept.append(sample)
            self._kept_bytes += len(sample.unit.data)
            if self._kept_bytes > MAX_KEPT_BYTES:
                self._forget()
                # It goes on the air all the same.
                self._since = now - WAIT_SECONDS
        if self._pending is not None:
            self._pending.append(sample)
            if sample.track == self.leading or not self.crowded:
                self._come.set()
            elif len(self._pending) == 1:
                asyncio.get_running_loop().call_later(SOUND_SECONDS, self._come.set)

    async def portions(self, elapsed: float) -> AsyncIterator[Portion]:
        """What was kept, then what comes, as soon as it does; ends behind `close`."""
        self._packetizers = []
        pending = self._pending = list(self._kept)
        index = 0
        self._come.set()
        try:
            while pending or not self._ended:
                await self._come.wait()
                self._come.clear()
                come = pending[:]
                del pending[:]
                while come:
                    samples = _taken(come)
                    group = Group.build(index, self._laid_out(samples), self.tracks, last=False)
                    if group.runs:
                        yield Portion(group, 0.0, (samples[0].track,) if samples[0].hole else ())
                        index += 1
        finally:
            # Who watches next may have begun before this has come to its end.
            if self._pending is pending:
                self._pending = None

    def close(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._come.set()

    def _forget(self) -> None:
        self._kept.clear()
        self._kept_bytes = 0
        self._keeping, self._since = False, None

    def _bursts(self, sample: Sample) -> list[tuple[int, Burst]]:
        if not self._packetizers:
            self._packetizers = [packetizer_for(track) for track in self.tracks]
        try:
            bursts = self._packetizers[sample.track].packetize(sample.unit)
        except PayloadError as error:
            if not self.refused:
                log.warning("a unit of %s is left out: %s", self.tracks[sample.track].codec, error)
            self.refused += 1
            return []
        return [(sample.track, burst) for burst in bursts]

    def _laid_out(self, samples: Sequence[Sample]) -> list[tuple[int, Burst]]:
        """Their bursts; nothing waits to share a packet with what has not come yet."""
        bursts = [pair for sample in samples for pair in self._bursts(sample)]
        for track, packetizer in enumerate(self._packetizers):
            bursts += [(track, burst) for burst in packetizer.flush()]
        return bursts


def _taken(come: list[Sample]) -> list[Sample]:
    """What goes on the air in one piece: all that has come, up to a hole, or to much of what was kept for long."""
    size = count = 0
    while count < len(come) and size < PORTION_BYTES and not (count and come[count].hole):
        size += len(come[count].unit.data)
        count += 1
    taken = come[:count]
    del come[:count]
    return taken
