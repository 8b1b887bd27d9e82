"""What happens to a stream beside its frames, for programs that watch it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from reelcast.errors import ReelcastError
from reelcast.track import Track

__all__ = [
    "Connected",
    "Damaged",
    "Disconnected",
    "Ended",
    "Event",
    "FellBack",
    "Synchronized",
    "Waiting",
    "Watch",
    "notify",
]

T = TypeVar("T")

log = logging.getLogger(__name__)


def notify(watcher: Callable[[T], None], news: T) -> None:
    """Tell an application what it wants to know; what it raises is logged, and does not touch the stream."""
    try:
        watcher(news)
    except Exception:
        log.exception("! the application failed over %s", type(news).__name__)


@dataclass(frozen=True, slots=True)
class Connected:
    """Media has begun to come, over "udp", "tcp" or "classroom"; again after each reconnection."""

    transport: str


@dataclass(frozen=True, slots=True)
class FellBack:
    """UDP did not work, for this reason; TCP is tried."""

    error: ReelcastError


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The stream was lost for this reason, and is to be connected again."""

    error: ReelcastError


@dataclass(frozen=True, slots=True)
class Waiting:
    """The next attempt to connect comes in `delay` seconds.

    attempt   its number, from 1 on since media came last
    error     why the last one failed
    """

    delay: float
    attempt: int
    error: ReelcastError


@dataclass(frozen=True, slots=True)
class Damaged:
    """Packets of a track were lost: its pictures are corrupt from here to the next keyframe."""

    track: Track


@dataclass(frozen=True, slots=True)
class Synchronized:
    """The wall-clock times of a track are now by a better clock: "sender" or "camera"."""

    track: Track
    clock: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream is over, by its own end or by this error; nothing follows."""

    error: ReelcastError | None


Event = Connected | FellBack | Disconnected | Waiting | Damaged | Synchronized | Ended


class Watch:
    """Sees the turns in what comes of each track, and tells of them: damage, and a better clock."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell
        self._whole: set[Track] = set()
        self._clocks: dict[Track, str] = {}

    def look(self, track: Track, *, corrupt: bool, clock: str) -> None:
        """One more unit has come."""
        if not corrupt:
            self._whole.add(track)
        elif track in self._whole:
            self._whole.discard(track)
            self._tell(Damaged(track))
        if clock != "estimated" and self._clocks.get(track) != clock:
            self._clocks[track] = clock
            self._tell(Synchronized(track, clock))
