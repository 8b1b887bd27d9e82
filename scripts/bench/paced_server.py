"""Our server with a clock on its pacer; at the end it saves how far from its time media left.

usage: paced_server.py OUT.npy serve FILE [--live NAME=FILE ...]: as `reelcast`, behind the file to save to

The array has two rows: for each time that a player's media was due (of a live stream with many readers, a part of
them), the moment at which the kernel had taken it, in seconds of time.monotonic, and how much later than due that
was; negative is how much earlier than due it was begun, where that is more.
"""

from __future__ import annotations

import sys
from array import array
from functools import partial
from unittest import mock

import numpy as np

from reelcast.cli.main import main
from reelcast.server import app
from reelcast.server.pacer import Pacer

__all__ = ["Clock"]


class Clock:
    """What pacers tell: when media was due, and when it was gone."""

    def __init__(self) -> None:
        self.moments = array("d")
        self.errors = array("d")

    def __call__(self, due: float, begun: float, gone: float) -> None:
        self.moments.append(gone)
        # What has much to send begins before its time and ends behind it: whichever is further from it.
        self.errors.append(max(begun - due, gone - due, key=abs))


if __name__ == "__main__":
    path = sys.argv.pop(1)
    clock = Clock()
    with mock.patch.object(app, "Pacer", partial(Pacer, on_sent=clock)):
        try:
            main()
        finally:
            np.save(path, np.array([clock.moments, clock.errors]))
