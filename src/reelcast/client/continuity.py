"""One timeline for what comes of many sessions: presentation times go on where the last one ended."""

from __future__ import annotations

from dataclasses import replace

from reelcast.rtp.intake import ReceivedUnit

__all__ = ["Continuity"]


class Continuity:
    """Gives the units of a live source presentation times that go on across reconnections and pauses.

    What has an end has times of its own, which mean the same in every session: they are left as they are.

    position   the latest presentation time given, in seconds
    """

    def __init__(self) -> None:
        self.position = 0.0
        self._segment: int | None = None
        self._offset = 0.0
        self._arrival = 0.0

    def seek(self, at: float) -> None:
        """The presentation goes on from this time, in seconds."""
        self.position = at

    def place(self, received: ReceivedUnit, *, live: bool, backwards: bool = False) -> ReceivedUnit:
        """The unit with its time on the one axis; `live` where the source has no end."""
        if received.segment != self._segment:
            known, self._segment = self._segment is not None, received.segment
            self._offset = 0.0
            if known and live:
                gap = max(received.arrival - self._arrival, 0.0)
                self._offset = self.position + gap - received.pts
            elif not live:
                self.position = received.pts
        if self._offset:
            received = replace(received, pts=received.pts + self._offset)
        self.position = (min if backwards else max)(self.position, received.pts)
        self._arrival = received.arrival
        return received
