"""The verb `read`: receive a stream, say how it arrives, keep nothing."""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from reelcast.client.stream import Stream, TrackStatistics, open_stream
from reelcast.errors import ReelcastError

__all__ = ["Way", "read"]

REFRESHES = 4
"""Looks at the progress line in a second: often enough to follow, seldom enough to read."""
BAR_WIDTH = 24
INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended (128 + SIGINT)."""


class Way(StrEnum):
    """How the media comes."""

    AUTO = "auto"
    UDP = "udp"
    TCP = "tcp"


def read(
    url: Annotated[str, typer.Argument(help="What to receive: rtsp://host[:port]/path")],
    transport: Annotated[Way, typer.Option(help="How the media comes; auto tries UDP first.")] = Way.AUTO,
    duration: Annotated[
        float | None, typer.Option(help="Seconds to receive; to the end if not given.")
    ] = None,
    start: Annotated[float | None, typer.Option(help="Seconds into the movie at which to start.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for answers, and for media.")] = 10.0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Receive a stream and report rate, loss and position."""
    console = Console(quiet=quiet, highlight=False)
    try:
        asyncio.run(_read(url, transport, duration, start, timeout, console))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


async def _read(
    url: str, way: Way, duration: float | None, start: float | None, timeout: float, console: Console
) -> None:
    async with await open_stream(url, transport=way.value, timeout=timeout, start=start) as stream:
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(duration):
                await _receive(stream, console)
        except ReelcastError:
            raise  # a deadline that was missed is a TimeoutError too
        except TimeoutError:
            pass
        finally:
            elapsed = asyncio.get_running_loop().time() - began
            for track in stream.statistics:
                console.print(_summary(track, elapsed, stream.transport), soft_wrap=True)


async def _receive(stream: Stream, console: Console) -> None:
    live = Live(_Progress(stream), console=console, refresh_per_second=REFRESHES, transient=True)
    with live if console.is_terminal and not console.quiet else nullcontext():
        async for _ in stream:
            pass


class _Progress:
    """The line that is shown while a stream is received."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._time = time.monotonic()
        self._frames = 0
        self._bytes = 0

    def __rich__(self) -> Table:
        tracks = self._stream.statistics
        now = time.monotonic()
        elapsed = max(now - self._time, 1e-3)
        frames = sum(track.units for track in tracks if track.track.kind == "video")
        size = sum(track.packets.bytes for track in tracks)
        lost = sum(track.packets.lost for track in tracks)
        rates = (
            f"{(frames - self._frames) / elapsed:5.1f} fps  "
            f"{(size - self._bytes) * 8e-6 / elapsed:7.2f} Mbit/s  {lost} lost"
        )
        self._time, self._frames, self._bytes = now, frames, size
        line = Table.grid(padding=(0, 2))
        cells: list[RenderableType] = [Text(_place(self._stream), no_wrap=True)]
        if self._stream.duration:
            cells.append(ProgressBar(self._stream.duration, self._stream.position, width=BAR_WIDTH))
        line.add_row(*cells, Text(rates, style="red" if lost else "", no_wrap=True))
        return line


def _place(stream: Stream) -> str:
    if stream.duration is None:
        return f"{_clock(stream.position)} live"
    return f"{_clock(stream.position)} / {_clock(stream.duration)}"


def _clock(seconds: float) -> str:
    tenths = round(max(seconds, 0.0) * 10)
    return f"{tenths // 36000}:{tenths // 600 % 60:02}:{tenths // 10 % 60:02}.{tenths % 10}"


def _summary(track: TrackStatistics, elapsed: float, transport: str) -> str:
    """What was received of one track, in one line."""
    packets = track.packets
    name = f"{track.track.kind} {track.track.codec}"
    if track.track.width:
        name += f" {track.track.width}x{track.track.height}"
    rate = packets.bytes * 8e-6 / max(elapsed, 1e-3)
    line = (
        f"{name}: {track.units} units, {packets.received} packets over {transport}, {rate:.2f} Mbit/s, "
        f"{packets.lost} lost, jitter {packets.jitter * 1000:.1f} ms"
    )
    return f"{line}, {track.dropped} dropped here" if track.dropped else line
