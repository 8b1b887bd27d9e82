"""Streams without asyncio."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scripts.movies.marks import read_mark

import reelcast
from reelcast.client import events
from reelcast.errors import DeadlineError, ReelcastError, RemoteError
from reelcast.rtsp.states import State
from reelcast.server.app import Server
from reelcast.track import Kind


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


def test_its_options_are_those_of_connect() -> None:
    made, opened = inspect.signature(reelcast.connect), inspect.signature(reelcast.open)
    assert opened.parameters == made.parameters
    assert (made.return_annotation, opened.return_annotation) == ("Stream", "SyncStream")


def test_what_is_printed_of_it(url: str) -> None:
    with reelcast.open(url.replace("//", "//user:secret@"), transport="tcp") as stream:
        assert repr(stream) == f"<SyncStream {url}: Playing over tcp>"
        assert repr(next(stream.frames(every=True))).startswith("<Frame of h264 at 0.000 s, ")
        assert repr(next(stream.units())).startswith("<ReceivedUnit of ")


def test_a_deadline_names_the_stream(url: str) -> None:
    with reelcast.open(url) as stream:
        stream.pause()
        with pytest.raises(DeadlineError, match=f"^{url}: no frame within 0.2 s"):
            all(stream.read(timeout=0.2) for _ in range(100))


def test_readers_come_and_go(url: str) -> None:
    """Each begins at a keyframe, and `read` with a new one where another was in between."""
    with reelcast.open(url) as stream:
        assert stream.read() is not None
        next(stream.units())
        assert stream.read() is not None


def test_several_threads_read_one_stream(url: str) -> None:
    found: list[reelcast.Frame | None] = []
    with reelcast.open(url) as stream:
        readers = [threading.Thread(target=lambda: found.append(stream.read())) for _ in range(8)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    shown = [frame.pts for frame in found if frame is not None]
    assert len(set(shown)) == 8


def test_what_watches_a_stream_cannot_wait_for_it(url: str) -> None:
    """It would wait for itself."""
    errors: list[ReelcastError] = []
    opened: list[reelcast.SyncStream] = []

    def watch(event: events.Event) -> None:
        try:
            opened[0].pause()
        except ReelcastError as error:
            errors.append(error)

    with reelcast.open(url, play=False, on_event=watch) as stream:
        opened.append(stream)
        stream.play()
    assert "cannot wait" in str(errors[0])


def test_two_readers_the_first_of_which_never_began(url: str) -> None:
    with reelcast.open(url) as stream:
        first, second = stream.frames(), stream.frames()
        assert list(first) == []
        assert next(second).track.kind == "video"


def test_readers_of_what_is_not_there(url: str) -> None:
    with reelcast.open(url) as stream:
        corrupt: Any = "keep"
        with pytest.raises(ValueError, match="corrupt must be one of 'drop', 'flag', not 'keep'"):
            stream.frames(corrupt=corrupt)
        assert next(stream.frames(("audio",))).track.kind == "audio"


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_a_frame_stays_in_its_process(url: str, kind: Kind) -> None:
    with reelcast.open(url) as stream:
        frame = next(stream.frames((kind,)))
    for take in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match=r"cannot be pickled: send what (its|their) to_ndarray\(\) gives"):
            take(frame)
    assert copy.copy(frame) == frame
    assert (pickle.loads(pickle.dumps(frame.to_ndarray())) == frame.to_ndarray()).all()


def test_a_program_that_ends_where_it_watches(url: str) -> None:
    def end(event: events.Event) -> None:
        sys.exit(3)

    # That media comes is told of where it comes, and the end where the stream is closed.
    with pytest.raises(SystemExit), reelcast.open(url, on_event=end):
        pass
    with reelcast.open(url) as stream:
        assert stream.read() is not None


def test_ctrl_c_while_it_waits(url: str) -> None:
    """The stream is as good as before, and its next call too."""
    with reelcast.open(url) as stream:
        stream.pause()
        interrupt = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))

        def wait() -> None:
            interrupt.start()
            list(stream)

        with pytest.raises(KeyboardInterrupt):
            wait()
        interrupt.join()
        stream.play()
        assert stream.read(timeout=10.0) is not None


def until(condition: Callable[[], bool]) -> None:
    """Wait for what other threads bring about."""
    deadline = time.monotonic() + 20.0
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def decoders() -> int:
    """Threads that decode."""
    return sum(thread.name.startswith("reelcast-decode") for thread in threading.enumerate())


def test_what_nobody_has_is_closed(url: str) -> None:
    told: list[events.Event] = []
    for _ in reelcast.open(url, on_event=told.append):
        gc.collect()
        assert told[-1] != events.Ended(None)
        break
    gc.collect()
    until(lambda: told[-1] == events.Ended(None))
    until(lambda: decoders() == 0)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors as Linux has them")
def test_nothing_is_left_of_many_streams(url: str) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    def threads() -> int:
        # Those of asyncio's own pool come as they are needed, up to a bound, and stay.
        return sum(not thread.name.startswith("asyncio_") for thread in threading.enumerate())

    with reelcast.open(url) as stream:
        stream.read()
    until(lambda: decoders() == 0)
    before = descriptors(), threads()
    for number in range(20):
        with reelcast.open(url, transport=("udp", "tcp")[number % 2]) as stream:
            assert stream.read() is not None
    # The server is in this process too, and closes its sockets in its own time.
    until(lambda: descriptors() <= before[0] and threads() <= before[1])


PROGRAM = """
import os, sys, reelcast
stream = reelcast.open(sys.argv[1])
frames = stream.frames(every=True)
next(frames)
if sys.argv[2] == "fork":
    child = os.fork()
    if not child:
        try:
            stream.pause()
        except reelcast.ReelcastError as error:
            with reelcast.open(sys.argv[1]) as other:
                print(error, other.read() is not None, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    next(frames)
print("done")
"""


@pytest.mark.parametrize("way", ["exit", "fork"])
def test_a_program_that_ends_with_its_streams_open(url: str, way: str) -> None:
    """Quietly; and what it forked off has streams of its own."""
    if way == "fork" and not hasattr(os, "fork"):
        pytest.skip("no fork here")
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, url, way]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=100)
    lines = ran.stdout.splitlines()
    assert (ran.stderr, ran.returncode, lines[-1]) == ("", 0, "done")
    if way == "fork":
        assert lines[0] == "the stream belongs to the process that opened it True"
