"""A run in one picture: bitrate over time, and how join time, first packet, jitter and latency spread.

matplotlib is loaded when it is needed, and is no dependency: the extra `plot` brings it.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from reelcast.errors import ReelcastError
from reelcast.load.histogram import Histogram
from reelcast.load.report import Percentiles
from reelcast.load.run import Measurement
from reelcast.rtsp.url import without_userinfo

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["BLUE", "FAINT", "INK", "RED", "STYLE", "check_plot", "save_plot"]

SUFFIXES: Final = (".png", ".svg")
BINS: Final = 48
SIZE: Final = (11.0, 7.2)
"""Inches."""
HEADROOM: Final = 0.16
"""Above the highest bar, for what is written there."""
INK, FAINT, BLUE, RED, _BAND = "#22313f", "#8795a1", "#2f6f9f", "#c0392b", "#e8f0f6"
STYLE: Final[dict[Any, Any]] = {
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.fonttype": "none",
}


def check_plot(path: Path) -> None:
    """ReelcastError where a plot could not be saved there, or not drawn at all; to be asked before a run."""
    if path.suffix.lower() not in SUFFIXES:
        raise ReelcastError(f"{path}: a plot is saved as .png or .svg")
    if not path.absolute().parent.is_dir():
        raise ReelcastError(f"{path}: there is no such folder")
    if find_spec("matplotlib") is None:
        raise ReelcastError("plots need matplotlib: pip install 'reelcast[plot]'")


def save_plot(measurement: Measurement, path: Path) -> None:
    """Draw and save; the suffix says in which format. ReelcastError where the file cannot be written."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with rc_context(STYLE):
        figure = Figure(figsize=SIZE, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12))
        figure.suptitle(_headline(measurement), x=0.012, ha="left", fontsize=11)
        axes = figure.subplot_mosaic([["rate", "rate"], ["join", "first"], ["jitter", "latency"]])
        _draw_rate(axes["rate"], measurement)
        _draw_spread(axes["join"], "Join time: connect to PLAY reply", "readers", measurement.join_times)
        _draw_spread(axes["first"], "First packet: from connect", "readers", measurement.first_times)
        _draw_spread(axes["jitter"], "Interarrival jitter (RFC 3550)", "track seconds", measurement.jitter)
        _draw_spread(axes["latency"], "Latency: arrival after due time", "packets", measurement.latency)
        try:
            figure.savefig(path, dpi=150)
        except OSError as error:
            raise ReelcastError(f"{path}: {error.strerror}") from error


def _headline(measurement: Measurement) -> str:
    plan = measurement.plan
    ways = "udp and tcp" if plan.transport == "both" else plan.transport
    lost, received = int(measurement.counters.lost.sum()), int(measurement.counters.received.sum())
    dropped = f", {measurement.dropped:,} dropped" if measurement.dropped else ""
    return (
        f"{without_userinfo(plan.url)}   ·   {measurement.joined:,} readers over {ways}{dropped}   ·   "
        f"{received:,} packets in {measurement.seconds:.0f} s, {lost:,} lost"
    )


def _draw_rate(axes: Axes, measurement: Measurement) -> None:
    """Mbit/s over all readers, the window shaded, losses as red dots on the line."""
    samples = measurement.samples
    times = np.array([sample.time for sample in samples])
    spans = np.diff(times)
    rates = np.diff([sample.bytes for sample in samples]) * 8e-6 / np.maximum(spans, 1e-9)
    losses = np.diff([sample.lost for sample in samples]) > 0
    axes.set_title("Received by all readers together")
    axes.axvspan(*measurement.window, color=_BAND, lw=0, zorder=0)
    axes.plot(times[1:], rates, color=BLUE, lw=1.4)
    axes.plot(times[1:][losses], rates[losses], "o", color=RED, ms=4, label="packets lost")
    if losses.any():
        axes.legend(frameon=False, loc="lower right")
    axes.text(
        measurement.window[0],
        0.02,
        " measured",
        transform=axes.get_xaxis_transform(),
        color=FAINT,
        va="bottom",
    )
    axes.set_ylabel("Mbit/s")
    axes.set_xlabel("seconds since the start")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.margins(x=0)
    axes.set_ylim(bottom=0)


def _draw_spread(axes: Axes, title: str, counted: str, values: NDArray[np.float64] | Histogram) -> None:
    """A histogram in milliseconds, with median and 99th percentile marked; the ends hold what lies beyond."""
    axes.set_title(title)
    found = Percentiles.of(values)
    if found is None:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color=FAINT)
        axes.set_xticks([])
        axes.set_yticks([])
        return
    points, weights = (values.values, values.counts) if isinstance(values, Histogram) else (values, None)
    low, high = _reach(points, weights, found)
    width = values.width if isinstance(values, Histogram) else 1e-5
    edges = np.linspace(low, max(high, low + BINS * width), BINS + 1) * 1e3
    shown = np.clip(points * 1e3, edges[0], edges[-1])
    axes.hist(shown, bins=edges.tolist(), weights=weights, color=BLUE, alpha=0.85)
    axes.margins(x=0.01, y=HEADROOM)
    for value, name in ((found.p50, "p50"), (found.p99, "p99")):
        axes.axvline(value * 1e3, color=INK, lw=0.9, ls=(0, (3, 2)))
        place = axes.get_xaxis_transform()
        axes.text(value * 1e3, 1.0, f" {name} {_milliseconds(value)}", transform=place, va="top", size=8)
    axes.set_xlabel(f"ms (max {_milliseconds(found.max)})")
    axes.set_ylabel(counted)
    axes.yaxis.set_major_formatter("{x:,.0f}")


def _reach(
    points: NDArray[np.float64], weights: NDArray[np.int64] | None, found: Percentiles
) -> tuple[float, float]:
    """What part of the axis to show: a few stragglers would else press all the others into one bar."""
    present = points if weights is None else points[weights > 0]
    low, high = float(present.min()), found.max
    half = max(found.p99 - found.p50, 1e-9)
    return max(low, found.p50 - 2 * half), min(high, found.p99 + half)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.0f}" if seconds >= 0.1 else f"{seconds * 1e3:.3g}"
