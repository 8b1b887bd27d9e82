"""The command `reelcast`: its verbs, one a file, loaded when it is named; and what becomes of errors."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand

from reelcast.errors import ReelcastError

__all__ = ["VERBS", "app", "load_verb", "main"]

VERBS: Final = {
    "serve": "Serve media files, cameras and what is published over RTSP; Ctrl-C ends it.",
    "play": "Play a stream in a window, or receive it without one and report rate, loss and delay.",
    "probe": "Say what a stream is: its server, its tracks, and what comes of them.",
    "record": "Record a stream to a file, without encoding it again; Ctrl-C ends it in good order.",
    "publish": "Publish to an RTSP server; a file is not encoded again unless something asks for it.",
    "snapshot": "Save the first whole picture of a stream.",
    "load": "Load a server with readers and measure what they get.",
    "user": "Ask for a password, and print a user to paste into the configuration.",
}
"""What each verb does, in the order of the help page, as it says itself."""


def load_verb(name: str) -> Any:
    """The command of a verb, which is the function of this name in the module of this name, loaded now."""
    module = import_module(f"reelcast.cli.{name}")
    alone = typer.Typer(add_completion=False)
    alone.command(name, epilog=getattr(module, "EXAMPLES", None))(getattr(module, name))
    return typer.main.get_command(alone)


class _Verb(TyperCommand):
    """Stands for a verb until it is named: each loads much that the others do without."""

    def make_context(self, *arguments: Any, **named: Any) -> Any:
        """Called with what stands behind the name; all that follows is done by the command of this context."""
        return load_verb(str(self.name)).make_context(*arguments, **named)


app = typer.Typer(
    name="reelcast",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for _name, _does in VERBS.items():
    app.command(_name, cls=_Verb, help=_does)(lambda: None)


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
