"""A file as a live stream: one timeline without a seam, however often the file is played."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio
from tests.groups import parsed
from tests.media.conftest import RECIPES, make_movie

from reelcast.errors import MediaError
from reelcast.media.cache import GroupCache
from reelcast.media.groups import GroupReader
from reelcast.net.flight import Flight
from reelcast.rtp.group import Group
from reelcast.rtp.packet import Packet
from reelcast.rtp.sender import Sender, stamp
from reelcast.server.file_source import FileSource
from reelcast.server.looping import LoopingFile

Opener = Callable[[str], LoopingFile]

ROUNDS = 5
MAX_SEAM = 0.09
"""Seconds: a unit of AAC ahead of the start, and what is left of the last behind the end."""


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """every.mp4: 3 s with B-frames and AAC; odd.mp4: 2.52 s of it; seldom.mp4: one keyframe; others."""
    folder = tmp_path_factory.mktemp("films")
    recipe = RECIPES["movie.mp4"]
    make_movie(folder / "every.mp4", recipe)
    make_movie(folder / "odd.mp4", replace(recipe, frames=63))
    make_movie(folder / "seldom.mp4", replace(recipe, keyframe_every=75))
    make_movie(folder / "every.mkv", RECIPES["movie.mkv"])
    make_movie(folder / "mulaw.wav", RECIPES["mulaw.wav"])
    return folder


@pytest_asyncio.fixture
async def opened(films: Path) -> AsyncIterator[Callable[[str], LoopingFile]]:
    feeds: list[LoopingFile] = []

    def opener(name: str) -> LoopingFile:
        feeds.append(LoopingFile(FileSource(GroupReader(films / name), GroupCache())))
        return feeds[-1]

    yield opener
    for feed in feeds:
        feed.close()


async def taken(feed: LoopingFile, count: int, elapsed: float = 0.0) -> list[tuple[Group, float]]:
    """The first groups that a feed gives."""
    found: list[tuple[Group, float]] = []
    async for group, shift, _ in feed.portions(elapsed):
        found.append((group, shift))
        if len(found) == count:
            break
    return found


class Shown(NamedTuple):
    """One burst on the stream's time axis: when it is shown and until when, seconds."""

    begin: float
    end: float


def bursts(pairs: list[tuple[Group, float]], track: int) -> list[Shown]:
    """The bursts of a track in the order in which they are shown."""
    found: list[Shown] = []
    for group, shift in pairs:
        ones = {
            run.burst: Shown(run.pts + shift, run.end + shift) for run in group.runs if run.track == track
        }
        found += ones.values()
    return sorted(found)


def packets(pairs: list[tuple[Group, float]], feed: LoopingFile) -> Iterator[tuple[int, Packet]]:
    """The packets as a broadcast sends them, each with the index of its track."""
    senders = {
        track: Sender(track + 1, 0xFFF0, 0xFFFF0000, item.clock_rate)
        for track, item in enumerate(feed.tracks)
    }
    for group, shift in pairs:
        flight = Flight(group, stamp(group, senders, shift=shift))
        for number, track in enumerate(group.columns.tracks.tolist()):
            yield track, parsed(flight.packets(number, 1)[0])


class TestTimeline:
    @pytest.mark.parametrize("name", ["every.mp4", "odd.mp4", "every.mkv", "mulaw.wav"])
    async def test_nothing_overlaps_at_the_seam(self, opened: Opener, name: str) -> None:
        feed = opened(name)
        pairs = await taken(feed, ROUNDS * 3)
        assert pairs[-1][1] > 0
        for track in range(len(feed.tracks)):
            for before, after in pairwise(bursts(pairs, track)):
                assert -0.001 <= after.begin - before.end <= MAX_SEAM

    @pytest.mark.parametrize("name", ["every.mp4", "odd.mp4", "every.mkv"])
    async def test_sound_and_picture_keep_together(self, opened: Opener, name: str) -> None:
        """The tracks are as far apart in each round as in the file."""
        feed = opened(name)
        groups = [pair for pair in await taken(feed, ROUNDS * 3) if pair[0].index == 0]
        assert len(groups) >= 4
        starts = [[bursts([pair], track)[0].begin for track in (0, 1)] for pair in groups]
        apart = [sound - picture for picture, sound in starts]
        assert apart == pytest.approx([apart[0]] * len(apart), abs=1e-6)
        rounds = [after[0] - before[0] for before, after in pairwise(starts)]
        assert rounds == pytest.approx([rounds[0]] * len(rounds), abs=1e-6)

    @pytest.mark.parametrize("name", ["every.mp4", "odd.mp4", "mulaw.wav"])
    async def test_numbers_go_on(self, opened: Opener, name: str) -> None:
        feed = opened(name)
        sent = list(packets(await taken(feed, ROUNDS * 3), feed))
        for track in range(len(feed.tracks)):
            own = [packet for index, packet in sent if index == track]
            assert all(b.sequence == (a.sequence + 1) & 0xFFFF for a, b in pairwise(own))
            first = own[0].timestamp
            stamps = sorted({(packet.timestamp - first + (1 << 31)) % (1 << 32) for packet in own})
            rate = feed.tracks[track].clock_rate
            assert all(b - a <= (0.1 + MAX_SEAM) * rate for a, b in pairwise(stamps))

    async def test_each_round_has_everything(self, opened: Opener) -> None:
        feed = opened("every.mp4")
        pairs = await taken(feed, 9)
        assert [group.index for group, _ in pairs] == [0, 1, 2] * 3
        assert [pairs[0][0].data, pairs[1][0].data, pairs[2][0].data] == [
            group.data for group, _ in pairs[3:6]
        ]
        assert len(bursts(pairs, 0)) == 3 * 75


