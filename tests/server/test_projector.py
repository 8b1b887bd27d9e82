"""The projector in virtual time: when frames leave, and where it goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.server.raw import until
from tests.server.virtual import VirtualLoop, in_virtual_time

from reelcast.errors import MediaError
from reelcast.media.frames import JpegFrames
from reelcast.media.mjpeg import write_frames
from reelcast.server.classroom import MAX_LAG, READ_FRAMES, Projector
from reelcast.server.disk import Disk
from reelcast.server.pacer import TICK, Pacer

COUNT = 60
STEP = 1 / 25


class Hall:
    """A projector, and when it showed which frame."""

    def __init__(self, frames: JpegFrames) -> None:
        self.loop = asyncio.get_running_loop()
        self.pacer = Pacer(lambda: None)
        self.shown: list[tuple[float, int]] = []
        self.frames = frames
        self.projector = Projector(frames, self._show, self.pacer, Disk())

    @property
    def numbers(self) -> list[int]:
        return [number for _, number in self.shown]

    async def play(self) -> None:
        await self.projector.play(None, None)
        self.projector.begin()

    def _show(self, number: int, jpeg: bytes) -> None:
        assert jpeg == image(number)
        self.shown.append((self.loop.time(), number))


def image(number: int) -> bytes:
    return b"\xff\xd8" + bytes([number]) * 100 + b"\xff\xd9"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "movie.Mjpeg"
    write_frames(path, map(image, range(1, COUNT + 1)))
    return path


@asynccontextmanager
async def hall_of(path: Path) -> AsyncIterator[Hall]:
    hall = Hall(JpegFrames(path))
    yield hall
    hall.projector.stop()
    hall.pacer.close()


@in_virtual_time
async def test_each_frame_leaves_when_it_is_due(path: Path) -> None:
    async with hall_of(path) as hall:
        await hall.play()
        await asyncio.sleep(COUNT * STEP + 1)
        assert hall.numbers == list(range(1, COUNT + 1))
        start = hall.shown[0][0]
        assert all(abs(when - start - at * STEP) <= TICK for at, (when, _) in enumerate(hall.shown))
        assert hall.projector.ended
        hall.projector.begin()
        await hall.play()
        await asyncio.sleep(1)
        assert len(hall.shown) == COUNT


@in_virtual_time
async def test_it_goes_on_where_it_paused(path: Path) -> None:
    async with hall_of(path) as hall:
        await hall.play()
        await asyncio.sleep(10.5 * STEP)
        count = len(hall.shown)
        assert hall.projector.pause() == pytest.approx(count * STEP)
        assert not any(hall.pacer._wheel.values())
        await asyncio.sleep(60)
        assert len(hall.shown) == count
        resumed = hall.loop.time()
        await hall.play()
        hall.projector.begin()
        await asyncio.sleep(10 * STEP)
        assert hall.numbers == list(range(1, len(hall.shown) + 1))
        assert hall.shown[count][0] - resumed <= 6 * TICK
        assert len(hall.shown) > count + 5


@in_virtual_time
async def test_what_is_far_too_late_moves_the_rest(path: Path) -> None:
    async with hall_of(path) as hall:
        loop = hall.loop
        assert isinstance(loop, VirtualLoop)
        await hall.play()
        await asyncio.sleep(5 * STEP)
        count = len(hall.shown)
        loop.hold_up(10 * MAX_LAG)
        await asyncio.sleep(5 * STEP)
        assert len(hall.shown) <= count + 7
        assert hall.numbers == list(range(1, len(hall.shown) + 1))


async def test_a_slow_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with hall_of(path) as hall:
        read, go_on = hall.frames.read, threading.Event()
        calls = 0

        def slow(count: int, size: int) -> list[tuple[float, bytes]]:
            nonlocal calls
            calls += 1
            if calls > 1:
                go_on.wait(5)
            return read(2, size)

        monkeypatch.setattr(hall.frames, "read", slow)
        await hall.play()
        await until(lambda: len(hall.shown) >= 2)
        await asyncio.sleep(2 * STEP)
        assert hall.numbers == [1, 2]
        assert not hall.projector.ended
        go_on.set()
        await until(lambda: len(hall.shown) >= 5)
        assert hall.numbers[:5] == [1, 2, 3, 4, 5]


@in_virtual_time
async def test_a_file_that_goes_bad_ends_it(path: Path) -> None:
    async with hall_of(path) as hall:

        def bad(count: int, size: int) -> list[tuple[float, bytes]]:
            raise MediaError("the disk is gone")

        await hall.play()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(hall.frames, "read", bad)
            await asyncio.sleep(COUNT * STEP)
        assert hall.numbers == list(range(1, READ_FRAMES + 1))
        assert hall.projector.ended


@in_virtual_time
async def test_stopped_while_it_reads(path: Path) -> None:
    async with hall_of(path) as hall:
        task = asyncio.create_task(hall.play())
        await asyncio.sleep(0)
        hall.projector.stop()
        await task
        await asyncio.sleep(1)
        assert hall.shown == []
        assert hall.projector.position == 0.0
