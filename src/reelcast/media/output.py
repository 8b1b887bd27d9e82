"""A container on disk that is being written, and can be played at any moment of it.

What is written goes to disk by whole fragments (MP4, MOV), clusters (Matroska) or packets (MPEG-TS), so that a
process that is killed leaves a file that plays to its last second. MP4 becomes an ordinary one, with one index,
when it is closed.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import av.error
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from reelcast.errors import MediaError
from reelcast.media.plain_samples import TELEPHONY
from reelcast.media.reader import reason_of
from reelcast.track import AccessUnit, Codec, Track

__all__ = [
    "FRAGMENT_SECONDS",
    "INTERLEAVE_SECONDS",
    "RECORDING_SUFFIXES",
    "Output",
    "check_path",
    "check_place",
    "check_tracks",
    "held_as",
    "plays_with_all",
]

_BUFFER_BYTES: Final = 1 << 20
"""Of libavformat: most fragments fit, and are handed over in one piece."""
FRAGMENT_SECONDS: Final = 1.0
"""What a crash may cost, however far keyframes are apart."""
INTERLEAVE_SECONDS: Final = 1.0
"""A track that is silent holds the others back no longer."""
_COMMON: Final = {
    "flush_packets": "1",
    "max_interleave_delta": f"{INTERLEAVE_SECONDS * 1e6:.0f}",
}
_MP4: Final = {
    # The description waits for the first fragment, which knows how far decoding is ahead (delay_moov).
    "movflags": "hybrid_fragmented+frag_keyframe+delay_moov+default_base_moof",
}
_MICROSECONDS: Final = ("frag_duration", 1e6)
_MILLISECONDS: Final = ("cluster_time_limit", 1e3)


@dataclass(frozen=True, slots=True)
class _Format:
    """A container: libavformat's name, the codecs that it holds, options of libavformat, tags of codecs.

    fragment   the option that says how long a fragment is, and how many of its units make a second
    """

    name: str
    codecs: frozenset[Codec]
    options: dict[str, str] = field(default_factory=dict)
    tags: dict[Codec, str] = field(default_factory=dict)
    fragment: tuple[str, float] | None = None


# QuickTime and Safari play H.265 by this tag alone.
_HVC1: Final[dict[Codec, str]] = {"h265": "hvc1"}
_FORMATS: Final = {
    ".mp4": _Format(
        "mp4",
        frozenset({"h264", "h265", "vp9", "av1", "jpeg", "aac", "opus", "mpa", "l16"}),
        _MP4,
        _HVC1,
        _MICROSECONDS,
    ),
    ".mov": _Format(
        "mov",
        frozenset({"h264", "h265", "jpeg", "aac", "mpa", "l16", "pcmu", "pcma"}),
        _MP4,
        _HVC1,
        _MICROSECONDS,
    ),
    ".mkv": _Format(
        "matroska",
        frozenset({"h264", "h265", "vp8", "vp9", "av1", "jpeg", "aac", "opus", "mpa", "l16"}),
        fragment=_MILLISECONDS,
    ),
    ".webm": _Format("webm", frozenset({"vp8", "vp9", "av1", "opus"}), fragment=_MILLISECONDS),
    ".ts": _Format("mpegts", frozenset({"h264", "h265", "aac", "opus", "mpa"})),
}
RECORDING_SUFFIXES: Final = tuple(_FORMATS)
"""Lower-case file name endings of what can be recorded."""


def held_as(suffix: str, codec: Codec) -> Codec | None:
    """The codec by which a container holds tracks of `codec`: itself, L16 (see `plain_samples`), or None."""
    codecs = _FORMATS[suffix].codecs
    if codec in codecs:
        return codec
    return "l16" if codec in TELEPHONY and "l16" in codecs else None


def plays_with_all(suffix: str) -> bool:
    """Whether a file that is being written plays only from when something of each of its tracks came."""
    return _FORMATS[suffix].options is _MP4


def check_place(path: Path) -> None:
    """MediaError where a file of this name could not be made: for want of its folder, or it is one itself."""
    if not path.absolute().parent.is_dir():
        raise MediaError(f"{path}: there is no folder {path.parent}")
    if path.is_dir():
        raise MediaError(f"{path}: is a folder; choose another name")


def check_path(path: Path) -> None:
    """MediaError where no recording can be written under this name; to be asked before anything comes."""
    if path.suffix.lower() not in _FORMATS:
        given = f"not {path.suffix}" if path.suffix else "give the file such a name"
        raise MediaError(f"{path}: a recording is {_listed(RECORDING_SUFFIXES)}: {given}")
    check_place(path)
    if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise MediaError(f"{path}: cannot be written; choose another place")


def check_tracks(path: Path, tracks: Sequence[Track]) -> None:
    """MediaError where a file of this name cannot hold these tracks; says what to use instead."""
    if not tracks:
        raise MediaError(f"{path}: there is no track to record")
    suffix = path.suffix.lower()
    for track in tracks:
        if held_as(suffix, track.codec) is None:
            others = [other for other in _FORMATS if all(held_as(other, each.codec) for each in tracks)]
            instead = f"record to {_listed(others)}" if others else "leave that track out"
            raise MediaError(f"{path}: {suffix} cannot hold {track.codec} {track.kind}: {instead}")


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


class Output:
    """A file being written, over one that may be there.

    Raises MediaError, here and at each call, where the file cannot be written; what is on disk by then plays.
    """

    def __init__(self, path: Path, fragment_seconds: float = FRAGMENT_SECONDS) -> None:
        self._path = path
        self._format = _FORMATS[path.suffix.lower()]
        options = {**_COMMON, **self._format.options}
        if self._format.fragment is not None:
            option, units = self._format.fragment
            options[option] = f"{fragment_seconds * units:.0f}"
        try:
            self._sink = _Sink(path)
        except (OSError, ValueError) as error:
            raise MediaError(f"{path}: cannot be written: {reason_of(error)}") from error
        self._container = av.open(
            self._sink,
            "w",
            format=self._format.name,
            container_options=options,
            buffer_size=_BUFFER_BYTES,
        )
        self._streams: list[Stream] = []
        self.skipped = 0
        """Units that the container would not take."""

    @property
    def written(self) -> int:
        """Bytes on disk."""
        return self._sink.size

    def add(self, track: Track, source: VideoStream | AudioStream) -> int:
        """Announce a track, before the first `put`; returns its number. `source` is a `template` of it."""
        stream = self._container.add_stream_from_template(source, opaque=True)
        stream.time_base = Fraction(1, track.clock_rate)
        if isinstance(stream, AudioStream):
            # As read, it is some channels in no order, which MP4 cannot say.
            stream.codec_context.layout = f"{stream.codec_context.channels}c"
        if track.codec in self._format.tags:
            stream.codec_context.codec_tag = self._format.tags[track.codec]
        self._streams.append(stream)
        return len(self._streams) - 1

    def put(self, number: int, unit: AccessUnit, time_base: Fraction) -> None:
        """Write a unit of a track; pts, dts and duration in units of `time_base`, dts rising strictly."""
        packet: Packet[Stream] = Packet(unit.data)
        packet.stream = self._streams[number]
        packet.pts, packet.dts, packet.time_base = unit.pts, unit.dts, time_base
        packet.duration = unit.duration
        packet.is_keyframe = unit.keyframe
        self._attempt(lambda: self._container.mux_one(packet))

    def close(self) -> None:
        """Finish the file; nothing is left of one into which nothing was written."""
        try:
            self._attempt(self._container.close)
        finally:
            self._sink.close()
            if not self._sink.size:
                self._path.unlink(missing_ok=True)

    def abandon(self) -> None:
        """Let go of a file that cannot be written any more; what is there can be played."""
        with suppress(MediaError):
            self.close()

    def _attempt(self, write: Callable[[], None]) -> None:
        """Let libavformat write, and bring to disk what it wrote; a unit that is broken stops neither."""
        try:
            write()
        except (av.error.FFmpegError, OSError, ValueError):
            self.skipped += 1
        self._sink.sync()
        if self._sink.failure is not None:
            rest = "; what is there can be played" if self._path.exists() else ""
            raise MediaError(f"{self._path}: recording stopped: {reason_of(self._sink.failure)}{rest}")


class _Sink:
    """The file under libavformat's buffer. What is written waits for `sync`: a fragment goes to disk whole.

    After a failure nothing is written any more: the end of an MP4 turns its beginning over, and half of that
    would spoil what is there. libavformat is not told, for it would only be in the way.

    size      bytes on disk
    failure   why nothing is written any more
    """

    def __init__(self, path: Path) -> None:
        self.size = 0
        self.failure: OSError | None = None
        self._path = path
        self._file = path.open("wb", buffering=0)
        self._waiting = bytearray()

    @property
    def closed(self) -> bool:
        """PyAV asks, before it would end a file that it was not told to end."""
        return self._file.closed

    def write(self, data: bytes) -> int:
        """Take what libavformat writes."""
        if self.failure is None:
            self._waiting += data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go elsewhere in the file, with what waits behind.

        This is how a file ends: its beginning is turned over, and refers to what was written last. Should the
        power fail between the two, a beginning that refers to nothing would cost the whole file; so one waits
        for the other, once a file. Nothing else waits for the platter: a process that dies loses nothing by it.
        """
        self.sync()
        self._settle()
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The place in the file at which the next byte is written."""
        return self._file.tell() + len(self._waiting)

    def sync(self) -> None:
        """Bring to disk what waits, or nothing of it."""
        if not self._waiting:
            return
        start = self._file.tell()
        try:
            while self._waiting:
                del self._waiting[: self._file.write(self._waiting)]
            self.size = max(self.size, self._file.tell())
            if self._is_gone():
                raise FileNotFoundError(errno.ENOENT, "somebody has removed the file")
        except OSError as error:
            self.failure = error
            self._waiting.clear()
            with suppress(OSError):
                self._file.truncate(max(start, self.size))

    def _is_gone(self) -> bool:
        """Whether the file has no name any more: what is written to it is lost when it is closed."""
        here = os.fstat(self._file.fileno())
        if here.st_nlink:
            return False
        try:  # some file systems count no links
            return not os.path.samestat(here, self._path.stat())
        except OSError:
            return True

    def close(self) -> None:
        """Close the file, when it is where no loss of power can harm it."""
        self._settle()
        self._file.close()

    def _settle(self) -> None:
        if self.failure is None and not self._file.closed:
            with suppress(OSError):  # what is no file on a disk cannot settle
                os.fsync(self._file.fileno())
