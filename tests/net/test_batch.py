"""Batches: the same datagrams arrive whichever way they are sent, and nobody pays for another's trouble."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest
from tests.net.readers import (
    AVAILABLE,
    BEST,
    HOSTS,
    Calls,
    Reader,
    bound,
    closed_port,
    everything,
    flight_with,
)

from reelcast.net.batch import CAPACITY, Batch, MessageBatch, PlainBatch, SegmentedBatch, batch_for
from reelcast.net.flight import Flight
from reelcast.net.messages import Batching, Destination
from reelcast.rtp.group import MAX_RUN_PACKETS, Run

SO_NO_CHECK = 11


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def fly(batch: Batch, flight: Flight, *destinations: Destination, runs: Sequence[Run] | None = None) -> None:
    for destination in destinations:
        for run in flight.group.runs if runs is None else runs:
            batch.add(flight, run, destination)


@pytest.mark.parametrize("batching", AVAILABLE, ids=lambda value: value.name)
@pytest.mark.parametrize(
    "sizes",
    [
        (1,),
        (1440,),
        (1440,) * 3,
        (1440, 1440, 1),
        (1440,) * MAX_RUN_PACKETS,
        (1440,) * (2 * MAX_RUN_PACKETS + 10) + (700,),
        (3, 700, 700, 2, 1440, 1440, 9),
        (1,) * 64,
    ],
    ids=str,
)
@HOSTS
def test_the_same_datagrams(
    sockets: ExitStack, batching: Batching, sizes: tuple[int, ...], host: str
) -> None:
    batch = batch_for(batching, bound(sockets, host))
    readers = [Reader(sockets, host) for _ in range(3)]
    flight = flight_with(*sizes)
    fly(batch, flight, *(reader.destination for reader in readers))
    batch.flush()
    for reader in readers:
        assert reader.received() == everything(flight)


@pytest.mark.parametrize("batching", AVAILABLE, ids=lambda value: value.name)
class TestEachWay:
    def test_nothing_to_send(self, sockets: ExitStack, batching: Batching) -> None:
        batch = batch_for(batching, bound(sockets))
        batch.flush()
        batch.flush()

    def test_chosen_runs_and_two_flights(self, sockets: ExitStack, batching: Batching) -> None:
        batch = batch_for(batching, bound(sockets))
        reader, other = Reader(sockets), Reader(sockets)
        first, second = flight_with(40, 40, 4, frames=3), flight_with(9, 900, 900)
        fly(batch, first, reader.destination, runs=first.group.runs[1:2])
        fly(batch, second, other.destination, reader.destination)
        fly(batch, first, other.destination, runs=first.group.runs[2:])
        batch.flush()
        assert reader.received() == first.packets(3, 3) + everything(second)
        assert other.received() == everything(second) + first.packets(6, 3)

    def test_more_than_fits(self, sockets: ExitStack, batching: Batching) -> None:
        batch = batch_for(batching, bound(sockets))
        readers = [Reader(sockets) for _ in range(CAPACITY // 64 + 1)]
        flight = flight_with(5, frames=64)
        fly(batch, flight, *(reader.destination for reader in readers))
        batch.flush()
        for reader in readers:
            assert reader.received() == everything(flight)

    def test_nobody_listens_at_one(self, sockets: ExitStack, batching: Batching) -> None:
        # Each refusal comes back as an error of whatever is sent next from the same socket.
        batch = batch_for(batching, bound(sockets))
        readers = [Reader(sockets) for _ in range(4)]
        flight = flight_with(1200, 1200, 3, frames=5)
        for run in flight.group.runs:
            for reader in readers:
                batch.add(flight, run, closed_port(sockets))
                batch.add(flight, run, reader.destination)
        batch.flush()
        for reader in readers:
            assert reader.received() == everything(flight)

    def test_an_address_that_cannot_be_reached(self, sockets: ExitStack, batching: Batching) -> None:
        batch = batch_for(batching, bound(sockets))
        reader = Reader(sockets)
        flight = flight_with(1200, 1200, 3)
        # From a socket bound to loopback there is no way to other networks.
        nowhere = Destination(socket.AF_INET, ("192.0.2.1", 5000))
        fly(batch, flight, nowhere, reader.destination, nowhere, reader.destination)
        batch.flush()
        assert reader.received() == 2 * everything(flight)

    def test_the_full_buffer_of_a_reader_is_its_own(self, sockets: ExitStack, batching: Batching) -> None:
        batch = batch_for(batching, bound(sockets))
        slow, reader = Reader(sockets), Reader(sockets)
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        flight = flight_with(*[1440] * 20)
        for _ in range(4):
            fly(batch, flight, slow.destination, reader.destination)
            batch.flush()
        assert reader.received() == 4 * everything(flight)
        assert len(slow.received()) < 80


@pytest.mark.skipif(BEST is not Batching.SEGMENTED, reason="no segmentation offload here")
class TestSegmentation:
    def test_a_run_is_one_message(self, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
        batch = SegmentedBatch(bound(sockets))
        reader = Reader(sockets)
        calls = Calls(batch._messages)
        monkeypatch.setattr(batch._messages, "_sendmmsg", calls)
        flight = flight_with(*[1440] * 30)
        fly(batch, flight, reader.destination)
        batch.flush()
        assert calls.messages == [1]
        assert reader.received() == everything(flight)

    def test_a_path_that_refuses(self, sockets: ExitStack, caplog: pytest.LogCaptureFixture) -> None:
        sock = bound(sockets)
        batch = SegmentedBatch(sock)
        reader = Reader(sockets)
        flight = flight_with(*[1000] * 7)
        # Linux refuses to segment what has no checksum, as it does where the path's MTU is too small.
        sock.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
        with caplog.at_level(logging.INFO):
            fly(batch, flight, reader.destination)
            batch.flush()
        assert reader.received() == everything(flight)
        assert not reader.destination.segmented
        assert caplog.text.count("no segmentation offload to 127.0.0.1") == 1
        caplog.clear()
        fly(batch, flight, reader.destination)
        batch.flush()
        assert reader.received() == everything(flight)
        assert not caplog.records

    @pytest.mark.parametrize("code", [errno.EINVAL, errno.EIO, errno.EMSGSIZE])
    def test_the_others_keep_it(self, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
        batch = SegmentedBatch(bound(sockets))
        readers = [Reader(sockets) for _ in range(3)]
        odd = readers[1].destination
        calls = Calls(batch._messages, lambda name, count: code if name == odd.pointer and count > 2 else 0)
        monkeypatch.setattr(batch._messages, "_sendmmsg", calls)
        flight = flight_with(1000, 1000, 7, frames=2)
        for _ in range(2):
            fly(batch, flight, *(reader.destination for reader in readers))
            batch.flush()
        for reader in readers:
            assert reader.received() == 2 * everything(flight)
        assert [reader.destination.segmented for reader in readers] == [True, False, True]
        # First up to the odd one, whose two messages are refused, and on behind it; then packet by packet.
        assert calls.messages == [2, 2, 2 + 2 * 3 + 2]

    def test_a_single_packet_says_nothing_about_segmentation(
        self, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        batch = SegmentedBatch(bound(sockets))
        reader = Reader(sockets)
        monkeypatch.setattr(batch._messages, "_sendmmsg", Calls(batch._messages, lambda *_: errno.EMSGSIZE))
        flight = flight_with(1000)
        fly(batch, flight, reader.destination)
        batch.flush()
        assert reader.destination.segmented
        assert reader.received() == everything(flight)


def test_classes(sockets: ExitStack) -> None:
    sock = bound(sockets)
    assert type(batch_for(Batching.PLAIN, sock)) is PlainBatch
    if BEST is not Batching.PLAIN:
        assert type(batch_for(Batching.MESSAGES, sock)) is MessageBatch
        assert type(batch_for(Batching.SEGMENTED, sock)) is SegmentedBatch
