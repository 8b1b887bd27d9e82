"""Live streams that a real publisher feeds, in place of files: ffmpeg sends a movie as fast as it plays."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shutil import which
from typing import Final

from scripts.bench.rows import Stream, Transport
from scripts.bench.servers import Movies, Server, Serving, running, stop

from reelcast.client.redirection import describe
from reelcast.errors import ReelcastError

__all__ = ["PUBLISHED", "published", "publisher", "until_published"]

PUBLISHED: Final = "published by ffmpeg"
PATIENCE: Final = 20.0
"""Seconds until what is published can be read."""
BETWEEN: Final = 0.2
"""Seconds from one look for it to the next."""


def published(stream: Stream, transport: Transport) -> Server:
    """Our server with one live stream, which comes to it over the transport that its readers use."""
    return Server(PUBLISHED, partial(_start, stream, transport), _missing)


@contextmanager
def _start(stream: Stream, transport: Transport, movies: Movies) -> Iterator[Serving]:
    command = (sys.executable, "-m", "reelcast", "serve", movies.sd, "--host", "127.0.0.1", "--port", "0")
    source = ("-re", "-stream_loop", "-1", "-i", movies.hd if stream == "hd" else movies.sd, "-c", "copy")
    with running(command, 1) as (process, (url,)):
        place = url.rpartition("/")[0] + "/live"
        with publisher(source, place, transport):
            yield Serving(process, {stream: place})


@contextmanager
def publisher(source: Sequence[str | Path], url: str, transport: Transport) -> Iterator[None]:
    """ffmpeg with a source in its own words, and how to code it; what it sends can be read."""
    process = subprocess.Popen(
        (
            "ffmpeg",
            "-nostdin",
            "-loglevel",
            "quiet",
            *source,
            "-f",
            "rtsp",
            "-rtsp_transport",
            transport,
            url,
        ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        asyncio.run(until_published(url))
        yield
    finally:
        stop(process)


async def until_published(url: str) -> None:
    """Wait until it is described; ReelcastError where it never is."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            dialogue, _ = await describe(url, PATIENCE)
        except ReelcastError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(BETWEEN)
        else:
            dialogue.close()
            return


def _missing() -> str | None:
    return None if which("ffmpeg") else "ffmpeg is not installed"
