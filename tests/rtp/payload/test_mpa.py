"""MPEG audio in RTP: frames of all layers, shared packets and fragments, times without drift."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rtp.payload.wire import any_packets, damaged, packet, packets_of, places, receive, send

from reelcast.errors import PayloadError
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload import format_of
from reelcast.rtp.payload.mpa import MpaDepacketizer, MpaPacketizer
from reelcast.rtp.payload.mpa_header import parse_header
from reelcast.track import AccessUnit, Track

TRACK = Track("audio", "mpa", 90_000, 14, channels=2)
MP3 = bytes.fromhex("fffb9000")
"""Layer III of 128 kbit/s at 44.1 kHz: 417 bytes, 1152 samples, 2351.02 ticks."""
MP3_320 = bytes.fromhex("fffbe200")
MP2 = bytes.fromhex("fffda400")
MP1 = bytes.fromhex("ffffe600")
LARGE = bytes.fromhex("fffde800")
"""Layer II of 384 kbit/s at 32 kHz: 1728 bytes."""
SMALL = bytes.fromhex("ffe31000")


def frame(head: bytes, fill: int = 0) -> bytes:
    header = parse_header(head)
    assert header is not None
    return head + bytes((fill % 255,)) * (header.size - 4)


def units_of(head: bytes, count: int, start: int = 0) -> list[AccessUnit]:
    """Frames one behind the other, their times rounded as a demuxer rounds them."""
    header = parse_header(head)
    assert header is not None
    at = [round(90_000 * number * header.samples / header.rate) for number in range(count + 1)]
    return [
        AccessUnit(frame(head, number), start + begin, start + begin, duration=end - begin)
        for number, (begin, end) in enumerate(itertools.pairwise(at))
    ]


class TestPacketizer:
    def test_frames_share_a_packet(self) -> None:
        """Conformance F10."""
        bursts = send(MpaPacketizer(TRACK, 1452), units_of(MP3, 7))
        assert [(one.pts, one.dts, one.duration) for one in bursts] == [
            (0, 0, 7053),
            (7053, 7053, 7053),
            (14106, 14106, 2351),
        ]
        packets = packets_of(bursts)
        assert {one.payload[:4] for one in packets} == {bytes(4)}
        assert [len(one.payload) for one in packets] == [4 + 3 * 417, 4 + 3 * 417, 4 + 417]
        assert {(one.marker, one.payload_type) for one in packets} == {(False, 14)}

    def test_a_tenth_of_a_second(self) -> None:
        bursts = send(MpaPacketizer(TRACK, 1452), units_of(SMALL, 3))
        assert [one.duration for one in bursts] == [4702, 4702, 4702]

    def test_fragments_of_one_size(self) -> None:
        """Conformance F10."""
        (unit,) = units_of(LARGE, 1)
        (burst,) = MpaPacketizer(TRACK, 1016).packetize(unit)
        packets = packets_of([burst])
        assert [one.payload[:4].hex() for one in packets] == ["00000000", "000003e8"]
        assert b"".join(one.payload[4:] for one in packets) == unit.data
        assert [len(one.payload) for one in packets] == [1004, 732]
        assert burst.duration == 3240

    def test_a_fragmented_frame_ends_the_packet_before(self) -> None:
        small, large = units_of(bytes.fromhex("fffb1800"), 1)[0], units_of(LARGE, 1, 3240)[0]
        packetizer = MpaPacketizer(TRACK, 1452)
        assert packetizer.packetize(small) == []
        first, second = packetizer.packetize(large)
        assert (first.pts, second.pts, len(second.sizes)) == (0, 3240, 2)
        assert packetizer.flush() == []

    @pytest.mark.parametrize(("jump", "packets"), [(0, 1), (1, 1), (-1, 1), (2, 2), (-2, 2), (9000, 2)])
    def test_a_jump_in_time_ends_the_packet(self, jump: int, packets: int) -> None:
        first, second = units_of(MP3, 2)
        second = replace(second, pts=second.pts + jump)
        assert len(send(MpaPacketizer(TRACK, 1452), [first, second])) == packets

    def test_another_rate_ends_the_packet(self) -> None:
        first, second = units_of(MP3, 1)[0], units_of(bytes.fromhex("fffb9400"), 1, 2351)[0]
        assert len(send(MpaPacketizer(TRACK, 1452), [first, second])) == 2

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"", "no MPEG audio frame of a known bit rate"),
            (b"\xff\xfb\x00\x00" + bytes(400), "no MPEG audio frame of a known bit rate"),
            (frame(MP3)[:-1], "has 416 bytes, its header says 417"),
            (frame(MP3) + b"x", "has 418 bytes, its header says 417"),
        ],
    )
    def test_no_frame(self, data: bytes, reason: str) -> None:
        packetizer = MpaPacketizer(TRACK, 1452)
        with pytest.raises(PayloadError, match=reason):
            packetizer.packetize(AccessUnit(data, 0, 0))
        assert len(send(packetizer, units_of(MP3, 1))) == 1


def payload(offset: int, data: bytes) -> bytes:
    return bytes(2) + offset.to_bytes(2) + data


class TestDepacketizer:
    def test_times_of_the_frames_in_a_packet(self) -> None:
        rows = [packet(payload(0, b"".join(frame(MP3, at) for at in range(4))), timestamp=0xFFFFFFFF)]
        units = receive(MpaDepacketizer(TRACK), rows)
        assert [(unit.pts, unit.duration) for unit in units] == [
            (0xFFFFFFFF, 2351),
            (2350, 2351),
            (4701, 2351),
            (7052, 2351),
        ]
        assert all(unit.pts == unit.dts and unit.keyframe for unit in units)

    def test_what_follows_the_frames_is_dropped(self) -> None:
        for tail in (b"\0\0", b"junk", frame(MP3)[:100]):
            (unit,) = MpaDepacketizer(TRACK).receive(packet(payload(0, frame(MP3) + tail)))
            assert unit.data == frame(MP3)

    def test_fragments(self) -> None:
        data = frame(LARGE)
        rows = [packet(payload(at, data[at : at + 600]), at // 600, 7) for at in range(0, 1728, 600)]
        (unit,) = receive(MpaDepacketizer(TRACK), rows)
        assert unit == AccessUnit(data, 7, 7, duration=3240)

    def test_more_than_the_frame(self) -> None:
        data = frame(LARGE)
        rows = [packet(payload(0, data[:1000])), packet(payload(1000, data[1000:] + b"junk"), 1)]
        (unit,) = receive(MpaDepacketizer(TRACK), rows)
        assert unit.data == data

    @pytest.mark.parametrize(
        "broken",
        [
            [packet(b"", 0)],
            [packet(bytes(4), 0)],
            [packet(payload(0, b"no frame"), 0)],
            [packet(payload(10, b"middle"), 0)],
            [packet(payload(0, frame(LARGE)[:1000]), 0), packet(payload(999, frame(LARGE)[999:]), 1)],
            [packet(payload(0, frame(LARGE)[:1000]), 0), packet(payload(1000, frame(LARGE)[1000:]), 2)],
            [packet(payload(0, frame(LARGE)[:1000]), 0), packet(payload(1000, frame(LARGE)[1000:]), 1, 9)],
        ],
    )
    def test_what_does_not_belong_together_is_dropped(self, broken: list[Packet]) -> None:
        rows = [*broken, packet(payload(0, frame(MP3)), 8, 99)]
        assert [unit.data for unit in receive(MpaDepacketizer(TRACK), rows)] == [frame(MP3)]

    def test_repeated_packet(self) -> None:
        assert len(receive(MpaDepacketizer(TRACK), [packet(payload(0, frame(MP3)), 3)] * 2)) == 1

    @settings(max_examples=200)
    @given(
        any_packets(
            st.builds(
                lambda offset, head, rest: payload(offset, head + rest),
                st.sampled_from([0, 0, 4, 50, 54]),
                st.sampled_from([SMALL, MP3, b""]),
                st.binary(max_size=20) | st.just(bytes(48)) | st.just(bytes(300)),
            )
        )
    )
    def test_never_raises(self, packets: list[Packet]) -> None:
        for unit in receive(MpaDepacketizer(TRACK), packets):
            header = parse_header(unit.data)
            assert header is not None
            assert header.size == len(unit.data)


def test_no_drift() -> None:
    """Ten minutes of MP3, each frame within a tick of where it belongs."""
    count = 600 * 44_100 // 1152
    units = units_of(MP3, count)
    found = receive(MpaDepacketizer(TRACK), packets_of(send(MpaPacketizer(TRACK, 1452), units)))
    assert len(found) == count
    assert max(abs(one.pts - other.pts) for one, other in zip(units, found, strict=True)) <= 1
    assert found[-1].pts == pytest.approx(90_000 * (count - 1) * 1152 / 44_100, abs=1)


@settings(max_examples=100)
@given(
    st.sampled_from([MP3, MP3_320, MP2, MP1, LARGE, SMALL]),
    st.integers(1, 40),
    st.integers(268, 1500),
    places,
    places,
)
def test_losses(head: bytes, count: int, size: int, lost: set[int], repeated: set[int]) -> None:
    units = units_of(head, count)
    bursts = send(MpaPacketizer(TRACK, size), units)
    whole: list[bytes] = []
    number, taken = 0, 0
    for burst in bursts:
        holds = max(round(burst.duration / units[0].duration), 1)
        if not lost & set(range(number, number + len(burst.sizes))):
            whole += [unit.data for unit in units[taken : taken + holds]]
        number += len(burst.sizes)
        taken += holds
    assert taken == count
    found = receive(MpaDepacketizer(TRACK), damaged(packets_of(bursts, 65530), lost, repeated))
    assert [unit.data for unit in found] == whole


def test_format_parameters() -> None:
    payload_format = format_of("mpa")
    mono = replace(TRACK, channels=1)
    assert payload_format.format_parameters(TRACK) == {}
    assert payload_format.format_parameters(mono) == {"mode": "single_channel"}
    for track in (TRACK, mono):
        assert payload_format.apply_parameters(mono, payload_format.format_parameters(track)) == track
