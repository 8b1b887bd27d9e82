"""A measurement made by hand."""

from __future__ import annotations

import numpy as np

from reelcast.load.flows import Counters
from reelcast.load.histogram import Histogram
from reelcast.load.process import Usage
from reelcast.load.run import Measurement, Plan, Sample

__all__ = ["measurement"]


def measurement(
    *, empty: bool = False, server: bool = True, lost: int = 0, busy: bool = False
) -> Measurement:
    """Four readers of 1 Mbit/s for 10 s; or nobody who could join."""
    jitter, latency = Histogram(0.0, 2.0, 1e-5), Histogram(-1.0, 10.0, 1e-4)
    readers = 0 if empty else 4
    if not empty:
        jitter.add(np.linspace(0.0001, 0.002, 40))
        latency.add(np.linspace(-0.02, 0.05, 400))
    zeros = np.zeros(4, np.int64)
    return Measurement(
        plan=Plan("rtsp://user:secret@host/movie", 4, "both", 10.0),
        joined=readers,
        failures={"the server answered 404 Not Found to DESCRIBE": 4} if empty else {},
        served=readers,
        silent=0,
        dropped=0,
        ended=1 if readers else 0,
        window=(3.0, 13.0),
        counters=Counters(
            np.full(4, 250 * readers), np.full(4, 312_500 * readers), zeros + lost, zeros, zeros, zeros, zeros
        ),
        reader_bytes=np.full(readers, 1_250_000.0),
        join_times=np.array([0.004, 0.005, 0.006, 0.1])[:readers],
        first_times=np.array([0.01, 0.011, 0.012, 0.2])[:readers],
        jitter=jitter,
        latency=latency,
        samples=tuple(Sample(n / 4, 125_000 * n * readers, lost * (n > 20)) for n in range(53)),
        before=Usage(1.0, 50_000_000) if server else None,
        after=Usage(3.0, 50_080_000) if server else None,
        server_cpu=0.01 if server else None,
        own_cpu=9.5 if busy else 0.02,
        interrupted=busy,
    )
