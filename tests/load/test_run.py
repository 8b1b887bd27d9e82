"""Whole runs against our own server, in another process as it is used."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reelcast.errors import ReelcastError
from reelcast.load import run as module
from reelcast.load.readers import Transport
from reelcast.load.run import Measurement, Plan, Run


@pytest.fixture(scope="session")
def serving(movies: Path) -> Iterator[tuple[str, int]]:
    """The URL of a movie, and the process that serves it."""
    command = [sys.executable, "-m", "reelcast", "serve", str(movies / "movie.mp4")]
    options = ["--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process.pid
        process.terminate()


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLE", 0.1)
    monkeypatch.setattr(module, "SAMPLE_INTERVAL", 0.05)


@pytest.mark.parametrize("transport", ["udp", "tcp", "both"])
async def test_everything_is_measured(serving: tuple[str, int], transport: Transport) -> None:
    url, pid = serving
    run = Run(Plan(url, 4, transport, duration=0.6, server_pid=pid))
    measurement = await run.measure()
    assert run.stage == "leaving"
    assert (measurement.joined, measurement.served, measurement.failed) == (4, 4, 0)
    assert (measurement.silent, measurement.dropped, measurement.interrupted) == (0, 0, False)
    assert 0.6 <= measurement.seconds < 30
    assert measurement.counters.received.sum() > 40
    assert measurement.counters.bytes.sum() == measurement.reader_bytes.sum()
    assert measurement.counters.lost.sum() == measurement.counters.invalid.sum() == 0
    assert len(measurement.join_times) == len(measurement.first_times) == 4
    assert (measurement.join_times > 0).all()
    assert (measurement.first_times > 0).all()
    assert len(measurement.jitter) > 0
    assert len(measurement.latency) > 0
    middle = measurement.latency.percentile(50)
    assert middle is not None
    assert abs(middle) < 5.0
    assert measurement.before is not None
    assert measurement.after is not None
    assert measurement.after.memory > 0
    assert measurement.server_cpu is not None
    assert measurement.own_cpu > 0
    assert measurement.samples[-1].bytes > measurement.samples[0].bytes


async def interrupted(run: Run, stage: str) -> Measurement:
    task = asyncio.create_task(run.measure())
    for _ in range(1000):
        if run.stage == stage and run.crowd.joined:
            break
        await asyncio.sleep(0.01)
    task.cancel()
    return await task


async def test_an_interruption_ends_the_window(serving: tuple[str, int]) -> None:
    measurement = await interrupted(Run(Plan(serving[0], 2, duration=60.0)), "measuring")
    assert measurement.interrupted
    assert measurement.joined == 2
    assert measurement.seconds < 30


async def test_an_interruption_while_readers_join(serving: tuple[str, int]) -> None:
    measurement = await interrupted(Run(Plan(serving[0], 500, ramp=20.0)), "joining")
    assert measurement.interrupted
    assert 0 < measurement.joined < 500


async def test_nobody_joins(serving: tuple[str, int]) -> None:
    measurement = await Run(Plan(serving[0] + "x", 3, duration=60.0)).measure()
    assert measurement.failed == 3
    assert measurement.served == measurement.joined == 0


async def test_a_server_process_that_is_not_there() -> None:
    with pytest.raises(ReelcastError, match="no process"):
        Run(Plan("rtsp://127.0.0.1:1/", server_pid=2**22 + 1))


async def test_a_server_process_that_ends_meanwhile(
    serving: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(Plan(serving[0], 1, duration=0.1, server_pid=os.getpid()))

    def gone(_: int) -> None:
        raise ReelcastError("there is no process")

    monkeypatch.setattr(module, "usage_of", gone)
    measurement = await run.measure()
    assert measurement.before is not None
    assert measurement.after is None
    assert measurement.server_cpu is None
