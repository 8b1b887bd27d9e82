"""AV1 in RTP (conformance row F13): the aggregation header byte by byte, and temporal units through losses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rtp.payload.wire import (
    any_packets,
    damaged,
    packet,
    packets_of,
    receive,
    send,
)

from reelcast.errors import PayloadError
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload import assembly, format_of
from reelcast.rtp.payload.av1 import Av1Depacketizer, Av1Packetizer
from reelcast.rtp.payload.av1_obu import TEMPORAL_DELIMITER, sized
from reelcast.track import AccessUnit, Track

SEQUENCE = bytes.fromhex("0800000003b4ff700be001")
BARE = Track("video", "av1", 90000, 96)
TRACK = Track("video", "av1", 90000, 96, parameter_sets=(SEQUENCE,))
FORMAT = format_of("av1")
KEY, INTER = b"\x30\x10", b"\x30\x30"
TILES, HEADER, SHOWN_AGAIN = b"\x20", b"\x18\x10", b"\x18\x80"
METADATA, PADDING, TILE_LIST = b"\x28mm", b"\x78pp", b"\x40tt"


def frame(size: int, *, keyframe: bool = False) -> bytes:
    """A frame OBU of `size` bytes without a size field."""
    return (KEY if keyframe else INTER).ljust(size, b"v")


def temporal_unit(*elements: bytes) -> bytes:
    return TEMPORAL_DELIMITER + b"".join(map(sized, elements))


def payloads_of(*elements: bytes, keyframe: bool = False) -> list[bytes]:
    """In packets that leave 256 bytes to the payload."""
    unit = AccessUnit(temporal_unit(*elements), 0, 0, keyframe)
    (burst,) = send(Av1Packetizer(TRACK, 268), [unit])
    return [one.payload for one in packets_of([burst])]


class TestPacketizer:
    def test_one_obu(self) -> None:
        assert payloads_of(frame(255)) == [b"\x10" + frame(255)]

    def test_fragments_are_of_one_size(self) -> None:
        """Conformance F13."""
        payloads = payloads_of(frame(255 * 2 + 9))
        assert [len(one) for one in payloads] == [256, 256, 10]
        assert [one[0] for one in payloads] == [0x50, 0xD0, 0x90]
        assert b"".join(one[1:] for one in payloads) == frame(255 * 2 + 9)

    def test_a_keyframe_begins_a_sequence(self) -> None:
        assert payloads_of(SEQUENCE, frame(9), keyframe=True) == [b"\x28\x0b" + SEQUENCE + frame(9)]

    def test_the_sequence_header_goes_before_a_keyframe_without_one(self) -> None:
        assert payloads_of(METADATA, frame(9), keyframe=True) == [
            b"\x38\x0b" + SEQUENCE + b"\x03" + METADATA + frame(9)
        ]

    def test_small_ones_and_a_fragment_fill_a_packet(self) -> None:
        first, second = payloads_of(SEQUENCE, frame(300), keyframe=True)
        assert len(first) == 256
        assert first == b"\x68\x0b" + SEQUENCE + frame(243)
        assert second == b"\x90" + b"v" * 57

    def test_at_most_three_are_counted(self) -> None:
        assert [one[0] for one in payloads_of(*[METADATA] * 7)] == [0x30, 0x30, 0x10]

    def test_no_room_for_more_than_a_length(self) -> None:
        payloads = payloads_of(frame(253), frame(20))
        assert [one[0] for one in payloads] == [0x10, 0x10]

    def test_one_byte_of_room_is_used(self) -> None:
        payloads = payloads_of(frame(252), frame(20))
        assert [one[0] for one in payloads] == [0x60, 0x90]
        assert len(payloads[0]) == 256

    def test_delimiters_and_tile_lists_are_left_out(self) -> None:
        """Conformance F13."""
        assert payloads_of(TILE_LIST, frame(9)) == [b"\x10" + frame(9)]

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "holds no OBU"),
            (TEMPORAL_DELIMITER, "holds no OBU"),
            (b"\x32\x09a", "is broken: no OBU at byte 0"),
        ],
    )
    def test_no_temporal_unit(self, data: bytes, message: str) -> None:
        with pytest.raises(PayloadError, match=message):
            Av1Packetizer(TRACK, 1452).packetize(AccessUnit(data, 0, 0))

    def test_header_fields(self) -> None:
        unit = AccessUnit(temporal_unit(frame(600)), (1 << 32) + 5, 3, False, 3000)
        (burst,) = Av1Packetizer(TRACK, 268).packetize(unit)
        assert (burst.pts, burst.dts, burst.keyframe, burst.duration) == ((1 << 32) + 5, 3, False, 3000)
        assert [one.marker for one in packets_of([burst])] == [False, False, True]


class TestDepacketizer:
    """Each case: payloads with timestamp and marker, in sequence, and the units they make."""

    def run(self, *rows: tuple[bytes, int, bool]) -> list[bytes]:
        packets = [packet(data, place, time, marker) for place, (data, time, marker) in enumerate(rows)]
        return [unit.data for unit in receive(Av1Depacketizer(BARE), packets)]

    @pytest.mark.parametrize(
        ("elements", "keyframe"),
        [
            ([SEQUENCE, KEY], True),
            ([SEQUENCE, METADATA, HEADER, TILES], True),
            ([KEY], False),
            ([SEQUENCE, INTER], False),
            ([INTER, KEY], False),
            ([SHOWN_AGAIN], False),
            ([SEQUENCE], False),
        ],
    )
    def test_keyframes(self, elements: list[bytes], keyframe: bool) -> None:
        payload = b"\0" + b"".join(bytes((len(one),)) + one for one in elements)
        assert Av1Depacketizer(BARE).receive(packet(payload, 7, 1234, True)) == [
            AccessUnit(temporal_unit(*elements), 1234, 1234, keyframe)
        ]

    @pytest.mark.parametrize(
        "payload",
        [
            b"\x20\x0b" + SEQUENCE + KEY,
            b"\0\x0b" + SEQUENCE + b"\x02" + KEY,
            b"\x20\x0c" + sized(SEQUENCE) + sized(KEY),
            b"\x30\x02\x12\0\x0b" + SEQUENCE + KEY,
            b"\x30\0\x0b" + SEQUENCE + KEY,
            b"\x30\x0b" + SEQUENCE + b"\x03" + TILE_LIST + KEY,
        ],
        ids=[
            "counted",
            "not counted",
            "with size fields",
            "with a delimiter",
            "an empty element",
            "a tile list",
        ],
    )
    def test_elements(self, payload: bytes) -> None:
        assert self.run((payload, 0, True)) == [temporal_unit(SEQUENCE, KEY)]

    def test_fragments(self) -> None:
        rows = (b"\x60\x0b" + SEQUENCE + b"\x30", 0, False), (b"\xd0\x10", 0, False), (b"\x90vv", 0, True)
        assert self.run(*rows) == [temporal_unit(SEQUENCE, KEY + b"vv")]

    @pytest.mark.parametrize(
        "broken",
        [
            [b"\x90vv"],
            [b"\x50" + INTER],
            [b"\x50" + INTER, b"\x10vv"],
            [b"\x10"],
            [b"\x20\x80"],
            [b"\x20\x09ab"],
            [b"\0\x09ab"],
            [b"\x30\x02ab"],
            [b"\x20\x03\x32\x09a" + INTER],
            [b"\x10\xb0a"],
            [b"\x10" + INTER, b"\x90v"],
        ],
    )
    def test_broken_unit_is_dropped_and_the_next_is_not(self, broken: list[bytes]) -> None:
        rows = [(data, 0, place == len(broken) - 1) for place, data in enumerate(broken)]
        assert self.run(*rows, (b"\x10" + INTER, 1, True)) == [temporal_unit(INTER)]

    def test_nothing_but_a_delimiter(self) -> None:
        assert self.run((b"\x10\x10", 0, True), (b"\x10" + INTER, 1, True)) == [temporal_unit(INTER)]

    def test_a_unit_ends_at_the_next_timestamp(self) -> None:
        assert len(self.run((b"\x10" + INTER, 0, False), (b"\x10" + INTER, 1, True))) == 2

    def test_joined_in_the_middle_of_a_frame(self) -> None:
        rows = (b"\x10" + TILES, 0, True), (b"\x20\x02" + HEADER + TILES, 1, True)
        assert self.run(*rows) == [temporal_unit(HEADER, TILES)]

    def test_an_endless_unit_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(assembly, "MAX_UNIT_BYTES", 2000)
        rows = [(b"\x10" + frame(500), 0, False)] * 5 + [(b"\x50" + frame(500), 1, False)]
        rows += [(b"\xd0" + frame(500), 1, False)] * 5
        assert self.run(*rows, (b"\x10" + INTER, 2, True)) == [temporal_unit(INTER)]

    @given(any_packets(st.binary(max_size=40) | st.just(b"\x50" + INTER) | st.just(b"\x90" + TILES)))
    def test_never_raises(self, packets: list[Packet]) -> None:
        receive(Av1Depacketizer(BARE), packets)


class TestLoss:
    def units(self, *lost: int) -> list[int]:
        """Timestamps of the units that arrive of four: a keyframe of three packets, one of one, and again."""
        key = temporal_unit(SEQUENCE, frame(600, keyframe=True))
        inter = temporal_unit(frame(200))
        sent = [AccessUnit(inter if time % 2 else key, time, time, time % 2 == 0) for time in range(4)]
        packets = packets_of(send(Av1Packetizer(TRACK, 268), sent))
        assert len(packets) == 8
        return [unit.pts for unit in receive(Av1Depacketizer(BARE), damaged(packets, set(lost), set()))]

    @pytest.mark.parametrize(
        ("lost", "arrive"),
        [
            ((), [0, 1, 2, 3]),
            ((0,), [1, 2, 3]),
            ((2,), [1, 2, 3]),
            ((3,), [0, 2, 3]),
            ((4,), [0, 1, 3]),
            ((3, 4), [0, 3]),
            ((4, 5, 6), [0, 1, 3]),
            ((1, 3, 5), [3]),
        ],
    )
    def test_table(self, lost: tuple[int, ...], arrive: list[int]) -> None:
        assert self.units(*lost) == arrive


def test_parameters() -> None:
    assert FORMAT.format_parameters(TRACK) == {"profile": "0", "level-idx": "0", "tier": "0"}
    assert FORMAT.format_parameters(BARE) == {}
    assert FORMAT.apply_parameters(BARE, {"profile": "1"}) == BARE
