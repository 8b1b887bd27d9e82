"""VP8 in RTP (conformance row F12): the descriptor byte by byte, and frames through losses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rtp.payload.wire import (
    any_packets,
    packet,
    packets_of,
    receive,
    send,
)

from reelcast.errors import PayloadError
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload import assembly, format_of
from reelcast.rtp.payload.vp8 import Vp8Depacketizer, Vp8Packetizer
from reelcast.track import AccessUnit, Track

TRACK = Track("video", "vp8", 90000, 96)
KEY, INTER = b"\x10\x02\0\x9d\x01\x2a", b"\x11\x02\0"


def frame(size: int, *, keyframe: bool = False) -> bytes:
    return (KEY if keyframe else INTER).ljust(size, b"v")


def payloads_of(data: bytes) -> list[bytes]:
    """In packets that leave 256 bytes to the payload."""
    (burst,) = send(Vp8Packetizer(TRACK, 268), [AccessUnit(data, 0, 0)])
    return [one.payload for one in packets_of([burst])]


def test_one_packet() -> None:
    assert payloads_of(frame(255)) == [b"\x10" + frame(255)]


def test_parts_are_of_one_size_and_the_first_says_so() -> None:
    """Conformance F12."""
    payloads = payloads_of(frame(255 * 2 + 1))
    assert [len(one) for one in payloads] == [256, 256, 2]
    assert [one[0] for one in payloads] == [0x10, 0, 0]
    assert b"".join(one[1:] for one in payloads) == frame(255 * 2 + 1)


def test_header_fields() -> None:
    (burst,) = Vp8Packetizer(TRACK, 268).packetize(AccessUnit(frame(600), (1 << 32) + 5, 3, False, 3000))
    assert (burst.pts, burst.dts, burst.keyframe, burst.duration) == ((1 << 32) + 5, 3, False, 3000)
    assert [one.marker for one in packets_of([burst])] == [False, False, True]


def test_an_empty_frame() -> None:
    with pytest.raises(PayloadError, match="the VP8 frame is empty"):
        Vp8Packetizer(TRACK, 1452).packetize(AccessUnit(b"", 0, 0))


def test_no_parameters() -> None:
    payload_format = format_of("vp8")
    assert payload_format.format_parameters(TRACK) == {}
    assert payload_format.apply_parameters(TRACK, {"max-fs": "1200"}) == TRACK


@pytest.mark.parametrize(
    "descriptor",
    [
        b"\x10",
        b"\x30",
        b"\x90\0",
        b"\x90\x80\x7f",
        b"\x90\x80\xff\xff",
        b"\x90\x40\x01",
        b"\x90\x20\x40",
        b"\x90\x10\x1f",
        b"\x90\x30\x5f",
        b"\x90\xf0\x81\x02\x03\x44",
    ],
)
@pytest.mark.parametrize("keyframe", [False, True])
def test_descriptors(descriptor: bytes, keyframe: bool) -> None:
    """None, a PictureID of 7 and of 15 bits, TL0PICIDX, TID or KEYIDX, and all of them."""
    data = frame(9, keyframe=keyframe)
    assert Vp8Depacketizer(TRACK).receive(packet(descriptor + data, 7, 1234, True)) == [
        AccessUnit(data, 1234, 1234, keyframe)
    ]


@pytest.mark.parametrize(
    "payload",
    [
        b"\x10",
        b"\x90",
        b"\x90\0",
        b"\x90\x80",
        b"\x90\x80\xff",
        b"\x90\xf0\x81\x02\x03\x44",
        b"",
        b"\0abc",
        b"\x11abc",
    ],
)
def test_what_begins_no_frame(payload: bytes) -> None:
    """Cut short, empty, not the first part, and the beginning of a later partition."""
    packets = [packet(payload, 0, 0, True), packet(b"\x10" + INTER, 1, 1, True)]
    assert receive(Vp8Depacketizer(TRACK), packets) == [AccessUnit(INTER, 1, 1, False)]


def test_partitions_are_parts_of_the_frame() -> None:
    packets = [
        packet(b"\x10" + KEY),
        packet(b"\x11ab", 1),
        packet(b"\x12cd", 2),
        packet(b"\x02ef", 3, 0, True),
    ]
    assert receive(Vp8Depacketizer(TRACK), packets) == [AccessUnit(KEY + b"abcdef", 0, 0, True)]


def test_a_frame_ends_at_the_next_timestamp() -> None:
    packets = [packet(b"\x10" + KEY), packet(b"\x10" + INTER, 1, 1, True)]
    assert [unit.pts for unit in receive(Vp8Depacketizer(TRACK), packets)] == [0, 1]


def test_an_endless_frame_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "MAX_UNIT_BYTES", 2000)
    packets = [packet(b"\x10" + frame(500), number) for number in range(6)]
    assert receive(Vp8Depacketizer(TRACK), [*packets, packet(b"\x10" + INTER, 6, 1, True)]) == [
        AccessUnit(INTER, 1, 1, False)
    ]


@given(any_packets(st.binary(max_size=40).map(lambda data: b"\x90" + data)))
def test_never_raises(packets: list[Packet]) -> None:
    receive(Vp8Depacketizer(TRACK), packets)
