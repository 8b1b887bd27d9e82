"""One door to media files: whatever the container, a Demuxer hands out tracks and access units.

Rules every Demuxer keeps:

- Times are whole units of the track's clock; 0 is NPT 0, the container's start. Units before it (decoding
  times of B-frames, AAC priming) stay negative.
- dts rises strictly within a track and never leaps: what a file gets wrong is repaired before anyone sees it.
- Everything blocks: a caller with an event loop runs it in a thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from reelcast.errors import MediaError
from reelcast.media.mjpeg import MJPEG_SUFFIXES, MjpegDemuxer, is_mjpeg
from reelcast.media.pcr_index import find_framing
from reelcast.media.whole_ts import WholeTsDemuxer
from reelcast.track import AccessUnit, Track

__all__ = ["MEDIA_SUFFIXES", "Demuxer", "open_demuxer"]

MEDIA_SUFFIXES = MJPEG_SUFFIXES | {
    *(
        ".264",
        ".h264",
        ".265",
        ".h265",
        ".hevc",
        ".ivf",
        ".avi",
        ".flv",
        ".mkv",
        ".webm",
        ".ogv",
        ".mpg",
        ".mpeg",
    ),
    *(".mp4", ".m4v", ".mov", ".3gp", ".ts", ".m2ts", ".mts"),
    *(".aac", ".mp2", ".mp3", ".m4a", ".mka", ".ogg", ".oga", ".opus", ".flac"),
    *(".wav", ".w64", ".aif", ".aiff", ".au", ".caf"),
}
"""Lower-case file name endings that the library offers; what is inside decides how a file is read."""


class Demuxer(Protocol):
    """A media file, open for reading.

    tracks      those that can be carried over RTP, with payload type and control set
    duration    seconds, None where unknown
    """

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks served; the index of a unit counts in this tuple."""
        ...

    @property
    def duration(self) -> float | None:
        """Seconds from NPT 0 to the end of the last unit, None where unknown."""
        ...

    def seek(self, seconds: float) -> None:
        """Go to the last keyframe of the first video track at or before NPT `seconds`.

        Audio goes on from that place or earlier. A time before the start is the start. Of a file without
        video the first track leads. Raises MediaError where the file cannot be read any more.
        """
        ...

    def units(self) -> Iterator[tuple[int, AccessUnit]]:
        """(track index, unit) from the present place to the end, in file order.

        Raises MediaError only where nothing at all can be read; broken units on the way are skipped.
        """
        ...

    def close(self) -> None:
        """Let go of the file; closing twice does nothing."""
        ...


def open_demuxer(path: Path, *, whole_ts: bool = False) -> Demuxer:
    """Open a media file, its reader chosen by what the file holds; `whole_ts` keeps transport streams whole.

    Raises MediaError, in one line for a person, where the file is missing, not a regular file, broken, or
    holds no track that can be carried.
    """
    try:
        # Before anything opens it: opening a FIFO would wait for its writer.
        if not path.is_file():
            raise MediaError(f"{path}: {'not a regular file' if path.exists() else 'no such file'}")
        if not path.stat().st_size:
            raise MediaError(f"{path}: is empty")
        if is_mjpeg(path):
            return MjpegDemuxer(path)
        framing = find_framing(path) if whole_ts else None
        if framing is not None:
            return WholeTsDemuxer(path, framing)
    except (OSError, ValueError) as error:
        raise MediaError(f"{path}: {error}") from error
    # PyAV costs a tenth of a second to load; a folder of classroom movies never needs it.
    from reelcast.media.container import ContainerDemuxer

    return ContainerDemuxer(path)
