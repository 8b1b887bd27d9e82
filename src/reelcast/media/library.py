"""A folder of media files as URL paths, and the way from a URL back to a file, never out of the folder.

What a client may name is a regular file with a media suffix, below the root, with no hidden name on the way.
Names are judged before the file system sees them, and where they lead after all links were followed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from reelcast.errors import MediaError
from reelcast.media.demux import MEDIA_SUFFIXES

__all__ = ["MAX_DEPTH", "MAX_ENTRIES", "MAX_FILES", "Library"]

MAX_FILES = 10_000
"""Files listed; a request finds the others all the same."""
MAX_ENTRIES = 200_000
"""Names looked at for a list: a second or two of work."""
MAX_DEPTH = 32
"""Segments of a path; deeper folders are no one's library."""
MAX_NAME_BYTES = 255
"""What file systems take as one name."""

_FORBIDDEN = frozenset("/\\\0:" if os.name == "nt" else "/\\\0")
"""Characters that lead elsewhere. On Windows the colon names a drive or a stream beside the file."""


class Library:
    """The media files below `root`; MediaError where that is no folder."""

    def __init__(self, root: Path) -> None:
        try:
            self._root = root.resolve(strict=True)
        except (OSError, RuntimeError, ValueError) as error:
            raise MediaError(f"{root}: cannot be served: {error}") from error
        if not self._root.is_dir():
            raise MediaError(f"{root}: not a folder")

    @property
    def root(self) -> Path:
        """The folder, absolute and with links followed."""
        return self._root

    def paths(self) -> list[str]:
        """URL paths of the files, relative to the library's own, percent-encoded (RFC 3986), sorted.

        Links to folders are not followed here (they may go in circles), links to files are.
        """
        found = islice(self._files(), MAX_FILES)
        return sorted("/".join(quote(name, safe="") for name in segments) for segments in found)

    def find(self, segments: Sequence[str]) -> Path | None:
        """The file that percent-decoded path segments name; None where there is none to be served.

        The path returned is absolute and has no link in it.
        """
        if not 0 < len(segments) <= MAX_DEPTH or not all(map(_is_plain, segments)):
            return None
        if Path(segments[-1]).suffix.lower() not in MEDIA_SUFFIXES:
            return None
        try:
            path = self._root.joinpath(*segments).resolve(strict=True)
            # A FIFO or a device would keep its reader waiting.
            if path.is_relative_to(self._root) and path.is_file():
                return path
        except (OSError, RuntimeError, ValueError):
            # Missing, not ours to read, or links in a circle: all the same to who asks.
            pass
        return None

    def _files(self) -> Iterator[tuple[str, ...]]:
        """The segments of each file that would be found."""
        seen = 0
        for folder, folders, files in os.walk(self._root):
            above = Path(folder).relative_to(self._root).parts
            # os.walk goes into what is left in its list.
            folders[:] = sorted(filter(_is_plain, folders)) if len(above) < MAX_DEPTH - 1 else []
            seen += len(folders) + len(files)
            if seen > MAX_ENTRIES:
                return
            for name in sorted(files):
                if self.find((*above, name)) is not None:
                    yield *above, name


def _is_plain(name: str) -> bool:
    """Whether a name stands for itself: text, not empty, not hidden, not "..", no separator in it."""
    if not name or name.startswith(".") or not _FORBIDDEN.isdisjoint(name):
        return False
    try:
        return len(name.encode()) <= MAX_NAME_BYTES
    except UnicodeEncodeError:
        return False
