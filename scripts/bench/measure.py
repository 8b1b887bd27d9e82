"""One run, in figures: a server under load, or under a clock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scripts.bench import paced_server
from scripts.bench.rows import Stream, Transport
from scripts.bench.servers import Movies, Server, Serving, reelcast, stop

from reelcast.errors import ReelcastError

__all__ = [
    "LEAVING",
    "Figures",
    "Load",
    "lateness",
    "measure_pacing",
    "measure_server",
    "pacing_error",
    "run_load",
]

SPARE: Final = 90.0
"""Seconds that a load may take beyond its window: joining, settling, leaving."""
ANSWER_SECONDS: Final = 15
"""How long a reader waits for each answer: a peer builds a pipeline before it gives one."""

LEAVING: Final = 2.0
"""Seconds at the end of a load in which its readers leave and it prints its figures, at most."""

Figures = dict[str, Any]
"""What `reelcast load --json` prints, or {"failure": why there is nothing}."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of a server; times in seconds, `ramp` in readers a second."""

    stream: Stream
    transport: Transport
    readers: int
    tracks: int
    duration: float
    ramp: float = 200.0


def measure_server(server: Server, movies: Movies, load: Load) -> Figures:
    """A server, started for this, under a load; anew, once, where not all readers could join."""
    figures = _measure_once(server, movies, load)
    if "failure" in figures or figures.get("failed"):
        figures = _measure_once(server, movies, load)
    return figures


def _measure_once(server: Server, movies: Movies, load: Load) -> Figures:
    try:
        with server.start(movies) as serving:
            return run_load(serving, load)
    except ReelcastError as error:
        return {"failure": str(error)}


def measure_pacing(movies: Movies, load: Load) -> Figures:
    """Ours with a clock on its pacer: what the load found, and how far from its time media left (see paced_server).

    `pacing` is of the whole run, with all joining and leaving; `settled` of that part in which all were there.
    """
    with TemporaryDirectory() as folder:
        out = Path(folder) / "pacing.npy"
        try:
            with reelcast(movies, (paced_server.__file__, str(out))) as serving:
                with _apart(serving.process):
                    figures = run_load(serving, load)
                ended = time.monotonic()
                stop(serving.process)
        except ReelcastError as error:
            return {"failure": str(error)}
        moments, errors = np.load(out)
    # The window begins no later than its own length before the end, for leaving takes time too.
    settled = (moments >= ended - load.duration) & (moments < ended - LEAVING)
    return {**figures, "pacing": pacing_error(errors), "settled": pacing_error(errors[settled])}


@contextmanager
def _apart(server: subprocess.Popen[str]) -> Iterator[None]:
    """Meanwhile, a server has a processor to itself, and what is started the others, where there are any."""
    # Else the kernel wakes readers on the server's own, and lets each have it for up to 4 ms: elsewhere they would
    # not be on this machine.
    processors = os.sched_getaffinity(0)
    others = processors - {min(processors)}
    if others:
        os.sched_setaffinity(server.pid, {min(processors)})
        os.sched_setaffinity(0, others)
    try:
        yield
    finally:
        os.sched_setaffinity(0, processors)


def pacing_error(errors: NDArray[np.float64]) -> dict[str, float] | None:
    """Percentiles of the distance from due, late or early alike, and how `early` at most; see `lateness`."""
    found = lateness(np.abs(errors))
    return None if found is None else {**found, "early": max(-float(errors.min()), 0.0)}


def lateness(errors: NDArray[np.float64]) -> dict[str, float] | None:
    """Percentiles in seconds, and how many there were; None where there were none."""
    if len(errors) == 0:
        return None
    found = np.percentile(errors, (50, 99, 100)).tolist()
    return {"sends": len(errors), **dict(zip(("p50", "p99", "max"), found, strict=True))}


def run_load(serving: Serving, load: Load) -> Figures:
    """A load on a server that runs; {"failure": why there is nothing}."""
    command = [
        *(sys.executable, "-m", "reelcast", "load", serving.urls[load.stream], "--json"),
        *("-n", load.readers, "--transport", load.transport, "--tracks", load.tracks),
        *("--duration", load.duration, "--ramp", load.ramp, "--timeout", ANSWER_SECONDS),
        *("--server-pid", serving.process.pid),
    ]
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=load.duration + SPARE
        )
    except subprocess.TimeoutExpired:
        return {"failure": "the load did not end"}
    try:
        figures: Figures = json.loads(done.stdout)
    except ValueError:
        return {"failure": (done.stderr.strip().splitlines() or ["the load said nothing"])[-1]}
    return figures
