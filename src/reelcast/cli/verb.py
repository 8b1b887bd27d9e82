"""What the verbs that receive have in common: their options, and how they run and end."""

from __future__ import annotations

import asyncio
import math
import signal
import sys
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from enum import StrEnum
from pathlib import Path

import typer

from reelcast.client.options import Moment
from reelcast.client.trust import Trust
from reelcast.errors import MediaError, ReelcastError
from reelcast.rtsp.url import RtspUrl

__all__ = [
    "DURATION",
    "FROM",
    "INTERRUPTED",
    "START",
    "TIMEOUT",
    "TO",
    "TRANSPORT",
    "TRUST",
    "URL",
    "Way",
    "run",
    "seconds_of",
    "start_of",
    "terminated_in_order",
    "url_of",
]

INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended (128 + SIGINT)."""
LEAST_SECONDS = 0.01
"""Of what takes a while: less is a slip of the hand."""


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


def seconds_of(text: str, *, least: float = LEAST_SECONDS) -> float:
    """A number of seconds that was typed; BadParameter for less than `least`, and for what is no number."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not least <= number < math.inf:
        raise typer.BadParameter(f"{text!r} is no number of seconds from {least:g} on")
    return number


def _start(text: str) -> float:
    return seconds_of(text, least=0.0)


def url_of(text: str | None) -> str | None:
    """A URL of a server that was typed, as it is; ReelcastError, with what to do, for anything else."""
    if text is None:
        return None
    if "://" not in text and Path(text).exists():
        advice = f"`reelcast serve {text}` serves it, and prints its URL"
        raise MediaError(f"{text} is a file, and no RTSP URL", advice=advice)
    RtspUrl.of_server(text)
    return text


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


URL = typer.Argument(
    callback=url_of, help="What to receive: rtsp://\\[user:password@]host[:port]/path, or rtsps:// for TLS"
)
TRANSPORT = typer.Option(help="How the media goes over the network; auto tries UDP first.")
DURATION = typer.Option(
    parser=seconds_of, metavar="SECONDS", help="How long, in seconds; to the end if not given."
)
START = typer.Option(parser=_start, metavar="SECONDS", help="Seconds into the movie at which to start.")
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
TIMEOUT = typer.Option(
    parser=seconds_of,
    metavar="SECONDS",
    help="Seconds to wait for the stream to begin, and for media later on.",
)


def run(work: Coroutine[object, object, None]) -> None:
    """Do the work of a verb in an event loop; Ctrl-C and SIGTERM end it, and the program, in good order."""
    with terminated_in_order():
        try:
            asyncio.run(work)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)


@contextmanager
def terminated_in_order() -> Iterator[None]:
    """Let SIGTERM end what is being done as Ctrl-C does, and then the process, as whoever sent it expects."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def end(number: int, _: object) -> None:
        came.append(number)
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if came:
            sys.stdout.flush()
            signal.raise_signal(signal.SIGTERM)
