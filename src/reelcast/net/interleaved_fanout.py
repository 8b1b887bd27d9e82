"""One stream to many readers over TCP: one slice of memory is written to each connection; who is slow is left out.

What waits for a connection is bounded by bytes and by age. Beyond, frames are left out for it, whole ones, up to
the next keyframe that it has room for; nobody else waits for it.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable

from reelcast.net.flight import Aired, Layout
from reelcast.net.interleaved import InterleavedWriter
from reelcast.rtsp.message import Frame

__all__ = ["MAX_QUEUE_BYTES", "MAX_QUEUE_SECONDS", "InterleavedFanOut"]

log = logging.getLogger(__name__)

MAX_QUEUE_BYTES = 1 << 20
"""What may wait for a slow connection, a second of a fast stream; then frames are left out."""

MAX_QUEUE_SECONDS = 3.0
"""How old what waits there may be: it would still be sent when a player has long given up on being live."""


class InterleavedFanOut:
    """The packets of all tracks, to all connections that carry them on the same channels.

    A connection that falls behind is left out until it has caught up and a keyframe begins: what it gets is
    late at most by what may wait for it, and its picture is never torn.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._rtcp = {track: rtcp for track, _, rtcp in layout or ()}
        # Those for whom nothing waits, each with what writes to its socket; those for whom something waits (or
        # that have no such way), and those that are left out, with the number of writes that they missed.
        self._clear: dict[InterleavedWriter, Callable[[memoryview], int]] = {}
        self._waiting: dict[InterleavedWriter, _Backlog] = {}
        self._shed: dict[InterleavedWriter, int] = {}
        self.shed = 0

    def __len__(self) -> int:
        return len(self._clear) + len(self._waiting) + len(self._shed)

    def add(self, writer: InterleavedWriter) -> None:
        """From now on, write to this connection too."""
        writer.watch(self._queued)
        self._waiting[writer] = _Backlog()

    def remove(self, writer: InterleavedWriter) -> None:
        """Write there no longer."""
        writer.unwatch(self._queued)
        self._clear.pop(writer, None)
        self._waiting.pop(writer, None)
        self._shed.pop(writer, None)

    def send(self, aired: Aired, first: int, stop: int, *, entry: bool = False) -> None:
        """Write runs `first` to `stop` of what is on the air, in one piece; at an `entry` a keyframe begins."""
        contiguous = aired.contiguous(self._layout)
        data = contiguous.data[contiguous.starts[first] : contiguous.starts[stop]]
        if not data:
            return
        if self._shed:
            self._readmit(entry)
        if self._waiting:
            runs = aired.group.runs
            begun = first > 0 and runs[first - 1].burst == runs[first].burst
            self._look_after_waiting(data, begun)
        length = len(data)
        unfinished: list[tuple[InterleavedWriter, int]] = []
        # The hottest loop over TCP. Between two writes of a frame the caches are cold, so that each object more
        # that is looked at here is several percent of all it costs.
        for writer, send in self._clear.items():
            try:
                written = send(data)
            except OSError:
                # Full, or broken: the transport finds out which.
                written = 0
            if written != length:
                unfinished.append((writer, written))
        for writer, written in unfinished:
            writer.write(bytes(data[written:]))

    def write(self, track: int, data: bytes) -> None:
        """Write one report beside a track to all who are not left out."""
        if track in self._rtcp:
            message = Frame(self._rtcp[track], data).to_bytes()
            for writer in [*self._clear, *self._waiting]:
                writer.write(message)

    def _queued(self, writer: InterleavedWriter) -> None:
        if self._clear.pop(writer, None) is not None:
            self._waiting[writer] = _Backlog()

    def _look_after_waiting(self, data: memoryview, begun: bool) -> None:
        """Those who have caught up are written to like all; the others get in line, or are left out.

        A frame that was begun is finished: half of one is no use to anybody.
        """
        now = time.monotonic()
        for writer, backlog in list(self._waiting.items()):
            if writer.idle and writer.send is not None:
                del self._waiting[writer]
                self._clear[writer] = writer.send
                continue
            queued = writer.queued()
            if begun or (queued < MAX_QUEUE_BYTES and backlog.age(queued, now) < MAX_QUEUE_SECONDS):
                writer.write(bytes(data))
                backlog.add(len(data), now)
            else:
                del self._waiting[writer]
                self._shed[writer] = 0
                self.shed += 1
                log.warning("%s is too slow: frames are left out until the next keyframe", writer)

    def _readmit(self, entry: bool) -> None:
        for writer, skipped in list(self._shed.items()):
            if entry and writer.idle:
                del self._shed[writer]
                self._waiting[writer] = _Backlog()
                log.info("%s goes on, %d writes were left out", writer, skipped)
            else:
                self._shed[writer] = skipped + 1


class _Backlog:
    """How old what waits for a connection is, by what was written when."""

    def __init__(self) -> None:
        self._written = 0
        self._marks: deque[tuple[int, float]] = deque()

    def add(self, size: int, now: float) -> None:
        """So much was written."""
        self._written += size
        self._marks.append((self._written, now))

    def age(self, queued: int, now: float) -> float:
        """Seconds since the oldest of `queued` bytes was written; 0.0 where they are older than the first."""
        taken = self._written - queued
        while self._marks and self._marks[0][0] <= taken:
            self._marks.popleft()
        return now - self._marks[0][1] if self._marks else 0.0
