"""Where live streams come from, and what the processes that send them agree on."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from reelcast.rtp.group import Group
from reelcast.track import Track

__all__ = ["Era", "Feed"]


class Feed(Protocol):
    """Where a live stream's media comes from.

    tracks    what it consists of
    leading   the index of the track whose keyframes are places to begin at
    """

    tracks: tuple[Track, ...]
    leading: int

    def groups(self, elapsed: float) -> AsyncIterator[tuple[Group, float]]:
        """Groups in order, the first from before `elapsed` seconds into the stream, each with its shift.

        The shift, in seconds, leads from the group's time axis to the stream's. Ends, or raises ReelcastError,
        where no more comes.
        """

    def close(self) -> None:
        """Free what it holds."""


@dataclass(frozen=True, slots=True)
class Era:
    """What several processes that send the same live streams agree on.

    began   when the streams began (monotonic seconds, the same clock for all processes of a machine)
    seed    where their SSRCs and first timestamps come from: a secret
    """

    began: float
    seed: int

    @classmethod
    def now(cls) -> Era:
        """One that begins now."""
        return cls(time.monotonic(), secrets.randbits(128))
