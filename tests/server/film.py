"""A film made by hand, and a carrier that keeps what it is given: what playheads are tested with."""

from __future__ import annotations

import asyncio
import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.groups import AUDIO, LABEL_SIZE, TRACKS, VIDEO, burst, parsed

from reelcast.errors import MediaError
from reelcast.net.fanout import FanOut
from reelcast.net.flight import Aired, Flight
from reelcast.rtp.burst import Burst
from reelcast.rtp.group import MAX_RUN_PACKETS, Group, Run
from reelcast.rtp.packet import Packet
from reelcast.rtp.rtcp import Report, parse
from reelcast.track import Track

FRAME = 9000
"""A frame's duration: 10 frames a second."""
SOUND = 160
"""An audio packet's: 50 packets a second."""
KEYFRAME_SIZES = (100,) * (3 * MAX_RUN_PACKETS) + (20,)
FRAME_SIZES = (100, 100, 20)


class Label(NamedTuple):
    """Which packet of the film it is."""

    pts: int
    number: int

    @classmethod
    def of(cls, packet: Packet) -> Label:
        return cls(*struct.unpack_from("!qH", packet.payload))


class Film:
    """Groups of one second: see `reelcast.server.reel.Groups`.

    A keyframe begins every `gop` frames; where it is open, two pictures that are shown before the keyframe
    follow it. Groups in `gates` come when their future is set; `asked`
    has the numbers of those that were asked for.
    """

    def __init__(self, seconds: float, *, gop: int = 15, is_open: bool = False) -> None:
        self.tracks: tuple[Track, ...] = TRACKS
        self.duration: float | None = seconds
        self.gates: dict[int, asyncio.Future[None]] = {}
        self.asked: list[int] = []
        self._gop = gop
        self._open = is_open
        self._bursts = [*self._pictures(round(10 * seconds)), *self._sounds(round(50 * seconds))]
        self._groups = self._grouped()

    def _pictures(self, count: int) -> Iterator[tuple[int, Burst]]:
        for number in range(count):
            place = number % self._gop
            shown = number + ((2, -1, -1)[place] if self._open and place < 3 else 0)
            sizes = KEYFRAME_SIZES if place == 0 else FRAME_SIZES
            keyframe = place == 0
            pts = FRAME * shown
            yield 0, burst(VIDEO, FRAME * number, sizes, pts=pts, duration=FRAME, keyframe=keyframe)

    def _sounds(self, count: int) -> Iterator[tuple[int, Burst]]:
        for number in range(count):
            yield 1, burst(AUDIO, SOUND * number, (LABEL_SIZE + number % 7,), duration=SOUND)

    def _grouped(self) -> list[Group]:
        parts: dict[int, list[tuple[int, Burst]]] = defaultdict(list)
        for track, one in self._bursts:
            parts[one.dts // self.tracks[track].clock_rate].append((track, one))
        last = max(parts)
        return [
            Group.build(index, parts[index], self.tracks, last=index == last) for index in range(last + 1)
        ]

    def forget_the_end(self) -> None:
        """Be a file whose last group does not know that it is the last."""
        last = self._groups[-1]
        self._groups[-1] = Group.build(
            last.index,
            (pair for pair in self._bursts if self._second(pair) == last.index),
            TRACKS,
            last=False,
        )

    def _second(self, pair: tuple[int, Burst]) -> int:
        return pair[1].dts // self.tracks[pair[0]].clock_rate

    def labels(self, track: int, start: float = 0.0, end: float = 1e9) -> list[Label]:
        """What is to be sent of a track from `start` on (presentation time), before `end` (when it is due)."""
        rate = self.tracks[track].clock_rate
        return [
            Label(one.pts, number)
            for index, one in self._bursts
            if index == track and one.pts >= start * rate - 1 and one.dts < end * rate - 1
            for number in range(len(one.sizes))
        ]

    # Groups

    def cached(self, index: int) -> Group | None:
        self.asked.append(index)
        if index in self.gates or index >= len(self._groups):
            return None
        return self._groups[index]

    def load(self, index: int) -> asyncio.Task[Group | None]:
        return asyncio.get_running_loop().create_task(self._load(index))

    async def _load(self, index: int) -> Group | None:
        gate = self.gates.get(index)
        if gate is not None:
            await asyncio.shield(gate)
        return self._groups[index] if index < len(self._groups) else None

    def hold_back(self, index: int) -> asyncio.Future[None]:
        """Have a group come late: when the result is set."""
        gate = self.gates[index] = asyncio.get_running_loop().create_future()
        return gate

    async def start_before(self, seconds: float) -> tuple[Group, Run | None]:
        found: tuple[Group, Run] | None = None
        for group in self._groups:
            for run in group.runs:
                known = found is not None and found[1].burst == run.burst and found[0] is group
                if run.track == 0 and run.keyframe and run.pts <= seconds + 0.0005 and not known:
                    found = group, run
        if found is None or (found[0].index == 0 and found[1].burst == 0):
            return self._groups[0], None
        return found


class BrokenFilm(Film):
    """A file that goes bad: from a group on it cannot be read."""

    def __init__(self, seconds: float, bad: int) -> None:
        super().__init__(seconds)
        self._bad = bad

    def cached(self, index: int) -> Group | None:
        return None if index >= self._bad else super().cached(index)

    async def _load(self, index: int) -> Group | None:
        raise MediaError("the disk is gone")


@dataclass(frozen=True)
class Sent:
    """A packet, and when it was sent."""

    time: float
    track: int
    packet: Packet

    @property
    def label(self) -> Label:
        return Label.of(self.packet)


@dataclass(frozen=True)
class Reported:
    """A compound, when it was sent, and behind how many packets."""

    time: float
    track: int
    reports: list[Report]
    behind: int


class FakeCarrier:
    """See `reelcast.net.carrier.Carrier`."""

    channels: Mapping[int, int] | None = None
    eager = False

    def __init__(self, *, spread: bool = True, max_lag: float = 0.1) -> None:
        self.max_lag = max_lag
        self.ready = True
        self.sent: list[Sent] = []
        self.reported: list[Reported] = []
        self.calls: list[int] = []
        self._spread = spread

    def dues(self, group: Group) -> Sequence[float]:
        return group.spread if self._spread else group.dues

    def send(self, flight: Flight, start: int, stop: int) -> None:
        assert self.ready
        assert start < stop
        now = asyncio.get_running_loop().time()
        self.calls.append(stop - start)
        for run in flight.group.runs[start:stop]:
            packets = flight.packets(run.first, run.count)
            self.sent += [Sent(now, run.track, parsed(packet)) for packet in packets]

    def report(self, track: int, data: bytes) -> None:
        now = asyncio.get_running_loop().time()
        self.reported.append(Reported(now, track, parse(data), len(self.sent)))

    def flight(self, aired: Aired) -> Flight:
        raise AssertionError("a film is not on the air")

    def join(self, fan_out: FanOut) -> None:
        raise AssertionError("a film is sent to each reader by itself")

    leave = join

    def of(self, track: int, since: int = 0, end: int | None = None) -> list[Sent]:
        """What was sent of one track."""
        return [one for one in self.sent[since:end] if one.track == track]
