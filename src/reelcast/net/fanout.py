"""One stream to many readers: message headers prepared once, one system call for all of them.

What differs between readers of a live stream is only where it goes. Over UDP the addresses stand in an array
of message headers that all point to one piece of memory; over TCP one slice of memory goes to each connection.
"""

from __future__ import annotations

import ctypes
import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence, Sized
from functools import partial
from typing import TypeVar

import numpy as np

from reelcast.net.flight import Aired, Contiguous, Layout
from reelcast.net.interleaved import InterleavedWriter
from reelcast.net.interleaved_fanout import InterleavedFanOut
from reelcast.net.messages import (
    CMSG,
    IOVEC,
    MMSGHDR,
    Batching,
    Destination,
    MessageSocket,
    is_segmentation_error,
    segment_control,
)
from reelcast.net.udp import UdpPair
from reelcast.rtp.group import Run

__all__ = ["FanOut", "UdpFanOut"]

log = logging.getLogger(__name__)

SHARE = 50
"""Readers that one system call serves, or one go over their connections: a run of 64 kB takes it 3 ms."""
MESSAGE_BYTES = 4096
"""What a message costs the kernel beside its bytes, in bytes that cost as much."""

_Share = TypeVar("_Share", bound=Sized)

_HEADER = np.dtype(
    {
        "names": ["name", "namelen", "iov", "iovlen", "control", "controllen"],
        "formats": ["u8", "u4", "u8", "u8", "u8", "u8"],
        "offsets": [0, 8, 16, 24, 32, 40],
        "itemsize": MMSGHDR.size,
    }
)


class UdpFanOut:
    """The datagrams of one track, from one socket to all its readers of one address family."""

    def __init__(self, sock: socket.socket, batching: Batching) -> None:
        self._messages = MessageSocket(sock)
        self._batching = batching
        self._destinations: list[Destination] = []
        self._places: dict[Destination, int] = {}
        self._refusing: list[Destination] = []
        self._headers = np.zeros(64, _HEADER)
        self._pointer: int = self._headers.ctypes.data
        # Not a numpy array: with cold caches, as here, writing to one takes ten times as long.
        self._iovec = ctypes.create_string_buffer(IOVEC.size)
        self._control, self._set_segment = segment_control()
        self._controlled = False

    def __len__(self) -> int:
        return len(self._destinations) + len(self._refusing)

    def add(self, destination: Destination) -> None:
        """From now on, send to this destination too."""
        if not destination.segmented:
            self._refusing.append(destination)
            return
        count = len(self._destinations)
        if count == len(self._headers):
            # Not `concatenate`: that packs the fields closer than the kernel has them.
            grown = np.zeros(2 * count, _HEADER)
            grown[:count] = self._headers
            self._headers = grown
            self._pointer = grown.ctypes.data
        control_length = CMSG.size if self._controlled else 0
        self._headers[count] = (
            destination.pointer,
            destination.length,
            ctypes.addressof(self._iovec),
            1,
            self._control,
            control_length,
        )
        self._places[destination] = count
        self._destinations.append(destination)

    def remove(self, destination: Destination) -> None:
        """Send there no longer; the last of all takes its row."""
        place = self._places.pop(destination, None)
        if place is None:
            if destination in self._refusing:
                self._refusing.remove(destination)
            return
        last = self._destinations.pop()
        if last is not destination:
            self._destinations[place] = last
            self._places[last] = place
            self._headers[place] = self._headers[len(self._destinations)]

    def send(self, aired: Aired, number: int) -> None:
        """Send run `number` of what is on the air to all."""
        size = aired.group.runs[number].size
        contiguous = aired.contiguous()
        start, stop = contiguous.starts[number], contiguous.starts[number + 1]
        if self._batching is Batching.SEGMENTED:
            # These first: who turns out to refuse this run is sent it in another way at once.
            for destination in self._refusing:
                self._send_packets(contiguous.data[start:stop], size, destination)
            self._send_to_all(contiguous, start, stop, size)
        elif self._batching is Batching.MESSAGES:
            for at in range(start, stop, size):
                self._send_to_all(contiguous, at, min(at + size, stop), size)
        else:
            for destination in self._destinations:
                self._send_packets(contiguous.data[start:stop], size, destination)

    def send_datagram(self, data: bytes) -> None:
        """Send one datagram, a report, to all."""
        for destination in (*self._destinations, *self._refusing):
            self._messages.send(data, destination)

    def _send_to_all(self, contiguous: Contiguous, start: int, stop: int, segment: int) -> None:
        """One message to all, cut into segments where it is longer than one."""
        segmented = stop - start > segment
        if segmented:
            self._set_segment(segment)
        if segmented is not self._controlled:
            self._headers["controllen"] = CMSG.size if segmented else 0
            self._controlled = segmented
        IOVEC.pack_into(self._iovec, 0, contiguous.pointer + start, stop - start)
        refusing: list[Destination] = []

        def failed(position: int, code: int) -> None:
            destination = self._destinations[position]
            if segmented and is_segmentation_error(code):
                log.info("no segmentation offload to %s: %s", destination.address[0], os.strerror(code))
                refusing.append(destination)
            self._send_packets(contiguous.data[start:stop], segment, destination)

        self._messages.send_messages(self._pointer, len(self._destinations), failed)
        for destination in refusing:
            self.remove(destination)
            destination.segmented = False
            self.add(destination)

    def _send_packets(self, data: memoryview, segment: int, destination: Destination) -> None:
        for at in range(0, len(data), segment):
            self._messages.send(data[at : at + segment], destination)