class TestBeginning:
    @pytest.mark.parametrize("elapsed", [0.0, 0.5, 1.0, 2.2, 3.5, 8.9, 100.0, 86_400.0])
    async def test_at_a_keyframe_before(self, opened: Opener, elapsed: float) -> None:
        ((group, shift),) = await taken(opened("every.mp4"), 1, elapsed)
        keyframes = [run.pts + shift for run in group.runs if run.keyframe and run.track == 0]
        # The group may begin with what belongs to the keyframe before.
        assert elapsed - 1.0 - MAX_SEAM <= keyframes[0] <= elapsed + 0.001

    async def test_at_a_keyframe_that_is_long_ago(self, opened: Opener) -> None:
        pairs = await taken(opened("seldom.mp4"), 4, 5.9)
        assert [group.index for group, _ in pairs] == [0, 1, 2, 0]
        assert pairs[0][1] == pairs[2][1] == pytest.approx(3.0, abs=0.1)

    async def test_the_same_time_is_the_same_place(self, opened: Opener) -> None:
        """A stream that has rested goes on where it would be if it had not."""
        feed = opened("odd.mp4")
        late = opened("odd.mp4")
        for elapsed in (5.2, 11.3, 1000.0):
            ((_, shift),) = await taken(late, 1, elapsed)
            length = (await taken(feed, 4))[3][1]
            assert shift / length == pytest.approx(elapsed // length)


class TestTrouble:
    async def test_nothing_in_it(self, opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
        feed = opened("every.mp4")
        cached = feed._source.cached

        def without_runs(index: int) -> Group | None:
            group = cached(index)
            return None if group is None else group.select([])

        await taken(feed, 1)
        monkeypatch.setattr(feed._source, "cached", without_runs)
        with pytest.raises(MediaError, match="nothing in it"):
            await taken(feed, 1)

    async def test_a_file_that_goes_bad(self, films: Path, tmp_path: Path) -> None:
        path = tmp_path / "film.mp4"
        path.write_bytes((films / "every.mp4").read_bytes())
        feed = LoopingFile(FileSource(GroupReader(path), GroupCache(1)))
        groups = feed.portions(0.0)
        assert (await anext(groups))[0].index == 0
        path.unlink()

        async def go_on() -> None:
            async for _ in groups:
                pass

        with pytest.raises(MediaError, match="no such file"):
            await go_on()
        feed.close()

    async def test_an_end_that_was_not_foreseen(
        self, opened: Opener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A last group that does not know that it is the last."""
        feed = opened("every.mp4")
        await taken(feed, 3)
        cached = feed._source.cached

        def never_last(index: int) -> Group | None:
            group = cached(index)
            if group is not None and group.last:
                group = group.select(group.runs)
                group.last = False
            return group

        monkeypatch.setattr(feed._source, "cached", never_last)
        pairs = await taken(feed, 8)
        assert [group.index for group, _ in pairs] == [0, 1, 2, 0, 1, 2, 0, 1]
        shifts = sorted({shift for _, shift in pairs})
        assert all(b - a == pytest.approx(shifts[1]) for a, b in pairwise(shifts))
        assert list(islice(shifts, 1)) == [0.0]


async def test_one_who_gives_up_does_not_end_it_for_others(opened: Opener) -> None:
    """A broadcast goes to rest while its file is read, and the next reader wakes it: both want the same group."""
    feed = opened("every.mp4")
    impatient = asyncio.create_task(taken(feed, 1))
    await asyncio.sleep(0)
    other = asyncio.create_task(taken(feed, 1))
    await asyncio.sleep(0)
    impatient.cancel()
    assert len(await other) == 1
