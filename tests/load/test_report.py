"""Figures for people and for programs."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from tests.load.figures import measurement

from reelcast.load.histogram import Histogram
from reelcast.load.report import Percentiles, as_json, as_text
from reelcast.load.run import Measurement


def text(found: Measurement) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(as_text(found))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_percentiles() -> None:
    assert Percentiles.of(np.array([])) is None
    found = Percentiles.of(np.arange(101.0))
    assert found == Percentiles(50.0, 90.0, 99.0, 100.0)


def test_json_holds_every_figure() -> None:
    data = json.loads(json.dumps(as_json(measurement(lost=5))))
    assert data["readers"] == data["joined"] == data["served"] == 4
    assert (data["failed"], data["ended"]) == (0, 1)
    assert (data["packets"], data["bytes"], data["lost"]) == (4000, 5_000_000, 20)
    assert data["window_s"] == 10.0
    assert data["bits_per_second"] == 4_000_000
    assert data["reader_bits_per_second"]["p50"] == 1_000_000
    assert data["join_s"] == {"p50": 0.0055, "p90": 0.0718, "p99": 0.09718, "max": 0.1}
    assert data["latency_s"]["p99"] == pytest.approx(0.0492, abs=2e-4)
    assert data["server"] == {
        "cpu_s": 0.01,
        "cores": 0.001,
        "cpu_s_per_gb": 2.0,
        "cpu_us_per_packet": 2.5,
        "rss_before_bytes": 50_000_000,
        "rss_after_bytes": 50_080_000,
        "rss_bytes_per_reader": 20_000,
    }
    assert data["load"] == {"cpu_s": 0.02, "cores": 0.002, "cpu_s_per_gb": 4.0}


def test_json_of_nothing() -> None:
    data = as_json(measurement(empty=True, server=False))
    assert data["url"] == "rtsp://host/movie"
    assert data["failures"] == {"the server answered 404 Not Found to DESCRIBE": 4}
    assert data["server"] is data["join_s"] is data["latency_s"] is data["load"]["cpu_s_per_gb"] is None


def test_the_summary() -> None:
    shown = text(measurement())
    for part in (
        "4 joined, 4 served, 1 ended",
        "4,000 packets, 0.005 GB in 10.0 s: 4.0 Mbit/s",
        "0 (0 %)",
        "2.00 CPU s a GB, 2.50 µs a packet",
        "50.0 MB before, 50.1 MB with all, 20.0 kB a reader",
        "5.50 ms",
        "1.000 Mbit/s",
        "by the sender's clock",
    ):
        assert part in shown
    assert "busy" not in shown


def test_what_to_know_before_believing_it() -> None:
    shown = text(measurement(lost=10, busy=True, server=False))
    assert "40 (0.99 %)" in shown
    assert "may be its own" in shown
    assert "interrupted" in shown
    assert "memory" not in shown


def test_a_server_that_died_meanwhile() -> None:
    shown = text(replace(measurement(), dropped=4, after=None, server_cpu=None))
    assert "4 joined, 4 served, 4 dropped" in shown
    assert "4 lost their connection: the figures are of what came until then" in shown
    assert "the server's process ended before the measurement did" in shown
    assert "lost their connection" not in text(measurement())
    assert "ended before" not in text(measurement(server=False))


def test_a_sender_that_tells_no_time() -> None:
    shown = text(replace(measurement(), latency=Histogram(0.0, 1.0, 0.1)))
    assert "latency: not known" in shown


def test_nobody_joined() -> None:
    shown = text(measurement(empty=True))
    assert "0 of 4 readers joined" in shown
    assert "4 could not join: the server answered 404" in shown
    assert "p50" not in shown
