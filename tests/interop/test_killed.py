"""kill -9 of whoever feeds a live path, and of the server that records it: no reader is lost, no recorded second.

The moments are by chance, but the same in every run. What was seen, and what was recorded, is told by the
numbers in the pictures.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from scripts.movies.marks import read_mark
from tests.archive.tape import marks_in
from tests.free_port import free_port
from tests.interop.conftest import FRAME_RATE, SHORT_SECONDS
from tests.interop.peers import ROOT, find_program
from tests.interop.test_live import REORDERED
from tests.server.raw import until

from reelcast.archive.index import SAME_SECONDS, Index, Segment
from reelcast.client.reconnect import NEVER, Reconnect
from reelcast.client.stream import connect
from reelcast.errors import ReelcastError, TransportError

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]

Way = Literal["udp", "tcp"]
Tasks = list[asyncio.Task[None]]
PATIENCE = 40.0
"""Seconds for what should happen by itself, on a busy machine."""
SHUTDOWN = 20.0
ROUNDS = 3
LIVES = 2
"""Of a server that is killed."""
LEAST, MOST = 20, 60
"""Pictures that come before a blow."""
UNSAVED = 3 * FRAME_RATE
"""Pictures that may be missing of a recording whose server was killed: those of a fragment, which is a second long,
and what was on its way to the disk of a busy machine."""
SOON = Reconnect(first=0.1, longest=0.5)
MARKS = SHORT_SECONDS * FRAME_RATE


@contextmanager
def started(*command: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A program that is killed in the end, if nobody has done so before; quiet but for what it prints."""
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def reelcast(*arguments: str | Path) -> tuple[str | Path, ...]:
    return sys.executable, "-m", "reelcast", *arguments


@asynccontextmanager
async def served(port: int, *options: str | Path) -> AsyncIterator[subprocess.Popen[str]]:
    """`reelcast serve`, once it listens."""
    command = reelcast("serve", "--host", "127.0.0.1", "--port", str(port), *options)
    with started(*command) as process:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline)
        yield process


class Reader:
    """What an application sees of /cam: the numbers of its pictures, by the segments of its stream."""

    def __init__(self, port: int, transport: Way, reconnect: Reconnect) -> None:
        self.marks: list[int] = []
        self.segments: list[int] = []
        self.times: list[float] = []
        self.lost = 0
        self.error: ReelcastError | None = None
        url = f"rtsp://127.0.0.1:{port}/cam"
        self._stream = connect(url, transport=transport, timeout=20.0, reconnect=reconnect)

    async def read(self) -> None:
        """To the end of the stream; what it ends with, if it is no end that was told, is kept."""
        try:
            async with self._stream as stream:
                async for frame in stream.frames(every=True, corrupt="flag"):
                    assert not frame.corrupt
                    mark = read_mark(np.asarray(frame.to_ndarray("gray8"), np.uint8))
                    assert mark is not None
                    self.marks.append(mark)
                    self.segments.append(frame.segment)
                    self.times.append(frame.pts)
        except ReelcastError as error:
            self.error = error
        self.lost = sum(each.packets.lost + each.dropped for each in self._stream.statistics())

    async def come(self, count: int) -> None:
        """Wait for so many more pictures."""
        count += len(self.marks)
        await until(lambda: len(self.marks) >= count or self.error is not None, PATIENCE)
        assert self.error is None

    def assert_forward(self) -> None:
        """Times never leap back."""
        assert all(before < after for before, after in pairwise(self.times))


@asynccontextmanager
async def reading(
    port: int, reconnect: Reconnect = NEVER
) -> AsyncIterator[tuple[list[Reader], list[asyncio.Task[None]]]]:
    """A reader over UDP and one over TCP, and what they do."""
    ways: tuple[Way, ...] = ("udp", "tcp")
    readers = [Reader(port, way, reconnect) for way in ways]
    tasks = [asyncio.create_task(reader.read()) for reader in readers]
    try:
        yield readers, tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def runs_of(marks: list[int]) -> list[list[int]]:
    """Pictures that follow one another in the movie, which is shown over and over, together."""
    runs: list[list[int]] = [[]]
    for mark in marks:
        if runs[-1] and mark != (runs[-1][-1] + 1) % MARKS:
            runs.append([])
        runs[-1].append(mark)
    return runs


def recorded(folder: Path) -> list[Segment]:
    """The recordings of /cam, in line with what is on disk."""
    with Index(folder) as index:
        index.recover("/cam")
        segments = index.segments("/cam")
        gaps = index.gaps("/cam")
    for before, after in pairwise(segments):
        assert before.end <= after.start + SAME_SECONDS
        between = [
            gap
            for gap in gaps
            if before.end - SAME_SECONDS <= gap.start and gap.end <= after.start + SAME_SECONDS
        ]
        assert between or after.start - before.end < 2 * SAME_SECONDS
        assert all(gap.reason for gap in between)
    return segments


