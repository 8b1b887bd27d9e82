"""Rewinding what is really recorded, by our own client, while it is recorded: which pictures are seen, and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import dropwhile
from pathlib import Path
from random import Random
from typing import Literal

import pytest
from scripts.movies.encode import Mp4
from scripts.movies.marks import FRAME_RATE, read_mark
from tests.archive.live_camera import Camera, recorded_camera
from tests.media.recordings import received, recorded

from reelcast.client.frame import Frame
from reelcast.client.stream import Stream, connect
from reelcast.rtp.intake import ReceivedUnit
from reelcast.track import AccessUnit, Track

Way = Literal["udp", "tcp"]
SECONDS = 16
PATIENCE = 15.0


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A movie with B-frames and sound, a keyframe every 0.8 s; each picture shows its number."""
    path = tmp_path_factory.mktemp("camera") / "movie.mp4"
    Mp4(320, 192, bit_rate=300_000, gop=20, b_frames=2, preset="ultrafast").write(path, SECONDS * FRAME_RATE)
    return path


class Viewer:
    """Keeps what is seen: the numbers of pictures, and their times."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.seen: list[int] = []
        self.frames: list[Frame] = []
        self._task = asyncio.create_task(self._watch())
        self._news = asyncio.Event()

    async def _watch(self) -> None:
        async for frame in self.stream.frames(every=True, corrupt="flag"):
            number = read_mark(frame.to_ndarray("gray8"))
            assert number is not None
            assert not frame.corrupt
            self.seen.append(number)
            self.frames.append(frame)
            self._news.set()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for pictures until it is so."""
        async with asyncio.timeout(PATIENCE):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def more(self, count: int) -> list[int]:
        """So many more pictures."""
        before = len(self.seen)
        await self.until(lambda: len(self.seen) >= before + count)
        return self.seen[before:]

    async def close(self) -> None:
        await self.stream.close()
        await self._task


@asynccontextmanager
async def watching(camera: Camera, transport: Way) -> AsyncIterator[Viewer]:
    stream = connect(camera.url, transport=transport, timeout=5.0)
    async with stream:
        viewer = Viewer(stream)
        try:
            await viewer.more(20)
            yield viewer
        finally:
            await viewer.close()


def assert_in_a_row(numbers: list[int]) -> None:
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_halting_loses_no_picture(tmp_path: Path, marked: Path) -> None:
    """Conformance P12."""
    async with recorded_camera(tmp_path, marked) as camera:

        async def halt_and_go_on(transport: Way) -> None:
            async with watching(camera, transport) as viewer:
                for pause in (2.5, 0.3):
                    await viewer.stream.pause()
                    await asyncio.sleep(pause)
                    await viewer.stream.play()
                    await viewer.more(40)
                assert_in_a_row(viewer.seen)
                # The clock of recordings leans towards that of the stream by half a percent.
                times = [frame.pts for frame in viewer.frames]
                even = [times[0] + number / FRAME_RATE for number in range(len(times))]
                assert times == pytest.approx(even, abs=0.1)

        await asyncio.gather(halt_and_go_on("udp"), halt_and_go_on("tcp"))


async def test_back_by_the_clock_and_to_now(tmp_path: Path, marked: Path) -> None:
    async with recorded_camera(tmp_path, marked) as camera:

        async def back_and_forth(transport: Way) -> None:
            async with watching(camera, transport) as viewer:
                noted = len(viewer.frames) - 1
                then, number = viewer.frames[noted].time, viewer.seen[noted]
                assert then is not None
                await viewer.more(60)
                since = len(viewer.seen)
                # Until the first report, a client only estimates times, on a busy machine rather late.
                await viewer.stream.play(at=datetime.fromtimestamp(then - 1.0, UTC))
                await viewer.until(lambda: number in viewer.seen[since:])
                told = viewer.frames[since + viewer.seen[since:].index(number)].time
                assert told is not None
                assert told == pytest.approx(then, abs=0.9)
                await viewer.stream.play("now")
                # What is recorded stays as far behind as it was.
                await viewer.until(lambda: camera.published - viewer.seen[-1] < 40)

        await asyncio.gather(back_and_forth("udp"), back_and_forth("tcp"))


async def test_sound_of_telephones_comes_back_as_it_was(tmp_path: Path, marked: Path) -> None:
    """PCMU is recorded as plain samples; who was told of PCMU is sent what was said, bit for bit."""
    said = Random(1).randbytes(8000 * SECONDS).replace(b"\x7f", b"\xff")  # mu-law's two zeros are one
    voice = Track("audio", "pcmu", 8000, 0, channels=1)
    units = [each for each in received(marked) if each[0].kind == "video"]
    for start in range(0, len(said), 160):
        unit = AccessUnit(said[start : start + 160], start, start, duration=160)
        units.append((voice, unit, start / 8000))
    units.sort(key=lambda each: each[2])
    recorded(tmp_path / "movie.mov", units, 0.0)
    async with (
        recorded_camera(tmp_path, tmp_path / "movie.mov") as camera,
        connect(camera.url, transport="tcp", timeout=5.0) as stream,
        asyncio.timeout(PATIENCE),
    ):
        heard: dict[int, list[ReceivedUnit]] = {}
        async for each in stream.units():
            if each.track.kind != "audio":
                continue
            part = heard.setdefault(each.segment, [])
            part.append(each)
            if len(part) == 150:
                if len(heard) == 2:
                    break
                then = part[50].time
                assert then is not None
                await stream.play(at=datetime.fromtimestamp(then, UTC))
    began: list[float] = []
    for part in heard.values():
        whole = list(dropwhile(lambda each: len(each.unit.data) < 160, part))
        start = place = said.index(whole[0].unit.data)
        gaps: list[int] = []
        seams = 0
        for each in whole:
            data = each.unit.data
            found = place if said.startswith(data, place) else said.find(data, max(place - 160, 0))
            if found < 0 and len(data) < 160:
                seams += 1
                continue
            gaps.append(found - place)
            place = found + len(data)
        # Where one file follows on another, a part of a packet may be missing, come twice or be of both: the wall
        # clock is followed, by which a busy machine publishes late.
        assert all(-160 < gap < 160 for gap in gaps)
        assert seams <= 2
        assert len([gap for gap in gaps if gap]) <= 2 + 2 * seams
        assert whole[0].time is not None
        began.append(whole[0].time - start / 8000)
    assert began[0] == pytest.approx(began[1], abs=0.9)
