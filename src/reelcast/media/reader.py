"""Packets out of a file by PyAV: opened with limits, read past errors, put back when read too early."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from reelcast.errors import MediaError
from reelcast.rtp.payload.base import MAX_UNIT_BYTES

__all__ = ["MAX_FAILURES", "READ_ERRORS", "PacketReader", "reason_of"]

READ_ERRORS = (av.error.FFmpegError, OSError, ValueError, IndexError)
"""What PyAV raises on broken files; IndexError (PyAV 18) at the end of one where streams appeared late."""
MAX_FAILURES = 32
"""Read errors in a row after which the rest of a file is given up."""

_OPTIONS = {
    # Formats that hold their media themselves: a playlist or a session description would name other files and
    # hosts for us to fetch.
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,avi,wav,w64,aiff,au,flac,mp3,ogg,"
    "flv,asf,h264,hevc,aac,mxf,nut,ivf,caf",
    "protocol_whitelist": "file",
    "fflags": "+genpts+discardcorrupt",
    # Bytes and microseconds read to learn about the streams: libavformat's own defaults, made ours.
    "probesize": "5000000",
    "analyzeduration": "5000000",
}
_TIMEOUT_SECONDS = 10.0
"""A file that keeps libavformat busy longer, at opening or for one packet, is given up."""


class PacketReader:
    """The packets of all streams in file order.

    Raises MediaError where the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._put_back: deque[Packet[Stream]] = deque()
        self._failures = 0
        self.failure: Exception | None = None
        """The last error met in reading; None where there was none."""
        self._container = self._open()
        self.formats = frozenset(self._container.format.name.split(","))
        """libavformat's names of the format."""
        self._packets = self._demux()

    @property
    def container(self) -> InputContainer:
        """The file as PyAV has it; another object after `rewind`."""
        return self._container

    def read(self) -> Packet[Stream] | None:
        """The next packet that holds data; None at the end, or where too many errors come in a row."""
        if self._put_back:
            return self._put_back.popleft()
        while self._failures < MAX_FAILURES:
            try:
                packet = next(self._packets, None)
            except READ_ERRORS as error:
                self.failure = error
                # A second wait of that length is not tried.
                self._failures += MAX_FAILURES if isinstance(error, av.error.ExitError) else 1
                self._packets = self._demux()
                continue
            self._failures = 0
            # The packets without data that PyAV adds at the end are meant for decoders.
            if packet is None or 0 < packet.size <= MAX_UNIT_BYTES:
                return packet
        return None

    def put_back(self, packets: Iterable[Packet[Stream]]) -> None:
        """Have these packets read first, before what waits already."""
        self._put_back.extendleft(reversed(list(packets)))

    def seek(self, offset: int, stream: int | None = None) -> bool:
        """Go to a time in a stream's time base, or to a byte where none is given; False if that fails."""
        self._forget()
        try:
            if stream is None:
                self._container.seek(offset, unsupported_byte_offset=True)
            else:
                self._container.seek(offset, stream=self._container.streams[stream])
        except (*READ_ERRORS, OverflowError):
            return False
        finally:
            self._packets = self._demux()
        return True

    def rewind(self) -> None:
        """Go to the very start, by opening the file again: the one way that every format knows.

        Raises MediaError where the file is no longer the one that was opened first.
        """
        before = _outline(self._container)
        self.close()
        self._container = self._open()
        self._packets = self._demux()
        if _outline(self._container) != before:
            self.close()
            raise MediaError(f"{self._path}: the file was replaced while it was read; open it again")

    def close(self) -> None:
        """Close the file; what is read after it is the end of the file."""
        self._forget()
        self._packets = iter(())
        self._container.close()

    def _forget(self) -> None:
        self._put_back.clear()
        self._failures = 0

    def _demux(self) -> Iterator[Packet[Stream]]:
        return self._container.demux()

    def _open(self) -> InputContainer:
        try:
            return av.open(
                str(self._path.absolute()),
                options=dict(_OPTIONS),
                metadata_errors="replace",
                timeout=_TIMEOUT_SECONDS,
            )
        except READ_ERRORS as error:
            raise MediaError(f"{self._path}: cannot be read: {reason_of(error)}") from error


def reason_of(error: Exception) -> str:
    """An error of PyAV in a few words, without the path that it repeats."""
    return str(getattr(error, "strerror", None) or error) or type(error).__name__


def _outline(container: InputContainer) -> list[str]:
    return [
        stream.codec_context.codec.canonical_name if stream.codec_context is not None else stream.type
        for stream in container.streams
    ]
