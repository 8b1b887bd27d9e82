"""How the player stands, in one value: what the engine says and the window shows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from reelcast.client.stream import TrackStatistics
from reelcast.errors import ReelcastError
from reelcast.player.source import Source

__all__ = ["Phase", "Status", "Waiting"]


class Phase(Enum):
    """Where the player stands."""

    IDLE = "Not connected"
    CONNECTING = "Connecting"
    READY = "Ready"
    PLAYING = "Playing"
    PAUSED = "Paused"
    ENDED = "At the end"


@dataclass(frozen=True, slots=True)
class Waiting:
    """The stream was lost and is looked for again, at a monotonic time."""

    until: float
    attempt: int
    error: ReelcastError


@dataclass(frozen=True, slots=True)
class Status:
    """How things stand; replaced as a whole when anything changes.

    error       what ended the stream, or why the last command failed
    waiting     set while the stream is lost and looked for
    notice      something to know that is no error: "" if nothing
    duration    in seconds, None for a live source
    live        opened, and without an end
    tracks      of each track what was received
    """

    source: Source | None = None
    phase: Phase = Phase.IDLE
    error: ReelcastError | None = None
    waiting: Waiting | None = None
    notice: str = ""
    duration: float | None = None
    live: bool = False
    transport: str = ""
    scale: float = 1.0
    tracks: tuple[TrackStatistics, ...] = ()
