"""A transport stream as one track, its packets untouched, paced by its own clock (RFC 2250 section 2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reelcast.errors import MediaError
from reelcast.media.pcr_index import CLOCK, Framing, pcr_index
from reelcast.rtp.payload.mp2t import MAX_PACKETS, SYNC, TS_PACKET
from reelcast.track import AccessUnit, Track

__all__ = ["WholeTsDemuxer"]

_PAYLOAD_TYPE = 33


class WholeTsDemuxer:
    """A Demuxer whose units are seven packets each, counted from the file's start.

    A receiver finds its way into the stream wherever it begins, as with a broadcast: every unit is a place to
    start at. Raises MediaError where the file cannot be read, or has no clock.
    """

    def __init__(self, path: Path, framing: Framing) -> None:
        self._framing = framing
        self._index = pcr_index(path, framing)
        self._next = 0
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise MediaError(f"{path}: cannot be read: {error.strerror}") from error

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The stream."""
        bit_rate = 8 * TS_PACKET * self._index.packets * CLOCK // max(self._index.duration, 1)
        return (Track("video", "mp2t", CLOCK, _PAYLOAD_TYPE, bit_rate=bit_rate, control="trackID=1"),)

    @property
    def duration(self) -> float | None:
        """Seconds by the stream's clock."""
        return self._index.duration / CLOCK

    def seek(self, seconds: float) -> None:
        """Go to the last unit that is due at or before NPT `seconds`."""
        ticks = int(min(max(seconds, 0.0) * CLOCK, self._index.duration))
        last = max(self._index.packets - 1, 0) // MAX_PACKETS
        unit = min(self._index.packet_at(ticks) // MAX_PACKETS + 1, last)
        while unit and self._time(unit) > ticks:
            unit -= 1
        self._next = unit

    def units(self) -> Iterator[tuple[int, AccessUnit]]:
        """The units from the present place to the end; packets out of step are left out."""
        size = MAX_PACKETS * self._framing.stride
        while self._next * MAX_PACKETS < self._index.packets and not self._file.closed:
            unit = self._next
            self._next += 1
            self._file.seek(unit * size)
            rows = self._framing.rows(self._file.read(size))
            data = rows[rows[:, 0] == SYNC].tobytes()
            if data:
                due = self._time(unit)
                yield 0, AccessUnit(data, due, due, duration=self._time(unit + 1) - due)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _time(self, unit: int) -> int:
        return self._index.time(min(unit * MAX_PACKETS, self._index.packets))
