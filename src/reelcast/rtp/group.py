"""A Group: the bursts of one stretch of a presentation, all tracks in sending order, as tables.

A session that plays the stretch needs headers of its own (sequence numbers, timestamps, SSRC) in front of
payloads that all sessions share. Tables (numpy) let it make them all in a few operations, a second of media
at a time: see `reelcast.rtp.sender.stamp`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reelcast.rtp.burst import Burst
from reelcast.rtp.packet import HEADER_SIZE
from reelcast.track import Track

__all__ = ["MAX_RUN_PACKETS", "Columns", "Group", "Run"]

MAX_RUN_PACKETS = 44
"""Packets sent in one go to one reader: 64 kB, as much as one datagram to be cut up by the kernel may hold, and
half of what a default socket buffer of 208 kB holds with its bookkeeping."""
SPREAD = 0.75
"""The part of a frame's duration over which the runs of a large burst are spread (RFC 3550 says nothing;
receivers' socket buffers do)."""
MAX_SPREAD = 0.03
"""Seconds, however long a frame is shown: it is late by that much."""
MAX_AUDIO_LEAD = 0.05
"""Seconds that audio may be early, to leave with the video frame before it."""


@dataclass(frozen=True, slots=True)
class Run:
    """Packets of one burst that are equal in size but for the last, which may be shorter.

    first      index of its first packet in the group
    count      number of packets
    size       bytes of each, header included
    octets     bytes of payload of all of them
    track      index of the track
    due        seconds on the presentation's time axis at which it is to be sent
    spread     the same, later where the burst is large: for transports whose receivers could overflow
    burst      index of its burst in the group
    pts        presentation time of the burst, seconds
    end        when its last unit has been presented, seconds
    keyframe   whether decoding can start at this burst
    """

    first: int
    count: int
    size: int
    octets: int
    track: int
    due: float
    spread: float
    burst: int
    pts: float
    end: float
    keyframe: bool


class Columns(NamedTuple):
    """The packets of a group as tables, a row a packet.

    tracks        the index of its track (uint8)
    sequences     its number in its track, from 0 (uint32)
    flags         the first header word without the sequence number (uint32)
    timestamps    the RTP timestamp counted from media time 0 (uint32)
    offsets       where its payload begins in the group's data (uint64)
    sizes         bytes of payload (uint64)
    """

    tracks: NDArray[np.uint8]
    sequences: NDArray[np.uint32]
    flags: NDArray[np.uint32]
    timestamps: NDArray[np.uint32]
    offsets: NDArray[np.uint64]
    sizes: NDArray[np.uint64]


