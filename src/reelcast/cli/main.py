"""The command `reelcast`: its verbs, one a file, and what becomes of errors."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from reelcast.cli.load import load
from reelcast.cli.play import play
from reelcast.cli.probe import probe
from reelcast.cli.publish import publish
from reelcast.cli.record import record
from reelcast.cli.serve import EXAMPLES, serve
from reelcast.cli.snapshot import snapshot
from reelcast.cli.user import user
from reelcast.errors import ReelcastError

__all__ = ["app", "main"]

app = typer.Typer(
    name="reelcast",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# The verbs, in the order of the help page.
app.command(epilog=EXAMPLES)(serve)
app.command()(play)
app.command()(probe)
app.command()(record)
app.command()(publish)
app.command()(snapshot)
app.command()(load)
app.command()(user)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"reelcast {version('reelcast')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and stop."),
    ] = False,
) -> None:
    """An RTSP server, client and player."""


def main() -> None:
    """Run a verb; an error that was foreseen is one line on stderr, and exit code 1."""
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except ReelcastError as error:
        print(f"reelcast: {error.line}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        # A file without a right to it; or what is printed goes to a full disk, or to who wants no more (`| head`).
        _drop_output()
        if not isinstance(error, BrokenPipeError):
            where = "" if error.filename is None else f"{error.filename}: "
            print(f"reelcast: {where}{error.strerror or error}", file=sys.stderr)
        sys.exit(1)


def _drop_output() -> None:
    """Let nothing of stdout be written any more: Python would try again at its end, and say so at length."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
