"""PCM in RTP: samples keep their places, however they are cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rtp.payload.wire import any_packets, packet, packets_of, receive, send

from reelcast.errors import PayloadError
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload import format_of
from reelcast.rtp.payload.pcm import PcmDepacketizer, PcmPacketizer
from reelcast.track import AccessUnit, Track

PCMU = Track("audio", "pcmu", 8000, 0, channels=1)
STEREO = Track("audio", "l16", 44100, 10, channels=2)


def sizes_of(track: Track, *units: AccessUnit, size: int = 1452) -> list[tuple[int, int, bool]]:
    """Time, bytes of payload and marker of each packet."""
    packets = packets_of(send(PcmPacketizer(track, size), units))
    return [(one.timestamp, len(one.payload), one.marker) for one in packets]


class TestPacketizer:
    def test_twenty_milliseconds(self) -> None:
        """Conformance F11."""
        assert sizes_of(PCMU, AccessUnit(bytes(400), 0, 0)) == [
            (0, 160, False),
            (160, 160, False),
            (320, 80, False),
        ]

    def test_a_rest_waits_for_the_next_unit(self) -> None:
        packetizer = PcmPacketizer(PCMU, 1452)
        assert packetizer.packetize(AccessUnit(b"a" * 100, 1000, 1000)) == []
        (burst,) = packetizer.packetize(AccessUnit(b"b" * 100, 1100, 1100))
        assert (burst.pts, burst.dts, burst.duration, burst.keyframe) == (1000, 1000, 160, True)
        assert burst.data[12:] == b"a" * 100 + b"b" * 60
        (burst,) = packetizer.flush()
        assert (burst.pts, burst.duration, burst.data[12:]) == (1160, 40, b"b" * 40)
        assert packetizer.flush() == []

    @pytest.mark.parametrize("jump", [-1, 1, 4000])
    def test_a_jump_in_time_ends_the_packet(self, jump: int) -> None:
        units = AccessUnit(bytes(200), 0, 0), AccessUnit(bytes(160), 200 + jump, 200 + jump)
        times = [row[0] for row in sizes_of(PCMU, *units)]
        assert times == [0, 160, 200 + jump]

    def test_packet_size(self) -> None:
        # 882 samples of four bytes would last 20 ms, 360 fit.
        assert sizes_of(STEREO, AccessUnit(bytes(4 * 800), 0, 0)) == [
            (0, 1440, False),
            (360, 1440, False),
            (720, 320, False),
        ]

    def test_timestamp_wraps(self) -> None:
        rows = sizes_of(PCMU, AccessUnit(bytes(320), (1 << 32) - 160, (1 << 32) - 160))
        assert [row[0] for row in rows] == [(1 << 32) - 160, 0]

    def test_half_a_sample(self) -> None:
        with pytest.raises(PayloadError, match="has 6 bytes, no multiple of 4"):
            PcmPacketizer(STEREO, 1452).packetize(AccessUnit(bytes(6), 0, 0))

    def test_static_payload_type(self) -> None:
        """Conformance F11."""
        (burst,) = send(PcmPacketizer(PCMU, 1452), [AccessUnit(bytes(160), 0, 0)])
        assert packets_of([burst])[0].payload_type == 0


class TestDepacketizer:
    def test_one_unit_a_packet(self) -> None:
        found = PcmDepacketizer(STEREO).receive(packet(b"abcdefgh", 0, 7))
        assert found == [AccessUnit(b"abcdefgh", 7, 7, True, 2)]

    def test_half_a_sample_is_dropped(self) -> None:
        assert PcmDepacketizer(STEREO).receive(packet(b"abcdef", 0, 7))[0].data == b"abcd"
        assert PcmDepacketizer(STEREO).receive(packet(b"abc")) == []

    def test_repeated_packet(self) -> None:
        assert len(receive(PcmDepacketizer(PCMU), [packet(b"abc", 3)] * 2)) == 1

    @given(any_packets(st.binary(max_size=20)))
    def test_never_raises(self, packets: list[Packet]) -> None:
        for unit in receive(PcmDepacketizer(STEREO), packets):
            assert len(unit.data) == 4 * unit.duration > 0


@settings(max_examples=100)
@given(
    st.sampled_from([PCMU, STEREO, Track("audio", "pcma", 8000, 8), Track("audio", "g722", 8000, 9)]),
    st.lists(st.integers(0, 3000), max_size=10),
    st.integers(268, 1500),
)
def test_round_trip(track: Track, lengths: list[int], size: int) -> None:
    frame = 4 if track is STEREO else 1
    units, pts = [], 5
    for length in lengths:
        units.append(AccessUnit(bytes((pts + place) % 256 for place in range(length * frame)), pts, pts))
        pts += length
    bursts = send(PcmPacketizer(track, size), units)
    assert all(burst.sizes == (len(burst.data),) and len(burst.data) <= size for burst in bursts)
    found = receive(PcmDepacketizer(track), packets_of(bursts, 65530))
    assert b"".join(unit.data for unit in found) == b"".join(unit.data for unit in units)
    expected = 5
    for unit in found:
        assert unit.pts == expected
        assert unit.duration <= track.clock_rate // 50
        expected += unit.duration


def test_no_format_parameters() -> None:
    payload_format = format_of(STEREO.codec)
    assert payload_format.format_parameters(STEREO) == {}
    assert payload_format.apply_parameters(STEREO, {"ptime": "20"}) == STEREO
