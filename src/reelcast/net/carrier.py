"""How the tracks of one session reach their reader: over UDP, or inside the RTSP connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from reelcast.net.batch import Destination
from reelcast.net.flight import Flight
from reelcast.net.interleaved import InterleavedWriter
from reelcast.net.udp import UdpPair
from reelcast.rtp.group import Group
from reelcast.rtsp.message import Frame

__all__ = ["Carrier", "InterleavedCarrier", "UdpCarrier"]


class Carrier(Protocol):
    """Takes media and reports of one session.

    channels   the interleaved channel of each track, None over UDP: what the headers of a flight are made for
    max_lag    seconds by which late media may be caught up on; what is later moves the whole timeline
    """

    channels: Mapping[int, int] | None
    max_lag: float

    @property
    def ready(self) -> bool:
        """Whether media can be taken now."""

    def dues(self, group: Group) -> Sequence[float]:
        """When each run of a group is due, seconds on the presentation's time axis."""

    def send(self, flight: Flight, start: int, stop: int) -> None:
        """Send runs `start` to `stop` of a flight's group."""

    def report(self, track: int, data: bytes) -> None:
        """Send a compound RTCP packet beside a track."""


class UdpCarrier:
    """Each track goes from the server's pair of ports to the reader's."""

    channels: Mapping[int, int] | None = None
    max_lag = 0.1
    """A default receive buffer holds about this much of a fast stream."""

    def __init__(self, pair: UdpPair, destinations: Mapping[int, tuple[Destination, Destination]]) -> None:
        """`destinations` has the RTP and the RTCP address of each track."""
        self._pair = pair
        self._rtcp = {track: rtcp for track, (_, rtcp) in destinations.items()}
        self._rtp = {track: rtp for track, (rtp, _) in destinations.items()}
        self._add = pair.batch.add

    @property
    def ready(self) -> bool:
        """Always: datagrams that do not fit are lost, as datagrams are."""
        return True

    def dues(self, group: Group) -> Sequence[float]:
        """Large bursts are spread, for the sake of receive buffers."""
        return group.spread

    def send(self, flight: Flight, start: int, stop: int) -> None:
        """Put the runs into the batch that the pacer flushes."""
        destinations = self._rtp
        for run in flight.group.runs[start:stop]:
            self._add(flight, run, destinations[run.track])

    def report(self, track: int, data: bytes) -> None:
        """Send at once; whatever media goes before it has to be flushed before."""
        self._pair.rtcp.send(data, self._rtcp[track])


class InterleavedCarrier:
    """All tracks share the RTSP connection."""

    max_lag = 1.0
    """TCP delivers late media whole, so a short stall is caught up on."""

    def __init__(self, writer: InterleavedWriter, channels: Mapping[int, tuple[int, int]]) -> None:
        """`channels` has the RTP and the RTCP channel of each track."""
        self._writer = writer
        self.channels: Mapping[int, int] | None = {track: rtp for track, (rtp, _) in channels.items()}
        self._rtcp = {track: rtcp for track, (_, rtcp) in channels.items()}

    @property
    def ready(self) -> bool:
        """Whether the connection has taken all before: a slow reader is waited for, nothing piles up."""
        return self._writer.idle

    def dues(self, group: Group) -> Sequence[float]:
        """TCP has its own pace, so a burst goes out whole."""
        return group.dues

    def send(self, flight: Flight, start: int, stop: int) -> None:
        """Write the runs in one go: in a group, packets stand in the order of runs."""
        runs = flight.group.runs
        first, last = runs[start], runs[stop - 1]
        self._writer.write_packets(flight, first.first, last.first + last.count - first.first)

    def report(self, track: int, data: bytes) -> None:
        """Write the report as one frame, behind the media before it."""
        if not self._writer.closing:
            self._writer.write(Frame(self._rtcp[track], data).to_bytes())
