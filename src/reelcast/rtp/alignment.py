"""Tracks in step, where the answer to PLAY did not say how they stand to each other.

A server that leaves RTP-Info out (many cameras do) leaves open which picture belongs to which sound: presentation
times then count from each track's first packet, whenever that came. Sender reports tell it a little later (RFC
3550 section 6.4.1).
"""

from __future__ import annotations

from typing import Final

from reelcast.rtp.intake import ReceivedUnit
from reelcast.track import Codec, Kind

__all__ = ["STEP", "Alignment"]

STEP: Final = 0.02
"""Seconds by which tracks may differ before one is moved: reports are not exact, and a lip moves at 25 a second."""
MAX_MOVE: Final = 10.0
"""Seconds: tracks that differ by more have clocks that have nothing to do with each other."""

_Key = tuple[Kind, Codec, str]


class Alignment:
    """Presentation times of one stream's tracks, brought in step with those of its video."""

    def __init__(self, max_move: float = MAX_MOVE) -> None:
        """`max_move` seconds are the most that a track is moved by."""
        self._max_move = max_move
        self._segment: int | None = None
        self._reference: _Key | None = None
        self._offsets: dict[_Key, float] = {}
        self._moves: dict[_Key, float] = {}

    def place(self, received: ReceivedUnit) -> float:
        """When a unit is presented, in seconds."""
        if received.segment != self._segment:
            self._segment = received.segment
            self._offsets.clear()
            self._moves.clear()
        # Parameter sets may change on the way; the track is the same.
        track = received.track.identity
        if self._reference is None or (track[0] == "video" and self._reference[0] != "video"):
            self._reference = track
            self._moves.clear()
        if received.clock != "estimated" and received.time is not None:
            # A camera's own times are right from the first on: where they leap, both tracks do, at a gap.
            if received.clock == "sender" or track not in self._offsets:
                self._offsets[track] = received.time - received.pts
            self._look(track)
        return received.pts + self._moves.get(track, 0.0)

    def _look(self, track: _Key) -> None:
        """Whether the clocks say that a track stands elsewhere than it was put."""
        if track == self._reference or self._reference not in self._offsets:
            return
        move = self._offsets[track] - self._offsets[self._reference]
        if abs(move - self._moves.get(track, 0.0)) > STEP and abs(move) <= self._max_move:
            self._moves[track] = move
