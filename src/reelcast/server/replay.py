"""A playhead in the recording of a live path, which takes over from another player, and hands over to one.

Packets go on under the same numbers, and RTP time goes on with them; what was sent last by the other player is
found again by its time.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping

from reelcast.rtp.group import Group, Run
from reelcast.rtp.sender import Numbers
from reelcast.server.playhead import Playhead
from reelcast.server.reel import Reel, Start
from reelcast.server.source import Playing

__all__ = ["Replay"]

SAME_UNIT = 0.1
"""Seconds between two times of one unit, where they were told by different clocks; the nearest is taken."""


class Replay(Playhead):
    """See `Playhead`."""

    def take_over(self, numbers: Numbers) -> None:
        """Go on with another player's numbers; before the first `play`."""
        for track in self._senders.keys() & numbers.senders.keys():
            self._senders[track], self._bases[track] = numbers.senders[track], numbers.bases[track]
        self._reached = numbers.reached

    def hand_over(self) -> Numbers:
        """Stop without a goodbye: another player goes on."""
        self._halt()
        self._leave()
        self._stopped, self._loading = True, None
        return Numbers(self._senders, self._bases, self._reached + self._shift)

    async def resume(self, heard: Mapping[int, float], reached: float) -> Playing | None:
        """Prepare to go on exactly behind what was sent by another player, in the order of sending.

        `heard` has the NPT of the last unit sent of each track, `reached` the session's time of the leading
        track's. None where that unit is not there, and nothing is prepared.
        """
        track = self._leading if self._leading in heard else min(heard)
        found = await self._unit_at(track, heard[track])
        if found is None:
            return None
        group, last = found
        others = {each: npt for each, npt in heard.items() if each != track}
        self._reel, self._reached = Reel(self._groups), last.pts
        self._move(reached - last.pts)
        self._start = Start(group.index, track, last.burst + 1, -math.inf, others)
        self._enter(group)
        return self._answer(self._next_pts())

    async def _unit_at(self, track: int, npt: float) -> tuple[Group, Run] | None:
        """Of the units of a track, the one that is shown nearest to an NPT, and its group."""
        nearest: tuple[float, Group, Run] | None = None
        last = int(npt + SAME_UNIT)
        # Pictures are decoded, and stand in a group, some time before they are shown.
        for index in range(max(0, int(npt - SAME_UNIT) - 1), last + 1):
            group = self._groups.cached(index)
            if group is None:
                group = await asyncio.shield(self._groups.load(index))
            for run in () if group is None else group.runs:
                away = abs(run.pts - npt)
                if group is not None and run.track == track and away < SAME_UNIT:
                    nearest = min(nearest or (away, group, run), (away, group, run), key=lambda each: each[0])
        return None if nearest is None else nearest[1:]
