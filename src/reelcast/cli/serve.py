"""The verb `serve`: files, cameras and what is published, as RTSP streams, until a signal ends it."""

from __future__ import annotations

import contextlib
import gc
import logging
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from reelcast.cli.command_line import CommandLine, named
from reelcast.errors import MediaError
from reelcast.net import event_loop
from reelcast.server.feed import Era
from reelcast.server.limits import RESERVED_DESCRIPTORS, Limits, raise_descriptors
from reelcast.server.workers import reserved_port, run_workers
from reelcast.station.configuration import LimitSettings, ListenSettings, LiveSettings
from reelcast.station.operation import RELOAD_SIGNAL, Operation
from reelcast.station.toml_file import Flags

__all__ = ["EXAMPLES", "Serving", "run", "serve"]

log = logging.getLogger(__name__)

SWITCH_INTERVAL = 0.001
"""Seconds after which a thread that reads a file lets the pacer have the interpreter (Python's own: 0.005)."""

COLLECTOR = (1_000, 5, 20_000)
"""Thresholds of the garbage collector's three generations (Python's own: 700, 10, 10): the young ones take a
millisecond, all of them are looked at seldom."""

_NONE = Flags()
_LISTEN, _LIMITS, _LIVE = ListenSettings(), LimitSettings(), LiveSettings()

EXAMPLES: Final = """
reelcast serve movies/

    everything in a folder, for players to pause and to seek in

reelcast serve --relay door=rtsp://camera/stream --record recordings

    a camera for many readers at rtsp://HOST:8554/door, recorded

reelcast serve --publish studio

    what reelcast publish, ffmpeg or OBS send to rtsp://HOST:8554/studio

reelcast serve --config station.toml

    all of this and users, from a file that may change meanwhile
"""
_LIVE_PANEL = "Cameras and publishers"
_RECORD_PANEL = "Recording"
_LISTEN_PANEL = "Where it listens"
_TLS_PANEL = "Encryption (RTSPS)"
_LIMITS_PANEL = "What clients may take"


def _number(panel: str, default: float, text: str, *, least: int = 1, most: int | None = None) -> Any:
    """An option for a number; its default is the configuration's, and only shown here."""
    shown = f"{default:g}" if isinstance(default, float) else str(default)
    return typer.Option(min=least, max=most, show_default=shown, help=text, rich_help_panel=panel)


def serve(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILES",
            help="Files, and folders with all below them; this folder if nothing is said to be served.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help="Configuration file (TOML); read again when it is saved. Options come before what it says.",
        ),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only say whether all is in order.")] = False,
    live: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="A file as an endless live stream at /NAME; may be repeated."),
    ] = None,
    whole_ts: Annotated[
        bool,
        typer.Option("--whole-ts", help="Send MPEG transport streams whole, not their tracks; --live aside."),
    ] = False,
    status_seconds: Annotated[
        float | None,
        typer.Option(min=1, help="Say how each live path is, so often; SIGUSR1 has it said at once."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the dialogue.")] = False,
    relay: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=URL",
            help="A camera, or another server's stream, at /NAME; may be repeated.",
            rich_help_panel=_LIVE_PANEL,
        ),
    ] = None,
    relay_on_demand: Annotated[
        bool,
        typer.Option(
            "--relay-on-demand",
            help="Connect to them when the first reader comes, until the last has gone.",
            rich_help_panel=_LIVE_PANEL,
        ),
    ] = False,
    publish: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A path that is published to; others may be too, each for as long as it is. May be repeated.",
            rich_help_panel=_LIVE_PANEL,
        ),
    ] = None,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over",
            help="Let a publisher take the place of another; else it is refused.",
            rich_help_panel=_LIVE_PANEL,
        ),
    ] = False,
    patience: Annotated[
        float | None,
        _number(
            _LIVE_PANEL, _LIVE.patience, "Seconds that readers wait for a source that went away.", least=0
        ),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Record all live paths to this folder.", rich_help_panel=_RECORD_PANEL
        ),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on; all of them if not given.", rich_help_panel=_LISTEN_PANEL),
    ] = None,
    port: Annotated[
        int | None,
        _number(_LISTEN_PANEL, _LISTEN.port, "TCP port of RTSP; 0 takes a free one.", least=0, most=65535),
    ] = None,
    rtp_port: Annotated[
        int | None,
        _number(
            _LISTEN_PANEL,
            _LISTEN.rtp_port,
            "UDP port of RTP, RTCP takes the next; 0 takes free ones.",
            least=0,
            most=65534,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        _number(
            _LISTEN_PANEL,
            _LISTEN.workers,
            "Processes that share the port, of a server of files alone: one for each core to be used.",
            most=64,
        ),
    ] = None,
    tls_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="TCP port of RTSPS, beside the other.", rich_help_panel=_TLS_PANEL
        ),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Certificate, as PEM.", rich_help_panel=_TLS_PANEL),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Its key, as PEM; the same file if not given.", rich_help_panel=_TLS_PANEL
        ),
    ] = None,
    self_signed: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A certificate of our own instead, made and kept in this file.",
            rich_help_panel=_TLS_PANEL,
        ),
    ] = None,
    timeout: Annotated[
        int | None,
        _number(
            _LIMITS_PANEL,
            _LISTEN.timeout,
            "Seconds without a sign of life that end a session.",
            least=5,
            most=86400,
        ),
    ] = None,
    max_connections: Annotated[
        int | None,
        _number(
            _LIMITS_PANEL,
            _LIMITS.connections,
            "Connections at once; each of several workers keeps to its own count.",
        ),
    ] = None,
    max_connections_per_address: Annotated[
        int | None,
        _number(_LIMITS_PANEL, _LIMITS.connections_per_address, "Connections at once from one address."),
    ] = None,
    max_sessions: Annotated[
        int | None,
        _number(_LIMITS_PANEL, _LIMITS.sessions, "Sessions at once."),
    ] = None,
    max_sessions_per_address: Annotated[
        int | None,
        _number(_LIMITS_PANEL, _LIMITS.sessions_per_address, "Sessions at once of one address."),
    ] = None,
    max_publications: Annotated[
        int | None,
        _number(_LIMITS_PANEL, _LIMITS.publications, "Publishers at once."),
    ] = None,
    idle_timeout: Annotated[
        float | None,
        _number(
            _LIMITS_PANEL, _LIMITS.idle_seconds, "Seconds until a connection without a session is closed."
        ),
    ] = None,
    stall_timeout: Annotated[
        float | None,
        _number(
            _LIMITS_PANEL,
            _LIMITS.stalled_seconds,
            "Seconds that a client may take nothing of what is sent to it.",
        ),
    ] = None,
) -> None:
    """Serve media files, cameras and what is published over RTSP; Ctrl-C ends it."""
    flags = CommandLine()
    flags.set("listen", "--host", host=host)
    flags.set("listen", "--port", port=port)
    flags.set("listen", "--rtp-port", rtp_port=rtp_port)
    flags.set("listen", "--timeout", timeout=timeout)
    flags.set("listen", "--workers", workers=workers)
    flags.set("limits", "--max-connections", connections=max_connections)
    flags.set("limits", "--max-connections-per-address", connections_per_address=max_connections_per_address)
    flags.set("limits", "--max-sessions", sessions=max_sessions)
    flags.set("limits", "--max-sessions-per-address", sessions_per_address=max_sessions_per_address)
    flags.set("limits", "--max-publications", publications=max_publications)
    flags.set("limits", "--idle-timeout", idle_seconds=idle_timeout)
    flags.set("limits", "--stall-timeout", stalled_seconds=stall_timeout)
    flags.set("tls", "--tls-port", port=tls_port)
    flags.set("tls", "--certificate", certificate=certificate)
    flags.set("tls", "--key", key=key)
    flags.set("tls", "--self-signed", self_signed=self_signed)
    flags.set("live", "--take-over", take_over=take_over or None)
    flags.set("live", "--patience", patience=patience)
    flags.set("record", "--record", folder=record, every=None if record is None else True)
    if not (paths or config or live or relay or publish or record):
        paths = [Path()]
    flags.serve_files(paths or (), whole_ts=whole_ts)
    for name, file in named("--live", "FILE", live):
        flags.serve("--live", name, live_file=Path(file))
    for name, url in named("--relay", "URL", relay):
        flags.serve("--relay", name, relay=url, on_demand=relay_on_demand)
    for name in publish or ():
        flags.serve("--publish", name, publish=True)
    serving = Serving(config, flags.flags, verbose, status_seconds)
    if check:
        serving.check()
    else:
        run(serving)


