"""How the tracks of one session reach their reader: over UDP, or inside the RTSP connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Protocol

from reelcast.net.fanout import FanOut
from reelcast.net.flight import Aired, Flight
from reelcast.net.interleaved import InterleavedWriter
from reelcast.net.messages import Destination
from reelcast.net.udp import UdpPair
from reelcast.rtp.group import Group
from reelcast.rtsp.message import Frame

__all__ = ["Carrier", "InterleavedCarrier", "UdpCarrier"]


class Carrier(Protocol):
    """Takes media and reports of one session.

    channels   the interleaved channel of each track, None over UDP: what the headers of a flight are made for
    eager      whether all that is there may be sent at once: over TCP, the receiver has its own say in the pace
    max_lag    seconds by which late media may be caught up on; what is later moves the whole timeline
    """

    channels: Mapping[int, int] | None
    eager: bool
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

    def flight(self, aired: Aired) -> Flight:
        """What is on the air, for this reader by itself."""

    def join(self, fan_out: FanOut) -> None:
        """From now on, be sent what all readers of a live stream are sent."""

    def leave(self, fan_out: FanOut) -> None:
        """No longer be sent that."""


class UdpCarrier:
    """Each track goes from the server's pair of ports to the reader's."""

    channels: Mapping[int, int] | None = None
    eager = False
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
            destination = destinations.get(run.track)
            if destination is not None:
                self._add(flight, run, destination)

    def report(self, track: int, data: bytes) -> None:
        """Send at once; whatever media goes before it has to be flushed before."""
        self._pair.rtcp.send(data, self._rtcp[track])

    def flight(self, aired: Aired) -> Flight:
        """What is on the air, in plain RTP."""
        return aired.flight()

    def join(self, fan_out: FanOut) -> None:
        """Each track joins for itself."""
        for track, destination in self._rtp.items():
            fan_out.add_udp(self._pair, track, destination, self._rtcp[track])

    def leave(self, fan_out: FanOut) -> None:
        """Each track leaves for itself."""
        for track, destination in self._rtp.items():
            fan_out.remove_udp(self._pair, track, destination, self._rtcp[track])


class InterleavedCarrier:
    """All tracks share the RTSP connection."""

    eager = True
    max_lag = 1.0
    """TCP delivers late media whole, so a short stall is caught up on."""

    def __init__(self, writer: InterleavedWriter, channels: Mapping[int, tuple[int, int]]) -> None:
        """`channels` has the RTP and the RTCP channel of each track."""
        self._writer = writer
        self.channels: Mapping[int, int] | None = {track: rtp for track, (rtp, _) in channels.items()}
        self._rtcp = {track: rtcp for track, (_, rtcp) in channels.items()}
        self._layout = tuple((track, *pair) for track, pair in sorted(channels.items()))

    @property
    def ready(self) -> bool:
        """Whether the connection has taken all before: a slow reader is waited for, nothing piles up."""
        return self._writer.idle

    def dues(self, group: Group) -> Sequence[float]:
        """TCP has its own pace, so a burst goes out whole."""
        return group.dues

    def send(self, flight: Flight, start: int, stop: int) -> None:
        """Write the runs in one go: in a group, packets stand in the order of runs."""
        runs = flight.group.runs[start:stop]
        wanted = [run for run in runs if run.track in self._rtcp]
        if len(wanted) == len(runs):
            first, last = runs[0], runs[-1]
            self._writer.write_packets(flight, first.first, last.first + last.count - first.first)
        elif wanted:
            packets = (flight.packets(run.first, run.count) for run in wanted)
            self._writer.write(b"".join(chain.from_iterable(packets)))

    def report(self, track: int, data: bytes) -> None:
        """Write the report as one frame, behind the media before it."""
        self._writer.write(Frame(self._rtcp[track], data).to_bytes())

    def flight(self, aired: Aired) -> Flight:
        """What is on the air, in interleaved frames of this reader's channels."""
        return aired.flight(self._layout)

    def join(self, fan_out: FanOut) -> None:
        """The connection joins with all its tracks."""
        fan_out.add_interleaved(self._layout, self._writer)

    def leave(self, fan_out: FanOut) -> None:
        """The connection leaves."""
        fan_out.remove_interleaved(self._layout, self._writer)
