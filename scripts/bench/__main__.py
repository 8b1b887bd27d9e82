"""The benchmark: `python -m scripts.bench [--quick] [--rows KEY ...] [--only EXPERIMENT ...] [--render]`.

Raw results go to build/bench, one JSON file a run; docs/benchmarks.md and docs/plots are made from what is there.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import av
from rich.console import Console
from rich.live import Live
from rich.table import Table
from scripts.bench.client_report import headline
from scripts.bench.clients import install_opencv, opencv_version
from scripts.bench.delay_report import DELAYED, told
from scripts.bench.figures import cost_of, figure, line_of
from scripts.bench.limit import compile_limit
from scripts.bench.plots import draw
from scripts.bench.programme import (
    EXPERIMENTS,
    Effort,
    Experiment,
    Result,
    Step,
    Store,
    batches_of,
    results_of,
    rows_named,
    steps,
)
from scripts.bench.report import markdown, table_row
from scripts.bench.rows import GSTREAMER, LIMIT, OURS, ROWS
from scripts.bench.servers import SERVERS, Movies
from scripts.make_movies import ROOT, make

from reelcast.errors import ReelcastError

__all__ = ["main"]

BUILD: Final = ROOT / "build" / "bench"
MACHINE: Final = "machine.txt"
"""Beside the results: what they were measured on, a line a fact."""
DOCS: Final = ROOT / "docs"
INTERRUPTED: Final = 130
"""The exit code of a program that Ctrl-C ended (128 + SIGINT); what was measured until then is kept."""
QUICK: Final = Effort(rounds=1, seconds=2.0, fraction=10)


def main(arguments: list[str] | None = None) -> None:
    options = _parse(arguments)
    console = Console(highlight=False)
    store = Store(options.results)
    if not options.render:
        try:
            _measure(options, store, console)
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None
    results = store.load()
    if not results:
        raise SystemExit(f"there are no results in {options.results}")
    lines = (options.results / MACHINE).read_text().splitlines()
    machine = dict(line.split(": ", 1) for line in lines)
    options.docs.mkdir(parents=True, exist_ok=True)
    page = options.docs / "benchmarks.md"
    page.write_text(markdown(results, machine, draw(results, options.docs / "plots")))
    console.print(f"written: {page}", soft_wrap=True)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench", description="Measure, and write it down."
    )
    keys = [row.key for row in ROWS]
    parser.add_argument("--rows", nargs="+", choices=keys, default=[], metavar="ROW", help=", ".join(keys))
    parser.add_argument(
        "--only", nargs="+", choices=EXPERIMENTS, metavar="EXPERIMENT", help=", ".join(EXPERIMENTS)
    )
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the readers, 2 s each: to try it out"
    )
    parser.add_argument("--rounds", type=int, help="of each row of the table (2)")
    parser.add_argument("--seconds", type=float, help="that each run is measured (5)")
    parser.add_argument("--render", action="store_true", help="measure nothing: write the page anew")
    parser.add_argument("--results", type=Path, default=BUILD, metavar="DIR", help="build/bench")
    parser.add_argument("--docs", type=Path, default=DOCS, metavar="DIR", help="where the page goes (docs)")
    options = parser.parse_args(arguments)
    if options.only is None:
        options.only = ["rows"] if options.rows else list(EXPERIMENTS)
    return options


def _measure(options: argparse.Namespace, store: Store, console: Console) -> None:
    effort = QUICK if options.quick else Effort()
    effort = Effort(options.rounds or effort.rounds, options.seconds or effort.seconds, effort.fraction)
    folder = ROOT / "build" / "movies"
    if "clients" in options.only and (reason := install_opencv()) is not None:
        console.print(f"OpenCV is left out: {reason}", style="yellow")
    movies = Movies(make("bench-1080p.mp4", folder), make("bench-720p.mp4", folder))
    (options.results / MACHINE).write_text(
        "".join(f"{name}: {value}\n" for name, value in _machine(effort).items())
    )
    for server in SERVERS:
        if (missing := server.missing()) is not None:
            console.print(f"{server.name} is left out: {missing}", style="yellow")
    try:
        limit = compile_limit(options.results)
    except ReelcastError as error:
        console.print(f"the limit is left out: {error}", style="yellow")
        limit = None
    rows = rows_named(options.rows)
    todo: list[tuple[ExitStack, list[Step]]] = []
    for experiment in EXPERIMENTS:
        if experiment in options.only:
            _forget(store, experiment, [row.key for row in rows])
            stack = ExitStack()
            todo.append((stack, list(steps(experiment, rows, movies, limit, effort, stack))))
    _run(todo, store, console)


def _forget(store: Store, experiment: Experiment, keys: list[str]) -> None:
    for case in keys if experiment in ("rows", "published") else ["*"]:
        store.clear(experiment, case)


def _run(todo: list[tuple[ExitStack, list[Step]]], store: Store, console: Console) -> None:
    """All experiments, a line on the terminal for each step, and below them the table as it grows."""
    total, done = sum(len(each) for _, each in todo), 0
    with Live(console=console, auto_refresh=False, transient=True) as live:
        for stack, experiment in todo:
            with stack:
                for batch in batches_of(experiment):
                    what = "; ".join(map(_named, batch))
                    live.update(_table(store.load(), f"{done + 1} of {total}: {what}"), refresh=True)
                    for step, result in zip(batch, results_of(batch), strict=True):
                        store.save(result)
                        live.console.print(f"{_named(step)}: {_found(result)}", soft_wrap=True)
                    done += len(batch)
    console.print(_table(store.load(), None))


def _named(step: Step) -> str:
    return f"{step.experiment} {step.case}, {step.contender}, {step.readers:,} readers"


def _found(result: Result) -> str:
    """The one figure of a run that says most."""
    if result.failure is not None:
        return f"failed: {result.failure}"
    if result.experiment == "receivers":
        return f"{figure([result], 'gb_per_cpu_s') or 0:.3g} GB received for each CPU second"
    if result.experiment in ("clients", "cameras"):
        return headline(result)
    if result.experiment == "pacing":
        return f"{1e3 * (figure([result], 'pacing', 'p99') or 0):.3g} ms from due at the 99th percentile"
    if result.experiment in DELAYED:
        return told(result)
    cost = cost_of([result])
    return f"{cost.cpu or 0:.3g} CPU s a GB" + (f" ({cost.trouble})" if cost.trouble else "")


def _table(results: list[Result], caption: str | None) -> Table:
    table = Table(
        title="CPU seconds of the server for each GB delivered", caption=caption, title_justify="left"
    )
    heads = ("row", "readers", OURS, "to reach", GSTREAMER, "times less", LIMIT, "times the limit", "reached")
    for head in heads:
        table.add_column(head, justify="left" if head == "row" else "right")
    for row in ROWS:
        cells = (row.key, *table_row(line_of(row, results))[1:])
        table.add_row(*(cell.replace("**", "") for cell in cells))
    return table


def _machine(effort: Effort) -> dict[str, str]:
    """What this was measured on, and how long."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    model = names[0] if names else platform.machine()
    return {
        "Machine": f"{os.cpu_count()} processors ({model}), shared by server and readers",
        "System": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "Peers": f"GStreamer {_version('gst-launch-1.0', '--version')}, ffmpeg {_version('ffmpeg', '-version')}",
        "Clients": f"OpenCV {opencv_version()}, PyAV {av.__version__}",
        "Effort": f"{effort.rounds} rounds of each row, one of each with a publisher, "
        f"{effort.seconds:g} s measured in each run"
        + (f", one reader in {effort.fraction}: a trial, not a measurement" if effort.fraction > 1 else ""),
    }


def _version(program: str, option: str) -> str:
    """The first word of what it prints that begins with a digit."""
    try:
        text = subprocess.run((program, option), capture_output=True, text=True, check=False).stdout
    except OSError:
        return "missing"
    return next((word for word in text.split() if word[0].isdigit() and "." in word), "unknown")


if __name__ == "__main__":
    main()
