"""What an hour brings of trouble, in the virtual time of some minutes.

Publishers come and go every few seconds, their timestamps leap forward, back, over their end or stand still, and
two packets of a hundred are lost.

A reader sees one stream all the while, and the recording has all of it.
"""

from __future__ import annotations

import asyncio
import math
import random
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import count, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import pytest
from tests.media.coded import quiet
from tests.media.conftest import RECIPES, make_movie
from tests.net.links import Recorder
from tests.server.virtual import in_virtual_time

from reelcast.archive.index import SAME_SECONDS, Index
from reelcast.archive.spool import Taken
from reelcast.archive.writer import Writer
from reelcast.media.demux import open_demuxer
from reelcast.net import clock as clock_module
from reelcast.net import interleaved_fanout as fan_out_module
from reelcast.net.carrier import InterleavedCarrier
from reelcast.net.interleaved import InterleavedWriter
from reelcast.rtp.intake import Intake, ReceivedUnit
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload import packetizer_for
from reelcast.server import broadcast as broadcast_module
from reelcast.server import feed as feed_module
from reelcast.server import subscription as subscription_module
from reelcast.server.broadcast import Broadcast
from reelcast.server.live import Live, LivePolicy
from reelcast.server.pacer import Pacer
from reelcast.track import Track

NOON: Final = 1_700_000_040.0
RESTARTS: Final = 60
LOSS: Final = 0.02
LEAPS: Final = {"forward": 7.0, "far forward": 40_000.0, "back": -3.0, "far back": -23_000.0}
"""Seconds by which timestamps leap, in the middle of what a publisher sends."""
TROUBLES: Final = (*LEAPS, "wrap", "stand still", "none")
STILL: Final = 0.3
"""Seconds for which timestamps stand still."""
HALF: Final = 0.011
"""Seconds of half a unit of sound."""
MASK: Final = 0xFFFFFFFF
BACK: Final = {"video": 0.2, "audio": 0.1}
"""Seconds by which times may go back: pictures are reordered, and units of sound that came in one packet are told
apart where the packets' times stand still."""
APART: Final = 3.0
"""Seconds that a stream's time may be away from the time that has passed: less than any leap."""


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.fixture(autouse=True)
def clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """All in the loop's time."""
    monkeypatch.setattr(clock_module, "_OFFSET", NOON)
    for module in (broadcast_module, subscription_module, feed_module, fan_out_module):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=now))


class Movie:
    """A movie over and over, as packets; sequence numbers and SSRCs are to be given."""

    def __init__(self, path: Path) -> None:
        with closing(open_demuxer(path)) as demuxer:
            self.tracks = demuxer.tracks
            units = list(demuxer.units())
        self._length = 0.04 + max(unit.pts / 90_000 for number, unit in units if not number)
        self._shots: list[tuple[float, int, Packet]] = []
        for number, track in enumerate(self.tracks):
            packetizer = packetizer_for(track)
            bursts = [each for at, unit in units if at == number for each in packetizer.packetize(unit)]
            for burst in (*bursts, *packetizer.flush()):
                place = 0
                for size in burst.sizes:
                    packet = Packet.parse(burst.data[place : place + size])
                    assert packet is not None
                    self._shots.append((burst.dts / track.clock_rate, number, packet))
                    place += size
        self._shots.sort(key=lambda shot: shot[0])

    def shots(self) -> Iterator[tuple[float, int, Packet]]:
        """When each packet is sent, in seconds, of which track it is, and the packet."""
        for round_ in count():
            shift = round_ * self._length
            for at, number, packet in self._shots:
                timestamp = packet.timestamp + round(shift * self.tracks[number].clock_rate) & MASK
                yield at + shift, number, replace(packet, timestamp=timestamp)


