"""The verb `load`: many readers at once, to measure a server with."""

from __future__ import annotations

import asyncio
import json
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from reelcast.cli.verb import INTERRUPTED, TRUST, seconds_of, terminated_in_order, url_of
from reelcast.client.trust import Trust
from reelcast.load.plot import check_plot, save_plot
from reelcast.load.readers import MAX_TRACKS
from reelcast.load.report import as_json, as_text
from reelcast.load.run import Measurement, Plan, Run
from reelcast.server.limits import descriptors, raise_descriptors

__all__ = ["Carriage", "load"]

REFRESHES: Final = 4
"""Looks at the progress line in a second."""
MAX_READERS: Final = 20_000
"""Some 60,000 UDP ports are all that an address has, and two tracks take four."""
FILES_A_TRACK: Final = 2
SPARE_FILES: Final = 64
"""Descriptors for all but connections and ports."""


class Carriage(StrEnum):
    """How the media comes."""

    UDP = "udp"
    TCP = "tcp"
    BOTH = "both"


def load(
    url: Annotated[
        str,
        typer.Argument(
            callback=url_of, help='What to read; "%d" in it becomes the reader\'s number, from 0.'
        ),
    ],
    readers: Annotated[int, typer.Option("-n", "--readers", min=1, max=MAX_READERS, help="How many.")] = 1,
    transport: Annotated[
        Carriage, typer.Option(help="How the media comes; both: to every other reader over TCP.")
    ] = Carriage.UDP,
    duration: Annotated[
        float,
        typer.Option(
            parser=seconds_of,
            metavar="SECONDS",
            help="Seconds to measure, from 1 s after the last has joined.",
        ),
    ] = 10.0,
    ramp: Annotated[float, typer.Option(min=0.1, help="Readers that join a second.")] = 200.0,
    tracks: Annotated[
        int, typer.Option(min=1, max=MAX_TRACKS, help="Of each presentation, at most.")
    ] = MAX_TRACKS,
    trust: Annotated[str | None, TRUST] = None,
    timeout: Annotated[
        float, typer.Option(parser=seconds_of, metavar="SECONDS", help="Seconds to wait for each answer.")
    ] = 10.0,
    server_pid: Annotated[
        int | None, typer.Option(help="The server's process: measure its processor time and memory too.")
    ] = None,
    as_object: Annotated[
        bool, typer.Option("--json", help="Print one JSON object and nothing else.")
    ] = False,
    plot: Annotated[Path | None, typer.Option(help="Save histograms here, as .png or .svg.")] = None,
    gro: Annotated[
        bool, typer.Option("--gro", help="Receive with offload: cheaper here, but no ordinary receiver.")
    ] = False,
) -> None:
    """Load a server with readers and measure what they get."""
    if plot is not None:
        check_plot(plot)
    plan = Plan(
        url, readers, transport.value, duration, ramp, tracks, timeout, server_pid, gro, Trust.of(trust)
    )
    notices = Console(stderr=True, highlight=False)
    _warn_of_files(plan, notices)
    with terminated_in_order():
        measurement = asyncio.run(_run(plan, notices))
        if as_object:
            print(json.dumps(as_json(measurement), indent=2))
        else:
            Console(highlight=False).print(as_text(measurement), soft_wrap=True)
        if plot is not None:
            save_plot(measurement, plot)
    if measurement.interrupted:
        raise typer.Exit(INTERRUPTED)
    if not measurement.served:
        raise typer.Exit(1)


async def _run(plan: Plan, notices: Console) -> Measurement:
    run = Run(plan)
    live = Live(_Progress(run), console=notices, refresh_per_second=REFRESHES, transient=True)
    with live if notices.is_terminal else nullcontext():
        return await run.measure()


class _Progress:
    """The line that is shown during a run."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __rich__(self) -> Text:
        run = self._run
        failed = sum(run.crowd.failures.values())
        line = f"{run.stage:<9}  {run.crowd.joined:,}/{run.plan.readers:,} joined"
        if failed:
            line += f", {failed:,} failed"
        if len(run.samples) > 1:
            before, last = run.samples[-2:]
            rate = (last.bytes - before.bytes) * 8e-6 / max(last.time - before.time, 1e-3)
            line += f"  {rate:10,.1f} Mbit/s  {last.lost:,} lost"
        return Text(line, no_wrap=True)


def _warn_of_files(plan: Plan, notices: Console) -> None:
    """Take the file descriptors that are needed, as far as they may be had; say so if they cannot be enough."""
    least = plan.readers * (1 if plan.transport == "tcp" else 1 + FILES_A_TRACK) + SPARE_FILES
    raise_descriptors(plan.readers * (1 + plan.tracks * FILES_A_TRACK) + SPARE_FILES)
    allowed = descriptors()
    if allowed is not None and least > allowed:
        notices.print(
            f"{plan.readers:,} readers need {least:,} files or more, {allowed:,} are allowed: raise `ulimit -Hn`",
            style="yellow",
            soft_wrap=True,
        )
