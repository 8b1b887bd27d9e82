"""The pictures of docs/benchmarks.md, as SVG: costs of all contenders by row, the cost curve, clients."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from scripts.bench.client_plots import client_sheets
from scripts.bench.figures import figure, line_of, select
from scripts.bench.programme import Result
from scripts.bench.rows import GSTREAMER, LIMIT, OURS, ROWS

from reelcast.load.plot import BLUE, FAINT, RED, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]

_GREEN = "#3d8b5f"
COLOURS: Final = {LIMIT: FAINT, OURS: BLUE, GSTREAMER: RED}
# The same figures make the same file.
STABLE: Final[dict[Any, Any]] = {**STYLE, "svg.hashsalt": "reelcast"}


def draw(results: Sequence[Result], folder: Path) -> list[str]:
    """Draw what there are results for; the names of the files."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    drawn = []
    folder.mkdir(parents=True, exist_ok=True)
    with rc_context(STABLE):
        if any(result.experiment == "rows" for result in results):
            sheet = Figure(figsize=(9.0, 4.2), layout="constrained")
            _draw_rows(sheet.subplots(), results)
            drawn.append((sheet, "cost by row.svg"))
        if any(result.experiment == "curve" for result in results):
            sheet = Figure(figsize=(9.0, 3.4), layout="constrained")
            _draw_curve(sheet.subplots(1, 2), results)
            drawn.append((sheet, "cost curve.svg"))
        drawn += client_sheets(results)
        for sheet, name in drawn:
            sheet.savefig(folder / name.replace(" ", "-"), metadata={"Date": None})
    return [name.replace(" ", "-") for _, name in drawn]


def _draw_rows(axes: Axes, results: Sequence[Result]) -> None:
    """A dot for each contender, on a logarithmic scale; a bar where ours has to be, or to the left of."""
    lines = [line_of(row, results) for row in ROWS]
    axes.set_title("Server CPU seconds for each GB delivered")
    for place, line in enumerate(lines):
        costs = {LIMIT: line.limit.cpu, OURS: line.ours.cpu, GSTREAMER: line.gstreamer.cpu}
        known = {name: cost for name, cost in costs.items() if cost is not None}
        if known:
            axes.plot(
                [min(known.values()), max(known.values())], [place, place], color=FAINT, lw=0.8, zorder=1
            )
        for name, cost in known.items():
            axes.plot(cost, place, "o", color=COLOURS[name], ms=7, zorder=3)
            axes.annotate(
                f"{cost:.3g}", (cost, place), (0, 7), textcoords="offset points", ha="center", size=7.5
            )
        axes.plot(line.row.to_reach, place, "|", color=_GREEN, ms=16, mew=2, zorder=2)
    for name, colour in COLOURS.items():
        axes.plot([], [], "o", color=colour, label=name)
    axes.plot([], [], "|", color=_GREEN, ms=12, mew=2, label="to reach")
    axes.legend(loc="lower right", ncols=2, edgecolor="none")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_yticks(range(len(lines)), [f"{line.row.title}, {line.readers:,}" for line in lines])
    axes.set_ylim(len(lines) - 0.5, -0.7)
    axes.grid(axis="x", color=FAINT, alpha=0.25)


def _draw_curve(panels: Sequence[Axes], results: Sequence[Result]) -> None:
    from matplotlib.ticker import LogLocator

    for axes, title, key in zip(
        panels, ("CPU seconds for each GB", "Processor cores"), ("cpu_s_per_gb", "cores"), strict=True
    ):
        axes.set_title(f"{title}, live 2 Mbit/s and audio")
        for transport, colour in (("udp", BLUE), ("tcp", _GREEN)):
            runs = select(results, "curve", transport, OURS)
            points = [(run.readers, figure([run], "server", key)) for run in runs]
            known = [(count, value) for count, value in points if value]
            counts, values = [count for count, _ in known], [value for _, value in known]
            if known:
                axes.plot(counts, values, "o-", color=colour, lw=1.4, ms=4, label=transport.upper())
        if axes.get_lines():
            axes.set(xscale="log", yscale="log")
            axes.xaxis.set_major_formatter("{x:,.0f}")
            axes.yaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter("{x:g}")
        axes.set_xlabel("readers")
        axes.grid(color=FAINT, alpha=0.25)
        if axes.get_lines():
            axes.legend(frameon=False)
