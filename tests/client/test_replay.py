"""Files published as they are: what arrives is what is in them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.client.recorder import RecordingServer
from tests.client.scripted import reply

from reelcast.client import replay as module
from reelcast.client.options import Options
from reelcast.client.reconnect import NEVER, Reconnect
from reelcast.client.replay import Replay
from reelcast.client.timeouts import Timeouts
from reelcast.errors import MediaError, RemoteError, TransportError
from reelcast.media.demux import open_demuxer
from reelcast.rtp.payload.h264 import SYNTAX
from reelcast.rtp.payload.nal_units import split_nal_units
from reelcast.track import AccessUnit

TRANSPORTS = pytest.mark.parametrize("transport", ["udp", "tcp"])
PERIOD = 1 << 32
FASTER = 50.0


@pytest.fixture
async def server() -> AsyncIterator[RecordingServer]:
    async with RecordingServer() as server:
        yield server


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes faster."""
    begun = time.monotonic()

    def now() -> float:
        return 1000 + FASTER * (time.monotonic() - begun)

    async def until(due: float) -> None:
        await asyncio.sleep((due - now()) / FASTER)

    monkeypatch.setattr(module, "unix_now", now)
    monkeypatch.setattr(module, "_until", until)
    monkeypatch.setattr(module, "MAX_LATE", 1e6)


def options(transport: Any = "tcp", reconnect: Reconnect = NEVER) -> Options:
    return Options(Timeouts(), transport, reconnect=reconnect)


def in_file(path: Path) -> list[list[AccessUnit]]:
    demuxer = open_demuxer(path)
    units: list[list[AccessUnit]] = [[] for _ in demuxer.tracks]
    for index, unit in demuxer.units():
        units[index].append(unit)
    demuxer.close()
    return units


def essence(unit: AccessUnit) -> bytes:
    """A picture without the parameter sets that are sent before each keyframe."""
    nals = list(split_nal_units(unit.data))
    return b"".join(nal for nal in nals if SYNTAX.kind(nal) not in SYNTAX.parameter_sets)


@TRANSPORTS
@pytest.mark.parametrize("name", ["movie-bframes.mp4", "movie.mp4"])
async def test_what_arrives_is_what_is_in_the_file(
    server: RecordingServer, movies: Path, transport: Any, name: str
) -> None:
    path = movies / name
    async with Replay(path, server.url, options(transport)) as replay:
        assert [track.codec for track in replay.tracks] == ["h264", "aac"]
        assert replay.duration == pytest.approx(20, abs=0.1)
        await replay.run(4.0)
        assert replay.transport == transport
        assert 3.9 < replay.position < 4.0
        assert replay.dropped == 0
    await server.until(lambda: server.goodbyes(0) == server.goodbyes(1) == 1)
    video, audio = in_file(path)
    received = server.units(0)
    assert len(received) >= 95
    assert [essence(unit) for unit in received] == [essence(unit) for unit in video[: len(received)]]
    assert [unit.data for unit in server.units(1)] == [unit.data for unit in audio[: len(server.units(1))]]
    for index, file in ((0, video), (1, audio)):
        sent = server.units(index)
        assert [(b.pts - a.pts) % PERIOD for a, b in pairwise(sent)] == [
            (b.pts - a.pts) % PERIOD for a, b in pairwise(file[: len(sent)])
        ]


async def test_over_and_over(server: RecordingServer, tmp_path: Path, movies: Path) -> None:
    path = tmp_path / "short.mp4"
    short(movies / "movie.mp4", path)
    video, audio = in_file(path)
    async with Replay(path, server.url, options(), loop=True) as replay:
        await replay.run(3.0)
        assert replay.position > 2.5
    sent = server.units(0)
    assert len(sent) > 2 * len(video)
    steps = {(later.pts - earlier.pts) % PERIOD for earlier, later in pairwise(sent)}
    # Sound primes its decoder before 0: between two rounds it needs that much room.
    assert steps - {3600}
    assert max(steps) < 3600 + 90_000 * 0.1
    heard = server.units(1)
    assert all(1000 <= (b.pts - a.pts) % PERIOD <= 1024 * 4 for a, b in pairwise(heard))
    assert len(heard) > 2 * len(audio)


def short(movie: Path, path: Path) -> None:
    """The first second of a movie."""
    import av

    with av.open(str(movie)) as source, av.open(str(path), "w") as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None and packet.pts is not None and packet.pts * packet.time_base < 1:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)


