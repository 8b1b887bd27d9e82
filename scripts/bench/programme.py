"""All runs of a benchmark in their order, and their results in files.

Contenders take turns within a round, so that whatever else the machine does falls on all of them alike.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import groupby, product
from operator import attrgetter
from pathlib import Path
from typing import Final, Literal, get_args

from scripts.bench.beginnings import INTERVALS, measure_beginnings
from scripts.bench.clients import (
    CAMERAS,
    CLIENT_CASES,
    EVERYBODY,
    WAITING_CASES,
    measure_cameras,
    measure_clients,
)
from scripts.bench.delays import DELAY_CASES, READERS, measure_delays
from scripts.bench.limit import run_limit
from scripts.bench.measure import LEAVING, Figures, Load, measure_pacing, measure_server
from scripts.bench.published import published
from scripts.bench.receivers import RECEIVERS, measure_receiver
from scripts.bench.rows import LIMIT, OURS, ROWS, VIDEO_LIMIT, Row, Stream, Transport
from scripts.bench.servers import SERVERS, Movies, Server
from scripts.bench.stations import WAYS, Way
from scripts.bench.steady import Steady

__all__ = [
    "CURVE",
    "EXPERIMENTS",
    "PACED",
    "Effort",
    "Experiment",
    "Result",
    "Step",
    "Store",
    "batches_of",
    "results_of",
    "rows_named",
    "steps",
]

Experiment = Literal[
    "rows", "published", "delays", "beginnings", "curve", "pacing", "receivers", "clients", "cameras"
]
EXPERIMENTS: Final[tuple[Experiment, ...]] = get_args(Experiment)

CURVE: Final = (1, 10, 100, 1000, 2000)
"""Readers at the points of the cost curve."""
CURVE_RAMP: Final = 500.0
GENTLE_READERS: Final = 100
GENTLE_RAMP: Final = 10.0
"""Readers a second; see Row.gentle."""
PACED: Final[tuple[tuple[str, Stream, Transport, int, int], ...]] = (
    ("live-hd-udp", "hd", "udp", 100, 1),
    ("live-sd-udp", "sd", "udp", 500, 2),
    ("live-sd-tcp", "sd", "tcp", 500, 2),
    ("vod-udp-1000", "vod", "udp", 1000, 2),
    ("vod-tcp-1000", "vod", "tcp", 1000, 2),
)
"""Case, stream, transport, readers and tracks of the runs with a clock on the pacer."""
PACING_ROUNDS: Final = 3
"""Of each of them: one disturbance of the machine's is the 99th percentile of a few hundred sends."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one run found. `case` is a row, a transport; `round` counts from 0."""

    experiment: Experiment
    case: str
    contender: str
    readers: int
    round: int
    figures: Figures

    @property
    def failure(self) -> str | None:
        """Why there are no figures; None where there are."""
        if "failure" in self.figures:
            return str(self.figures["failure"])
        reasons = self.figures.get("failures")
        if self.figures.get("failed") and reasons:
            return f"{self.figures['failed']} of {self.readers} readers could not join: {next(iter(reasons))}"
        return None


