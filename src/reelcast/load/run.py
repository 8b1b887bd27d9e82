"""One run of the load generator: all join, the stream settles, a window is measured, all leave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reelcast.client.trust import SYSTEM, Trust
from reelcast.errors import ReelcastError
from reelcast.load.connection import Arena
from reelcast.load.flows import Counters, Flows
from reelcast.load.histogram import Histogram
from reelcast.load.process import Usage, usage_of
from reelcast.load.readers import MAX_TRACKS, Crowd, Transport
from reelcast.net.shortcut import Shortcut
from reelcast.net.sink import Sink
from reelcast.rtp.arrivals import Arrivals

__all__ = ["Measurement", "Plan", "Run", "Sample"]

SETTLE: Final = 1.0
"""Seconds between the last join and the window: what a live stream begins with has come."""
SAMPLE_INTERVAL: Final = 0.25
"""Seconds between two points of the bitrate over time."""
JITTER_EVERY: Final = 4
"""Samples between two looks at the jitter of each flow: one a second."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run.

    url          of what is read; "%d" in it is the reader's number, from 0
    readers      how many
    transport    "both": every other reader over TCP
    duration     seconds of the window
    ramp         readers that join a second
    tracks       received of each presentation, at most
    timeout      seconds that each request may take
    server_pid   the server's process, to measure what it uses
    gro          receive with offload: cheaper, but not what an ordinary receiver does
    trust        by what a server of rtsps:// is believed; there all read over TCP
    """

    url: str
    readers: int = 1
    transport: Transport = "udp"
    duration: float = 10.0
    ramp: float = 200.0
    tracks: int = MAX_TRACKS
    timeout: float = 10.0
    server_pid: int | None = None
    gro: bool = False
    trust: Trust = SYSTEM


@dataclass(frozen=True, slots=True)
class Sample:
    """Everything received until a moment, `time` seconds after the start."""

    time: float
    bytes: int
    lost: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a run has found. Counts are those of the window; times in seconds.

    joined, failed   readers that got a 200 to PLAY, and those that did not; failures: how many for what reason
    served           joined and received something in the window
    silent           joined, still there, and received nothing in it
    dropped          lost their connection
    ended            were told by the server that the stream is over (BYE)
    window           when it began and ended, since the start of the run
    reader_bytes     received by each reader that joined
    join_times       from connecting to the response to PLAY; first_times: to the first packet
    jitter           of each flow, once a second
    latency          of each packet: its arrival less the time at which its medium was due by the sender's clock
    before, after    what the server used before anyone joined, and at the end of the window
    server_cpu       seconds that the server computed during the window; own_cpu: that we did
    interrupted      whether the run was cut short
    """

    plan: Plan
    joined: int
    failures: Mapping[str, int]
    served: int
    silent: int
    dropped: int
    ended: int
    window: tuple[float, float]
    counters: Counters
    reader_bytes: Floats
    join_times: Floats
    first_times: Floats
    jitter: Histogram
    latency: Histogram
    samples: tuple[Sample, ...]
    before: Usage | None
    after: Usage | None
    server_cpu: float | None
    own_cpu: float
    interrupted: bool

    @property
    def failed(self) -> int:
        """Readers that could not join."""
        return sum(self.failures.values())

    @property
    def seconds(self) -> float:
        """The length of the window."""
        return self.window[1] - self.window[0]


@dataclass(frozen=True, slots=True)
class _Mark:
    """A moment at one end of the window."""

    time: float
    counters: Counters
    own_cpu: float
    server: Usage | None