class Camera:
    """A publisher in trouble: what it sends until it is gone."""

    def __init__(self, movie: Movie, trouble: str, dice: random.Random) -> None:
        self.movie = movie
        self.trouble = trouble
        self._dice = dice
        self._numbers = [count(dice.randrange(1 << 16)) for _ in movie.tracks]
        self._ssrcs = [dice.randrange(1 << 32) for _ in movie.tracks]
        self._offsets = [dice.randrange(1 << 32) for _ in movie.tracks]
        self._intakes = [Intake(track, ordered=False, ssrc=1, cname="us") for track in movie.tracks]

    async def publish(self, live: Live, seconds: float) -> None:
        begun, when = now(), self._dice.uniform(0.3, 0.7) * seconds
        if self.trouble == "wrap":
            rates = [track.clock_rate for track in self.movie.tracks]
            self._offsets = [(1 << 32) - round(when * rate) for rate in rates]
        feeding = live.feed(self.movie.tracks, "a camera", lambda: None)
        for at, number, packet in self.movie.shots():
            if at >= seconds:
                break
            if begun + at > now():
                await asyncio.sleep(begun + at - now())
            data = self._sent(number, packet, at - when)
            if self._dice.random() >= LOSS:
                for unit in self._intakes[number].take((data,), now(), NOON + now()):
                    feeding.put(unit)
            for intake in self._intakes:
                for unit in intake.flush(now(), now(), NOON + now()):
                    feeding.put(unit)
        for intake in self._intakes:
            for unit in intake.flush(math.inf, now(), NOON + now()):
                feeding.put(unit)
        feeding.end()

    def _sent(self, number: int, packet: Packet, since: float) -> bytes:
        """A packet as it is sent so many seconds behind where the trouble begins."""
        rate = self.movie.tracks[number].clock_rate
        timestamp = packet.timestamp + self._offsets[number]
        if since >= 0:
            timestamp += round(LEAPS.get(self.trouble, 0.0) * rate)
        if self.trouble == "stand still" and 0 <= since < STILL:
            timestamp -= round(since * rate)
        sequence = next(self._numbers[number]) & 0xFFFF
        ssrc = self._ssrcs[number]
        return replace(packet, timestamp=timestamp & MASK, sequence=sequence, ssrc=ssrc).to_bytes()


@dataclass
class Seen:
    """What came of each track, of a path or to a reader: when, and the packets or units."""

    units: list[ReceivedUnit] = field(default_factory=list)
    packets: list[tuple[float, int, Packet]] = field(default_factory=list)

    def of(self, kind: str) -> list[ReceivedUnit]:
        return [unit for unit in self.units if unit.track.kind == kind]

    def whole(self, kind: str) -> list[bytes]:
        """Units that are not said to be damaged."""
        return [unit.unit.data for unit in self.of(kind) if not unit.corrupt]


