"""The JPEG images of a file as they are in it, in order, for who sends them whole."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from reelcast.errors import MediaError
from reelcast.media.demux import open_demuxer
from reelcast.track import AccessUnit

__all__ = ["JpegFrames"]


class JpegFrames:
    """One pass through a JPEG track. Blocking: called from a thread, one at a time.

    path     of the file
    track    the first JPEG track of it
    """

    def __init__(self, path: Path) -> None:
        """Open the file; raises MediaError where it cannot be read, or holds no JPEG images."""
        self.path = path
        self._demuxer = open_demuxer(path)
        track = next((at for at, one in enumerate(self._demuxer.tracks) if one.codec == "jpeg"), None)
        if track is None:
            self._demuxer.close()
            raise MediaError(f"{path}: not a movie of JPEG images")
        self.track = self._demuxer.tracks[track]
        self._units: Iterator[AccessUnit] = (unit for at, unit in self._demuxer.units() if at == track)
        self._lock = threading.Lock()
        self._closing = False

    def read(self, count: int, size: int) -> list[tuple[float, bytes]]:
        """The next images, each with its time in seconds; none at the end, and when closed.

        As many as `count`, and no more once they have `size` bytes together. Raises MediaError.
        """
        found: list[tuple[float, bytes]] = []
        try:
            with self._lock:
                while not self._closing and len(found) < count and size > 0:
                    unit = next(self._units, None)
                    if unit is None:
                        break
                    found.append((unit.dts / self.track.clock_rate, unit.data))
                    size -= len(unit.data)
        finally:
            # Who closed meanwhile did not wait.
            if self._closing:
                self.close()
        return found

    def close(self) -> None:
        """Close the file without waiting: where it is being read, whoever reads it closes it."""
        self._closing = True
        if self._lock.acquire(blocking=False):
            try:
                self._demuxer.close()
            finally:
                self._lock.release()
