"""What a run has found, in figures: percentiles, rates and costs, for people and for programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from reelcast.load.histogram import Histogram
from reelcast.load.run import Measurement
from reelcast.rtsp.url import without_userinfo

__all__ = ["Percentiles", "as_json", "as_text"]

BUSY: Final = 0.9
"""Of a processor: a generator that works harder than this may be what it measures."""
DIGITS: Final = 6
"""Behind the point, in JSON: microseconds."""
MAX_REASONS: Final = 5
"""Different failures named in the summary."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of a set of values: the median, what 90 % and 99 % of them stay below, and the largest."""

    p50: float
    p90: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Values | Histogram) -> Percentiles | None:
        """None where there are no values. Those of a histogram are as fine as its bins."""
        if len(values) == 0:
            return None
        if isinstance(values, Histogram):
            found = [values.percentile(percent) or 0.0 for percent in (50, 90, 99, 100)]
        else:
            found = np.percentile(values, (50, 90, 99, 100)).tolist()
        return cls(*found)


def as_json(measurement: Measurement) -> dict[str, Any]:
    """Everything, for a program. Times are in seconds, `_s`; what was not measured is null."""
    counters, plan = measurement.counters, measurement.plan
    packets, size = int(counters.received.sum()), int(counters.bytes.sum())
    return {
        "url": without_userinfo(plan.url),
        "transport": plan.transport,
        "readers": plan.readers,
        "joined": measurement.joined,
        "failed": measurement.failed,
        "failures": dict(measurement.failures),
        "served": measurement.served,
        "silent": measurement.silent,
        "dropped": measurement.dropped,
        "ended": measurement.ended,
        "interrupted": measurement.interrupted,
        "window_s": round(measurement.seconds, DIGITS),
        "packets": packets,
        "bytes": size,
        "bits_per_second": _ratio(size * 8, measurement.seconds),
        "lost": int(counters.lost.sum()),
        "reordered": int(counters.reordered.sum()),
        "duplicates": int(counters.duplicates.sum()),
        "restarts": int(counters.restarts.sum()),
        "invalid": int(counters.invalid.sum()),
        "reader_bits_per_second": _json(measurement.reader_bytes * 8 / max(measurement.seconds, 1e-9)),
        "join_s": _json(measurement.join_times),
        "first_packet_s": _json(measurement.first_times),
        "jitter_s": _json(measurement.jitter),
        "latency_s": _json(measurement.latency),
        "server": _server(measurement, packets, size),
        "load": {
            "cpu_s": round(measurement.own_cpu, DIGITS),
            "cores": _ratio(measurement.own_cpu, measurement.seconds),
            "cpu_s_per_gb": _ratio(measurement.own_cpu, size / 1e9),
        },
    }


def _server(measurement: Measurement, packets: int, size: int) -> dict[str, float | None] | None:
    before, after, cpu = measurement.before, measurement.after, measurement.server_cpu
    if before is None or after is None or cpu is None:
        return None
    return {
        "cpu_s": round(cpu, DIGITS),
        "cores": _ratio(cpu, measurement.seconds),
        "cpu_s_per_gb": _ratio(cpu, size / 1e9),
        "cpu_us_per_packet": _ratio(cpu * 1e6, packets),
        "rss_before_bytes": before.memory,
        "rss_after_bytes": after.memory,
        "rss_bytes_per_reader": _ratio(after.memory - before.memory, measurement.joined),
    }


def _ratio(value: float, by: float) -> float | None:
    return round(value / by, DIGITS) if by > 0 else None


def _json(values: Values | Histogram) -> dict[str, float] | None:
    found = Percentiles.of(values)
    if found is None:
        return None
    return {name: round(value, DIGITS) for name, value in asdict(found).items()}


def as_text(measurement: Measurement) -> RenderableType:
    """The summary, for a person."""
    if not measurement.joined:
        return Group(Text(f"0 of {measurement.plan.readers:,} readers joined"), *_notes(measurement))
    return Group(_counts(measurement), Text(), _percentile_table(measurement), Text(), *_notes(measurement))


