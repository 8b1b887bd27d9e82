"""A Flight: a group on its way to one session, that session's headers in front of the shared payloads.

It can be read in two ways: as the pairs of iovecs that `writev` and `sendmmsg` take (header, payload, header,
and so on), and as bytes for systems without them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from reelcast.rtp.group import Group
from reelcast.rtp.sender import Imprint, Sender, headers, imprint, reserve

__all__ = ["Aired", "Contiguous", "Flight", "Layout"]

Layout = tuple[tuple[int, int, int], ...] | None
"""The tracks that a connection carries, each with its channels of RTP and RTCP; None for plain RTP of all."""


class Flight:
    """One session's rendering of a group.

    group     what is sent
    headers   big-endian words, a row a packet, as `reelcast.rtp.sender.stamp` makes them
    iovecs    address of the iovecs, two a packet (header, payload), 16 bytes each
    """

    __slots__ = ("_array", "_header_bytes", "group", "headers", "iovecs")

    def __init__(self, group: Group, headers: NDArray[np.uint32]) -> None:
        self.group = group
        self.headers = headers
        width: int = headers.shape[1] * 4
        self._header_bytes = width
        array = np.empty((len(group), 2, 2), np.uint64)
        data = np.frombuffer(group.data, np.uint8)
        start: int = headers.__array_interface__["data"][0]
        array[:, 0, 0] = np.arange(start, start + width * len(group), width, dtype=np.uint64)
        array[:, 0, 1] = width
        array[:, 1, 0] = group.columns.offsets + np.uint64(data.__array_interface__["data"][0])
        array[:, 1, 1] = group.columns.sizes
        self._array = array
        self.iovecs: int = array.__array_interface__["data"][0]

    def packets(self, first: int, count: int) -> list[bytes]:
        """Some packets in a row, each with its header first."""
        group, width, stop = self.group, self._header_bytes, first + count
        data, headers = group.data, self.headers[first:stop].tobytes()
        starts, sizes = (column[first:stop].tolist() for column in group.columns[-2:])
        return [
            headers[at : at + width] + data[start : start + size]
            for at, start, size in zip(range(0, count * width, width), starts, sizes, strict=True)
        ]

    def length(self, first: int, count: int) -> int:
        """Bytes of some packets in a row, headers included."""
        return self.group.payload_bytes(first, count) + count * self._header_bytes

    def sequence(self, number: int) -> int:
        """The RTP sequence number of one packet."""
        header: bytes = self.headers[number].tobytes()
        return int.from_bytes(header[-10:-8])


class Aired:
    """A group with the numbers of a live stream, the same for all its readers.

    number    its place in the stream, counted up by one
    group     what is sent
    shift     seconds from the group's own time axis to the stream's
    """

    __slots__ = ("_contiguous", "_flights", "_numbers", "group", "number", "shift")

    def __init__(self, number: int, group: Group, senders: Mapping[int, Sender], shift: float) -> None:
        """The senders' sequence numbers are moved on by what is in the group."""
        self.number = number
        self.group = group
        self.shift = shift
        self._numbers = reserve(group, senders, shift)
        self._flights: dict[Layout, Flight] = {}
        self._contiguous: dict[Layout, Contiguous] = {}

    def sequence(self, run: int) -> int:
        """The RTP sequence number of the first packet of a run."""
        track = self.group.runs[run].track
        before = sum(each.count for each in self.group.runs[:run] if each.track == track)
        return (self._numbers[track].sequence + before) & 0xFFFF

    def flight(self, layout: Layout = None) -> Flight:
        """For one reader that is sent parts of it by itself."""
        flight = self._flights.get(layout)
        if flight is None:
            made = headers(self.group, self._numbers, _channels(layout))
            flight = self._flights[layout] = Flight(self.group, made)
        return flight

    def contiguous(self, layout: Layout = None) -> Contiguous:
        """For all readers at once; made when the first of them is there."""
        contiguous = self._contiguous.get(layout)
        if contiguous is None:
            whole = imprint(self.group, self._numbers, _channels(layout))
            contiguous = self._contiguous[layout] = Contiguous(whole)
        return contiguous

    def settle(self) -> None:
        """All have been sent it: who comes later is sent it by itself, and each layout's memory is free again."""
        self._contiguous.clear()


class Contiguous:
    """What is sent to many in one piece of memory.

    data      the bytes
    pointer   the address of the first
    starts    where each run begins, one more at the end; a run of a track that is left out is empty
    """

    __slots__ = ("_pointer", "data", "starts")

    def __init__(self, whole: Imprint) -> None:
        self.data = memoryview(whole.data)
        self.starts = whole.starts
        self._pointer: int | None = None

    @property
    def pointer(self) -> int:
        """See above; asked of the memory when it is first needed: TCP does without."""
        if self._pointer is None:
            start: int = np.frombuffer(self.data, np.uint8).__array_interface__["data"][0]
            self._pointer = start
        return self._pointer


def _channels(layout: Layout) -> dict[int, int] | None:
    return None if layout is None else {track: rtp for track, rtp, _ in layout}
