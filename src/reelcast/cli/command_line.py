"""The command line of `serve`, put as a configuration file would put it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer

from reelcast.errors import MediaError
from reelcast.station.locator import Place
from reelcast.station.toml_file import Flags, path_name

__all__ = ["CommandLine", "named"]


class CommandLine:
    """The command line, put as a configuration would be."""

    def __init__(self) -> None:
        self._document: dict[str, dict[str, Any]] = {}
        self._origins: dict[Place, str] = {}

    @property
    def flags(self) -> Flags:
        """All of them."""
        return Flags(self._document, self._origins)

    def set(self, table: str, flag: str, **values: object) -> None:
        """Settings of a table, but for those that are None."""
        for key, value in values.items():
            if value is not None:
                self._document.setdefault(table, {})[key] = value
                self._origins[table, key] = self._origins[table,] = flag

    def serve(self, flag: str, name: str, **settings: object) -> None:
        """Serve something at a path; MediaError where another flag does."""
        path = path_name(name)
        paths = self._document.setdefault("paths", {})
        if path in paths:
            shown = path.removeprefix("/")
            raise MediaError(
                f"two things to be served are named {shown!r}: rename one, or serve their folder"
            )
        paths[path] = settings
        self._origins["paths", path] = flag

    def serve_files(self, files: Iterable[Path], *, whole_ts: bool) -> None:
        """Serve files and folders under their names, a single folder at the root."""
        files = list(files)
        for file in files:
            alone = len(files) == 1 and file.is_dir()
            self.serve("", "" if alone else file.resolve().name, file=file, whole_ts=whole_ts)


def named(flag: str, what: str, texts: Iterable[str] | None) -> Iterator[tuple[str, str]]:
    """Texts such as "NAME=FILE" in two."""
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not (name.strip("/") and equals and value):
            raise typer.BadParameter(f"{text!r} is not NAME={what}", param_hint=flag)
        yield name, value
