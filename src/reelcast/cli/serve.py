"""The verb `serve`: files and folders as RTSP streams, until a signal ends it."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from reelcast.errors import MediaError
from reelcast.server import DEFAULT_PORT, DEFAULT_TIMEOUT, Server

__all__ = ["serve", "serve_paths"]

SWITCH_INTERVAL = 0.001
"""Seconds after which a thread that reads a file lets the pacer have the interpreter (Python's own: 0.005)."""


def serve(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Files, and folders with all below them; this folder if not given."),
    ] = None,
    live: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="A file as an endless live stream at /NAME; may be repeated."),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; all of them if not given.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port of RTSP; 0 takes a free one.")] = (
        DEFAULT_PORT
    ),
    rtp_port: Annotated[
        int, typer.Option(min=0, max=65534, help="UDP port of RTP, RTCP takes the next; 0 takes free ones.")
    ] = 0,
    timeout: Annotated[
        int, typer.Option(min=5, max=86400, help="Seconds without a sign of life that end a session.")
    ] = DEFAULT_TIMEOUT,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the dialogue.")] = False,
) -> None:
    """Serve media files over RTSP."""
    serve_paths(
        paths or ([] if live else [Path()]),
        live=[_live(text) for text in live or ()],
        host=host,
        port=port,
        rtp_port=rtp_port,
        timeout=timeout,
        verbose=verbose,
    )


def _live(text: str) -> tuple[str, Path]:
    name, equals, file = text.partition("=")
    if not (name.strip("/") and equals and file):
        raise typer.BadParameter(f"{text!r} is not NAME=FILE", param_hint="--live")
    return name.strip("/"), Path(file)


def serve_paths(
    paths: list[Path],
    *,
    live: Sequence[tuple[str, Path]] = (),
    host: str | None = None,
    port: int = DEFAULT_PORT,
    rtp_port: int = 0,
    timeout: int = DEFAULT_TIMEOUT,
    verbose: bool = False,
) -> None:
    """Serve until SIGINT or SIGTERM: a single folder at the root, other things under their names.

    Raises MediaError where a path cannot be served, TransportError where a port cannot be had.
    """
    _log_to_terminal(verbose)
    sys.setswitchinterval(SWITCH_INTERVAL)
    server = Server(host, port, rtp_port=rtp_port, timeout=timeout)
    taken: set[str] = set()
    for path in paths:
        alone = len(paths) == 1 and path.is_dir()
        name = "" if alone else path.resolve().name
        server.mount(_untaken(name, taken), path)
    for name, file in live:
        server.mount(_untaken(name, taken), file, live=True)
    asyncio.run(_serve(server))


def _untaken(name: str, taken: set[str]) -> str:
    if name in taken:
        raise MediaError(f"two things to be served are named {name!r}: rename one, or serve their folder")
    taken.add(name)
    return f"/{name}"


async def _serve(server: Server) -> None:
    await server.serve_until_signal(lambda: print("\n".join(server.urls()), flush=True))


def _log_to_terminal(verbose: bool) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    log = logging.getLogger("reelcast")
    log.addHandler(handler)
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