def by_ffmpeg(movie: Path, port: int) -> tuple[str | Path, ...]:
    source = ("-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", movie, "-c", "copy")
    url = f"rtsp://127.0.0.1:{port}/cam"
    return find_program("ffmpeg"), *source, "-f", "rtsp", "-rtsp_transport", "tcp", url


def by_us(movie: Path, port: int) -> tuple[str | Path, ...]:
    return reelcast("publish", "--loop", movie, f"rtsp://127.0.0.1:{port}/cam", "--transport", "udp")


def upstream(movie: Path, port: int) -> tuple[str | Path, ...]:
    return reelcast("serve", "--live", f"cam={movie}", "--host", "127.0.0.1", "--port", str(port))


Feeder = Callable[[Path, int], tuple[str | Path, ...]]


@pytest.mark.parametrize("feeder", [by_ffmpeg, by_us, upstream])
async def test_who_feeds_it_is_killed(feeder: Feeder, short_movie: Path, tmp_path: Path) -> None:
    """Readers stay, and see all that comes in one stream; so do recordings."""
    dice = random.Random(f"killed {feeder.__name__}")
    port, far = free_port(), free_port()
    source = ("--relay", f"cam=rtsp://127.0.0.1:{far}/cam") if feeder is upstream else ("--publish", "cam")
    command = feeder(short_movie, far if feeder is upstream else port)
    async with contextlib.AsyncExitStack() as stack:
        options = ("--record", tmp_path / "recordings", "--patience", str(PATIENCE))
        server = await stack.enter_async_context(served(port, *source, *options))
        readers: list[Reader] = []
        tasks: list[asyncio.Task[None]] = []
        for _ in range(ROUNDS):
            with started(*command) as feeding:
                if not readers:
                    await until_it_comes(port)
                    readers, tasks = await stack.enter_async_context(reading(port))
                for reader in readers:
                    await reader.come(dice.randrange(LEAST, MOST))
                await asyncio.sleep(dice.random() / FRAME_RATE)
                feeding.kill()
        server.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(server.wait, SHUTDOWN) == 0
        await asyncio.gather(*tasks)
    marks = [mark for segment in recorded(tmp_path / "recordings") for mark in marks_in(segment)]
    for reader in readers:
        assert isinstance(reader.error, TransportError)
        assert reader.lost == 0
        assert set(reader.segments) == {reader.segments[0]}
        reader.assert_forward()
        # From where it began, a recording has all that a reader has seen.
        assert marks[-len(reader.marks) :] == reader.marks
        assert len(runs_of(reader.marks)) >= ROUNDS


async def until_it_comes(port: int) -> None:
    """Wait until /cam can be read."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                async with connect(f"rtsp://127.0.0.1:{port}/cam", transport="tcp", reconnect=False):
                    return
            except ReelcastError:
                await asyncio.sleep(0.1)


async def test_the_server_is_killed(short_movie: Path, tmp_path: Path) -> None:
    """All that it recorded is there but for the last fragment; clients and publishers come back by themselves."""
    dice = random.Random("the server is killed")
    port, folder = free_port(), tmp_path / "recordings"
    options = ("--publish", "cam", "--record", folder)
    seen: list[list[Reader]] = []
    async with contextlib.AsyncExitStack() as stack:
        back: list[Reader] = []
        for number in range(LIVES):
            async with served(port, *options) as server:
                if not number:
                    stack.enter_context(started(*by_us(short_movie, port)))
                    await until_it_comes(port)
                    back, _ = await stack.enter_async_context(reading(port, SOON))
                for reader in back:
                    await reader.come(1)
                async with reading(port) as (loyal, ending):
                    for reader in (*back, *loyal):
                        await reader.come(dice.randrange(LEAST, MOST) + FRAME_RATE)
                    await asyncio.sleep(dice.random() / FRAME_RATE)
                    server.kill()
                    await asyncio.gather(*ending)
                seen.append(loyal)
    lives = lives_of(recorded(folder))
    assert len(lives) == LIVES
    for found, loyal in zip(lives, seen, strict=True):
        assert_whole(found)
        for reader in loyal:
            assert reader.error is not None
            assert_whole(reader.marks)
            unsaved = (reader.marks[-1] - found[-1]) % MARKS
            assert unsaved <= UNSAVED
            assert len(found) >= len(reader.marks) - unsaved
    for reader in back:
        reader.assert_forward()
        assert len(set(reader.segments)) == LIVES


def lives_of(segments: list[Segment]) -> list[list[int]]:
    """The numbers of the pictures that each life of a server has recorded."""
    lives: list[list[int]] = []
    end = 0.0
    for segment in segments:
        if segment.start - end > SAME_SECONDS:
            lives.append([])
        lives[-1] += marks_in(segment)
        end = segment.end
    return lives


def assert_whole(marks: list[int]) -> None:
    """No picture is missing, but for those that would have been shown before one that came, where it broke off."""
    assert len(runs_of(marks[:-REORDERED])) == 1
