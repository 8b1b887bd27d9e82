"""The verb `user`: what a configuration keeps of a user's password, to be pasted into it."""

from __future__ import annotations

import json
import re
import sys
from typing import Annotated

import typer

from reelcast.server.guard import Guard, User
from reelcast.server.passwords import DEFAULT_REALM, Password, hash_password
from reelcast.server.rights import Rights

__all__ = ["user"]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def user(
    name: Annotated[str, typer.Argument(help="What the user logs in as.")],
    read: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN", help='Paths to read, such as "/cam" or "/movies/**"; all if not given.'
        ),
    ] = None,
    publish: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Paths to publish to; none if not given."),
    ] = None,
    realm: Annotated[
        str, typer.Option(help="What the password is for; as the server's configuration has it.")
    ] = DEFAULT_REALM,
) -> None:
    """Ask for a password, and print a user to paste into the configuration.

    Where the input is no terminal, the password is its first line.
    """
    try:
        rights = Rights(tuple(["/**"] if read is None else read), tuple(publish or ()))
        # Before anybody types a password for what is no name, or no realm.
        Guard([User(name, Password.of(name, "", realm), rights)], realm=realm)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    password = _ask()
    kept = Password.of(name, password, realm)
    key = name if _BARE_KEY.fullmatch(name) else _quoted(name)
    print(
        f"""[users.{key}]
# Any player can log in with these, and never says the password; but so can whoever reads them here.
ha1 = "{kept.md5}"
ha1_sha256 = "{kept.sha256}"
# In their place: of no use to who reads it here; but players must say the password itself then, which they
# can by RTSPS only, and from this machine.
# password = "{hash_password(password)}"
read = {_quoted(rights.read)}
publish = {_quoted(rights.publish)}"""
    )


def _quoted(value: str | tuple[str, ...]) -> str:
    """A text, or a list of them, as TOML has it, which is as JSON has it."""
    return json.dumps(value, ensure_ascii=False)


def _ask() -> str:
    """The password as it is typed, twice; or as another program says it."""
    if sys.stdin.isatty():
        password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise typer.BadParameter("a password is not empty")
    return password
