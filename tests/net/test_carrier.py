"""Carriers: which runs go where, when they are due, and what a report looks like on its way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import pytest
from tests.groups import AUDIO, VIDEO, burst, group_of
from tests.net.links import Recorder
from tests.net.readers import AVAILABLE, Reader

from reelcast.net.carrier import Carrier, InterleavedCarrier, UdpCarrier
from reelcast.net.flight import Flight
from reelcast.net.interleaved import InterleavedWriter
from reelcast.net.messages import Batching
from reelcast.net.udp import UdpPair
from reelcast.rtp.group import MAX_RUN_PACKETS
from reelcast.rtp.sender import Sender, stamp

GROUP = group_of(
    [
        (0, burst(VIDEO, 0, (1400,) * 2 * MAX_RUN_PACKETS, duration=9000)),
        (0, burst(VIDEO, 9000, (700, 700, 30), duration=9000)),
        (1, burst(AUDIO, 800, (160,), duration=160)),
        (1, burst(AUDIO, 960, (160,), duration=160)),
    ]
)


def flight_for(carrier: Carrier) -> Flight:
    senders = {0: Sender(1, 0, 0, 90_000), 1: Sender(2, 0, 0, 8_000)}
    return Flight(GROUP, stamp(GROUP, senders, carrier.channels))


class UdpReader:
    """A reader of both tracks over UDP."""

    def __init__(self, stack: ExitStack) -> None:
        self.rtp = Reader(stack), Reader(stack)
        self.rtcp = Reader(stack), Reader(stack)

    def carrier(self, pair: UdpPair) -> UdpCarrier:
        return UdpCarrier(
            pair, {track: (self.rtp[track].destination, self.rtcp[track].destination) for track in (0, 1)}
        )


def _ignore(*_: object) -> None: ...


@asynccontextmanager
async def pair_of(batching: Batching) -> AsyncIterator[tuple[UdpPair, ExitStack]]:
    pair = await UdpPair.open("127.0.0.1", 0, batching, _ignore, _ignore)
    with ExitStack() as stack:
        stack.callback(pair.close)
        yield pair, stack


@pytest.mark.parametrize("batching", AVAILABLE, ids=lambda value: value.name)
async def test_udp(batching: Batching) -> None:
    async with pair_of(batching) as (pair, stack):
        reader = UdpReader(stack)
        carrier = reader.carrier(pair)
        flight = flight_for(carrier)
        video = flight.packets(0, 2 * MAX_RUN_PACKETS + 3)
        carrier.send(flight, 0, 1)
        pair.batch.flush()
        assert reader.rtp[0].received() == video[:MAX_RUN_PACKETS]
        carrier.send(flight, 1, len(GROUP.runs))
        pair.batch.flush()
        assert reader.rtp[0].received() == video[MAX_RUN_PACKETS:]
        assert reader.rtp[1].received() == flight.packets(len(GROUP) - 2, 2)
        carrier.report(1, b"report")
        assert [one.received() for one in reader.rtcp] == [[], [b"report"]]


async def test_udp_is_always_ready_and_spreads_large_bursts() -> None:
    async with pair_of(Batching.PLAIN) as (pair, stack):
        carrier = UdpReader(stack).carrier(pair)
        assert carrier.ready
        assert carrier.channels is None
        assert carrier.dues(GROUP) == GROUP.spread
        assert carrier.dues(GROUP)[1] > GROUP.dues[1]


class TestInterleaved:
    def test_media_and_reports(self) -> None:
        transport = Recorder()
        carrier = InterleavedCarrier(InterleavedWriter(transport), {0: (4, 5), 1: (6, 9)})
        assert carrier.channels == {0: 4, 1: 6}
        flight = flight_for(carrier)
        carrier.send(flight, 0, 2)
        assert transport.written == b"".join(flight.packets(0, 2 * MAX_RUN_PACKETS))
        transport.written = b""
        carrier.send(flight, 2, 4)
        carrier.report(1, b"report")
        media = flight.packets(2 * MAX_RUN_PACKETS, 4)
        assert [packet[:2] for packet in media] == [b"$\x04"] * 3 + [b"$\x06"]
        assert transport.written == b"".join(media) + b"$\x09\x00\x06report"

    def test_dues(self) -> None:
        carrier = InterleavedCarrier(InterleavedWriter(Recorder()), {0: (0, 1)})
        assert carrier.dues(GROUP) == GROUP.dues

    def test_ready_when_all_is_taken(self) -> None:
        transport = Recorder()
        carrier = InterleavedCarrier(InterleavedWriter(transport), {0: (0, 1)})
        assert carrier.ready
        transport.waiting = 1
        assert not carrier.ready

    def test_no_report_to_a_closed_connection(self) -> None:
        transport = Recorder()
        carrier = InterleavedCarrier(InterleavedWriter(transport), {0: (0, 1)})
        transport.closed = True
        carrier.report(0, b"report")
        assert transport.written == b""


def test_a_track_that_is_not_carried() -> None:
    transport = Recorder()
    carrier = InterleavedCarrier(InterleavedWriter(transport), {1: (2, 3)})
    senders = {0: Sender(1, 0, 0, 90_000), 1: Sender(2, 0, 0, 8_000)}
    flight = Flight(GROUP, stamp(GROUP, senders, {0: 0, 1: 2}))
    carrier.send(flight, 0, 3)
    assert transport.written == b""
    carrier.send(flight, 1, len(GROUP.runs))
    assert transport.written == b"".join(flight.packets(len(GROUP) - 2, 2))


async def test_a_track_that_is_not_carried_over_udp() -> None:
    async with pair_of(Batching.PLAIN) as (pair, stack):
        reader = Reader(stack)
        carrier = UdpCarrier(pair, {1: (reader.destination, reader.destination)})
        flight = flight_for(carrier)
        carrier.send(flight, 0, len(GROUP.runs))
        pair.batch.flush()
        assert reader.received() == flight.packets(len(GROUP) - 2, 2)


def test_how_late_is_too_late() -> None:
    # A receive buffer overflows where TCP only waits.
    assert 0 < UdpCarrier.max_lag < InterleavedCarrier.max_lag
