"""A Flight: a group on its way to one session, that session's headers in front of the shared payloads.

It can be read in two ways: as the pairs of iovecs that `writev` and `sendmmsg` take (header, payload, header,
and so on), and as bytes for systems without them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelcast.rtp.group import Group

__all__ = ["Flight"]


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
        width = headers.shape[1] * 4
        self._header_bytes = width
        array = np.empty((len(group), 2, 2), np.uint64)
        data = np.frombuffer(group.data, np.uint8)
        start: int = headers.__array_interface__["data"][0]
        array[:, 0, 0] = np.arange(start, start + width * len(group), width, dtype=np.uint64)
        array[:, 0, 1] = width
        array[:, 1, 0] = group.offsets + np.uint64(data.__array_interface__["data"][0])
        array[:, 1, 1] = group.sizes
        self._array = array
        self.iovecs: int = array.__array_interface__["data"][0]

    def packet(self, number: int) -> bytes:
        """One packet, its header first."""
        group = self.group
        start = int(group.offsets[number])
        header: bytes = self.headers[number].tobytes()
        return header + group.data[start : start + int(group.sizes[number])]

    def packets(self, first: int, count: int) -> list[bytes]:
        """Some packets in a row."""
        return [self.packet(number) for number in range(first, first + count)]

    def length(self, first: int, count: int) -> int:
        """Bytes of some packets in a row, headers included."""
        payloads = int(self.group.sizes[first : first + count].sum())
        return payloads + count * self._header_bytes

    def sequence(self, number: int) -> int:
        """The RTP sequence number of one packet."""
        header: bytes = self.headers[number].tobytes()
        return int.from_bytes(header[-10:-8])