class Run:
    """A run, and what a progress display wants to know of it meanwhile.

    stage    what is being done: "joining", "settling", "measuring", "leaving"

    Made while an event loop runs. ReelcastError where the server's process is not there.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.stage = "joining"
        self.samples: list[Sample] = []
        self._before = None if plan.server_pid is None else usage_of(plan.server_pid)
        self._loop = asyncio.get_running_loop()
        self._flows = Flows(plan.readers * min(plan.tracks, MAX_TRACKS), self._note_latency)
        self._latency = Histogram(-1.0, 10.0, 1e-4)
        self._jitter = Histogram(0.0, 2.0, 2e-5)
        self._sink = Sink(self._take, self._take_report, gro=plan.gro)
        self._shortcut = Shortcut()
        self.crowd = Crowd(
            plan.url,
            plan.readers,
            plan.transport,
            flows=self._flows,
            sink=self._sink,
            arena=Arena(self._take),
            shortcut=self._shortcut,
            tracks=min(plan.tracks, MAX_TRACKS),
            timeout=plan.timeout,
            trust=plan.trust,
        )
        self._started = self._loop.time()
        self._wall_offset = time.time() - time.monotonic()

    async def measure(self) -> Measurement:
        """Do it all. To be cancelled for an early end: what was measured until then is returned all the same."""
        beginning = self._mark()
        interrupted = False
        helpers = [self._loop.create_task(self._sample()), self._loop.create_task(self.crowd.report())]
        try:
            await self.crowd.join(self.plan.ramp)
            if self.crowd.joined:
                self.stage = "settling"
                await asyncio.sleep(SETTLE)
                beginning = self._mark()
                self.stage = "measuring"
                await asyncio.sleep(self.plan.duration)
        except asyncio.CancelledError:
            interrupted = True
        measurement = self._measurement(beginning, self._mark(), interrupted)
        self.stage = "leaving"
        await self.crowd.leave()
        for task in helpers:
            task.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
        self._shortcut.close()
        self._sink.close()
        return measurement

    def _take(self, arrivals: Arrivals) -> None:
        self._flows.update(arrivals, self._wall_offset)

    def _take_report(self, flow: int, data: bytes) -> None:
        self.crowd.take_report(flow, data)

    def _note_latency(self, seconds: Floats) -> None:
        if self.stage == "measuring":
            self._latency.add(seconds)

    async def _sample(self) -> None:
        while True:
            counters = self._flows.counters
            elapsed = self._loop.time() - self._started
            self.samples.append(Sample(elapsed, int(counters.bytes.sum()), int(counters.lost.sum())))
            if self.stage == "measuring" and len(self.samples) % JITTER_EVERY == 0:
                self._jitter.add(self._flows.jitter)
            # The wall clock may be set, or drift against the other.
            self._wall_offset = time.time() - time.monotonic()
            await asyncio.sleep(SAMPLE_INTERVAL)

    def _mark(self) -> _Mark:
        usage = None
        if self.plan.server_pid is not None:
            try:
                usage = usage_of(self.plan.server_pid)
            except ReelcastError:
                pass  # it has ended, which shows in other figures
        return _Mark(self._loop.time() - self._started, self._flows.counters, time.process_time(), usage)

    def _measurement(self, beginning: _Mark, end: _Mark, interrupted: bool) -> Measurement:
        counters = end.counters - beginning.counters
        joined = [reader for reader in self.crowd.readers if reader.join_time is not None]
        received = [int(counters.bytes[reader.flows].sum()) for reader in joined]
        first = self._flows.first_times
        since = [np.fmin.reduce(first[reader.flows], initial=np.inf) - reader.started for reader in joined]
        server = (beginning.server, end.server)
        return Measurement(
            plan=self.plan,
            joined=len(joined),
            failures=self.crowd.failures,
            served=sum(count > 0 for count in received),
            silent=sum(count == 0 and r.present for count, r in zip(received, joined, strict=True)),
            dropped=sum(reader.dropped for reader in joined),
            ended=sum(reader.ended for reader in joined),
            window=(beginning.time, end.time),
            counters=counters,
            reader_bytes=np.array(received, np.float64),
            join_times=np.array([reader.join_time for reader in joined], np.float64),
            first_times=np.array([seconds for seconds in since if np.isfinite(seconds)], np.float64),
            jitter=self._jitter,
            latency=self._latency,
            samples=tuple(self.samples),
            before=self._before,
            after=end.server,
            server_cpu=None if server[0] is None or server[1] is None else server[1].cpu - server[0].cpu,
            own_cpu=end.own_cpu - beginning.own_cpu,
            interrupted=interrupted,
        )
