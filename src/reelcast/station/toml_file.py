"""Reads a configuration from a TOML file and from flags, which come before the file; errors say where to look."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from reelcast.errors import ConfigurationError
from reelcast.station.configuration import (
    Configuration,
    LimitSettings,
    ListenSettings,
    LiveSettings,
    PathSettings,
    RecordSettings,
    TlsSettings,
)
from reelcast.station.locator import Place, locate
from reelcast.station.logins import AnyoneSettings, LoginSettings, UserSettings
from reelcast.station.settings import settings_of

__all__ = ["NAMED_TABLES", "TABLES", "Flags", "path_name", "read_configuration"]

TABLES: Final[Mapping[str, type]] = {
    "listen": ListenSettings,
    "limits": LimitSettings,
    "tls": TlsSettings,
    "live": LiveSettings,
    "record": RecordSettings,
    "login": LoginSettings,
    "anyone": AnyoneSettings,
}
NAMED_TABLES: Final[Mapping[str, type]] = {"paths": PathSettings, "users": UserSettings}
"""Tables that hold a table for each name."""

MAX_SHOWN: Final = 40
"""Characters of a wrong value that are shown."""

_AT = re.compile(r" \(at (?:line ([0-9]+), column [0-9]+|end of document)\)$")
_Table = TypeVar("_Table")


@dataclass(frozen=True, slots=True)
class Flags:
    """Settings of the command line, as they would stand in the file; a path replaces that of the file.

    document   tables, by their names
    origins    the flag that a place comes from, for errors
    """

    document: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    origins: Mapping[Place, str] = field(default_factory=dict)


def read_configuration(file: Path | None, flags: Flags | None = None) -> Configuration:
    """The configuration of a file, changed by flags. Raises ConfigurationError, which says where and what."""
    return _Reading(file, flags or Flags()).configuration()


def path_name(name: str) -> str:
    """A path as it is known by: "/cam" for "cam", "/cam/" and "/cam"."""
    return "/" + "/".join(segment for segment in name.split("/") if segment)


class _Reading:
    """One file, and the flags, being read."""

    def __init__(self, file: Path | None, flags: Flags) -> None:
        self._file = file
        self._origins = flags.origins
        self._lines: Mapping[Place, int] = {}
        self._folder = Path() if file is None else file.parent
        self._document = {} if file is None else self._parse(file)
        self._written: dict[Place, Place] = {}
        for name, table in flags.document.items():
            below = self._document.setdefault(name, {})
            if isinstance(below, dict):
                if name == "paths":
                    self._forget(below, table)
                below.update(table)

    def configuration(self) -> Configuration:
        """All tables."""
        self._check_names((), self._document, [*TABLES, *NAMED_TABLES])
        tables: dict[str, Any] = {
            name: self._table((name,), self._document[name], kind) for name, kind in self._given(TABLES)
        }
        tables |= {
            name: dict(self._tables((name,), self._document[name], kind))
            for name, kind in self._given(NAMED_TABLES)
        }
        return self._make((), Configuration, {**tables, "where": self._where})

    def _given(self, tables: Mapping[str, type]) -> Iterator[tuple[str, type]]:
        return ((name, kind) for name, kind in tables.items() if name in self._document)

    def _parse(self, file: Path) -> dict[str, Any]:
        try:
            text = file.read_bytes().decode()
            document = tomllib.loads(text)
        except OSError as error:
            raise ConfigurationError(
                f"cannot be read: {error.strerror}", where=str(file), advice="look at --config"
            ) from error
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise ConfigurationError("is no UTF-8; save it as that", where=f"{file}:{line}") from error
        except tomllib.TOMLDecodeError as error:
            raise self._no_toml(file, text, str(error)) from error
        except RecursionError as error:
            raise ConfigurationError("is no configuration: too deep", where=str(file)) from error
        self._lines = locate(text)
        return document

    def _no_toml(self, file: Path, text: str, said: str) -> ConfigurationError:
        at = _AT.search(said)
        line = (at and at[1]) or text.count("\n") + 1
        what = _AT.sub("", said)
        return ConfigurationError(f"{what[:1].lower()}{what[1:]}", where=f"{file}:{line}")

    @staticmethod
    def _forget(below: dict[str, Any], flags: Iterable[str]) -> None:
        """Drop the paths of the file that flags give too, however the file writes them."""
        names = {path_name(name) for name in flags}
        for name in [name for name in below if path_name(name) in names]:
            del below[name]

    # Tables

    def _tables(self, place: Place, value: object, kind: type[_Table]) -> Iterator[tuple[str, _Table]]:
        """A table of tables, each with its name."""
        known: dict[str, str] = {}
        for name, table in self._entries(place, value):
            shown = path_name(name) if kind is PathSettings else name
            if shown in known:
                raise self._error(
                    (*place, name), f'is there already, as "{known[shown]}"; leave out one of them'
                )
            known[shown] = name
            self._written[*place, shown] = *place, name
            yield shown, self._table((*place, name), table, kind)

    def _table(self, place: Place, value: object, kind: type[_Table]) -> _Table:
        entries = self._entries(place, value)
        known = settings_of(kind)
        self._check_names(place, [name for name, _ in entries], known)
        values: dict[str, object] = {}
        for name, given in entries:
            setting = known[name]
            try:
                read = setting.reader.read(given, self._folder)
            except ValueError as error:
                raise self._error((*place, name), str(error)) from error
            if read is None:
                raise self._error((*place, name), f"must be {setting.reader.kind}, not {_shown(given)}")
            values[name] = read
        return self._make(place, kind, values)

    def _make(self, place: Place, kind: type[_Table], values: Mapping[str, object]) -> _Table:
        try:
            return kind(**values)
        except ConfigurationError as error:
            raise self._error((*place, *error.key), error.message) from error

    def _entries(self, place: Place, value: object) -> list[tuple[str, object]]:
        if not isinstance(value, dict):
            raise self._error(place, f"must be a table with keys of its own, not {_shown(value)}")
        return list(value.items())

    def _check_names(self, place: Place, names: Iterable[str], known: Collection[str]) -> None:
        for name in names:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
                raise self._error((*place, name), f"there is no such key; {advice}")

    # Errors

    def _error(self, place: Place, message: str) -> ConfigurationError:
        place = self._as_written(place)
        return ConfigurationError(message, key=tuple(map(str, place)), where=self._where(place))

    def _as_written(self, place: Place) -> Place:
        return self._written.get(place[:2], place[:2]) + place[2:]

    def _where(self, place: Place) -> str:
        """The flag, or the file and the line, of a place; of the nearest around it where it stands nowhere."""
        place = self._as_written(place)
        for end in range(len(place), 0, -1):
            if place[:end] in self._origins:
                return self._origins[place[:end]]
            if place[:end] in self._lines:
                return f"{self._file}:{self._lines[place[:end]]}"
        return "" if self._file is None else str(self._file)


def _shown(value: object) -> str:
    """A wrong value as TOML would write it, more or less."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
