"""Motion JPEG files: the classroom's `.Mjpeg`, and plain JPEG images one after the other.

The classroom format (Kurose and Ross' RTSP assignment) puts five ASCII decimal digits, the image's length
in bytes, in front of each JPEG. Plain files are cut at the markers of ITU-T T.81 annex B: segments are passed
over by their length (a thumbnail in an APP segment is no frame), entropy-coded data to the next true marker.
Neither has timestamps: frame n is shown at n / frame_rate. An index of the frames is built when a file is
opened, in bounded reads; images are read one at a time.
"""

from __future__ import annotations

import logging
import re
from array import array
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from reelcast.errors import MediaError
from reelcast.track import AccessUnit, Track

__all__ = [
    "MAX_CLASSROOM_FRAME",
    "MAX_FRAMES",
    "MAX_FRAME_BYTES",
    "MJPEG_SUFFIXES",
    "MjpegDemuxer",
    "frame_size",
    "is_mjpeg",
    "write_frames",
]

MJPEG_SUFFIXES = frozenset({".mjpeg", ".mjpg"})
"""Lower-case endings of the files this module reads."""

MAX_CLASSROOM_FRAME = 99_999
"""Bytes of an image that five digits can announce."""
MAX_FRAMES = 5_000_000
"""Frames in an index: 55 hours at 25 a second, 80 MB of memory."""

MAX_FRAME_BYTES = 1 << 24
"""Longest image taken: the fragment offset of RFC 2435 has 24 bits."""

_CLOCK_RATE = 90_000
_PAYLOAD_TYPE = 26  # RFC 3551 section 6
_LENGTH_DIGITS = 5
_SHORTEST_FRAME = 4
_SOI = b"\xff\xd8"
_EOI_CODE = 0xD9
_SOI_CODE = 0xD8
_SOS_CODE = 0xDA
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
"""Marker codes without a length: TEM and the restart markers."""
_SOF_CODES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Start-of-frame markers; DHT, JPG and DAC stand among them without being one."""
_START_OF_IMAGE = re.compile(_SOI)
_NEXT_MARKER = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")
"""What ends entropy-coded data: neither a stuffed zero nor a restart marker behind the 0xFF."""
_CHUNK = 256 * 1024
_logger = logging.getLogger(__name__)


class MjpegDemuxer:
    """A Demuxer of one JPEG track; every frame is a keyframe.

    `frame_rate` is in frames a second. Raises MediaError where the file cannot be read or holds no image.
    """

    def __init__(self, path: Path, frame_rate: float = 25.0) -> None:
        if not 0 < frame_rate <= 1000:
            raise MediaError(f"{path}: a frame rate of {frame_rate:g} is not possible")
        self._path = path
        self._ticks = Fraction(_CLOCK_RATE) / Fraction(frame_rate).limit_denominator(1001)
        self._next = 0
        try:
            self._file = path.open("rb")
        except (OSError, ValueError) as error:
            raise MediaError(f"{path}: {error}") from error
        try:
            self._offsets, self._sizes = _build_index(self._file, path)
            first = self._read(0)
        except (OSError, MediaError) as error:
            self._file.close()
            raise error if isinstance(error, MediaError) else MediaError(f"{path}: {error}") from error
        self._track = self._describe(first, frame_rate)

    def _describe(self, first: bytes, frame_rate: float) -> Track:
        width, height = frame_size(first)
        return Track(
            kind="video",
            codec="jpeg",
            clock_rate=_CLOCK_RATE,
            payload_type=_PAYLOAD_TYPE,
            width=width,
            height=height,
            frame_rate=frame_rate,
            bit_rate=round(8 * sum(self._sizes) * frame_rate / len(self._sizes)),
            control="trackID=1",
        )

    @property
    def tracks(self) -> tuple[Track, ...]:
        """One track of JPEG images."""
        return (self._track,)

    @property
    def duration(self) -> float:
        """Seconds: frames divided by the frame rate."""
        return float(len(self._offsets) * self._ticks / _CLOCK_RATE)

    def seek(self, seconds: float) -> None:
        """Go to the last frame that is shown at or before NPT `seconds`."""
        # A frame's time is rounded to the clock, and so is the request: a frame is found by its own pts.
        wanted = round(max(seconds, 0.0) * _CLOCK_RATE) + Fraction(1, 2)
        self._next = min(int(wanted / self._ticks), len(self._offsets) - 1)

    def units(self) -> Iterator[tuple[int, AccessUnit]]:
        """The frames from the present place on, with track index 0."""
        while self._next < len(self._offsets):
            number = self._next
            self._next += 1
            try:
                data = self._read(number)
            except (OSError, ValueError) as error:
                _logger.warning("%s: reading stopped at frame %d: %s", self._path, number, error)
                return
            if len(data) < self._sizes[number]:
                _logger.warning("%s: the file has become shorter; stopped at frame %d", self._path, number)
                return
            pts = round(number * self._ticks)
            yield 0, AccessUnit(data, pts, pts, True, round((number + 1) * self._ticks) - pts)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, number: int) -> bytes:
        self._file.seek(self._offsets[number])
        return self._file.read(self._sizes[number])


def is_mjpeg(path: Path) -> bool:
    """Whether a file starts like one of the two kinds read here; OSError where it cannot be opened."""
    with path.open("rb") as file:
        head = file.read(_LENGTH_DIGITS + len(_SOI))
    return head.startswith(_SOI) or _announced_length(head) is not None


def frame_size(jpeg: bytes) -> tuple[int, int]:
    """Width and height in pixels from an image's frame header (T.81 B.2.2); (0, 0) where it has none."""
    at = len(_SOI)
    while at + 9 <= len(jpeg) and jpeg[at] == 0xFF:
        code = jpeg[at + 1]
        if code in _SOF_CODES:
            return int.from_bytes(jpeg[at + 7 : at + 9]), int.from_bytes(jpeg[at + 5 : at + 7])
        if code == 0xFF:
            at += 1
        elif code in _STANDALONE:
            at += 2
        else:
            at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    return 0, 0