class Line(Recorder):
    """The connection of a reader that takes everything at once."""

    def __init__(self, tracks: tuple[Track, ...], seen: Seen) -> None:
        super().__init__()
        self._intakes = [Intake(track, ordered=True, ssrc=2, cname="them") for track in tracks]
        self._seen = seen

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        while data:
            channel, length = struct.unpack_from("!xBH", data)
            taken, data = data[4 : 4 + length], data[4 + length :]
            if channel % 2 == 0:
                packet = Packet.parse(taken)
                assert packet is not None
                self._seen.packets.append((now(), channel // 2, packet))
                self._seen.units += self._intakes[channel // 2].take((taken,), now(), NOON + now())


async def read(live: Live, pacer: Pacer, seen: Seen) -> Broadcast:
    """Play a path over TCP."""
    broadcast = await live.source()
    channels = {number: (2 * number, 2 * number + 1) for number in broadcast.senders}
    carrier = InterleavedCarrier(InterleavedWriter(Line(broadcast.tracks, seen)), channels)
    ssrcs = {number: sender.ssrc for number, sender in broadcast.senders.items()}
    player = broadcast.player(ssrcs, carrier, pacer)
    await player.play(None, None)
    player.begin()
    return broadcast


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Movie:
    """Six seconds with B-frames and sound, a keyframe every 0.8 s."""
    path = tmp_path_factory.mktemp("storm") / "movie.mp4"
    make_movie(path, replace(RECIPES["movie.mp4"], frames=150, keyframe_every=20))
    return Movie(path)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index(tmp_path) as index:
        yield index


@in_virtual_time
async def test_a_storm(movie: Movie, index: Index) -> None:
    dice = random.Random("a storm")
    live = Live("/cam", LivePolicy(patience=10.0))
    writer = Writer("/cam", index, suffix=".mp4", segment_seconds=60.0, fragment_seconds=1.0)
    came, seen, kept = Seen(), Seen(), 0

    def take(received: ReceivedUnit) -> None:
        came.units.append(received)
        writer.write(Taken(received, live.tracks, NOON + now()))

    live.tap(take)
    pacer = Pacer(lambda: None)
    broadcast: Broadcast | None = None
    for number in range(RESTARTS):
        camera = Camera(movie, TROUBLES[number % len(TROUBLES)], dice)
        publishing = asyncio.create_task(camera.publish(live, dice.uniform(2.0, 6.0)))
        if broadcast is None:
            await asyncio.sleep(0)
            broadcast = await read(live, pacer, seen)
        await publishing
        writer.tell()
        kept = max(kept, broadcast._kept_bytes)
        await asyncio.sleep(dice.choice((0.05, 1.0, 9.0)))
    assert await live.source() is broadcast
    assert live.statistics().feedings == RESTARTS
    writer.stop()
    pacer.close()
    live.close()
    await asyncio.sleep(1.0)
    check_path(came)
    check_reader(seen, came)
    check_recordings(index, came, writer.left_out)
    assert kept < 1 << 20


def check_path(came: Seen) -> None:
    """Times never leap, and go as time does."""
    for kind, back in BACK.items():
        latest = -math.inf
        for unit in came.of(kind):
            assert unit.pts > latest - back
            latest = max(latest, unit.pts)
        drifts = [unit.arrival - unit.pts for unit in came.of(kind)]
        assert max(drifts) - min(drifts) < APART


def check_reader(seen: Seen, came: Seen) -> None:
    """One stream: numbers go on, one left out where something is lost; units are whole, or said not to be."""
    assert len({packet.ssrc for _, _, packet in seen.packets}) == 2
    for number, (kind, rate) in enumerate((("video", 90_000), ("audio", 48_000))):
        packets = [(at, packet) for at, each, packet in seen.packets if each == number]
        steps = {(b.sequence - a.sequence) & 0xFFFF for (_, a), (_, b) in pairwise(packets)}
        assert steps == {1, 2}
        for (before, a), (after, b) in pairwise(packets):
            step = ((b.timestamp - a.timestamp + (1 << 31)) & MASK) - (1 << 31)
            assert -BACK[kind] <= step / rate <= after - before + APART
        # Sound that comes before a publisher's first keyframe is left out; all else is there, in order.
        whole = iter(came.whole(kind))
        assert all(data in whole for data in seen.whole(kind))
        assert kind == "audio" or seen.whole(kind) == came.whole(kind)
        assert len(seen.whole(kind)) > len(came.whole(kind)) * 0.95


def check_recordings(index: Index, came: Seen, left_out: int) -> None:
    """All that came is there, once, but for what comes before a publisher's first keyframe, and sound that is of no
    other time than the sound before it; where nothing is, it is said why.
    """
    segments, gaps = index.segments("/cam"), index.gaps("/cam")
    for before, after in pairwise(segments):
        assert before.end <= after.start + SAME_SECONDS
        if after.start - before.end > SAME_SECONDS:
            assert any(
                gap.start <= before.end + SAME_SECONDS
                and gap.end >= after.start - SAME_SECONDS
                and gap.reason
                for gap in gaps
            )
    found: dict[str, list[bytes]] = {"video": [], "audio": []}
    for segment in segments:
        with quiet(), closing(open_demuxer(segment.path)) as demuxer:
            for number, unit in demuxer.units():
                track = demuxer.tracks[number]
                if segment.start + unit.pts / track.clock_rate < segment.end - SAME_SECONDS:
                    found[track.kind].append(unit.data)
    for kind, data in found.items():
        assert set(came.whole(kind)) <= set(data)
        assert not Counter(data) - Counter(unit.unit.data for unit in came.of(kind))
    assert 0 <= len(came.units) - left_out - sum(map(len, found.values())) <= standing(came.of("audio"))


def standing(units: list[ReceivedUnit]) -> int:
    """How many units come within half a length of the latest, or go back behind it."""
    latest, count = -math.inf, 0
    for unit in units:
        count += unit.pts < latest + HALF
        latest = max(latest, unit.pts)
    return count
