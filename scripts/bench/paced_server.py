"""Our server with a clock on its pacer; at the end it saves how late media left.

usage: paced_server.py OUT.npy serve FILE [--live NAME=FILE ...]: as `reelcast`, behind the file to save to

The array has two rows: for each time that a player's media was due, the moment at which the tick that sent it was
done with all its sends, in seconds of time.monotonic, and how much later than due that was. Negative is early.
"""

from __future__ import annotations

import sys
import time
from array import array
from collections import defaultdict
from collections.abc import Callable
from unittest import mock

import numpy as np

from reelcast.cli.main import main
from reelcast.server import app
from reelcast.server.pacer import Paced, Pacer

__all__ = ["Clocked", "ClockedPacer"]


class Clocked:
    """A player, once: forgotten when it has been called."""

    def __init__(self, pacer: ClockedPacer, player: Paced, due: float) -> None:
        self.player = player
        self.due = due
        self._pacer = pacer

    def advance(self, now: float) -> float | None:
        """See Paced."""
        self._pacer.called(self)
        return self.player.advance(now)


class ClockedPacer(Pacer):
    """A pacer that notes how late it is, of all pacers of the process."""

    moments = array("d")
    errors = array("d")

    def __init__(self, flush: Callable[[], None]) -> None:
        self._waiting: defaultdict[Paced, list[Clocked]] = defaultdict(list)
        self._called: list[Clocked] = []

        def timed() -> None:
            flush()
            done = time.monotonic()
            for clocked in self._called:
                self.moments.append(done)
                self.errors.append(done - clocked.due)
            self._called.clear()

        super().__init__(timed)

    def add(self, player: Paced, when: float) -> None:
        """See Pacer; what has been called comes back as its clocked self."""
        player = player.player if isinstance(player, Clocked) else player
        clocked = Clocked(self, player, when)
        self._waiting[player].append(clocked)
        super().add(clocked, when)

    def discard(self, player: Paced) -> None:
        """See Pacer."""
        for clocked in self._waiting.pop(player, ()):
            super().discard(clocked)

    def called(self, clocked: Clocked) -> None:
        """It is being called, and its media leaves in this tick."""
        waiting = self._waiting[clocked.player]
        waiting.remove(clocked)
        if not waiting:
            del self._waiting[clocked.player]
        self._called.append(clocked)


if __name__ == "__main__":
    path = sys.argv.pop(1)
    with mock.patch.object(app, "Pacer", ClockedPacer):
        try:
            main()
        finally:
            np.save(path, np.array([ClockedPacer.moments, ClockedPacer.errors]))