async def test_once_to_its_end(server: RecordingServer, tmp_path: Path, movies: Path) -> None:
    path = tmp_path / "short.mp4"
    short(movies / "movie.mp4", path)
    async with Replay(path, server.url, options()) as replay:
        await replay.run()
        assert [track.units for track in replay.statistics()] == [len(units) for units in in_file(path)]
    assert server.methods[-1] == "TEARDOWN"
    assert server.goodbyes(0) == server.goodbyes(1) == 1


async def test_a_server_that_comes_back(server: RecordingServer, movies: Path) -> None:
    async with Replay(movies / "movie.mp4", server.url, options(reconnect=Reconnect(first=0.01))) as replay:
        work = asyncio.create_task(replay.run())
        await server.until(lambda: len(server.parsed()) > 10)
        first = server.parsed()[0].ssrc
        server.hang_up()
        await server.until(lambda: server.parsed()[-1].ssrc != first)
        work.cancel()
        await asyncio.wait([work])
    # It goes on with a keyframe; what came before that was left out.
    again = next(packet for packet in server.parsed() if packet.ssrc != first)
    assert SYNTAX.kind(again.payload) in (SYNTAX.aggregate, SYNTAX.parameter_sets[0])


async def test_a_server_that_is_lost(server: RecordingServer, movies: Path) -> None:
    server.on_record = lambda server: server.hang_up()
    async with Replay(movies / "movie.mp4", server.url, options()) as replay:
        with pytest.raises(TransportError, match="connection"):
            await replay.run()


async def test_a_server_that_refuses(server: RecordingServer, movies: Path) -> None:
    server.answers["ANNOUNCE"] = reply(403)
    async with Replay(movies / "movie.mp4", server.url, options()) as replay:
        with pytest.raises(RemoteError, match="403"):
            await replay.run()


async def later(due: float) -> None:
    """Let others have their turn."""
    await asyncio.sleep(0)


async def test_what_is_late_moves_all_that_follows(
    server: RecordingServer, movies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_LATE", 0.5)
    # A jump of the clock stands for a disk, or a server, that was busy.
    jump = 0.0
    monkeypatch.setattr(module, "unix_now", lambda: time.monotonic() + jump)
    monkeypatch.setattr(module, "_until", later)
    async with Replay(movies / "movie.mp4", server.url, options()) as replay:
        work = asyncio.create_task(replay.run(4.0))
        await server.until(lambda: len(server.units(0)) > 10)
        jump = 1000.0
        await work
    steps = sorted((b.pts - a.pts) % PERIOD for a, b in pairwise(server.units(0)))
    assert steps[-1] > 900 * 90_000
    assert len(server.units(0)) == 100


@pytest.mark.parametrize("number", range(40, 52))
async def test_what_is_late_keeps_its_order(
    server: RecordingServer, movies: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Wherever the clock jumps among pictures that are sent in another order than they are shown in."""
    monkeypatch.setattr(module, "MAX_LATE", 0.5)
    jump, waits = 0.0, count()

    async def wait(due: float) -> None:
        nonlocal jump
        await asyncio.sleep(0)
        if next(waits) == number:
            jump = 1000.0

    monkeypatch.setattr(module, "unix_now", lambda: jump)
    monkeypatch.setattr(module, "_until", wait)
    path = movies / "movie-bframes.mp4"
    async with Replay(path, server.url, options()) as replay:
        await replay.run(2.0)
    await server.until(lambda: len(server.units(0)) >= 50)
    sent = in_file(path)[0]
    shown = sorted(zip((unit.pts for unit in sent), server.units(0), strict=False), key=lambda pair: pair[0])
    # Those at the end lack some that are sent behind them.
    steps = [(after.pts - before.pts) % PERIOD for (_, before), (_, after) in pairwise(shown[:40])]
    assert sorted(steps)[-2] == 3600
    assert 999 * 90_000 < max(steps) < 1001 * 90_000


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such file"):
        Replay(tmp_path / "nothing.mp4", "rtsp://127.0.0.1/x", options())


async def test_a_file_with_nothing_in_it(server: RecordingServer, movies: Path) -> None:
    async with Replay(movies / "movie.mp4", server.url, options()) as replay:
        replay._demuxer.close()
        with pytest.raises(MediaError):
            await replay.run()
