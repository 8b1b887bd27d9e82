"""Streams without asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripts.movies.marks import read_mark

import reelcast
from reelcast.errors import DeadlineError, RemoteError
from reelcast.rtsp.states import State
from reelcast.server.app import Server


@pytest.fixture(scope="module")
def url(movies: Path) -> Iterator[str]:
    """A server in a thread of its own, as programs without asyncio have none."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = Server(host="127.0.0.1", port=0)
    server.mount("/movie.mp4", movies / "movie.mp4")
    asyncio.run_coroutine_threadsafe(server.start(), loop).result()
    yield f"rtsp://127.0.0.1:{server.port}/movie.mp4"
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_five_lines(url: str) -> None:
    with reelcast.open(url) as stream:
        for frame in stream:
            assert frame.to_ndarray("bgr24").shape == (360, 640, 3)
            break
    assert stream.state is State.INIT


def test_what_is_known_of_it(url: str) -> None:
    with reelcast.open(url, transport="tcp") as stream:
        assert [track.codec for track in stream.tracks] == ["h264", "aac"]
        assert stream.duration == pytest.approx(20.0, abs=0.1)
        assert (stream.transport, stream.state, stream.scale) == ("tcp", State.PLAYING, 1.0)
        next(stream.units())
        assert stream.position < 5.0
        assert stream.statistics()[0].packets.lost == 0


def test_controls(url: str) -> None:
    with reelcast.open(url, play=False) as stream:
        states = [stream.state]
        stream.play(at=8.0)
        frames = stream.frames(every=True)
        assert read_mark(next(frames).to_ndarray("gray8")) == 200
        stream.pause()
        assert [*states, stream.state] == [State.READY, State.PAUSED]
        stream.seek(12.0)
        stream.play()
        assert any(read_mark(frame.to_ndarray("gray8")) == 300 for frame in frames)


def test_reading_with_a_deadline(url: str) -> None:
    with reelcast.open(url) as stream:
        assert stream.read() is not None
        stream.pause()
        with pytest.raises(DeadlineError, match="no frame within"):
            all(stream.read(timeout=0.5) for _ in range(100))
        stream.play()
        assert stream.read(timeout=10.0) is not None


def test_to_the_end(url: str) -> None:
    with reelcast.open(url, at=19.0) as stream:
        assert len(list(stream.frames(every=True))) >= 25
        assert stream.read() is None


def test_errors_are_raised_here(url: str) -> None:
    with pytest.raises(RemoteError, match="404"):
        reelcast.open(f"{url}.not")
