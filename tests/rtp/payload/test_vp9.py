"""VP9 in RTP (conformance row F13): both modes of the descriptor, layers, and frames through losses."""

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
from reelcast.rtp.payload import format_of
from reelcast.rtp.payload.vp9 import Vp9Depacketizer, Vp9Packetizer, profile_of
from reelcast.track import AccessUnit, Track

TRACK = Track("video", "vp9", 90000, 96)
FORMAT = format_of("vp9")
KEY, INTER = b"\x82\x49\x83\x42", b"\x86\0\x40\x92"


def frame(size: int, *, keyframe: bool = False) -> bytes:
    return (KEY if keyframe else INTER).ljust(size, b"v")


def payloads_of(data: bytes, *, keyframe: bool) -> list[bytes]:
    """In packets that leave 256 bytes to the payload."""
    (burst,) = send(Vp9Packetizer(TRACK, 268), [AccessUnit(data, 0, 0, keyframe)])
    return [one.payload for one in packets_of([burst])]


@pytest.mark.parametrize(("keyframe", "descriptor"), [(True, 0x0C), (False, 0x4C)])
def test_one_packet(keyframe: bool, descriptor: int) -> None:
    assert payloads_of(frame(255), keyframe=keyframe) == [bytes((descriptor,)) + frame(255)]


def test_parts_are_of_one_size_and_tell_beginning_and_end() -> None:
    """Conformance F13."""
    payloads = payloads_of(frame(255 * 2 + 1), keyframe=False)
    assert [len(one) for one in payloads] == [256, 256, 2]
    assert [one[0] for one in payloads] == [0x48, 0x40, 0x44]
    assert b"".join(one[1:] for one in payloads) == frame(255 * 2 + 1)


def test_an_empty_frame() -> None:
    with pytest.raises(PayloadError, match="the VP9 frame is empty"):
        Vp9Packetizer(TRACK, 1452).packetize(AccessUnit(b"", 0, 0))


DESCRIPTORS = {
    "shortest": "0c",
    "picture number of 7 bits": "8c 7f",
    "picture number of 15 bits": "8c ffff",
    "layers": "2c 00 05",
    "layers, flexible": "3c 00",
    "one reference": "dc 01 02",
    "three references": "dc 01 03 05 06",
    "references of a keyframe are not there": "9c 01",
    "structure without anything": "0e 00",
    "structure with sizes of two layers": "0e 30 0140 00b4 0280 0168",
    "structure with a group of pictures": "0e 08 02 00 08 0102",
    "all there is": "fe ffff 00 03 05 06 18 0140 00b4 01 0c 0102 03",
}


@pytest.mark.parametrize("descriptor", DESCRIPTORS.values(), ids=DESCRIPTORS.keys())
@pytest.mark.parametrize("keyframe", [False, True])
def test_descriptors(descriptor: str, keyframe: bool) -> None:
    data = frame(9, keyframe=keyframe)
    payload = bytes.fromhex(descriptor) + data
    assert Vp9Depacketizer(TRACK).receive(packet(payload, 7, 1234, True)) == [
        AccessUnit(data, 1234, 1234, keyframe)
    ]


@pytest.mark.parametrize("descriptor", DESCRIPTORS.values(), ids=DESCRIPTORS.keys())
def test_descriptors_cut_short(descriptor: str) -> None:
    whole = bytes.fromhex(descriptor)
    for size in range(len(whole) + 1):
        packets = [packet(whole[:size], 0, 0, True), packet(b"\x0c" + KEY, 1, 1, True)]
        assert receive(Vp9Depacketizer(TRACK), packets) == [AccessUnit(KEY, 1, 1, True)]


@pytest.mark.parametrize(
    ("first", "keyframe", "profile"),
    [
        (0x82, True, 0),
        (0x86, False, 0),
        (0x8A, False, 0),
        (0xA2, True, 1),
        (0x92, True, 2),
        (0xB0, True, 3),
        (0xB2, False, 3),
        (0xB4, False, 3),
        (0x02, False, 0),
    ],
)
def test_what_the_frame_says(first: int, keyframe: bool, profile: int) -> None:
    """Keyframe, shown again, inter; in each profile."""
    (unit,) = Vp9Depacketizer(TRACK).receive(packet(bytes((0x0C, first, 0)), 0, 0, True))
    assert unit.keyframe is keyframe
    assert profile_of(unit.data) == profile


def test_no_frame_has_no_profile() -> None:
    assert profile_of(b"") == 0


LOWER, UPPER = b"\x2c\0\0" + KEY, b"\x6c\x03\0" + INTER


def test_layers_make_one_picture() -> None:
    packets = [packet(LOWER), packet(UPPER, 1, 0, True)]
    assert receive(Vp9Depacketizer(TRACK), packets) == [AccessUnit(KEY + INTER, 0, 0, True)]


def test_a_picture_without_its_lowest_layer() -> None:
    """It may be like that; behind a gap, the layer is taken as lost."""
    after = packet(UPPER, 2, 1, True), packet(UPPER, 4, 2, True)
    packets = [packet(LOWER), packet(UPPER, 1, 0, True), *after]
    assert [unit.pts for unit in receive(Vp9Depacketizer(TRACK), packets)] == [0, 1]


def test_not_the_first_part() -> None:
    packets = [packet(b"\x04" + KEY, 0, 0, True), packet(b"\x0c" + KEY, 1, 1, True)]
    assert [unit.pts for unit in receive(Vp9Depacketizer(TRACK), packets)] == [1]


@given(any_packets(st.binary(max_size=40).map(lambda data: b"\xfe" + data)))
def test_never_raises(packets: list[Packet]) -> None:
    receive(Vp9Depacketizer(TRACK), packets)


@pytest.mark.parametrize(("profile", "parameters"), [(0, {}), (2, {"profile-id": "2"})])
def test_parameters(profile: int, parameters: dict[str, str]) -> None:
    track = Track("video", "vp9", 90000, 96, profile=profile)
    assert FORMAT.format_parameters(track) == parameters
    assert FORMAT.apply_parameters(TRACK, parameters) == track


@pytest.mark.parametrize("value", ["", "4", "-1", "two", "11"])
def test_a_profile_that_is_none(value: str) -> None:
    assert FORMAT.apply_parameters(TRACK, {"profile-id": value}) == TRACK
