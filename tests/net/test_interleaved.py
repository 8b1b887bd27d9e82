"""Interleaved writing: the bytes that arrive are those that were written, however little the kernel takes."""

from __future__ import annotations

import asyncio
import socket

import pytest
from tests.groups import AUDIO, VIDEO, burst, group_of
from tests.net.links import Recorder, linked

from reelcast.net import interleaved as interleaved_module
from reelcast.net.flight import Flight
from reelcast.net.interleaved import InterleavedWriter
from reelcast.rtp.sender import Sender, stamp

BOTH_WAYS = pytest.mark.parametrize("direct", [True, False], ids=["writev", "portable"])


def flight_with(*sizes: int, frames: int = 1) -> Flight:
    group = group_of(
        pair
        for number in range(frames)
        for pair in ((0, burst(VIDEO, 3600 * number, sizes)), (1, burst(AUDIO, 320 * number, (160,))))
    )
    senders = {0: Sender(1, 0, 0, 90_000), 1: Sender(2, 0, 0, 8_000)}
    return Flight(group, stamp(group, senders, {0: 0, 1: 2}))


def joined(flight: Flight, first: int = 0, count: int | None = None) -> bytes:
    return b"".join(flight.packets(first, len(flight.group) - first if count is None else count))


@BOTH_WAYS
async def test_written_at_once(direct: bool) -> None:
    flight = flight_with(1400, 1400, 7)
    async with linked(direct=direct, buffer=1 << 16) as link:
        assert link.writer.idle
        link.writer.write_packets(flight, 0, 4)
        assert link.writer.idle
        assert await link.read_all(1) == joined(flight)


@BOTH_WAYS
async def test_a_part(direct: bool) -> None:
    flight = flight_with(1400, 1400, 7, frames=3)
    async with linked(direct=direct, buffer=1 << 16) as link:
        link.writer.write_packets(flight, 2, 5)
        link.writer.write_packets(flight, 3, 0)
        expected = joined(flight, 2, 5)
        assert await link.read_all(len(expected)) == expected


@BOTH_WAYS
async def test_a_slow_reader(direct: bool) -> None:
    flight = flight_with(*[1400] * 30, frames=12)
    async with linked(direct=direct) as link:
        sent, waits = 0, 0
        while sent < len(flight.group):
            if link.writer.idle:
                count = min(31, len(flight.group) - sent)
                link.writer.write_packets(flight, sent, count)
                sent += count
            else:
                assert link.writer.queued() > 0
                waits += 1
                await link.read(3000)
        assert waits > 12
        expected = joined(flight)
        assert await link.read_all(len(expected)) == expected
        assert link.writer.idle
        assert link.writer.queued() == 0


@BOTH_WAYS
async def test_other_bytes_keep_their_place(direct: bool) -> None:
    flight = flight_with(*[1400] * 30)
    async with linked(direct=direct) as link:
        link.writer.write(b"response")
        link.writer.write_packets(flight, 0, 31)
        assert not link.writer.idle
        link.writer.write(b"report")
        expected = b"response" + joined(flight) + b"report"
        assert await link.read_all(len(expected)) == expected


@BOTH_WAYS
async def test_all_who_watch_are_told_of_what_waits(direct: bool) -> None:
    """Several may write to one connection past its transport: none may overtake what another left to that."""
    flight = flight_with(*[1400] * 30)
    told: list[str] = []

    def one(writer: InterleavedWriter) -> None:
        told.append("one")

    def other(writer: InterleavedWriter) -> None:
        told.append("other")

    async with linked(direct=direct) as link:
        for watcher in (one, other):
            link.writer.watch(watcher)
        link.writer.write(b"response")
        assert told == []
        link.writer.write_packets(flight, 0, 31)
        assert told == ["one", "other"]
        for _ in range(2):
            link.writer.unwatch(one)
        link.writer.write(b"report")
        assert told == ["one", "other", "other"]


@BOTH_WAYS
async def test_more_packets_than_one_call_takes(direct: bool) -> None:
    flight = flight_with(*[3] * 1200)
    for buffer in (1 << 20, 4096):
        async with linked(direct=direct, buffer=buffer) as link:
            link.writer.write_packets(flight, 0, 1201)
            assert await link.read_all(len(joined(flight))) == joined(flight)


@BOTH_WAYS
async def test_the_last_call_of_several_takes_less(direct: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interleaved_module, "_IOV_PACKETS", 2)
    flight = flight_with(*[1400] * 40)
    async with linked(direct=direct) as link:
        link.writer.write_packets(flight, 0, 41)
        assert not link.writer.idle
        assert await link.read_all(len(joined(flight))) == joined(flight)


@BOTH_WAYS
async def test_the_client_is_gone(direct: bool) -> None:
    flight = flight_with(*[1400] * 30)
    async with linked(direct=direct) as link:
        link.reset()
        link.writer.write_packets(flight, 0, 31)
        link.writer.write(b"more")
        await asyncio.wait_for(link.lost.gone.wait(), 20)
        link.writer.write(b"too late")
        assert link.writer.idle


def test_without_a_socket_of_its_own() -> None:
    flight = flight_with(100, 100)
    with socket.socket() as sock:
        for transport in (Recorder(), Recorder(socket=sock, sslcontext=object())):
            writer = InterleavedWriter(transport)
            writer.write_packets(flight, 0, 3)
            writer.write(b"report")
            assert writer.send is None
            writer.release()
            assert transport.written == joined(flight) + b"report"


async def test_released() -> None:
    flight = flight_with(100, 100)
    async with linked(direct=True, buffer=1 << 16) as link:
        assert link.writer.send is not None
        assert link.writer.send(memoryview(b"past the transport")) == 18
        link.writer.release()
        link.writer.release()
        assert link.writer.send is None
        # The socket is the transport's own again, and open.
        link.writer.write_packets(flight, 0, 3)
        expected = b"past the transport" + joined(flight)
        assert await link.read_all(len(expected)) == expected


def test_shown_by_its_peer() -> None:
    assert str(InterleavedWriter(Recorder(peername=("10.1.2.3", 554)))) == "10.1.2.3:554"
    assert str(InterleavedWriter(Recorder(peername=("fe80::1", 554, 0, 2)))) == "fe80::1:554"
    assert str(InterleavedWriter(Recorder())) == "?:0"


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_elsewhere(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr("sys.platform", platform)
    assert interleaved_module._load_writev() is None
