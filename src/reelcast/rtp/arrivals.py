"""RTP packets as they arrive, many at once, as parallel arrays: for who only looks at headers.

A packet object costs more than the packet; a row of an array costs nothing until something is computed, and
then a few nanoseconds. `Arrivals` is what receiving many flows in one process is made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["RTP_HEADER", "Arrivals", "Row", "headers_at"]

RTP_HEADER = np.dtype(
    [("flags", "u1"), ("second", "u1"), ("sequence", ">u2"), ("timestamp", ">u4"), ("ssrc", ">u4")]
)
"""The fixed header (RFC 3550 section 5.1); `second` is the marker and the payload type."""

Row = tuple[int, bytes, int, float]
"""One packet: its flow, its first bytes, its size, when it arrived."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Some packets, in the order in which they arrived within each flow.

    flows      number of the flow that each packet belongs to
    headers    their first bytes, of dtype RTP_HEADER; not to be trusted where `sizes` is less
    sizes      bytes of each, header included
    times      when each arrived, seconds on a clock that only goes forward

    Valid until whoever made it receives again: `headers` may be the very memory that it receives into.
    """

    flows: NDArray[np.int64]
    headers: NDArray[np.void]
    sizes: NDArray[np.int64]
    times: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.flows)

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Arrivals:
        """From packets one by one."""
        width = RTP_HEADER.itemsize
        head = b"".join(start[:width].ljust(width, b"\0") for _, start, _, _ in rows)
        return cls(
            np.array([flow for flow, _, _, _ in rows], np.int64),
            np.frombuffer(head, RTP_HEADER),
            np.array([size for _, _, size, _ in rows], np.int64),
            np.array([time for _, _, _, time in rows], np.float64),
        )


def headers_at(data: NDArray[np.uint8], offsets: NDArray[Any]) -> NDArray[np.void]:
    """The RTP headers that begin at some offsets of a buffer, copied; each must be whole in it."""
    columns = np.arange(RTP_HEADER.itemsize)
    rows = np.ascontiguousarray(data[offsets[:, np.newaxis] + columns])
    return rows.view(RTP_HEADER).reshape(len(offsets))
