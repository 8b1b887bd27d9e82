"""Where recordings lie in their folder: a folder a path, in it a folder a day, in it a file a segment.

    /cam at half past two     cam/2026-11-22/14-30-00.000000Z.mp4

Names are times in UTC: whoever lists a folder has the segments in order. What of a live path could not stand in a
file name, or would lead out of the folder, is percent-encoded (RFC 3986 section 2.1).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from reelcast.media.output import RECORDING_SUFFIXES

__all__ = ["find_files", "folder_of", "name_of", "place_of", "start_of"]

MAX_COMPONENT: Final = 200
"""Bytes of a component; file systems take 255. A longer one ends with a hash, and cannot be read back."""
_DIGITS: Final = 16
"""Hexadecimal, of that hash."""
_DAY, _TIME = "%Y-%m-%d", "%H-%M-%S.%fZ"
_LOOKS_LIKE: Final = re.compile(r"\d{4}-\d\d-\d\d/\d\d-\d\d-\d\d\.\d{6}Z")
"""strptime takes less than six digits too."""


def folder_of(name: str) -> Path:
    """The folder of a live path ("/cam"), relative to that of all recordings."""
    return Path(*[_component(each) for each in name.split("/") if each] or ["%2F"])


def place_of(name: str, start: float, suffix: str) -> Path:
    """A segment's file, relative to the folder of all recordings; `start` in Unix seconds."""
    began = datetime.fromtimestamp(start, UTC)
    return folder_of(name) / began.strftime(_DAY) / f"{began.strftime(_TIME)}{suffix}"


def name_of(place: Path) -> str:
    """The live path that a segment's file belongs to, as `place_of` gave it."""
    parts = (unquote(part, errors="surrogatepass") for part in place.parent.parent.parts)
    return "/" + "/".join(parts).removeprefix("/")


def start_of(place: Path) -> float | None:
    """When a segment begins, in Unix seconds, by its file's name; None where it is no segment's."""
    text = f"{place.parent.name}/{place.stem}"
    if place.suffix.lower() not in RECORDING_SUFFIXES or not _LOOKS_LIKE.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, f"{_DAY}/{_TIME}").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def find_files(folder: Path, name: str | None = None) -> Iterator[Path]:
    """All segments' files in a folder, or those of one live path, relative to the folder."""
    where = "*/*" if name is not None else "**/*"
    for path in (folder / (folder_of(name) if name is not None else "")).glob(where):
        place = path.relative_to(folder)
        if len(place.parts) > 2 and start_of(place) is not None and path.is_file():
            yield place


def _component(text: str) -> str:
    quoted = quote(text, safe="", errors="surrogatepass")
    if not quoted.strip("."):
        quoted = quoted.replace(".", "%2E")
    if len(quoted) > MAX_COMPONENT:
        digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_DIGITS]
        quoted = f"{quoted[:MAX_COMPONENT]}~{digest}"
    return quoted
