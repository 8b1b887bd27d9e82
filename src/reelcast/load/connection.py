"""The RTSP connection of one reader among many: frames counted in passing, everything else to the dialogue.

All connections receive into one arena, one behind the other, until it is full or some time has passed; then
the RTP headers of all frames are picked out of it at once. What is left of a frame at the end of
one reading stands before what comes next. A connection whose framing is lost is left to the dialogue's own
reader, slower and surer.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

from reelcast.client.dialogue import Dialogue
from reelcast.client.lane import one_by_one
from reelcast.client.trust import SYSTEM, Trust
from reelcast.net.shortcut import Shortcut
from reelcast.net.sink import HAND_OVER_AFTER
from reelcast.rtp.arrivals import RTP_HEADER, Arrivals, headers_at
from reelcast.rtsp.reader import MAX_BODY_BYTES, MAX_HEAD_BYTES
from reelcast.rtsp.url import RtspUrl

__all__ = ["Arena", "Connection"]

ARENA_BYTES: Final = 2 << 20
"""Of all that is read before the headers are picked out: stays in the processor's cache."""
READ_BYTES: Final = 256 << 10
"""Of one reading: several frames of a picture, and what TCP buffers of the usual size hold."""
_DOLLAR: Final = 0x24
_FRAME_HEADER: Final = 4
_BLANK_LINE: Final = b"\r\n\r\n"
_START = re.compile(rb"[\r\n]*(RTSP/|[A-Z_]+ )")
_LENGTH = re.compile(rb"\r\nContent-Length[ \t]*:[ \t]*(\d{1,6})[ \t]*\r\n", re.IGNORECASE)


class Arena:
    """The memory that all connections of a process receive into.

    on_arrivals   takes the RTP packets found in it; they are valid until it returns
    """

    def __init__(self, on_arrivals: Callable[[Arrivals], None]) -> None:
        self.buffer = bytearray(ARENA_BYTES)
        self.end = 0
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._on_arrivals = on_arrivals
        self._bytes = np.frombuffer(self.buffer, np.uint8)
        self._offsets: list[int] = []
        self._flows: list[int] = []
        self._sizes: list[int] = []
        self._counts: list[int] = []
        self._times: list[float] = []

    def room(self, carry: bytes) -> memoryview:
        """Where to receive next; `carry` is put before it."""
        if len(self.buffer) - self.end < len(carry) + READ_BYTES:
            self.hand_over()
        start = self.end + len(carry)
        self.buffer[self.end : start] = carry
        return memoryview(self.buffer)[start : start + READ_BYTES]

    def frames(
        self, start: int, end: int, flows: dict[int, int], others: Callable[[int, bytes], None]
    ) -> int:
        """Step over the frames between two places; where the last whole one ends.

        Those on the channels of `flows` are kept to be counted, the rest is given to `others`.
        """
        buffer = self.buffer
        before = len(self._offsets)
        while end - start >= _FRAME_HEADER and buffer[start] == _DOLLAR:
            body = start + _FRAME_HEADER
            size = buffer[start + 2] << 8 | buffer[start + 3]
            if body + size > end:
                break
            channel = buffer[start + 1]
            if channel in flows:
                self._offsets.append(body)
                self._flows.append(flows[channel])
                self._sizes.append(size)
            else:
                others(channel, bytes(buffer[body : body + size]))
            start = body + size
        found = len(self._offsets) - before
        if found:
            if self._timer is None:
                self._timer = self._loop.call_later(HAND_OVER_AFTER, self.hand_over)
            self._counts.append(found)
            self._times.append(time.monotonic())
        return start

    def single(self, flow: int, data: bytes) -> None:
        """Count one packet that came another way, behind all before."""
        self.hand_over()
        self._on_arrivals(Arrivals.of([(flow, data, len(data), time.monotonic())]))

    def hand_over(self) -> None:
        """Pick the headers out of what was received, and begin again at the front."""
        self.end = 0
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        # What stands behind a frame that is shorter than a header belongs to others; its size says so.
        last = len(self.buffer) - RTP_HEADER.itemsize
        arrivals = Arrivals(
            np.array(self._flows, np.int64),
            headers_at(self._bytes, np.minimum(np.array(self._offsets), last)),
            np.array(self._sizes, np.int64),
            np.repeat(self._times, self._counts),
        )
        for kept in (self._offsets, self._flows, self._sizes, self._counts, self._times):
            kept.clear()
        self._on_arrivals(arrivals)


class Connection(Dialogue, asyncio.BufferedProtocol):
    """A dialogue that receives into an arena."""

    def __init__(self, url: RtspUrl, timeout: float, arena: Arena, trust: Trust = SYSTEM) -> None:
        super().__init__(url, timeout, trust=trust)
        self._arena = arena
        self._flows: dict[int, int] = {}
        self._carry = b""
        self._framed = True

    def receive_on(self, channels: tuple[int, int], flow: int, on_report: Callable[[bytes], None]) -> None:
        """Count RTP of the first channel as this flow's, and hand reports on from the second."""
        self._flows[channels[0]] = flow
        self.channels[channels[0]] = one_by_one(partial(self._arena.single, flow))
        self.channels[channels[1]] = one_by_one(on_report)

    def hurry(self, shortcut: Shortcut) -> None:
        """Receive by a shorter way from now on, where there is one."""
        if self._transport is not None:
            shortcut.take_over(self._transport, self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Called by asyncio before it receives."""
        return self._arena.room(self._carry)

    def buffer_updated(self, nbytes: int) -> None:
        """Called by asyncio when it has received."""
        arena = self._arena
        start, end = arena.end, arena.end + len(self._carry) + nbytes
        arena.end = end
        while self._framed and start < end:
            place = self._step_over(arena.frames(start, end, self._flows, self._take_frame), end)
            if place == start:
                break
            start = place
        self._carry = bytes(arena.buffer[start:end])
        if not self._framed:
            rest, self._carry = self._carry, b""
            self.data_received(rest)

    def _step_over(self, start: int, end: int) -> int:
        """Behind the RTSP message that begins here, if one does and all of it is here."""
        buffer = self._arena.buffer
        if start == end or buffer[start] == _DOLLAR:
            return start
        blank = buffer.find(_BLANK_LINE, start, min(end, start + MAX_HEAD_BYTES))
        if blank < 0:
            self._framed = end - start < MAX_HEAD_BYTES
            return start
        stop = blank + len(_BLANK_LINE)
        length = _LENGTH.search(buffer, start, stop)
        if length is not None:
            stop += int(length[1])
        self._framed = _START.match(buffer, start) is not None and stop - blank < MAX_BODY_BYTES
        if not self._framed or stop > end:
            return start
        self.data_received(bytes(buffer[start:stop]))
        return stop

    def _take_frame(self, channel: int, data: bytes) -> None:
        take = self.channels.get(channel)
        if take is not None:
            take((data,))
