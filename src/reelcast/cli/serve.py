"""The verb `serve`: files and folders as RTSP streams, until a signal ends it."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import typer

from reelcast.errors import MediaError
from reelcast.server import DEFAULT_PORT, DEFAULT_TIMEOUT, Era, Limits, Server, reserved_port, run_workers
from reelcast.server.limits import RESERVED_DESCRIPTORS, raise_descriptors

__all__ = ["Serving", "run", "serve"]

SWITCH_INTERVAL = 0.001
"""Seconds after which a thread that reads a file lets the pacer have the interpreter (Python's own: 0.005)."""

COLLECTOR = (10_000, 10, 1_000)
"""Thresholds of the garbage collector's three generations (Python's own: 700, 10, 10)."""
_LIMITS = Limits()


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
    max_connections: Annotated[
        int, typer.Option(min=1, help="Connections at once; each of several workers keeps to its own count.")
    ] = _LIMITS.connections,
    max_connections_per_address: Annotated[
        int, typer.Option(min=1, help="Connections at once from one address.")
    ] = _LIMITS.connections_per_address,
    max_sessions: Annotated[int, typer.Option(min=1, help="Sessions at once.")] = _LIMITS.sessions,
    max_sessions_per_address: Annotated[
        int, typer.Option(min=1, help="Sessions at once of one address.")
    ] = _LIMITS.sessions_per_address,
    idle_timeout: Annotated[
        float, typer.Option(min=1, help="Seconds until a connection without a session is closed.")
    ] = _LIMITS.idle_seconds,
    stall_timeout: Annotated[
        float, typer.Option(min=1, help="Seconds that a client may take nothing of what is sent to it.")
    ] = _LIMITS.stalled_seconds,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that share the port: one for each core to be used.")
    ] = 1,
    whole_ts: Annotated[
        bool,
        typer.Option("--whole-ts", help="Send MPEG transport streams whole, not their tracks; --live aside."),
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the dialogue.")] = False,
) -> None:
    """Serve media files over RTSP."""
    live_files = [_live(text) for text in live or ()]
    served = paths or ([] if live else [Path()])
    limits = Limits(
        connections=max_connections,
        connections_per_address=max_connections_per_address,
        sessions=max_sessions,
        sessions_per_address=max_sessions_per_address,
        idle_seconds=idle_timeout,
        stalled_seconds=stall_timeout,
    )
    run(Serving(served, live_files, host, port, rtp_port, timeout, verbose, whole_ts, limits), workers)


def _live(text: str) -> tuple[str, Path]:
    name, equals, file = text.partition("=")
    if not (name.strip("/") and equals and file):
        raise typer.BadParameter(f"{text!r} is not NAME=FILE", param_hint="--live")
    return name.strip("/"), Path(file)


@dataclass(frozen=True)
class Serving:
    """What is to be served, and how: all that a worker needs to know."""

    paths: list[Path]
    live: list[tuple[str, Path]] = field(default_factory=list)
    host: str | None = None
    port: int = DEFAULT_PORT
    rtp_port: int = 0
    timeout: int = DEFAULT_TIMEOUT
    verbose: bool = False
    whole_ts: bool = False
    limits: Limits = _LIMITS
    era: Era | None = None

    def server(self) -> Server:
        """A server with everything mounted: a single folder at the root, other things under their names.

        Raises MediaError where a path cannot be served.
        """
        server = Server(
            self.host,
            self.port,
            rtp_port=self.rtp_port,
            timeout=self.timeout,
            reuse_port=self.era is not None,
            era=self.era,
            limits=self.limits,
        )
        taken: set[str] = set()
        for path in self.paths:
            alone = len(self.paths) == 1 and path.is_dir()
            name = _untaken("" if alone else path.resolve().name, taken)
            server.mount(name, path, whole_ts=self.whole_ts)
        for name, file in self.live:
            server.mount(_untaken(name, taken), file, live=True)
        return server

    def worker(self, number: int) -> Server:
        """The server of one worker; each has UDP ports of its own."""
        self.prepare_process()
        rtp_port = self.rtp_port + 2 * number if self.rtp_port else 0
        return replace(self, rtp_port=rtp_port).server()

    def prepare_process(self) -> None:
        """Make this process one that serves: its threads, its memory, its descriptors, its log."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        # What is loaded by now stays: the collector need not look at it again while the pacer waits. Looking
        # at all that a thousand sessions hold takes it 50 ms; sessions leave no cycles behind, so it may do
        # that seldom.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECTOR)
        raise_descriptors(self.limits.connections + RESERVED_DESCRIPTORS)
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        log = logging.getLogger("reelcast")
        log.addHandler(handler)
        log.setLevel(logging.DEBUG if self.verbose else logging.INFO)


def run(serving: Serving, workers: int = 1) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises MediaError where a path cannot be served, TransportError where a port cannot be had.
    """
    serving.prepare_process()
    server = serving.server()
    if workers == 1:
        asyncio.run(server.serve_until_signal(lambda: _print_urls(server)))
        return
    with reserved_port(serving.host, serving.port) as server.port:
        shared = replace(serving, port=server.port, era=Era.now())
        run_workers(workers, shared.worker, lambda: _print_urls(server))


def _untaken(name: str, taken: set[str]) -> str:
    if name in taken:
        raise MediaError(f"two things to be served are named {name!r}: rename one, or serve their folder")
    taken.add(name)
    return f"/{name}"


def _print_urls(server: Server) -> None:
    print("\n".join(server.urls()), flush=True)
