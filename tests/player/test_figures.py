"""How a stream arrives, as series: by given looks at given times."""

from __future__ import annotations

import pytest
from tests.player.reel import AUDIO, VIDEO

from reelcast.client.stream import TrackStatistics
from reelcast.player.figures import KEPT, Figures
from reelcast.rtp.receiver import Statistics
from reelcast.track import Track


def figures_of(
    track: Track,
    *,
    received: int = 0,
    bytes: int = 0,
    lost: int = 0,
    jitter: float = 0.0,
    latency: float | None = None,
) -> TrackStatistics:
    counted = Statistics(received=received, bytes=bytes, lost=lost, jitter=jitter)
    return TrackStatistics(
        track=track, units=0, corrupt=0, dropped=0, packets=counted, latency=latency, clock="sender"
    )


def test_rates_are_of_the_time_between_two_looks() -> None:
    figures = Figures()
    figures.look((figures_of(VIDEO, received=100, bytes=100_000),), 0.2, 10.0)
    assert not figures.samples
    for time in (10.1, 10.14, 10.3):
        figures.picture(time)
    figures.look(
        (
            figures_of(VIDEO, received=190, bytes=160_000, lost=10, jitter=0.002, latency=0.03),
            figures_of(AUDIO, jitter=0.005, latency=0.01),
        ),
        0.25,
        10.5,
    )
    (sample,) = figures.samples
    assert sample.time == 10.5
    assert sample.bit_rate == pytest.approx(960_000)
    assert sample.interval == pytest.approx(160.0)
    assert sample.loss == pytest.approx(10.0)
    assert sample.jitter == 5.0
    assert sample.stored == 250.0
    assert sample.latency == 30.0


def test_what_is_not_known_is_none() -> None:
    figures = Figures()
    figures.look((figures_of(VIDEO),), 0.0, 1.0)
    figures.look((figures_of(VIDEO),), 0.0, 2.0)
    (sample,) = figures.samples
    assert sample.interval is None
    assert sample.latency is None
    assert sample.loss == 0.0
    figures.look((), 0.0, 3.0)
    assert figures.samples[-1].jitter == 0.0


def test_a_pause_is_no_long_interval() -> None:
    figures = Figures()
    figures.look((figures_of(VIDEO),), 0.0, 1.0)
    figures.picture(1.0)
    figures.pause()
    figures.picture(9.0)
    figures.look((figures_of(VIDEO),), 0.0, 9.5)
    assert figures.samples[-1].interval is None


def test_counters_that_begin_anew_give_no_sample() -> None:
    figures = Figures()
    figures.look((figures_of(VIDEO, bytes=1000),), 0.0, 1.0)
    figures.look((figures_of(VIDEO, bytes=10),), 0.0, 2.0)
    figures.look((figures_of(VIDEO, bytes=20),), 0.0, 2.0)
    assert not figures.samples


def test_memory_is_bounded_and_can_be_cleared() -> None:
    figures = Figures()
    for second in range(KEPT + 10):
        figures.look((figures_of(VIDEO),), 0.0, float(second))
    assert len(figures.samples) == KEPT
    figures.clear()
    assert not figures.samples
