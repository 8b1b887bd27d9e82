"""Faster, slower and backwards, of our own server: which pictures come, with which times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from scripts.movies.marks import FRAME_RATE, read_mark

from reelcast.client.stream import Transport, connect
from reelcast.server.app import Server

FRAMES = 500
KEYFRAME_SECONDS = 2


@pytest.fixture
async def url(movies: Path) -> AsyncIterator[str]:
    server = Server(host="127.0.0.1", port=0)
    server.mount("/movie.mp4", movies / "movie-bframes.mp4")
    async with server:
        yield f"rtsp://127.0.0.1:{server.port}/movie.mp4"


async def marks_of(
    url: str, transport: Transport, at: float | None, scale: float
) -> tuple[list[int | None], float]:
    """What is shown to the end, and the place that was reached."""
    marks: list[int | None] = []
    async with connect(url, transport=transport, at=at, scale=scale) as stream:
        assert stream.scale == scale
        async for frame in stream.frames(("video", "audio"), every=True):
            assert frame.track.kind == "video"
            assert not frame.corrupt
            mark = read_mark(frame.to_ndarray("gray8"))
            assert mark is not None
            # Whatever the scale, times are those of the movie.
            assert frame.pts == pytest.approx(mark / FRAME_RATE, abs=0.001)
            marks.append(mark)
        return marks, stream.position


async def test_all_the_ways(url: str) -> None:
    """Twice as fast, all frames; above that, and backwards, keyframes; never any sound."""
    step = KEYFRAME_SECONDS * FRAME_RATE
    ways: list[tuple[Transport, float | None, float, range]] = [
        ("tcp", 17.5, 2.0, range(400, FRAMES)),
        ("udp", 19.0, 1.5, range(450, FRAMES)),
        ("udp", None, 8.0, range(0, FRAMES, step)),
        ("tcp", None, -8.0, range(450, -1, -step)),
        ("udp", 5.0, -4.0, range(100, -1, -step)),
    ]
    shown = await asyncio.gather(*(marks_of(url, transport, at, scale) for transport, at, scale, _ in ways))
    for (*_, expected), (marks, position) in zip(ways, shown, strict=True):
        assert marks == list(expected)
        assert position == pytest.approx(expected[-1] / FRAME_RATE)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_changed_on_the_way(url: str, transport: Transport) -> None:
    """From where it is, or the keyframe before; and with sound again when the scale is 1 again."""
    async with connect(url, transport=transport, at=6.0) as stream:
        frames = stream.frames(("video", "audio"), every=True)
        for scale in (8.0, 1.0, -8.0, 2.0, 1.0):
            await stream.play(scale=scale)
            assert stream.scale == scale
            place = stream.position
            kinds: set[str] = set()
            pictures: list[float] = []
            while len(pictures) < 3 or (scale == 1.0 and kinds != {"video", "audio"}):
                frame = await anext(frames)
                if frame.segment != stream._link.segment:
                    continue
                kinds.add(frame.track.kind)
                if frame.track.kind == "video":
                    mark = read_mark(frame.to_ndarray("gray8"))
                    assert mark is not None
                    assert frame.pts == pytest.approx(mark / FRAME_RATE, abs=0.001)
                    pictures.append(frame.pts)
            assert kinds == ({"video", "audio"} if scale == 1.0 else {"video"})
            assert pictures == sorted(pictures, reverse=scale < 0)
            assert abs(pictures[0] - place) <= KEYFRAME_SECONDS + 0.5
            assert pictures[0] % KEYFRAME_SECONDS == pytest.approx(0.0, abs=0.001)