class Group:
    """One stretch of a presentation, packetised; immutable, shared by the sessions that play it.

    index         its number: stretch k of a file begins k stretches after the start
    data          all packets back to back, headers included
    runs          the runs in sending order
    dues          of each run: when it is due, seconds
    spread        of each run: when it is due where large bursts are spread, seconds
    end           seconds at which the last unit in it has been presented
    last          nothing follows it
    """

    __slots__ = (
        "_columns",
        "_count",
        "_rows",
        "_sums",
        "data",
        "dues",
        "end",
        "index",
        "last",
        "runs",
        "spread",
    )

    def __init__(
        self,
        index: int,
        data: bytes,
        runs: tuple[Run, ...],
        rows: Callable[[], NDArray[np.int64]],
        *,
        end: float,
        last: bool,
    ) -> None:
        """`rows` makes a row a packet: track, first header word, timestamp, payload offset, payload size."""
        self.index = index
        self.data = data
        self.runs = runs
        self.dues = tuple([run.due for run in runs])
        self.spread = tuple([run.spread for run in runs])
        self.end = end
        self.last = last
        self._count = sum([run.count for run in runs])
        self._rows = rows
        self._columns: Columns | None = None
        self._sums: list[int] | None = None

    @property
    def columns(self) -> Columns:
        """Its packets as tables; made when they are first asked for: what is live often does without."""
        if self._columns is None:
            rows = self._rows()
            tracks = rows[:, 0].astype(np.uint8)
            self._columns = Columns(
                tracks,
                _numbered(tracks),
                rows[:, 1].astype(np.uint32),
                rows[:, 2].astype(np.uint32),
                rows[:, 3].astype(np.uint64),
                rows[:, 4].astype(np.uint64),
            )
        return self._columns

    def prepared(self) -> Group:
        """Itself, its tables made here and now: the thread that reads a file has the time for it."""
        assert self.columns is not None
        return self

    @classmethod
    def build(
        cls, index: int, bursts: Iterable[tuple[int, Burst]], tracks: Sequence[Track], *, last: bool
    ) -> Group:
        """Put bursts, each with the index of its track, in sending order and lay them out."""
        placed = _in_sending_order(list(bursts), tracks)
        data = b"".join([burst.data for _, _, burst in placed])
        runs: list[Run] = []
        count, end = 0, 0.0
        for number, (due, track, burst) in enumerate(placed):
            rate = tracks[track].clock_rate
            runs += _runs(burst, number, count, track, due, rate)
            count += len(burst.sizes)
            end = max(end, (burst.pts + burst.duration) / rate)
        sizes = [(track, burst.pts, burst.sizes) for _, track, burst in placed]
        return cls(index, data, tuple(runs), lambda: _table(sizes, data, count), end=end, last=last)

    def __len__(self) -> int:
        """Packets in the group."""
        return self._count

    def payload_bytes(self, first: int, count: int) -> int:
        """Bytes of payload of some packets in a row."""
        if self._sums is None:
            self._sums = [0, *np.cumsum(self.columns.sizes).tolist()]
        return self._sums[first + count] - self._sums[first]

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the group holds, roughly."""
        return len(self.data) + 32 * self._count + 200 * len(self.runs)

    def select(self, chosen: Iterable[Run]) -> Group:
        """The same group with the chosen runs alone, in their order, sharing its data."""
        runs: list[Run] = []
        packets: list[int] = []
        for run in chosen:
            runs.append(replace(run, first=len(packets)))
            packets.extend(range(run.first, run.first + run.count))
        taken = self._table()[packets] if packets else np.empty((0, 5), np.int64)
        return Group(self.index, self.data, tuple(runs), lambda: taken, end=self.end, last=self.last)

    @classmethod
    def joined(cls, index: int, groups: Sequence[Group], *, last: bool) -> Group:
        """One group of what stands in several, in sending order; of each track the earlier ones' comes first."""
        data = b"".join(group.data for group in groups)
        runs: list[Run] = []
        rows: list[NDArray[np.int64]] = []
        octets = packets = bursts = 0
        for group in groups:
            runs += [replace(run, first=run.first + packets, burst=run.burst + bursts) for run in group.runs]
            table = group._table()
            table[:, 3] += octets
            rows.append(table)
            octets, packets = octets + len(group.data), packets + len(group)
            bursts += 1 + max((run.burst for run in group.runs), default=-1)
        end = max((group.end for group in groups), default=0.0)
        table = np.concatenate(rows) if rows else np.empty((0, 5), np.int64)
        whole = cls(index, data, tuple(runs), lambda: table, end=end, last=last)
        return whole.select(sorted(_in_turn(runs), key=lambda run: run.due)) if len(groups) > 1 else whole

    def retimed(
        self, runs: Sequence[Run], tracks: Sequence[Track], *, index: int, end: float, last: bool
    ) -> Group:
        """The same packets at the times of `runs`, which are its own with other times; sharing its data."""
        stamps = [round(run.pts * tracks[run.track].clock_rate) for run in runs]
        rows = self._table()
        rows[:, 2] = np.repeat(np.array(stamps, np.int64), [run.count for run in self.runs]) & 0xFFFFFFFF
        return Group(index, self.data, tuple(runs), lambda: rows, end=end, last=last)

    def _table(self) -> NDArray[np.int64]:
        table = self.columns
        rows = np.stack([table.tracks, table.flags, table.timestamps, table.offsets, table.sizes], axis=1)
        return rows.astype(np.int64)


