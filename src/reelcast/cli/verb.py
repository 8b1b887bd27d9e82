"""What the verbs that receive have in common: their options, and how they run and end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import date, datetime, time
from enum import StrEnum

import typer

from reelcast.client.options import Moment
from reelcast.client.trust import Trust
from reelcast.errors import ReelcastError

__all__ = [
    "DURATION",
    "FROM",
    "START",
    "TIMEOUT",
    "TO",
    "TRANSPORT",
    "TRUST",
    "URL",
    "Way",
    "run",
    "start_of",
]

INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended (128 + SIGINT)."""


class Way(StrEnum):
    """How the media comes."""

    AUTO = "auto"
    UDP = "udp"
    TCP = "tcp"


def _moment(text: str) -> datetime:
    try:
        if ":" in text and "-" not in text:
            return datetime.combine(date.today(), time.fromisoformat(text)).astimezone()
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is no time such as 14:00 or 2026-11-22T14:00:00Z") from None


def start_of(start: float | None, moment: datetime | None) -> Moment | None:
    """Where to begin, by --start or --from; ReelcastError for both."""
    if start is not None and moment is not None:
        raise ReelcastError("--start and --from say two different things: leave one of them out")
    return start if moment is None else moment


def _trusted(what: str | None) -> str | None:
    try:
        Trust.of(what)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return what


URL = typer.Argument(help="What to receive: rtsp://\\[user:password@]host[:port]/path, or rtsps:// for TLS")
TRANSPORT = typer.Option(help="How the media comes; auto tries UDP first.")
DURATION = typer.Option(help="Seconds to receive; to the end if not given.")
START = typer.Option(min=0.0, help="Seconds into the movie at which to start.")
FROM = typer.Option(
    "--from",
    parser=_moment,
    metavar="TIME",
    help="What was recorded from this time on: 2026-11-22T14:00:00Z, or 14:00 today; without Z or offset, here.",
)
TO = typer.Option("--to", parser=_moment, metavar="TIME", help="Up to this time, see --from.")
TRUST = typer.Option(
    callback=_trusted,
    metavar="WHOM",
    help="By what a server of rtsps:// is believed: the SHA-256 fingerprint of its certificate, a PEM file with it "
    "or its authority, or 'anyone'; by the authorities of this system if not given.",
)
TIMEOUT = typer.Option(min=0.1, help="Seconds to wait for the stream to begin, and for media later on.")


def run(work: Coroutine[object, object, None]) -> None:
    """Do the work of a verb in an event loop; Ctrl-C ends it, and the program, in good order."""
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
