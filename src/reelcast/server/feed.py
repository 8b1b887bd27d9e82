"""Where live streams come from, and what the processes that send them agree on."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from reelcast.rtp.group import Group
from reelcast.track import Track

__all__ = ["Era", "Feed", "Portion"]


class Portion(NamedTuple):
    """What comes of a feed in one piece.

    shift   seconds that lead from the group's time axis to the stream's
    holes   tracks of which something is missing before this: its readers are to see that
    """

    group: Group
    shift: float = 0.0
    holes: tuple[int, ...] = ()


class Feed(Protocol):
    """Where a live stream's media comes from.

    tracks    what it consists of
    leading   the index of the track whose keyframes are places to begin at
    paced     whether groups come before they are due; else they are due when they come
    """

    tracks: tuple[Track, ...]
    leading: int
    paced: bool

    def portions(self, elapsed: float) -> AsyncIterator[Portion]:
        """Groups in order, the first from before `elapsed` seconds into the stream.

        Ends, or raises ReelcastError, where no more comes.
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
