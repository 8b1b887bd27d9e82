"""Sockets emptied into one ring: headers, sizes, flows, with and without receive offload."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from reelcast.errors import TransportError
from reelcast.net import drain as module
from reelcast.net.drain import Drain
from reelcast.rtp.arrivals import Arrivals
from reelcast.rtp.packet import Packet

pytestmark = pytest.mark.skipif(not Drain.available(), reason="no recvmmsg on this system")

UDP_SEGMENT = 103


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    """Three that are bound, and one to send with."""
    made = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
    for sock in made:
        sock.bind(("127.0.0.1", 0))
    yield made
    for sock in made:
        sock.close()


def packet(sequence: int, size: int) -> bytes:
    return Packet(96, sequence, sequence * 3, 9, False, bytes(size - 12)).to_bytes()


def found(arrivals: Arrivals) -> list[tuple[int, int, int]]:
    columns = arrivals.flows.tolist(), arrivals.headers["sequence"].tolist(), arrivals.sizes.tolist()
    return list(zip(*columns, strict=True))


def test_flows_sequences_and_sizes(sockets: list[socket.socket]) -> None:
    *receivers, sender = sockets
    drain = Drain()
    expected = []
    for number, receiver in enumerate(receivers):
        drain.add(receiver, 10 + number)
        for sequence in range(5):
            sender.sendto(packet(sequence, 100 * (number + 1) + sequence), receiver.getsockname())
            expected.append((10 + number, sequence, 100 * (number + 1) + sequence))
    before = time.monotonic()
    assert all(drain.receive(receiver.fileno()) for receiver in receivers)
    arrivals = drain.take()
    assert found(arrivals) == expected
    assert set(arrivals.headers["timestamp"].tolist()) == {0, 3, 6, 9, 12}
    assert all(before <= when <= time.monotonic() for when in arrivals.times)
    assert len(drain.take()) == 0


def test_several_readings_before_they_are_taken(sockets: list[socket.socket]) -> None:
    receiver, *_, sender = sockets
    drain = Drain()
    drain.add(receiver, 1)
    for sequence in range(4):
        sender.sendto(packet(sequence, 50), receiver.getsockname())
        drain.receive(receiver.fileno())
    assert found(drain.take()) == [(1, sequence, 50) for sequence in range(4)]


def test_short_and_large_datagrams_keep_their_sizes(sockets: list[socket.socket]) -> None:
    receiver, *_, sender = sockets
    drain = Drain()
    drain.add(receiver, 0)
    for size in (0, 3, 12, 9000):
        sender.sendto(bytes(size), receiver.getsockname())
    drain.receive(receiver.fileno())
    assert drain.take().sizes.tolist() == [0, 3, 12, 9000]


def test_a_full_ring_says_so_and_nothing_is_lost(
    sockets: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLOTS", 4)
    receiver, *_, sender = sockets
    drain = Drain()
    drain.add(receiver, 0)
    for sequence in range(6):
        sender.sendto(packet(sequence, 20), receiver.getsockname())
    assert not drain.receive(receiver.fileno())
    assert not drain.receive(receiver.fileno())
    taken = found(drain.take())
    assert drain.receive(receiver.fileno())
    taken += found(drain.take())
    assert taken == [(0, sequence, 20) for sequence in range(6)]


def test_a_socket_that_has_nothing_changes_nothing(sockets: list[socket.socket]) -> None:
    drain = Drain()
    drain.add(sockets[0], 0)
    assert drain.receive(sockets[0].fileno())
    assert len(drain.take()) == 0


def test_offloaded_datagrams_are_cut_where_they_were_joined(sockets: list[socket.socket]) -> None:
    receiver, other, _, sender = sockets
    drain = Drain(gro=True)
    drain.add(receiver, 3)
    drain.add(other, 4)
    sizes = [500] * 7 + [77]
    run = b"".join(packet(sequence, size) for sequence, size in enumerate(sizes))
    for _ in range(2):
        sender.sendmsg(
            [run], [(socket.IPPROTO_UDP, UDP_SEGMENT, (500).to_bytes(2, "little"))], 0, receiver.getsockname()
        )
        sender.sendto(packet(9, 33), other.getsockname())
        drain.receive(receiver.fileno())
        drain.receive(other.fileno())
        arrivals = found(drain.take())
        assert [row for row in arrivals if row[0] == 3] == [
            (3, number, size) for number, size in enumerate(sizes)
        ]
        assert [row for row in arrivals if row[0] == 4] == [(4, 9, 33)]
    sender.sendto(b"", receiver.getsockname())
    drain.receive(receiver.fileno())
    assert drain.take().sizes.tolist() == [0]


def test_offload_that_is_refused_is_an_error(
    sockets: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_UDP_GRO", 9999)
    drain = Drain(gro=True)
    with pytest.raises(TransportError, match="no generic receive offload"):
        drain.add(sockets[0], 0)


def test_other_systems_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reelcast.net.drain.sys.platform", "darwin")
    assert not Drain.available()