def write_frames(path: Path, frames: Iterable[bytes]) -> int:
    """Write JPEG images in the classroom format; returns how many.

    Raises MediaError where an image is longer than five digits can say, or the file cannot be written.
    """
    count = 0
    try:
        with path.open("wb") as file:
            for frame in frames:
                if len(frame) > MAX_CLASSROOM_FRAME:
                    raise MediaError(
                        f"frame {count} has {len(frame)} bytes; the classroom format ends at"
                        f" {MAX_CLASSROOM_FRAME}: make it smaller or lower its quality"
                    )
                file.write(b"%05d" % len(frame))
                file.write(frame)
                count += 1
    except OSError as error:
        raise MediaError(f"{path}: {error}") from error
    return count


def _announced_length(head: bytes) -> int | None:
    """The length in front of a classroom image; None where the bytes are no length followed by an image."""
    digits = head[:_LENGTH_DIGITS]
    if len(digits) < _LENGTH_DIGITS or not digits.isdigit() or head[_LENGTH_DIGITS:] != _SOI:
        return None
    return int(digits) if int(digits) >= _SHORTEST_FRAME else None


def _build_index(file: BinaryIO, path: Path) -> tuple[array[int], array[int]]:
    """Offset and size in bytes of every whole frame."""
    window = _Window(file)
    classroom = _announced_length(window.read(0, _LENGTH_DIGITS + len(_SOI))) is not None
    offsets, sizes = array("Q"), array("L")
    for offset, size in (_classroom_frames if classroom else _plain_frames)(window, path):
        if len(offsets) == MAX_FRAMES:
            _logger.warning("%s: only the first %d frames are served", path, MAX_FRAMES)
            break
        offsets.append(offset)
        sizes.append(size)
    if not offsets:
        raise MediaError(f"{path}: no whole JPEG image in it")
    return offsets, sizes


def _classroom_frames(window: _Window, path: Path) -> Iterator[tuple[int, int]]:
    at = 0
    while head := window.read(at, _LENGTH_DIGITS + len(_SOI)):
        size = _announced_length(head)
        if size is None:
            _logger.warning("%s: no length and JPEG at byte %d; the rest is left out", path, at)
            return
        at += _LENGTH_DIGITS
        if not window.read(at + size - 1, 1):
            _logger.warning("%s: the last frame is cut short and left out", path)
            return
        yield at, size
        at += size


def _plain_frames(window: _Window, path: Path) -> Iterator[tuple[int, int]]:
    left_out = 0
    start = window.search(_START_OF_IMAGE, 0)
    while start is not None:
        end, whole = _image_end(window, start)
        if whole and end - start <= MAX_FRAME_BYTES:
            yield start, end - start
        else:
            left_out += 1
        # A broken image is never walked again from its middle: the search goes on where the walk ended, so
        # that a hostile file costs one pass.
        start = window.search(_START_OF_IMAGE, end)
    if left_out:
        _logger.warning("%s: left out what is no whole image of at most 16 MiB: %d places", path, left_out)


def _image_end(window: _Window, start: int) -> tuple[int, bool]:
    """Where the image that starts at `start` ends, and whether it ends with EOI."""
    at = start + len(_SOI)
    while len(marker := window.read(at, 4)) >= 2 and marker[0] == 0xFF:
        code = marker[1]
        if code == _EOI_CODE:
            return at + 2, True
        if code == _SOI_CODE:
            return at, False
        if code == 0xFF:
            at += 1
        elif code in _STANDALONE:
            at += 2
        else:
            at += 2 + max(2, int.from_bytes(marker[2:4]))
            if code == _SOS_CODE:
                found = window.search(_NEXT_MARKER, at)
                if found is None:
                    return at, False
                at = found
    return at, False


class _Window:
    """A file seen through one chunk at a time, so that an index needs little memory and few system calls."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._start = 0
        self._chunk = b""

    def read(self, at: int, count: int) -> bytes:
        """Up to `count` bytes from `at`, fewer at the end of the file; `count` is far below a chunk."""
        skip = at - self._start
        if not 0 <= skip <= len(self._chunk) - count:
            self._load(at)
            skip = 0
        return self._chunk[skip : skip + count]

    def search(self, pattern: re.Pattern[bytes], at: int) -> int | None:
        """Where a pattern that needs two bytes is found first, from `at` on."""
        while True:
            if not self._start <= at < self._start + len(self._chunk) - 1:
                self._load(at)
            if found := pattern.search(self._chunk, at - self._start):
                return self._start + found.start()
            if len(self._chunk) < _CHUNK:
                return None
            at = self._start + len(self._chunk) - 1

    def _load(self, at: int) -> None:
        self._file.seek(at)
        self._start = at
        self._chunk = self._file.read(_CHUNK)