def _counts(measurement: Measurement) -> Table:
    data = as_json(measurement)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", min_width=10)
    table.add_column()
    others = ("failed", "silent", "dropped", "ended")
    troubles = "".join(f", {data[name]:,} {name}" for name in others if data[name])
    table.add_row("readers", f"{data['joined']:,} joined, {data['served']:,} served{troubles}")
    rate = (data["bits_per_second"] or 0.0) / 1e6
    amount = f"{data['packets']:,} packets, {data['bytes'] / 1e9:.3f} GB"
    table.add_row("received", f"{amount} in {data['window_s']:.1f} s: {rate:,.1f} Mbit/s")
    sent = data["packets"] + data["lost"]
    share = 100 * data["lost"] / sent if sent else 0.0
    extras = ("reordered", "duplicates", "restarts", "invalid")
    more = "".join(f", {data[name]:,} {name}" for name in extras if data[name])
    table.add_row("lost", Text(f"{data['lost']:,} ({share:.3g} %){more}", "red" if data["lost"] else "green"))
    if data["server"] is not None:
        server = {name: value or 0.0 for name, value in data["server"].items()}
        table.add_row(
            "server",
            f"{server['cpu_s_per_gb']:.2f} CPU s a GB, {server['cpu_us_per_packet']:.2f} µs a packet, "
            f"{server['cores']:.2f} cores",
        )
        table.add_row(
            "memory",
            f"{server['rss_before_bytes'] / 1e6:.1f} MB before, {server['rss_after_bytes'] / 1e6:.1f} MB with all, "
            f"{server['rss_bytes_per_reader'] / 1e3:.1f} kB a reader",
        )
    load = {name: value or 0.0 for name, value in data["load"].items()}
    table.add_row("this load", f"{load['cpu_s_per_gb']:.2f} CPU s a GB, {load['cores']:.2f} cores")
    return table


def _percentile_table(measurement: Measurement) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="dim")
    table.add_column("", style="bold", min_width=12)
    for name in ("p50", "p90", "p99", "max"):
        table.add_column(name, justify="right", min_width=9)
    rows: list[tuple[str, Values | Histogram, Callable[[float], str]]] = [
        ("join", measurement.join_times, _milliseconds),
        ("first packet", measurement.first_times, _milliseconds),
        ("jitter", measurement.jitter, _milliseconds),
        ("latency", measurement.latency, _milliseconds),
        ("bitrate", measurement.reader_bytes * 8 / max(measurement.seconds, 1e-9), _megabits),
    ]
    for name, values, show in rows:
        found = Percentiles.of(values)
        if found is not None:
            table.add_row(name, *map(show, (found.p50, found.p90, found.p99, found.max)))
    return table


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.2f} ms"


def _megabits(rate: float) -> str:
    return f"{rate / 1e6:.3f} Mbit/s"


def _notes(measurement: Measurement) -> list[Text]:
    """What to know before believing the figures."""
    notes = []
    for reason, count in sorted(measurement.failures.items(), key=lambda item: -item[1])[:MAX_REASONS]:
        notes.append(Text(f"{count:,} could not join: {reason}", "red"))
    if not measurement.joined:
        return notes
    if len(measurement.latency):
        notes.append(
            Text(
                "latency: arrival here less the time the medium was due by the sender's clock (its sender reports)",
                "dim",
            )
        )
    else:
        notes.append(Text("latency: not known, for no sender report has told the sender's clock", "dim"))
    if measurement.seconds and measurement.own_cpu > BUSY * measurement.seconds:
        notes.append(Text("this process was busy all the time: losses and delays may be its own", "yellow"))
    if measurement.dropped:
        lost = f"{measurement.dropped:,} lost their connection: the figures are of what came until then"
        notes.append(Text(lost, "yellow"))
    if measurement.before is not None and measurement.after is None:
        notes.append(Text("the server's process ended before the measurement did", "yellow"))
    if measurement.interrupted:
        notes.append(Text("interrupted: the figures are of what was measured until then", "yellow"))
    return notes
