"""The verb `play`: a window that shows a stream; or, without one, a line that says how it arrives."""

from __future__ import annotations

import asyncio
import sys
from contextlib import nullcontext
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from reelcast import player
from reelcast.cli.progress import Progress, summary
from reelcast.cli.verb import (
    DURATION,
    FROM,
    START,
    TIMEOUT,
    TRANSPORT,
    TRUST,
    URL,
    Way,
    run,
    start_of,
    terminated_in_order,
)
from reelcast.client.stream import Stream, connect
from reelcast.errors import ReelcastError
from reelcast.player.launcher import prompt
from reelcast.player.source import Source

__all__ = ["play", "show"]

REFRESHES = 4
"""Looks at the progress line in a second: often enough to follow, seldom enough to read."""


def play(
    url: Annotated[str | None, URL] = None,
    headless: Annotated[bool, typer.Option("--headless", help="No window: print how it arrives.")] = False,
    transport: Annotated[Way, TRANSPORT] = Way.AUTO,
    duration: Annotated[float | None, DURATION] = None,
    start: Annotated[float | None, START] = None,
    since: Annotated[datetime | None, FROM] = None,
    trust: Annotated[str | None, TRUST] = None,
    timeout: Annotated[float, TIMEOUT] = 10.0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Play a stream in a window, or receive it without one and report rate, loss and delay."""
    source: Source | None = None
    if url is not None:
        at = start_of(start, since)
        source = Source(url, transport.value, timeout=timeout, trust=trust, at=at, duration=duration)
    if not headless:
        show(source, play_at_once=True)
        return
    if source is None:
        raise ReelcastError("there is nothing to play: give a URL")
    run(_play(source, Console(quiet=quiet, highlight=False)))


def show(source: Source | None, *, play_at_once: bool = False) -> None:
    """Open a window, ready for Setup or playing; what is to be played is asked for where it is not given.

    Where there is no display it is asked for on the terminal, and played without a window.
    """
    player.check_installed()
    reason = player.available()
    if reason is None:
        with terminated_in_order():
            sys.exit(player.run(source, play=play_at_once))
    if source is None and sys.stdin.isatty():
        source = prompt(input, print)
    if source is None:
        raise ReelcastError(f"{reason}, and nothing to play: name it on the command line")
    print(f"{reason}: playing without a window", file=sys.stderr)
    run(_play(source, Console(highlight=False)))


async def _play(source: Source, console: Console) -> None:
    stream = connect(
        source.url,
        transport=source.transport,
        timeout=source.timeout,
        at=source.at,
        reconnect=False,
        rtp_port=source.rtp_port,
        dialect=source.dialect,
        trust=source.trust,
    )
    async with stream:
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(source.duration):
                await _receive(stream, console)
        except TimeoutError as error:
            if isinstance(error, ReelcastError):
                raise
        finally:
            elapsed = asyncio.get_running_loop().time() - began
            for track in stream.statistics():
                console.print(summary(track, elapsed, stream.transport), soft_wrap=True)


async def _receive(stream: Stream, console: Console) -> None:
    live = Live(Progress(stream), console=console, refresh_per_second=REFRESHES, transient=True)
    with live if console.is_terminal and not console.quiet else nullcontext():
        async for _ in stream.units():
            pass