def _numbered(tracks: NDArray[np.uint8]) -> NDArray[np.uint32]:
    numbers = np.empty(len(tracks), np.uint32)
    for track in range(int(tracks.max(initial=0)) + 1):
        places = tracks == track
        numbers[places] = np.arange(np.count_nonzero(places), dtype=np.uint32)
    return numbers


def _table(bursts: Sequence[tuple[int, int, tuple[int, ...]]], data: bytes, count: int) -> NDArray[np.int64]:
    """The rows of a group's `count` packets; columns at a time, for rows made one by one cost five times that.

    Of each burst: track, presentation time, sizes of its packets.
    """
    lengths = [len(sizes) for _, _, sizes in bursts]
    sizes = np.fromiter(chain.from_iterable(sizes for _, _, sizes in bursts), np.int64, count)
    starts = np.cumsum(sizes) - sizes
    octets = np.frombuffer(data, np.uint8)
    packets = np.empty((count, 5), np.int64)
    packets[:, 0] = np.repeat([track for track, _, _ in bursts], lengths)
    packets[:, 1] = octets[starts].astype(np.int64) << 24 | octets[starts + 1].astype(np.int64) << 16
    packets[:, 2] = np.repeat([pts & 0xFFFFFFFF for _, pts, _ in bursts], lengths)
    packets[:, 3] = starts + HEADER_SIZE
    packets[:, 4] = sizes - HEADER_SIZE
    return packets


def _in_sending_order(
    bursts: list[tuple[int, Burst]], tracks: Sequence[Track]
) -> list[tuple[float, int, Burst]]:
    """Sort by decoding time; audio waits for the next video frame: one write to a reader for both."""
    timed = sorted(
        ((burst.dts / tracks[track].clock_rate, track, burst) for track, burst in bursts),
        key=lambda placed: (placed[0], tracks[placed[1]].kind != "video", placed[1]),
    )
    aligned: list[tuple[float, int, Burst]] = []
    frame_due: float | None = None
    for due, track, burst in timed:
        if tracks[track].kind == "video":
            frame_due = due
        elif frame_due is not None and due - frame_due <= MAX_AUDIO_LEAD:
            due = frame_due
        aligned.append((due, track, burst))
    return aligned


def _in_turn(runs: Sequence[Run]) -> list[Run]:
    """The same runs, none due later than what stands behind it of its track.

    Sound leaves with a frame before it, if there is one near: where another file begins, that may be before the
    sound of the file before, which has none.
    """
    placed: list[Run] = []
    following: dict[int, float] = {}
    for run in reversed(runs):
        early = max(run.due - following.get(run.track, run.due), 0.0)
        following[run.track] = run.due - early
        placed.append(replace(run, due=run.due - early, spread=run.spread - early))
    return placed[::-1]


def _runs(burst: Burst, number: int, first: int, track: int, due: float, rate: int) -> list[Run]:
    # Only what is larger than one run needs spreading: several small runs (a frame of many slices) do not.
    packets = len(burst.sizes)
    step = min(SPREAD * burst.duration / rate, MAX_SPREAD) / packets if packets > MAX_RUN_PACKETS else 0.0
    pts, end = burst.pts / rate, (burst.pts + burst.duration) / rate
    return [
        Run(
            first + start,
            count,
            burst.sizes[start],
            sum(burst.sizes[start : start + count]) - count * HEADER_SIZE,
            track,
            due,
            due + step * start,
            number,
            pts,
            end,
            burst.keyframe,
        )
        for start, count in _cuts(burst.sizes)
    ]


def _cuts(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where runs begin and how many packets they hold."""
    start = 0
    while start < len(sizes):
        few = sizes[start : start + MAX_RUN_PACKETS]
        size = few[0]
        count = few.count(size)
        if few[:count].count(size) < count:
            # Some of those stand behind others.
            count = next(place for place, each in enumerate(few) if each != size)
        if count < len(few) and few[count] < size:
            count += 1
        yield start, count
        start += count
