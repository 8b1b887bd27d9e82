"""What is kept: the oldest segments make room for what is recorded."""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from dataclasses import dataclass

from reelcast.archive.index import Index, Segment
from reelcast.errors import MediaError

__all__ = ["Retention", "sweep"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What of the recordings of a folder is kept; None and 0 are no bound.

    keep_seconds    age from which on a segment of a path is removed
    keep_bytes      of all segments of a path
    total_bytes     of all segments of the folder
    reserve_bytes   that are to stay free on the disk: for these, segments of any path in the folder are removed
    """

    keep_seconds: float | None = None
    keep_bytes: int | None = None
    total_bytes: int | None = None
    reserve_bytes: int = 0


def sweep(index: Index, name: str, retention: Retention, now: float) -> int:
    """Remove what need not be kept of a live path, and of its whole folder; returns how many segments.

    The oldest go first, and what is being written never goes. `now` is in Unix seconds. Raises MediaError where
    the index cannot be read or written, or the disk is gone.
    """
    removed = 0
    if retention.keep_seconds is not None:
        while (oldest := _first(index, name)) and oldest.end < now - retention.keep_seconds:
            removed += _remove(index, oldest)
    if retention.keep_bytes is not None:
        while index.size(name) > retention.keep_bytes and (oldest := _first(index, name)):
            removed += _remove(index, oldest)
    if retention.total_bytes is not None:
        while index.size() > retention.total_bytes and (oldest := _first(index)):
            removed += _remove(index, oldest)
    while _free(index) < retention.reserve_bytes and (oldest := _first(index)):
        removed += _remove(index, oldest)
    return removed


def _first(index: Index, name: str | None = None) -> Segment | None:
    return next(iter(index.oldest(name)), None)


def _free(index: Index) -> int:
    try:
        return shutil.disk_usage(index.folder).free
    except OSError as error:
        raise MediaError(f"{index.folder}: {error.strerror}") from error


def _remove(index: Index, segment: Segment) -> int:
    """The file goes first: that makes room even where the index has none to be written in."""
    with suppress(OSError):
        segment.path.unlink(missing_ok=True)
    index.drop(segment)
    log.info("%s: removed, to make room", segment.path)
    for folder in segment.path.relative_to(index.folder).parents[:-1]:
        # Those with something in them stay.
        with suppress(OSError):
            (index.folder / folder).rmdir()
    return 1