class _UdpTrack:
    """All readers of one track over UDP: media in shares, reports to all at once."""

    def __init__(self, pair: UdpPair) -> None:
        self.shares: list[UdpFanOut] = []
        self.reports = UdpFanOut(pair.rtcp.socket, pair.batching)
        self._pair = pair
        self._homes: dict[Destination, UdpFanOut] = {}

    def __len__(self) -> int:
        return len(self._homes)

    def add(self, rtp: Destination, rtcp: Destination) -> None:
        share = _with_room(self.shares, lambda: UdpFanOut(self._pair.rtp.socket, self._pair.batching))
        share.add(rtp)
        self._homes[rtp] = share
        self.reports.add(rtcp)

    def remove(self, rtp: Destination, rtcp: Destination) -> None:
        self._homes.pop(rtp).remove(rtp)
        self.reports.remove(rtcp)


class FanOut:
    """All readers of one live stream, however their media goes; each belongs to a share of them.

    What is large takes a while to send: it can be begun, and then gone on with in parts. Whoever joins or leaves
    meanwhile finds it finished.

    left   bytes of what was begun and has not been sent, for all readers; a message counts for MESSAGE_BYTES more
    """

    def __init__(self) -> None:
        self._udp: dict[tuple[UdpPair, int], _UdpTrack] = {}
        self._interleaved: dict[Layout, list[InterleavedFanOut]] = {}
        # Two sessions of one connection have channels, and so layouts, of their own.
        self._homes: dict[tuple[Layout, InterleavedWriter], InterleavedFanOut] = {}
        # A run to a share at a time, its bytes, and what sends it.
        self._begun: deque[tuple[int, Callable[[], None]]] = deque()
        self._shed = 0
        self.left = 0

    def __len__(self) -> int:
        """Readers over TCP, and tracks of readers over UDP."""
        return sum(map(len, self._udp.values())) + len(self._homes)

    @property
    def shed(self) -> int:
        """How often a connection was so slow that frames were left out for it."""
        return self._shed + sum(share.shed for shares in self._interleaved.values() for share in shares)

    def add_udp(self, pair: UdpPair, track: int, rtp: Destination, rtcp: Destination) -> None:
        """Send a track to these ports too."""
        self.finish()
        if (pair, track) not in self._udp:
            self._udp[pair, track] = _UdpTrack(pair)
        self._udp[pair, track].add(rtp, rtcp)

    def remove_udp(self, pair: UdpPair, track: int, rtp: Destination, rtcp: Destination) -> None:
        """Send a track there no longer."""
        self.finish()
        self._udp[pair, track].remove(rtp, rtcp)

    def add_interleaved(self, layout: Layout, writer: InterleavedWriter) -> None:
        """Write to this connection too."""
        self.finish()
        shares = self._interleaved.setdefault(layout, [])
        share = self._homes[layout, writer] = _with_room(shares, lambda: InterleavedFanOut(layout))
        share.add(writer)

    def remove_interleaved(self, layout: Layout, writer: InterleavedWriter) -> None:
        """Write there no longer."""
        self.finish()
        share = self._homes.pop((layout, writer))
        share.remove(writer)
        if not share:
            self._shed += share.shed
            self._interleaved[layout].remove(share)
        if not self._interleaved[layout]:
            # Each layout has a rendering of its own made.
            del self._interleaved[layout]

    def weight(self, runs: Sequence[Run]) -> int:
        """Bytes that sending these runs to all takes, counted as in `left`."""
        total = 0
        for (_, track), readers in self._udp.items():
            lengths = [run.count * run.size + MESSAGE_BYTES for run in runs if run.track == track]
            total += sum(lengths) * len(readers)
        return total + (sum(run.count * run.size for run in runs) + MESSAGE_BYTES) * len(self._homes)

    def begin(self, aired: Aired, first: int, stop: int, *, entry: bool = False) -> None:
        """Have runs `first` to `stop` sent to all; `entry` says that they begin with a keyframe's first run.

        A run goes to all shares before the next one does: between them, readers empty their buffers.
        """
        runs, begun = aired.group.runs[first:stop], self._begun
        for number, run in enumerate(runs, first):
            for (_, track), readers in self._udp.items():
                if track == run.track:
                    for share in readers.shares:
                        weight = len(share) * (run.count * run.size + MESSAGE_BYTES)
                        if weight:
                            begun.append((weight, partial(share.send, aired, number)))
                            self.left += weight
        length = sum(run.count * run.size for run in runs) + MESSAGE_BYTES
        for shares in self._interleaved.values():
            for writers in shares:
                weight = len(writers) * length
                begun.append((weight, partial(writers.send, aired, first, stop, entry=entry)))
                self.left += weight

    def proceed(self, limit: int) -> None:
        """Send what was begun, up to `limit` bytes as in `left`, but at least to one share."""
        begun, stop = self._begun, self.left - limit
        while begun:
            weight, send = begun.popleft()
            self.left -= weight
            send()
            if begun and self.left - begun[0][0] < stop:
                return

    def finish(self) -> None:
        """Send all that was begun."""
        self.proceed(self.left)

    def report(self, track: int, data: bytes) -> None:
        """Send a compound RTCP packet beside a track to all, behind what was begun."""
        self.finish()
        for (_, of_track), readers in self._udp.items():
            if of_track == track:
                readers.reports.send_datagram(data)
        for shares in self._interleaved.values():
            for share in shares:
                share.write(track, data)


def _with_room(shares: list[_Share], make: Callable[[], _Share]) -> _Share:
    """The first share that has room for one more reader, a new one where there is none."""
    for share in shares:
        if len(share) < SHARE:
            return share
    share = make()
    shares.append(share)
    return share
