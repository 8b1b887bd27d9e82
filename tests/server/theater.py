"""A playhead in its surroundings: a film, a carrier, and what was answered."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from tests.server.film import FakeCarrier, Film, Label, Reported

from reelcast.rtp.rtcp import Bye
from reelcast.server.pacer import Pacer
from reelcast.server.playhead import Playhead
from reelcast.server.source import Pace, Playing

RATES = (90_000, 8_000)
SSRCS = {0: 0xAABBCCDD, 1: 0x01020304}


class Theater:
    """A playhead in its surroundings."""

    def __init__(
        self, film: Film, carrier: FakeCarrier | None = None, ssrcs: dict[int, int] | None = None
    ) -> None:
        self.film = film
        self.carrier = carrier or FakeCarrier()
        self.flushed = 0
        self.head = Playhead(film, ssrcs or SSRCS, self.carrier, Pacer(self._flush))
        self.answers: list[tuple[Playing, int]] = []

    def _flush(self) -> None:
        self.flushed = len(self.carrier.sent)

    async def play(
        self, start: float | None = None, end: float | None = None, pace: Pace | None = None
    ) -> Playing:
        """Ask for it, and begin at once."""
        answer = await self.head.play(start, end, pace)
        self.answers.append((answer, len(self.carrier.sent)))
        self.head.begin()
        return answer

    async def until_the_end(self) -> None:
        for _ in range(1000):
            if self.head.ended:
                return
            await asyncio.sleep(0.5)
        raise AssertionError("it does not end")

    def labels(self, track: int, since: int = 0) -> list[Label]:
        return [one.label for one in self.carrier.of(track, since)]

    def assert_numbers_go_on(self) -> None:
        """Sequence numbers without a gap, timestamps that never go back; what answers said comes true."""
        for track in self.head._senders:
            packets = [one.packet for one in self.carrier.of(track)]
            for before, after in pairwise(packets):
                assert after.sequence == (before.sequence + 1) & 0xFFFF
            ends = [since for _, since in self.answers[1:]]
            for (answer, since), end in zip(self.answers, [*ends, len(self.carrier.sent)], strict=True):
                for one in self.carrier.of(track, since, end)[:1]:
                    assert answer.start is not None
                    sequence, rtptime = answer.first[track]
                    assert one.packet.sequence == sequence
                    said = (one.packet.timestamp - rtptime + (1 << 31)) % (1 << 32) - (1 << 31)
                    played = (one.label.pts - answer.start * RATES[track]) / answer.pace.scale
                    assert said == pytest.approx(played, abs=1)

    def byes(self, track: int = 0) -> list[Reported]:
        found = [one for one in self.carrier.reported if one.track == track]
        return [one for one in found if any(isinstance(report, Bye) for report in one.reports)]


def theater(seconds: float = 6.0, *, tcp: bool = False, gop: int = 15, is_open: bool = False) -> Theater:
    carrier = FakeCarrier(spread=False, max_lag=1.0) if tcp else FakeCarrier()
    return Theater(Film(seconds, gop=gop, is_open=is_open), carrier)


def now() -> float:
    return asyncio.get_running_loop().time()
