"""Live streams read by ffmpeg and GStreamer, across the seam where the file begins again."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from scripts.movies.marks import FRAME_RATE, read_mark
from tests.interop.conftest import SHORT_SECONDS
from tests.interop.peers import run, waiting_lines
from tests.interop.test_ffmpeg import MAX_HELD_UP
from tests.interop.test_gstreamer import play

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

TRANSPORTS = ("udp", "tcp")
FRAMES = SHORT_SECONDS * FRAME_RATE
REORDERED = 4
"""Frames that a picture may stand behind its place, with three B-frames in a row."""
MAX_STEP = 0.1
"""Seconds from one picture to the next; at the seam, the sound of the file is a little longer."""
FFMPEG_SECONDS = 14
GST_SECONDS = 8


@pytest.fixture(scope="module")
def url(short_movie: Path) -> Iterator[str]:
    """Six seconds over and over, as a user serves them."""
    command = (sys.executable, "-m", "reelcast", "serve", "--host", "127.0.0.1", "--port", "0")
    with waiting_lines(1, *command, "--live", f"live={short_movie}") as urls:
        yield urls[0]


async def complaints(*arguments: str | Path) -> str:
    """What ffmpeg has to say of errors."""
    return await run("sh", "-c", 'exec "$0" "$@" 2>&1', "ffmpeg", "-y", "-v", "error", *arguments)


def assert_endless(marks: list[int | None], seams: int) -> None:
    """Every picture is the one behind that before it, and the first is behind the last."""
    assert None not in marks
    assert all(after == ((before or 0) + 1) % FRAMES for before, after in pairwise(marks))
    assert sum(mark == 0 for mark in marks[1:]) >= seams


def shown(path: Path) -> tuple[list[int | None], list[float]]:
    """The marks of a file's pictures, and their times."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    marks = [read_mark(np.asarray(frame.to_ndarray(format="gray"), np.uint8)) for frame in frames]
    return marks, [frame.time for frame in frames if frame.time is not None]


async def test_ffmpeg_copies_it(url: str, tmp_path: Path) -> None:
    await asyncio.gather(*(copy_and_decode(url, tmp_path, transport) for transport in TRANSPORTS))


async def copy_and_decode(url: str, folder: Path, transport: str) -> None:
    # Matroska refuses the first picture of an RTSP stream, which has no time in ffmpeg.
    copy = folder / f"{transport}.mp4"
    source = ("-rtsp_transport", transport, "-t", str(FFMPEG_SECONDS), "-i", url)
    assert await complaints(*source, "-map", "0", "-c", "copy", copy) == ""
    # By itself, ffmpeg counts frames at their average rate, at which two can be of the same time.
    exact = ("-fps_mode", "passthrough", "-enc_time_base", "1:90000")
    assert await complaints("-i", copy, *exact, "-f", "null", "-") == ""
    marks, times = shown(copy)
    # Cut off after so long, B-frames may be missing at the very end.
    marks, times = marks[:-REORDERED], times[:-REORDERED]
    assert len(marks) >= (FFMPEG_SECONDS - 2) * FRAME_RATE
    assert_endless(marks, 2)
    steps = [after - before for before, after in pairwise(times)]
    assert min(steps) > 0
    assert all(step < MAX_STEP for step, mark in zip(steps, marks[1:], strict=True) if mark == 0)
    # A server that is held up is late with what comes behind that.
    assert len([step for step in steps if step >= MAX_STEP]) < MAX_HELD_UP


async def test_gstreamer_plays_it(url: str, tmp_path: Path) -> None:
    plays = await asyncio.gather(
        *(
            play(url, transport, tmp_path / transport, f"show {GST_SECONDS * FRAME_RATE}")
            for transport in TRANSPORTS
        )
    )
    for played in plays:
        marks = played.marks()
        assert len(marks) >= GST_SECONDS * FRAME_RATE
        assert_endless(marks, 1)
        assert sum(played.sound.values()) >= GST_SECONDS - 1
