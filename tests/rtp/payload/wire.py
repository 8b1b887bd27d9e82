"""Bursts onto the wire and off it again, whole or damaged: what the tests of all payload formats share."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace

from hypothesis import strategies as st

from reelcast.rtp.burst import Burst
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload import Depacketizer, Packetizer
from reelcast.track import AccessUnit


def packets_of(bursts: Iterable[Burst], first: int = 0) -> list[Packet]:
    """The packets of bursts, as a receiver parses them, numbered on from `first`."""
    found: list[Packet] = []
    for burst in bursts:
        place = 0
        for size in burst.sizes:
            packet = Packet.parse(burst.data[place : place + size])
            assert packet is not None
            found.append(replace(packet, sequence=(first + len(found)) & 0xFFFF))
            place += size
        assert place == len(burst.data)
    return found


def send(packetizer: Packetizer, units: Iterable[AccessUnit]) -> list[Burst]:
    bursts = [burst for unit in units for burst in packetizer.packetize(unit)]
    return bursts + packetizer.flush()


def receive(depacketizer: Depacketizer, packets: Iterable[Packet]) -> list[AccessUnit]:
    return [unit for packet in packets for unit in depacketizer.receive(packet)]


def packet(payload: bytes, sequence: int = 0, timestamp: int = 0, marker: bool = False) -> Packet:
    return Packet(96, sequence, timestamp, 0, marker, payload)


def any_packets(payloads: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[Packet]]:
    """Packets with these payloads; sequence numbers and timestamps mostly make sense."""
    numbers = st.integers(0, 0xFFFF) | st.none()
    one = st.tuples(payloads | st.binary(max_size=64), numbers, st.integers(0, 3), st.booleans())
    return st.lists(one, max_size=30).map(
        lambda rows: [
            Packet(96, index if number is None else number, time, 0, marker, payload)
            for index, (payload, number, time, marker) in enumerate(rows)
        ]
    )


def damaged(packets: list[Packet], lost: set[int], repeated: set[int]) -> list[Packet]:
    """The packets without those at the places lost, and with those at the places repeated twice."""
    return [
        packet
        for place, packet in enumerate(packets)
        if place not in lost
        for _ in range(2 if place in repeated else 1)
    ]


places = st.sets(st.integers(0, 120), max_size=12)
"""For `damaged`."""


def goes_round(coder: tuple[Packetizer, Depacketizer], units: list[AccessUnit], size: int) -> None:
    """Units that are sent in packets of some bytes at the most come back as they were."""
    packetizer, depacketizer = coder
    bursts = send(packetizer, units)
    for burst in bursts:
        assert max(burst.sizes) <= size
    assert receive(depacketizer, packets_of(bursts, 65500)) == units


def loses_only_what_is_hit(
    coder: tuple[Packetizer, Depacketizer],
    units: list[AccessUnit],
    lost: set[int],
    repeated: set[int],
    *,
    safe: int = 0,
) -> None:
    """All units arrive whole but those that miss a packet.

    lost, repeated    places of packets, behind those of the first `safe` units, which always arrive
    """
    packetizer, depacketizer = coder
    bursts = send(packetizer, units)
    counts = [len(burst.sizes) for burst in bursts]
    lost = {place + sum(counts[:safe]) for place in lost}
    whole = [
        unit
        for unit, end, count in zip(units, itertools.accumulate(counts), counts, strict=True)
        if not lost & set(range(end - count, end))
    ]
    assert receive(depacketizer, damaged(packets_of(bursts, 65500), lost, repeated)) == whole
