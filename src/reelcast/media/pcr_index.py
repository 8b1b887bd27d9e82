"""The clock of a transport stream: its program clock references (PCR), indexed by the packets they stand in.

A file is read through once, at about a gigabyte a second; what comes of it says of every packet when it is to be
sent, by interpolation between the references around it (ISO/IEC 13818-1 section 2.4.2.2).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelcast.errors import MediaError
from reelcast.rtp.payload.mp2t import SYNC, TS_PACKET

__all__ = ["Framing", "PcrIndex", "find_framing", "pcr_index"]

CLOCK = 90_000
"""Hz of the part of a PCR that is used; the 27 MHz part is below a tick."""
MAX_GAP_SECONDS = 10
"""Between two references; the standard has a tenth of a second, and what is more is a break in the recording."""
MIN_TICKS = 2 / 7
"""A packet lasts at least: RTP packets of seven then have rising times. It is 470 Mbit/s."""
KEPT_INDEXES = 16
"""Files whose index is kept: each holds two numbers for every tenth of a second at most."""

_PROBED = 5
"""Packets in a row that must begin as they should."""
_READ_PACKETS = 1 << 14
_WRAP = 1 << 33


@dataclass(frozen=True, slots=True)
class Framing:
    """How packets lie in a file: one every `stride` bytes, `offset` bytes in."""

    stride: int
    offset: int

    def rows(self, data: bytes) -> NDArray[np.uint8]:
        """The packets in some data, a row each; what is not whole at its end is left out."""
        whole = len(data) // self.stride * self.stride
        table = np.frombuffer(data[:whole], np.uint8).reshape(-1, self.stride)
        return table[:, self.offset : self.offset + TS_PACKET]


_FRAMINGS = (Framing(TS_PACKET, 0), Framing(192, 4), Framing(204, 0))
"""As it is; with the arrival times of Blu-ray and of cameras (.m2ts, .mts); with parity."""


def find_framing(path: Path) -> Framing | None:
    """How the packets lie in a file; None where it is no transport stream. Raises MediaError if unreadable."""
    try:
        with path.open("rb") as file:
            head = file.read(_PROBED * max(framing.stride for framing in _FRAMINGS))
    except OSError as error:
        raise MediaError(f"{path}: cannot be read: {error.strerror}") from error
    for framing in _FRAMINGS:
        starts = head[framing.offset :: framing.stride][:_PROBED]
        if len(starts) == _PROBED and starts.count(SYNC) == _PROBED:
            return framing
    return None


class PcrIndex:
    """When the packets of a transport stream are to be sent.

    packets    how many there are
    duration   of all of them, in ticks of 90 kHz
    """

    def __init__(self, packets: int, places: NDArray[np.int64], clock: NDArray[np.int64]) -> None:
        """`places` are the numbers of packets with a reference, `clock` what these say, at 90 kHz.

        Raises ValueError where they tell no rate.
        """
        counts = np.diff(places)
        steps = np.diff(clock) % _WRAP
        believed = (steps > 0) & (steps <= MAX_GAP_SECONDS * CLOCK)
        if not believed.any():
            raise ValueError("no two clock references that belong together")
        usual = float(np.median(steps[believed] / counts[believed]))
        # Behind a break, the stream goes on as fast as it usually does.
        lengths = np.maximum(np.where(believed, steps, counts * usual), counts * MIN_TICKS)
        rates = lengths / counts
        before, after = places[0] * rates[0], (packets - places[-1]) * rates[-1]
        self._places = np.concatenate(([0.0], places, [packets])).astype(np.float64)
        self._times = np.cumsum(np.concatenate(([0.0, before], lengths, [after])))
        self.packets = packets
        self.duration = int(self._times[-1])

    def time(self, packet: int) -> int:
        """When a packet is to be sent, in ticks behind the first."""
        return int(np.interp(packet, self._places, self._times))

    def packet_at(self, ticks: int) -> int:
        """The packet that is due at a time, or about to be: exact to a packet."""
        return int(np.interp(ticks, self._times, self._places))


def pcr_index(path: Path, framing: Framing) -> PcrIndex:
    """The index of a file, made anew only where the file has changed. Raises MediaError."""
    try:
        status = os.stat(path)
        return _read(path, framing, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise MediaError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise MediaError(f"{path}: cannot be sent whole: {error}; serve its tracks instead") from error


@lru_cache(maxsize=KEPT_INDEXES)
def _read(path: Path, framing: Framing, size: int, changed: int) -> PcrIndex:
    """Read a file through; `changed` is there to tell one version from another."""
    packets, leader = 0, None
    places: list[NDArray[np.int64]] = []
    clock: list[NDArray[np.int64]] = []
    with path.open("rb") as file:
        while data := file.read(min(_READ_PACKETS * framing.stride, size)):
            rows = framing.rows(data)
            found = np.nonzero(
                (rows[:, 0] == SYNC) & (rows[:, 3] & 0x20 != 0) & (rows[:, 4] >= 7) & (rows[:, 5] & 0x10 != 0)
            )[0]
            numbers = rows[found].astype(np.int64)
            programs = (numbers[:, 1] & 0x1F) << 8 | numbers[:, 2]
            if leader is None and len(programs):
                # Each program of a stream may have a clock of its own; the first found paces all.
                leader = programs[0]
            ours = programs == leader
            numbers = numbers[ours]
            base = numbers[:, 6] << 25 | numbers[:, 7] << 17 | numbers[:, 8] << 9 | numbers[:, 9] << 1
            places.append(found[ours] + packets)
            clock.append(base | numbers[:, 10] >> 7)
            packets += len(rows)
    return PcrIndex(packets, np.concatenate(places), np.concatenate(clock))
