"""From a program through our own server to another program: what is shown and heard, and when."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.server.raw import until

from reelcast.client.options import Options
from reelcast.client.publish import Publisher, publishing
from reelcast.client.replay import Replay
from reelcast.client.stream import connect
from reelcast.client.timeouts import Timeouts
from reelcast.client.trust import Trust
from reelcast.media.demux import open_demuxer
from reelcast.media.pattern import Pattern
from reelcast.net.tls import Tls
from reelcast.rtp.payload.h264 import SYNTAX
from reelcast.rtp.payload.nal_units import split_nal_units
from reelcast.server import Server

SECONDS = 1.3
"""Of it, in which the square becomes white and the beep begins; the first time after half a second."""
PHASE = 0.5


@dataclass(frozen=True)
class Place:
    """Where to publish to and to read from, and how."""

    url: str
    transport: Any
    trust: str | None


@pytest.fixture(params=["udp", "tcp", "rtsps"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    if request.param != "rtsps":
        async with Server("127.0.0.1", 0) as server:
            yield Place(f"rtsp://127.0.0.1:{server.port}/studio", request.param, None)
        return
    tls = Tls.self_signed(tmp_path / "server.pem", port=0)
    async with Server("127.0.0.1", 0, tls=tls) as server:
        yield Place(f"rtsps://127.0.0.1:{server.tls_port}/studio", "auto", tls.fingerprint)


async def perform(out: Publisher, began: float) -> None:
    """Show a test pattern at the pace of its times, and for as long as it takes to be seen."""
    pattern = Pattern(160, 120)
    for shot in islice(pattern.shots(), 1000):
        assert shot.pts is not None
        await asyncio.sleep(max(0.0, began + shot.pts - time.time()))
        if shot.picture is not None:
            # Where the square is, and whether it is white, is all that counts.
            picture = pattern.picture(0, PHASE + shot.pts)
            await out.write(picture, time=began + shot.pts)
        if shot.samples is not None:
            samples = pattern.sound(round(shot.pts * 48_000), len(shot.samples), PHASE)
            await out.write_audio(samples, time=began + shot.pts)


def published(sent: Publisher | Replay) -> bool:
    """Whether the server has it."""
    tracks = sent.statistics()
    return bool(tracks) and tracks[0].units > 0


def onset(times: list[float], levels: list[float], threshold: float) -> float:
    """When it first becomes white, or loud, having been neither."""
    for place in range(1, len(times)):
        if levels[place - 1] < threshold <= levels[place]:
            return times[place]
    pytest.fail("nothing was to be seen or heard")


async def test_picture_and_sound_stay_together_and_have_the_times_that_they_were_given(place: Place) -> None:
    async with publishing(place.url, transport=place.transport, trust=place.trust, sample_rate=48_000) as out:
        began = time.time()
        show = asyncio.create_task(perform(out, began))
        await until(lambda: published(out))
        seen: tuple[list[float], list[float]] = ([], [])
        heard: tuple[list[float], list[float]] = ([], [])
        async with connect(
            place.url, transport=place.transport, trust=place.trust, reconnect=False
        ) as stream:
            async for frame in stream.frames(("video", "audio"), every=True):
                assert frame.time is not None
                if frame.track.kind == "video":
                    assert -0.1 < time.time() - frame.time < 5
                    seen[0].append(frame.pts)
                    seen[1].append(float(frame.to_ndarray("gray8")[:10, -10:].mean()))
                else:
                    samples = np.abs(frame.to_ndarray()[:, 0])
                    for part, piece in enumerate(np.array_split(samples, 8)):
                        heard[0].append(frame.pts + part * len(samples) / 8 / 48_000)
                        heard[1].append(float(piece.max()))
                if seen[0] and seen[0][-1] - seen[0][0] > SECONDS:
                    break
        show.cancel()
        await asyncio.wait([show])
    # A picture is white up to a frame later than the beep begins.
    apart = onset(*seen, 230.0) - onset(*heard, 0.1)
    assert -0.02 <= apart <= 0.06


async def test_a_file_is_read_as_it_was_published(place: Place, movies: Path) -> None:
    path = movies / "movie-bframes.mp4"
    with contextlib.closing(open_demuxer(path)) as demuxer:
        file: list[list[bytes]] = [[], []]
        for index, unit in demuxer.units():
            file[index].append(unit.data)
    options = Options(Timeouts.of(10.0), transport=place.transport, trust=Trust.of(place.trust))
    got: list[list[bytes]] = [[], []]
    async with Replay(path, place.url, options) as replay:
        work = asyncio.create_task(replay.run())
        await until(lambda: published(replay))
        async with connect(
            place.url, transport=place.transport, trust=place.trust, reconnect=False
        ) as stream:
            async for received in stream.units():
                assert not received.corrupt
                got[stream.tracks.index(received.track)].append(received.unit.data)
                if len(got[0]) > 30 and len(got[1]) > 30:
                    break
        work.cancel()
        await asyncio.wait([work])
    pictures = list(map(slices, file[0]))
    first = pictures.index(slices(got[0][0]))
    assert list(map(slices, got[0])) == pictures[first : first + len(got[0])]
    first = file[1].index(got[1][0])
    assert got[1] == file[1][first : first + len(got[1])]


def slices(data: bytes) -> bytes:
    """A picture without the parameter sets that are sent before each keyframe."""
    return b"".join(nal for nal in split_nal_units(data) if SYNTAX.kind(nal) in SYNTAX.pictures)
