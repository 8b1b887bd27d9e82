"""Transport streams in RTP: seven packets in one, whole ones only, each at its time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rtp.payload.wire import any_packets, damaged, packet, packets_of, places, receive, send

from reelcast.errors import PayloadError
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload.mp2t import Mp2tDepacketizer, Mp2tPacketizer
from reelcast.track import AccessUnit, Track

TRACK = Track("video", "mp2t", 90_000, 33)


def stretch(count: int, fill: int = 0) -> bytes:
    return b"".join(b"\x47" + bytes((number + fill & 0xFF,)) * 187 for number in range(count))


class TestPacketizer:
    def test_seven_in_a_packet(self) -> None:
        """Conformance F10."""
        unit = AccessUnit(stretch(16), 900, 900, duration=1600)
        bursts = Mp2tPacketizer(TRACK, 1452).packetize(unit)
        assert [(one.pts, one.dts, one.duration, one.sizes) for one in bursts] == [
            (900, 900, 700, (1328,)),
            (1600, 1600, 700, (1328,)),
            (2300, 2300, 200, (388,)),
        ]
        packets = packets_of(bursts)
        assert b"".join(one.payload for one in packets) == unit.data
        assert {(one.marker, one.payload_type) for one in packets} == {(False, 33)}

    @pytest.mark.parametrize(("size", "count"), [(268, 1), (387, 1), (388, 2), (9000, 7)])
    def test_packet_size(self, size: int, count: int) -> None:
        bursts = Mp2tPacketizer(TRACK, size).packetize(AccessUnit(stretch(14), 0, 0))
        assert {one.sizes for one in bursts} == {(12 + 188 * count,)}

    def test_keyframe(self) -> None:
        for keyframe in (True, False):
            (burst,) = send(Mp2tPacketizer(TRACK, 1452), [AccessUnit(stretch(7), 0, 0, keyframe)])
            assert burst.keyframe is keyframe

    @pytest.mark.parametrize("data", [b"", stretch(1)[:-1], b"\0" + stretch(1)[1:], stretch(1) + bytes(188)])
    def test_no_transport_stream(self, data: bytes) -> None:
        with pytest.raises(PayloadError, match=f"unit of {len(data)} bytes is no run of transport stream"):
            Mp2tPacketizer(TRACK, 1452).packetize(AccessUnit(data, 0, 0))


class TestDepacketizer:
    def test_one_unit_a_packet(self) -> None:
        found = Mp2tDepacketizer(TRACK).receive(packet(stretch(7), 0, 5))
        assert found == [AccessUnit(stretch(7), 5, 5)]

    def test_what_is_not_whole_is_cut_off(self) -> None:
        (unit,) = Mp2tDepacketizer(TRACK).receive(packet(stretch(2) + b"\x47abc"))
        assert unit.data == stretch(2)

    @pytest.mark.parametrize("data", [b"", stretch(1)[:-1], bytes(188), stretch(1) + bytes(188)])
    def test_no_transport_stream(self, data: bytes) -> None:
        rows = [packet(data, 0), packet(stretch(1), 1)]
        assert [unit.data for unit in receive(Mp2tDepacketizer(TRACK), rows)] == [stretch(1)]

    def test_repeated_packet(self) -> None:
        assert len(receive(Mp2tDepacketizer(TRACK), [packet(stretch(1), 3)] * 2)) == 1

    @given(any_packets(st.integers(0, 3).map(stretch) | st.binary(min_size=180, max_size=200)))
    def test_never_raises(self, packets: list[Packet]) -> None:
        for unit in receive(Mp2tDepacketizer(TRACK), packets):
            assert unit.data[0] == 0x47
            assert len(unit.data) % 188 == 0


@settings(max_examples=100)
@given(st.lists(st.integers(1, 20), max_size=10), st.integers(268, 1500), places, places)
def test_losses(counts: list[int], size: int, lost: set[int], repeated: set[int]) -> None:
    units = [AccessUnit(stretch(n, at), 900 * at, 900 * at, duration=900) for at, n in enumerate(counts)]
    bursts = send(Mp2tPacketizer(TRACK, size), units)
    packets = packets_of(bursts, 65530)
    assert sum(burst.duration for burst in bursts) == 900 * len(counts)
    found = receive(Mp2tDepacketizer(TRACK), damaged(packets, lost, repeated))
    assert [(unit.pts, unit.data) for unit in found] == [
        (one.timestamp, one.payload) for place, one in enumerate(packets) if place not in lost
    ]
    if not lost:
        assert b"".join(unit.data for unit in found) == b"".join(unit.data for unit in units)
