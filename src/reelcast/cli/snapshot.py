"""The verb `snapshot`: one picture of a stream as a file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from reelcast.cli.verb import START, TIMEOUT, TRANSPORT, TRUST, URL, Way, run
from reelcast.client.frame import Frame
from reelcast.client.stream import Stream, connect
from reelcast.errors import DeadlineError, MediaError
from reelcast.media.decode import Picture
from reelcast.media.snapshot import check_image, save_picture
from reelcast.rtsp.url import without_userinfo

__all__ = ["snapshot"]


def snapshot(
    url: Annotated[str, URL],
    file: Annotated[
        Path, typer.Argument(help="Where to: a name with .jpg or .png; one that is there is replaced")
    ],
    transport: Annotated[Way, TRANSPORT] = Way.AUTO,
    start: Annotated[float | None, START] = None,
    trust: Annotated[str | None, TRUST] = None,
    timeout: Annotated[float, TIMEOUT] = 10.0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Save the first whole picture of a stream."""
    check_image(file)
    console = Console(quiet=quiet, highlight=False)
    stream = connect(url, transport=transport.value, timeout=timeout, trust=trust, at=start, reconnect=False)
    run(_snapshot(stream, without_userinfo(url), file, timeout, console))


async def _snapshot(stream: Stream, url: str, path: Path, timeout: float, console: Console) -> None:
    async with stream:
        if not any(track.kind == "video" for track in stream.tracks):
            raise MediaError("there is no video in it, and so no picture", url=url)
        try:
            async with asyncio.timeout(timeout):
                frame = await _first(stream, url)
        except TimeoutError as error:
            if isinstance(error, DeadlineError):
                raise
            raise DeadlineError("frame", timeout, url=url, advice="give it a longer --timeout") from None
        picture = frame.picture
        assert isinstance(picture, Picture)
        await asyncio.to_thread(save_picture, picture, path)
        console.print(f"{path}: {picture.width}x{picture.height}, {frame.track.codec}", soft_wrap=True)


async def _first(stream: Stream, url: str) -> Frame:
    async for frame in stream.frames(every=True):
        return frame
    raise MediaError("it ended before there was a whole picture", url=url)
