"""What the verb `record` writes to: one file, or a folder with a file for each minute or hour."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from reelcast.archive.index import Index
from reelcast.archive.spool import Taken
from reelcast.archive.writer import Writer
from reelcast.errors import MediaError
from reelcast.media.output import FRAGMENT_SECONDS, check_path, plays_with_all
from reelcast.media.record import Recorder
from reelcast.rtp.intake import ReceivedUnit
from reelcast.rtsp.url import RtspUrl
from reelcast.track import Track

__all__ = ["OneFile", "Segments", "Target", "check_file", "check_folder"]


class Target(Protocol):
    """Where to a stream is recorded; it blocks, as long as the disk takes. Raises MediaError where that is full.

    path       of the file, or of the folder
    skipped    units that the container would not take
    """

    path: Path

    @property
    def seconds(self) -> float:
        """Recorded so far."""

    @property
    def bytes(self) -> int:
        """Written so far."""

    @property
    def skipped(self) -> int:
        """Units that could not be written."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was recorded so far."""

    def take(self, received: ReceivedUnit, seconds: float) -> None:
        """Record a unit that is presented at `seconds`."""

    def close(self) -> None:
        """Finish what is being written."""


class OneFile:
    """See `Target`."""

    def __init__(self, path: Path, tracks: Sequence[Track]) -> None:
        self.path = path
        self._recorder = Recorder(path, tracks, silent=not plays_with_all(path.suffix.lower()))

    @property
    def seconds(self) -> float:
        """See `Target`."""
        return self._recorder.seconds

    @property
    def bytes(self) -> int:
        """See `Target`."""
        return self._recorder.bytes

    @property
    def skipped(self) -> int:
        """See `Target`."""
        return self._recorder.skipped

    @property
    def is_empty(self) -> bool:
        """See `Target`."""
        return not self._recorder.units

    def take(self, received: ReceivedUnit, seconds: float) -> None:
        """See `Target`."""
        self._recorder.write(received.track, received.unit, seconds)

    def close(self) -> None:
        """See `Target`."""
        self._recorder.close()


class Segments:
    """See `Target`. A folder as a server records into it, and plays it back."""

    def __init__(self, folder: Path, url: str, tracks: Sequence[Track], segment_seconds: float) -> None:
        self.path = folder
        self.skipped = 0
        self._tracks = tuple(tracks)
        self._index = Index(folder)
        name = "/" + "/".join(RtspUrl.parse(url).segments())
        self._index.recover(name)
        self._writer = Writer(
            name,
            self._index,
            suffix=".mp4",
            segment_seconds=segment_seconds,
            fragment_seconds=FRAGMENT_SECONDS,
        )

    @property
    def seconds(self) -> float:
        """See `Target`."""
        return self._writer.seconds

    @property
    def bytes(self) -> int:
        """See `Target`."""
        return self._writer.bytes

    @property
    def is_empty(self) -> bool:
        """See `Target`."""
        return not self._writer.segments

    def take(self, received: ReceivedUnit, seconds: float) -> None:
        """See `Target`."""
        self._writer.write(Taken(replace(received, pts=seconds), self._tracks, time.time()))
        self._writer.tell()

    def close(self) -> None:
        """See `Target`."""
        with self._index:
            self._writer.stop()


def check_file(path: Path, force: bool) -> None:
    """MediaError where no file can be written under this name, or where there is one and `force` is not said."""
    check_path(path)
    if path.exists() and not force:
        raise MediaError(f"{path}: is there already", advice="choose another name, or --force")


def check_folder(path: Path) -> None:
    """MediaError where this cannot be a folder; others may be recorded into it already."""
    if path.exists() and not path.is_dir():
        raise MediaError(f"{path}: is a file", advice="with --segment, name a folder")
