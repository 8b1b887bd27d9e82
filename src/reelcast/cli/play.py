"""The verb `play`: a window that shows a stream; or, without one, a line that says how it arrives."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from reelcast.cli.progress import Progress, summary
from reelcast.cli.verb import DURATION, START, TIMEOUT, TRANSPORT, URL, Way, run
from reelcast.client.stream import Stream, connect
from reelcast.errors import ReelcastError

__all__ = ["play"]

REFRESHES = 4
"""Looks at the progress line in a second: often enough to follow, seldom enough to read."""


def play(
    url: Annotated[str | None, URL] = None,
    headless: Annotated[bool, typer.Option("--headless", help="No window: print how it arrives.")] = False,
    transport: Annotated[Way, TRANSPORT] = Way.AUTO,
    duration: Annotated[float | None, DURATION] = None,
    start: Annotated[float | None, START] = None,
    timeout: Annotated[float, TIMEOUT] = 10.0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Play a stream in a window, or receive it without one and report rate, loss and delay."""
    if not headless:
        raise ReelcastError("there is no window yet: use --headless")
    if url is None:
        raise ReelcastError("there is nothing to play: give a URL")
    console = Console(quiet=quiet, highlight=False)
    run(_play(url, transport, duration, start, timeout, console))


async def _play(
    url: str, way: Way, duration: float | None, start: float | None, timeout: float, console: Console
) -> None:
    stream = connect(url, transport=way.value, timeout=timeout, at=start, reconnect=False)
    async with stream:
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(duration):
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