@dataclass(frozen=True)
class Serving:
    """What is to be served, and how: all that a worker needs to know."""

    config: Path | None = None
    flags: Flags = _NONE
    verbose: bool = False
    status_seconds: float | None = None
    era: Era | None = None

    def operation(self, worker: int | None = None) -> Operation:
        """What serves, in this process. Raises what `Operation` does."""
        operation = Operation(
            self.config, self.flags, worker=worker, era=self.era, status_seconds=self.status_seconds
        )
        _tune(operation.station.told.limits.limits())
        return operation

    def worker(self, number: int) -> Operation:
        """What one worker serves."""
        self.show_log()
        return self.operation(number)

    def show_log(self) -> None:
        """Show on stderr what goes on."""
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        logger = logging.getLogger("reelcast")
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG if self.verbose else logging.INFO)

    def check(self) -> None:
        """Say that all is in order, or raise what is not."""
        station = self.operation().station
        station.close()
        if station.flaws:
            raise MediaError(station.flaws[0])
        print(f"{self.config or 'all'} is in order")


def run(serving: Serving) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises ConfigurationError for a configuration that is wrong, MediaError where a path cannot be served,
    TransportError where a port cannot be had.
    """
    serving.show_log()
    operation = serving.operation()
    station, listen = operation.station, operation.station.told.listen
    if listen.workers == 1:
        event_loop.run(operation.serve_until_signal(lambda: _announce(operation)))
        return
    server, document = station.server, dict(serving.flags.document)
    with contextlib.ExitStack() as ports:
        server.port = ports.enter_context(reserved_port(listen.host, listen.port))
        document["listen"] = {**document.get("listen", {}), "port": server.port}
        if server.tls_port is not None:
            server.tls_port = ports.enter_context(reserved_port(listen.host, server.tls_port))
            document["tls"] = {**document.get("tls", {}), "port": server.tls_port}
        shared = replace(serving, flags=replace(serving.flags, document=document), era=Era.now())
        signals = [] if serving.config is None or RELOAD_SIGNAL is None else [RELOAD_SIGNAL]
        run_workers(listen.workers, shared.worker, lambda: _announce(operation), signals)


def _tune(limits: Limits) -> None:
    """Make this process one that serves: its threads, its memory, its descriptors."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    # What is loaded by now stays: the collector need not look at it again while the pacer waits. Looking
    # at all that a thousand sessions hold takes it 50 ms; sessions leave no cycles behind, so it may do
    # that seldom.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR)
    raise_descriptors(limits.connections + RESERVED_DESCRIPTORS)


def _announce(operation: Operation) -> None:
    print("\n".join(operation.station.server.urls()), flush=True)
    for line in operation.station.notices():
        log.info("%s", line)
