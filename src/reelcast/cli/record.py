"""The verb `record`: a stream into a file, as it comes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from reelcast.cli.progress import Progress, clock, name_of
from reelcast.cli.targets import OneFile, Segments, Target, check_file, check_folder
from reelcast.cli.verb import (
    DURATION,
    FROM,
    START,
    TIMEOUT,
    TO,
    TRANSPORT,
    TRUST,
    URL,
    Way,
    run,
    seconds_of,
    start_of,
)
from reelcast.client import events
from reelcast.client.stream import Stream, connect
from reelcast.errors import MediaError, ReelcastError
from reelcast.net.clock import unix_now
from reelcast.rtp.alignment import Alignment
from reelcast.rtp.intake import ReceivedUnit
from reelcast.rtsp.url import without_userinfo
from reelcast.track import Track

__all__ = ["record"]

REFRESHES = 4
"""Looks at the progress line in a second: often enough to follow, seldom enough to read."""
SILENCE_SECONDS = 5.0
"""In which nothing comes, after which the time to end at is told by our own clock: what is late comes sooner."""


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be recorded, where, for how many seconds and up to when; None for all.

    segment   seconds of a file, where the path is a folder; None where it is a file
    """

    url: str
    path: Path
    duration: float | None
    until: datetime | None
    audio: bool
    segment: float | None = None


def record(
    url: Annotated[str, URL],
    file: Annotated[
        Path,
        typer.Argument(help="Where to: a name with .mp4, .mov, .mkv, .webm or .ts; with --segment, a folder"),
    ],
    duration: Annotated[float | None, DURATION] = None,
    transport: Annotated[Way, TRANSPORT] = Way.AUTO,
    start: Annotated[float | None, START] = None,
    since: Annotated[datetime | None, FROM] = None,
    until: Annotated[datetime | None, TO] = None,
    trust: Annotated[str | None, TRUST] = None,
    timeout: Annotated[float, TIMEOUT] = 10.0,
    audio: Annotated[bool, typer.Option(help="Record sound too.")] = True,
    segment: Annotated[
        float | None,
        typer.Option(
            parser=partial(seconds_of, least=1.0),
            metavar="SECONDS",
            help="Begin a file each so many seconds, in a folder that `reelcast serve --record` could play back.",
        ),
    ] = None,
    reconnect: Annotated[
        bool, typer.Option("--reconnect", help="Go on when the stream was lost, for ever.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="Write over a file that is there.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Record a stream to a file, without encoding it again; Ctrl-C ends it in good order."""
    if segment is None:
        check_file(file, force)
    else:
        check_folder(file)
    console = Console(quiet=quiet, highlight=False)

    def tell(event: events.Event) -> None:
        if isinstance(event, events.Disconnected):
            console.print(f"{event.error}; recording goes on when it is back", soft_wrap=True)
        elif isinstance(event, events.Connected):
            console.print(f"recording {file} over {event.transport}", soft_wrap=True)

    stream = connect(
        url,
        transport=transport.value,
        timeout=timeout,
        trust=trust,
        at=start_of(start, since),
        reconnect=reconnect,
        on_event=tell,
    )
    run(_record(stream, _Order(url, file, duration, until, audio, segment), console))


async def _record(stream: Stream, order: _Order, console: Console) -> None:
    async with stream:
        tracks = [track for track in stream.tracks if order.audio or track.kind != "audio"]
        target = _target(order, tracks)
        alignment = Alignment()
        loop = asyncio.get_running_loop()
        # The disk takes its time in a thread; one alone, so that the end comes last.
        thread = ThreadPoolExecutor(1, "reelcast-record")
        progress = _Progress(stream, target)
        live = Live(progress, console=console, refresh_per_second=REFRESHES, transient=True)
        try:
            with live if console.is_terminal and not console.quiet else nullcontext():
                async with aclosing(_wanted(stream.units(), order.until)) as wanted:
                    async for received in wanted:
                        seconds = alignment.place(received)
                        await loop.run_in_executor(thread, target.take, received, seconds)
                        if order.duration is not None and target.seconds >= order.duration:
                            break
        finally:
            await loop.run_in_executor(thread, target.close)
            thread.shutdown()
            console.print(_summary(stream, target), soft_wrap=True)
        if target.is_empty:
            raise MediaError(
                f"{order.path}: nothing was recorded: no keyframe came", url=without_userinfo(order.url)
            )


async def _wanted(units: AsyncIterator[ReceivedUnit], until: datetime | None) -> AsyncGenerator[ReceivedUnit]:
    """What comes up to a time: by its own clock; up to one to come, by ours where nothing comes any more."""
    end = math.inf if until is None else until.timestamp()
    patience = SILENCE_SECONDS if unix_now() < end < math.inf else None
    while True:
        try:
            async with asyncio.timeout(patience):
                received = await anext(units)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            if isinstance(error, ReelcastError):
                raise
            if unix_now() >= end:
                return
        else:
            if (received.time or 0.0) >= end:
                return
            yield received


def _target(order: _Order, tracks: list[Track]) -> Target:
    if order.segment is None:
        return OneFile(order.path, tracks)
    return Segments(order.path, order.url, tracks, order.segment)


class _Progress:
    """What is shown while a stream is recorded."""

    def __init__(self, stream: Stream, target: Target) -> None:
        self._progress = Progress(stream)
        self._target = target

    def __rich__(self) -> Group:
        return Group(self._progress, Text(_size(self._target), no_wrap=True))


def _size(target: Target) -> str:
    return f"{target.path}: {clock(target.seconds)}, {target.bytes / 1e6:.1f} MB"


def _summary(stream: Stream, target: Target) -> str:
    """The recording in one line."""
    statistics = stream.statistics()
    tracks = ", ".join(f"{name_of(each.track)} {each.units} units" for each in statistics)
    lost = sum(each.packets.lost for each in statistics)
    skipped = f", {target.skipped} units skipped" if target.skipped else ""
    return f"{_size(target)}; {tracks}; {lost} packets lost{skipped}"
