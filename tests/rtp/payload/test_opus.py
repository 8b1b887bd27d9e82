"""Opus in RTP: one packet in one packet, each at its own time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rtp.payload.wire import any_packets, damaged, packet, packets_of, places, receive, send

from reelcast.errors import PayloadError
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload import format_of
from reelcast.rtp.payload.opus import OpusDepacketizer, OpusPacketizer
from reelcast.rtp.payload.opus_packet import duration_of
from reelcast.track import AccessUnit, Track

TRACK = Track("audio", "opus", 48000, 96, channels=2)
TWENTY = b"\xfc"
"""A TOC: 20 ms of full-band CELT, stereo, one frame."""
SIXTY = b"\xff\x83"
"""Three of those, of lengths of their own."""


class TestPacketizer:
    def test_one_packet_each(self) -> None:
        """Conformance F9."""
        units = [AccessUnit(TWENTY + bytes(size), 960 * size, 960 * size) for size in range(3)]
        bursts = send(OpusPacketizer(TRACK, 1452), units)
        assert [(one.pts, one.dts, one.duration, one.keyframe) for one in bursts] == [
            (0, 0, 960, True),
            (960, 960, 960, True),
            (1920, 1920, 960, True),
        ]
        packets = packets_of(bursts)
        assert [one.payload for one in packets] == [unit.data for unit in units]
        assert {(one.marker, one.payload_type) for one in packets} == {(False, 96)}

    def test_too_large_goes_by_its_frames(self) -> None:
        """Conformance F9."""
        data = SIXTY + b"\xfd\x31\xfd\x31" + b"a" * 449 + b"b" * 449 + b"c" * 600
        bursts = OpusPacketizer(TRACK, 1452).packetize(AccessUnit(data, 100, 90))
        assert [(one.pts, one.dts, one.duration) for one in bursts] == [
            (100, 90, 960),
            (1060, 1050, 960),
            (2020, 2010, 960),
        ]
        assert [one.data[12:] for one in bursts] == [
            TWENTY + b"a" * 449,
            TWENTY + b"b" * 449,
            TWENTY + b"c" * 600,
        ]

    @pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\0", b"\xff\x83" + b"\xfd\xff" + bytes(3000)])
    def test_no_opus(self, data: bytes) -> None:
        with pytest.raises(PayloadError, match=f"the unit of {len(data)} bytes is no Opus packet"):
            OpusPacketizer(TRACK, 1452).packetize(AccessUnit(data, 0, 0))

    def test_frame_larger_than_a_packet(self) -> None:
        with pytest.raises(PayloadError, match="1001 bytes, 488 fit a packet; lower the bit rate"):
            OpusPacketizer(TRACK, 500).packetize(AccessUnit(TWENTY + bytes(1000), 0, 0))


class TestDepacketizer:
    def test_duration_from_the_packet(self) -> None:
        (unit,) = OpusDepacketizer(TRACK).receive(packet(TWENTY + b"abc", 3, 77))
        assert unit == AccessUnit(TWENTY + b"abc", 77, 77, True, 960)

    def test_silence_that_was_left_out(self) -> None:
        rows = [packet(TWENTY + b"a", 0, 0), packet(TWENTY, 1, 960), packet(TWENTY + b"b", 2, 96000)]
        units = receive(OpusDepacketizer(TRACK), rows)
        assert [(unit.pts, unit.duration) for unit in units] == [(0, 960), (960, 960), (96000, 960)]

    def test_repeated_packet(self) -> None:
        assert len(receive(OpusDepacketizer(TRACK), [packet(TWENTY, 3)] * 2)) == 1

    @pytest.mark.parametrize("payload", [b"", b"\xff", b"\xff\0", b"\xff\x3f"])
    def test_impossible_packet(self, payload: bytes) -> None:
        rows = [packet(payload, 0), packet(TWENTY, 1)]
        assert [unit.data for unit in receive(OpusDepacketizer(TRACK), rows)] == [TWENTY]

    @given(any_packets(st.binary(max_size=20)))
    def test_never_raises(self, packets: list[Packet]) -> None:
        for unit in receive(OpusDepacketizer(TRACK), packets):
            assert 0 < unit.duration == duration_of(unit.data)


@settings(max_examples=100)
@given(st.lists(st.binary(max_size=300), max_size=20), st.integers(600, 1500), places, places)
def test_losses(frames: list[bytes], size: int, lost: set[int], repeated: set[int]) -> None:
    units = [
        AccessUnit(TWENTY + data, 960 * place, 960 * place, duration=960) for place, data in enumerate(frames)
    ]
    packets = packets_of(send(OpusPacketizer(TRACK, size), units), 65530)
    found = receive(OpusDepacketizer(TRACK), damaged(packets, lost, repeated))
    assert found == [unit for place, unit in enumerate(units) if place not in lost]


@pytest.mark.parametrize(
    ("parameters", "channels"),
    [
        ({}, 2),
        ({"sprop-stereo": "1"}, 2),
        ({"sprop-stereo": "0"}, 1),
        ({"sprop-stereo": "x"}, 2),
        ({"stereo": "0"}, 2),
    ],
)
def test_format_parameters(parameters: dict[str, str], channels: int) -> None:
    """Conformance D18."""
    payload_format = format_of("opus")
    track = payload_format.apply_parameters(Track("audio", "opus", 16000, 96, channels=1), parameters)
    assert (track.clock_rate, track.channels) == (48000, channels)
    assert payload_format.apply_parameters(TRACK, payload_format.format_parameters(track)) == Track(
        "audio", "opus", 48000, 96, channels=channels
    )
