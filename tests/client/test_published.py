"""From a program through our own server to another program: what is shown and heard, and when."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import islice, pairwise
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
from reelcast.server.app import Server

PHASE = 0.5
"""Seconds after which the square becomes white and the beep begins for the first time."""
BEEP_DISTANCE = 1.0
TOLERANCE = 0.02
"""Seconds: an encoder of sound begins a little before what it was given, and pieces are short."""


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


@dataclass
class Levels:
    """How white, or how loud, it was when."""

    threshold: float
    times: list[float]
    levels: list[float]

    def onsets(self) -> list[tuple[float, float]]:
        """Each time that it becomes white, or loud: when it last was not, and when it first is."""
        places = zip(pairwise(self.times), pairwise(self.levels), strict=True)
        return [span for span, (before, after) in places if before < self.threshold <= after]


def together(seen: Levels, heard: Levels) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """The first onset of both; on a busy machine pictures are left out, all of a flash even."""
    pairs = ((white, loud) for white in seen.onsets() for loud in heard.onsets())
    return next((pair for pair in pairs if abs(pair[0][1] - pair[1][1]) < BEEP_DISTANCE / 2), None)


async def test_picture_and_sound_stay_together_and_have_the_times_that_they_were_given(place: Place) -> None:
    async with publishing(place.url, transport=place.transport, trust=place.trust, sample_rate=48_000) as out:
        began = time.time()
        show = asyncio.create_task(perform(out, began))
        await until(lambda: published(out))
        seen, heard = Levels(230.0, [], []), Levels(0.1, [], [])
        found = None
        async with connect(
            place.url, transport=place.transport, trust=place.trust, reconnect=False
        ) as stream:
            async for frame in stream.frames(("video", "audio"), every=True):
                assert frame.time is not None
                if frame.track.kind == "video":
                    assert began - 0.1 < frame.time < time.time() + 0.1
                    seen.times.append(frame.pts)
                    seen.levels.append(float(frame.to_ndarray("gray8")[:10, -10:].mean()))
                else:
                    samples = np.abs(frame.to_ndarray()[:, 0])
                    for part, piece in enumerate(np.array_split(samples, 8)):
                        heard.times.append(frame.pts + part * len(samples) / 8 / 48_000)
                        heard.levels.append(float(piece.max()))
                if found := together(seen, heard):
                    break
        show.cancel()
        await asyncio.wait([show])
    assert found is not None
    # The first white picture is up to a frame later than the beep begins, and the one before it is not.
    (black, white), (quiet, loud) = found
    assert black - TOLERANCE <= loud
    assert quiet <= white + TOLERANCE


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
