"""What a setting is: how its value is read from TOML, and what is said of it in the documentation."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar, get_args, get_type_hints

from reelcast.client.trust import Trust
from reelcast.errors import ProtocolError
from reelcast.rtsp.url import RtspUrl

__all__ = [
    "ADDRESS",
    "FLAG",
    "FLAG_OR_FOLDER",
    "FOLDER",
    "PATH",
    "RTSP_URL",
    "SECONDS",
    "SIZE",
    "TEXT",
    "TEXTS",
    "TRUST",
    "Reader",
    "Setting",
    "choice",
    "seconds_from",
    "settings_of",
    "whole",
]

Value = TypeVar("Value")

_DURATIONS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SIZES: Final = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([A-Za-z]{1,2})")
_MOST: Final = 2**53
"""The largest number: floats count so far, and no disk and no wait goes beyond."""


@dataclass(frozen=True, slots=True)
class Reader(Generic[Value]):
    """How a value is read.

    kind   what it must be, as errors and the documentation say it: "must be" goes before it
    read   the value of what TOML gave; relative paths begin in the folder, that of the file. None where it is not
           of the kind; ValueError, with what to say of it, where there is more to say
    """

    kind: str
    read: Callable[[object, Path], Value | None]


@dataclass(frozen=True, slots=True)
class Setting:
    """What a field of a table is annotated with; `meaning` is a sentence of the documentation."""

    reader: Reader[Any]
    meaning: str


def settings_of(table: type) -> Mapping[str, Setting]:
    """All keys of a table, a dataclass whose fields are annotated with a Setting, in their order."""
    hints = get_type_hints(table, include_extras=True)
    return {
        name: item for name, hint in hints.items() for item in get_args(hint)[1:] if isinstance(item, Setting)
    }


def whole(least: int, most: int | None = None) -> Reader[int]:
    """A whole number within limits."""
    kind = f"a whole number from {least} {'on' if most is None else f'to {most}'}"

    def read(value: object, _: Path) -> int | None:
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        return value if least <= value <= (_MOST if most is None else most) else None

    return Reader(kind, read)


def seconds_from(least: float) -> Reader[float]:
    """A number of seconds, or text with a unit: "90s", "10m", "12h", "7d", "2w"."""
    kind = f'a number of seconds from {least:g} on, or text such as "10m" or "7d"'

    def read(value: object, _: Path) -> float | None:
        amount = _amount(value, _DURATIONS)
        return amount if amount is not None and least <= amount else None

    return Reader(kind, read)


def choice(*words: str) -> Reader[str]:
    """One of some words."""

    def read(value: object, _: Path) -> str | None:
        return value if isinstance(value, str) and value in words else None

    return Reader(" or ".join(f'"{word}"' for word in words), read)


def _amount(value: object, units: Mapping[str, int]) -> float | None:
    """A number, as it is or with a unit behind it; None too where it is beyond all reason."""
    match = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if match is not None and match[2] in units:
        return float(match[1]) * units[match[2]]
    number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MOST
    return float(value) if number and isinstance(value, int | float) else None


def _size(value: object, _: Path) -> int | None:
    amount = _amount(value, _SIZES)
    return int(amount) if amount is not None and amount >= 1 else None


def _text(value: object, _: Path) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: object, _: Path) -> tuple[str, ...] | None:
    whole = isinstance(value, list) and all(isinstance(item, str) and item for item in value)
    return tuple(value) if whole and isinstance(value, list) else None


def _flag(value: object, _: Path) -> bool | None:
    return value if isinstance(value, bool) else None


def _path(value: object, folder: Path) -> Path | None:
    if isinstance(value, Path):
        # Of a flag: relative to where the command is given, and shown as it was written.
        return value
    return folder / Path(value).expanduser() if isinstance(value, str) and value else None


def _folder(value: object, folder: Path) -> Path | None:
    path = _path(value, folder)
    # One that is not there is made, or comes back: a disk may be away for a while.
    if path is not None and os.path.exists(path) and not os.path.isdir(path):
        raise ValueError(f"{path} is a file; name a folder")
    return path


def _flag_or_folder(value: object, folder: Path) -> bool | Path | None:
    return value if isinstance(value, bool) else _folder(value, folder)


def _address(value: object, _: Path) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return None
    return value


def _trust(value: object, folder: Path) -> Trust | None:
    if not isinstance(value, str) or not value:
        return None
    try:
        return Trust.of(value)
    except ValueError:
        path = folder / Path(value).expanduser()
        return Trust.of(path) if path.is_file() else None


def _rtsp_url(value: object, _: Path) -> str:
    try:
        url = RtspUrl.parse(value) if isinstance(value, str) else None
        advice = ""
    except ProtocolError as error:
        url, advice = None, f"; {error.advice}" if error.advice else ""
    if url is None or not url.host:
        # What was given is not shown: there may be a password in it.
        raise ValueError(f"must be {RTSP_URL.kind}{advice}")
    return str(value)


FLAG = Reader("true or false", _flag)
TEXT = Reader("text", _text)
TEXTS = Reader("a list of texts", _texts)
PATH = Reader("a path", _path)
FOLDER = Reader("a folder", _folder)
FLAG_OR_FOLDER = Reader("true, false or a folder", _flag_or_folder)
ADDRESS = Reader('a numeric address such as "192.168.1.5" or "::1"', _address)
RTSP_URL = Reader('a URL such as "rtsp://user:password@camera/stream"', _rtsp_url)
TRUST = Reader('a PEM file that is there, a SHA-256 fingerprint, or "anyone"', _trust)
SECONDS = seconds_from(0)
SIZE = Reader('a number of bytes, or text such as "500 MB" or "2 TB"', _size)
