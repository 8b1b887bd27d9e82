"""Our server on a bad network: of all media over UDP, it sends only a part.

usage: lossy_server.py PERCENT serve FILE ...: as `reelcast`, behind how many packets of a hundred are lost

The same packets of a track are lost for every reader. What is no media (reports) arrives.
"""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from unittest import mock

from reelcast.cli.main import main
from reelcast.net.messages import Batching, Destination, MessageSocket
from reelcast.rtp.rtcp import is_rtcp

__all__ = ["Losses"]


class Losses:
    """Decides for each destination by dice of its own, which all fall alike."""

    def __init__(self, percent: float) -> None:
        self._part = percent / 100
        self._dice: defaultdict[Destination, random.Random] = defaultdict(lambda: random.Random(2326))
        self._send = MessageSocket.send

    def send(self, sock: MessageSocket, packet: bytes | memoryview, destination: Destination) -> None:
        """Send it, or do not."""
        if is_rtcp(bytes(packet)) or self._dice[destination].random() >= self._part:
            self._send(sock, packet, destination)


if __name__ == "__main__":
    losses = Losses(float(sys.argv.pop(1)))
    with (
        mock.patch.object(Batching, "detect", return_value=Batching.PLAIN),
        mock.patch.object(MessageSocket, "send", lambda *arguments: losses.send(*arguments)),
    ):
        main()