class Store:
    """Results, a JSON file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, result: Result) -> None:
        parts = (result.experiment, result.case, result.contender, result.readers, result.round)
        path = self._folder / ("+".join(map(str, parts)) + ".json")
        path.write_text(json.dumps(asdict(result), indent=2) + "\n")

    def load(self) -> list[Result]:
        return [Result(**json.loads(path.read_text())) for path in sorted(self._folder.glob("*+*.json"))]

    def clear(self, experiment: str, case: str = "*") -> None:
        """Forget earlier results: they may be of another machine, or another programme."""
        for path in self._folder.glob(f"{experiment}+{case}+*.json"):
            path.unlink()


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done: rounds of each row, seconds of each window, and of the readers one in so many."""

    rounds: int = 2
    seconds: float = 5.0
    fraction: int = 1

    def readers(self, count: int) -> int:
        return max(count // self.fraction, 1)


@dataclass(frozen=True, slots=True)
class Step:
    """One run to come.

    waits    whether it mostly waits, and measures nothing that computing does: such ones run beside each other
    """

    experiment: Experiment
    case: str
    contender: str
    readers: int
    round: int
    measure: Callable[[], Figures]
    waits: bool = False

    def run(self) -> Result:
        """Do it."""
        figures = self.measure()
        return Result(self.experiment, self.case, self.contender, self.readers, self.round, figures)


def steps(
    experiment: Experiment,
    rows: list[Row],
    movies: Movies,
    limit: Path | None,
    effort: Effort,
    stack: ExitStack,
) -> Iterator[Step]:
    """The runs of an experiment, in their order.

    limit    the compiled program
    stack    ends, when all of them are done, what runs for several of them
    """
    if experiment == "rows":
        steady = Steady(movies, stack)
        for row in rows:
            for number in range(effort.rounds):
                yield from _row_steps(row, movies, limit, effort, number, steady)
    elif experiment == "published":
        for row in rows:
            yield from _published_steps(row, movies, effort)
    elif experiment == "delays":
        yield from _delay_steps(movies, effort)
    elif experiment == "beginnings":
        yield from _beginning_steps(effort)
    elif experiment == "curve":
        yield from _curve_steps(movies, effort)
    elif experiment == "pacing":
        yield from _pacing_steps(movies, effort)
    elif experiment == "receivers":
        yield from _receiver_steps(movies, effort)
    else:
        yield from _client_steps(experiment, movies, 1.5 * effort.seconds, effort)


def _row_steps(
    row: Row, movies: Movies, limit: Path | None, effort: Effort, number: int, steady: Steady
) -> Iterator[Step]:
    readers = effort.readers(row.readers)
    load = Load(row.stream, row.transport, readers, row.tracks, effort.seconds)
    for server in SERVERS:
        ours = server.name == OURS
        if (row.peers or ours) and server.missing() is None:
            asked = _gently(load) if row.gentle and not ours else load
            settled = ours and row.stream != "vod"
            measure = partial(steady.measure, asked) if settled else _served(server, movies, asked)
            yield Step("rows", row.key, server.name, asked.readers, number, measure)
    if row.limit_row is None and limit is not None:
        movie = movies.hd if row.stream == "hd" else movies.sd
        # What the video alone costs is told beside the table, and is not compared with: one round will do.
        contenders = {LIMIT: row.tracks, **({VIDEO_LIMIT: 1} if row.tracks > 1 and not number else {})}
        for name, tracks in contenders.items():

            def alone(program: Path = limit, tracks: int = tracks) -> Figures:
                return run_limit(program, movie, row.transport, readers, tracks, effort.seconds)

            yield Step("rows", row.key, name, readers, number, alone)


def _published_steps(row: Row, movies: Movies, effort: Effort) -> Iterator[Step]:
    """A live row from a file, in its first round, and from a publisher: all that is sent is new to the server."""
    if row.stream == "vod":
        return
    readers = effort.readers(row.readers)
    load = Load(row.stream, row.transport, readers, row.tracks, effort.seconds)
    for server in (SERVERS[0], published(row.stream, row.transport)):
        if server.missing() is None:
            yield Step("published", row.key, server.name, readers, 0, _served(server, movies, load))


def _gently(load: Load) -> Load:
    return replace(load, readers=min(load.readers, GENTLE_READERS), ramp=GENTLE_RAMP)


def _served(server: Server, movies: Movies, load: Load) -> Callable[[], Figures]:
    return partial(measure_server, server, movies, load)


def _delay_steps(movies: Movies, effort: Effort) -> Iterator[Step]:
    readers = effort.readers(READERS)
    for way, stream, transport in DELAY_CASES:

        def delayed(way: Way = way, stream: Stream = stream, transport: Transport = transport) -> Figures:
            return measure_delays(way, stream, transport, movies, readers, 1.5 * effort.seconds)

        yield Step("delays", f"{way}-{stream}-{transport}", OURS, readers, 0, delayed)


def _beginning_steps(effort: Effort) -> Iterator[Step]:
    """One reader after another."""
    for way in WAYS:
        for interval in INTERVALS:

            def begun(way: Way = way, interval: float = interval) -> Figures:
                return measure_beginnings(way, interval, effort.seconds)

            yield Step("beginnings", f"{way}-{interval:g}", OURS, 1, 0, begun)


def _curve_steps(movies: Movies, effort: Effort) -> Iterator[Step]:
    transports: tuple[Transport, ...] = ("udp", "tcp")
    for transport in transports:
        for count in sorted({effort.readers(point) for point in CURVE}):
            load = Load("sd", transport, count, 2, effort.seconds, CURVE_RAMP)
            yield Step("curve", transport, OURS, count, 0, _served(SERVERS[0], movies, load))


def _pacing_steps(movies: Movies, effort: Effort) -> Iterator[Step]:
    for number, (case, stream, transport, count, tracks) in product(range(PACING_ROUNDS), PACED):
        readers = effort.readers(count)
        load = Load(stream, transport, readers, tracks, 2 * effort.seconds + LEAVING)

        def clocked(load: Load = load) -> Figures:
            return measure_pacing(movies, load)

        yield Step("pacing", case, OURS, readers, number, clocked)


def _receiver_steps(movies: Movies, effort: Effort) -> Iterator[Step]:
    transports: tuple[Transport, ...] = ("udp", "tcp")
    for transport in transports:
        for name in RECEIVERS:

            def received(name: str = name, transport: Transport = transport) -> Figures:
                return measure_receiver(name, movies, transport, effort.seconds)

            yield Step("receivers", transport, name, 1, 0, received)


def _client_steps(experiment: Experiment, movies: Movies, seconds: float, effort: Effort) -> Iterator[Step]:
    if experiment == "clients":
        for case in CLIENT_CASES:

            def watched(case: str = case) -> Figures:
                return measure_clients(case, movies, seconds)

            yield Step("clients", case, EVERYBODY, 1, 0, watched, case in WAITING_CASES)
        return
    transports: tuple[Transport, ...] = ("udp", "tcp")
    for transport in transports:
        count = effort.readers(CAMERAS)

        def received(transport: Transport = transport, count: int = count) -> Figures:
            return measure_cameras(movies, transport, count, seconds)

        yield Step("cameras", transport, OURS, count, 0, received)


def batches_of(steps: list[Step]) -> Iterator[list[Step]]:
    """Steps that mostly wait together, each of the others alone."""
    for waits, group in groupby(steps, attrgetter("waits")):
        batch = list(group)
        yield from [batch] if waits else ([step] for step in batch)


def results_of(batch: list[Step]) -> list[Result]:
    """Run a batch."""
    if len(batch) == 1:
        return [batch[0].run()]
    with ThreadPoolExecutor(len(batch)) as pool:
        return list(pool.map(Step.run, batch))


def rows_named(keys: list[str]) -> list[Row]:
    """The rows with these keys, all where none are given."""
    return [row for row in ROWS if not keys or row.key in keys]
