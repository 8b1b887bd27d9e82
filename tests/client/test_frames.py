"""Frames on their way to who takes them: how many are decoded ahead, what is forgotten, and how they end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.client.film import FILMS, Movie, mark, received
from tests.server.raw import until

from reelcast.client.frames import AHEAD, Frames, check_kinds
from reelcast.client.queue import UnitQueue
from reelcast.errors import MediaError, TransportError
from reelcast.rtp.intake import ReceivedUnit
from reelcast.track import AccessUnit, Track


@pytest.fixture(scope="module", params=FILMS)
def movie(movies: Path, request: pytest.FixtureRequest) -> Movie:
    return Movie(movies / request.param)


async def test_what_a_decoder_holds_back_is_shown_before_an_error(movie: Movie) -> None:
    queue = UnitQueue()
    units = list(received(movie, 0.0))[:30]
    for unit in units:
        queue.put(unit)
    queue.end(TransportError("the server closed the connection"))
    frames = Frames(queue, ("video",), every=True, flag=False)
    shown = [await anext(frames) for _ in units]
    assert len({mark(frame) for frame in shown}) == len(units)
    with pytest.raises(TransportError, match="closed"):
        await anext(frames)


# What is decoded before it is asked for

SOUND = Track("audio", "pcmu", 8_000, 0, channels=1)


def sound(number: int, segment: int = 0) -> ReceivedUnit:
    unit = AccessUnit(bytes(160), 160 * number, 160 * number)
    return ReceivedUnit(SOUND, unit, number / 50, None, "estimated", 0.0, segment=segment)


def filled(count: int) -> UnitQueue:
    queue = UnitQueue()
    for number in range(count):
        queue.put(sound(number))
    return queue


async def test_a_few_frames_are_decoded_ahead() -> None:
    queue = filled(20)
    frames = Frames(queue, ("audio",), every=True, flag=False)
    await anext(frames)
    await until(lambda: len(frames._shelf._frames) == AHEAD)
    # One more is in hand, and waits for room.
    await until(lambda: len(queue) == 20 - 1 - AHEAD - 1)
    assert len(frames._shelf._frames) == AHEAD
    frames.close()


async def test_what_is_forgotten_is_not_shown() -> None:
    """Neither what was decoded ahead, nor what is being decoded."""
    queue = filled(20)
    frames = Frames(queue, ("audio",), every=True, flag=False)
    await anext(frames)
    await until(lambda: len(frames._shelf._frames) == AHEAD)
    queue.keep(1)
    frames.forget(0)
    queue.put(sound(100, segment=1))
    assert (await anext(frames)).pts == 2.0
    frames.close()


@pytest.mark.timeout(20)
async def test_a_reader_that_was_replaced_before_it_began_has_nothing() -> None:
    queue = UnitQueue()
    first = Frames(queue, ("video",), every=True, flag=False)
    first.close()
    assert [frame async for frame in first] == []


VIDEO = Track(kind="video", codec="h264", clock_rate=90_000, payload_type=96)
AUDIO = Track(kind="audio", codec="aac", clock_rate=48_000, payload_type=97)


@pytest.mark.parametrize(
    ("kinds", "tracks", "kind", "message"),
    [
        ("video", (VIDEO,), ValueError, r"kinds must be a tuple such as \('video',\), not 'video'"),
        ((), (VIDEO,), ValueError, "kinds must be a tuple"),
        (("vidoe",), (VIDEO,), ValueError, "kinds must be one of 'video', 'audio', not 'vidoe'"),
        (("video",), (AUDIO, AUDIO), MediaError, "rtsp://cam/: there is no video in it, but audio$"),
        (("audio",), (VIDEO,), MediaError, "there is no audio in it, but video$"),
    ],
)
def test_kinds_that_are_not_there(
    kinds: Any, tracks: tuple[Track, ...], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        check_kinds(kinds, tracks, "rtsp://cam/")


def test_kinds_that_are_there() -> None:
    check_kinds(("video", "audio"), (AUDIO,), "rtsp://cam/")
    check_kinds(("video",), (), "rtsp://cam/")  # nothing is known of what is not open


PROGRAM = """
import asyncio, sys, threading
import reelcast.client.stream
from reelcast.client.frames import Frames
from reelcast.client.queue import UnitQueue

class Finder:
    def find_spec(self, name, *_):
        if name == "av":
            print(threading.current_thread().name)

sys.meta_path.insert(0, Finder())

async def main():
    queue = UnitQueue()
    queue.end(None)
    async for _ in Frames(queue, ("video",), every=True, flag=False):
        pass

asyncio.run(main())
"""


def test_decoders_are_loaded_where_nobody_receives() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("reelcast-decode")
