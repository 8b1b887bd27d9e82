"""H.264 in RTP: what goes out byte by byte, what comes back, and what cameras and networks do to it."""

from __future__ import annotations

from base64 import b64encode

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
from reelcast.rtp.packet import Packet, Run
from reelcast.rtp.payload import assembly, format_of
from reelcast.rtp.payload.base import payload_room
from reelcast.rtp.payload.h264 import H264Depacketizer, H264Packetizer
from reelcast.rtp.payload.nal_units import split_nal_units
from reelcast.track import AccessUnit, Track

START = b"\0\0\0\1"
SPS = bytes.fromhex("6742c01ed900a02ff961000003000100000300320f162e48")
PPS = bytes.fromhex("68cb83cb20")
AUD = b"\x09\xf0"
SEI = b"\x06\x05\x01\xaa\x80"
TRACK = Track("video", "h264", 90000, 96, parameter_sets=(SPS, PPS))
FORMAT = format_of("h264")


def nal(head: int, size: int, *, first: bool = True) -> bytes:
    """A slice of `size` bytes; `first` of its picture or a later one."""
    body = bytes(place % 251 + 1 for place in range(max(size - 2, 0)))
    return bytes((head, 0x88 if first else 0x42)) + body


def annex_b(*nals: bytes) -> bytes:
    return b"".join(START + unit for unit in nals)


def payloads_of(data: bytes, size: int = 268, *, keyframe: bool = False) -> list[bytes]:
    bursts = send(H264Packetizer(TRACK, size), [AccessUnit(data, 0, 0, keyframe)])
    assert len(bursts) == 1
    return [one.payload for one in packets_of(bursts)]


class TestPacketizer:
    def test_single_nal_unit(self) -> None:
        """Conformance F1."""
        assert payloads_of(annex_b(nal(0x41, 256))) == [nal(0x41, 256)]

    def test_one_byte_too_many_makes_fragments(self) -> None:
        unit = nal(0x41, 257)
        assert payloads_of(annex_b(unit)) == [b"\x5c\x81" + unit[1:255], b"\x5c\x41" + unit[255:]]

    def test_fragments_are_of_one_size(self) -> None:
        """Conformance F1, R11."""
        unit = nal(0x65, 1 + 254 * 3)
        payloads = payloads_of(annex_b(unit))
        assert [len(one) for one in payloads] == [256, 256, 256]
        assert [one[:2] for one in payloads] == [b"\x7c\x85", b"\x7c\x05", b"\x7c\x45"]
        assert b"".join(one[2:] for one in payloads) == unit[1:]

    def test_small_ones_share_a_packet(self) -> None:
        """Conformance F1."""
        first, second = nal(0x01, 10), nal(0x41, 20, first=False)
        assert payloads_of(annex_b(first, second)) == [b"\x58\0\x0a" + first + b"\0\x14" + second]

    def test_stap_takes_the_forbidden_bit_and_the_highest_importance(self) -> None:
        assert payloads_of(annex_b(b"\x81\x88a", b"\x21\x88b"))[0][0] == 0x80 | 0x20 | 24

    def test_stap_as_full_as_it_goes(self) -> None:
        # 1 + (2 + 126) + (2 + 125) bytes fill the 256 exactly.
        units = nal(0x41, 126), nal(0x41, 125, first=False), nal(0x41, 9, first=False)
        payloads = payloads_of(annex_b(*units))
        assert [len(one) for one in payloads] == [256, 9]
        assert payloads[1] == units[2]

    def test_order_is_kept_around_fragments(self) -> None:
        payloads = payloads_of(annex_b(SPS, PPS, nal(0x65, 300), SEI))
        assert [one[0] & 31 for one in payloads] == [24, 28, 28, 6]

    @pytest.mark.parametrize(
        ("nals", "expected"),
        [
            ([nal(0x65, 9)], [SPS, PPS, nal(0x65, 9)]),
            ([AUD, nal(0x65, 9)], [AUD, SPS, PPS, nal(0x65, 9)]),
            ([SPS, PPS, nal(0x65, 9)], [SPS, PPS, nal(0x65, 9)]),
        ],
    )
    def test_parameter_sets_before_keyframes(self, nals: list[bytes], expected: list[bytes]) -> None:
        """Conformance D15."""
        (payload,) = payloads_of(annex_b(*nals), keyframe=True)
        (unit,) = H264Depacketizer(TRACK).receive(packet(payload, marker=True))
        assert list(split_nal_units(unit.data)) == expected

    def test_header_fields(self) -> None:
        """Conformance R2."""
        unit = AccessUnit(annex_b(nal(0x41, 600)), (1 << 32) + 5, 3, False, 3000)
        (burst,) = H264Packetizer(TRACK, 268).packetize(unit)
        assert (burst.pts, burst.dts, burst.keyframe, burst.duration) == ((1 << 32) + 5, 3, False, 3000)
        packets = packets_of([burst])
        assert [one.marker for one in packets] == [False, False, True]
        assert {one.timestamp for one in packets} == {5}
        assert {one.payload_type for one in packets} == {96}

    def test_types_of_the_payload_format_are_not_sent(self) -> None:
        """Conformance F1."""
        assert payloads_of(annex_b(b"\x7cab", b"\x60a", nal(0x41, 9))) == [nal(0x41, 9)]

    @pytest.mark.parametrize("data", [b"", b"\0\0\0\x05\x65abcd", START, annex_b(b"\x1fab")])
    def test_no_nal_unit(self, data: bytes) -> None:
        with pytest.raises(PayloadError, match="holds no NAL unit"):
            H264Packetizer(TRACK, 1452).packetize(AccessUnit(data, 0, 0))

    def test_tiny_packets_are_refused(self) -> None:
        with pytest.raises(ValueError, match="too small"):
            payload_room(100)


class TestDepacketizer:
    """Each case: payloads with timestamp and marker, in sequence, and the units they make."""

    def run(self, *rows: tuple[bytes, int, bool], start: int = 0) -> list[list[bytes]]:
        packets = [
            packet(data, start + place, time, marker) for place, (data, time, marker) in enumerate(rows)
        ]
        units = receive(H264Depacketizer(TRACK), packets)
        assert all(unit.pts == unit.dts for unit in units)
        return [list(split_nal_units(unit.data)) for unit in units]

    def test_unit_at_the_marker(self) -> None:
        unit = H264Depacketizer(TRACK).receive(packet(nal(0x65, 9), 7, 1234, True))
        assert unit == [AccessUnit(annex_b(nal(0x65, 9)), 1234, 1234, True)]

    def test_unit_at_the_next_timestamp(self) -> None:
        assert self.run((nal(0x65, 9), 0, False), (nal(0x41, 8), 1, False), (nal(0x41, 7), 2, False)) == [
            [nal(0x65, 9)],
            [nal(0x41, 8)],
        ]

    @pytest.mark.parametrize("times", [(0, 0, 0, 0), (0, 1, 2, 2)])
    def test_marker_on_parameter_sets(self, times: tuple[int, int, int, int]) -> None:
        """Conformance F2."""
        rows = zip((SPS, PPS, SEI, nal(0x65, 9)), times, (True,) * 4, strict=True)
        assert self.run(*rows) == [[SPS, PPS, SEI, nal(0x65, 9)]]

    def test_wrong_type_in_later_fragments(self) -> None:
        """Conformance F2."""
        rows = (b"\x7c\x85\x88a", 0, False), (b"\x7c\x01b", 0, False), (b"\x7c\x47c", 0, True)
        assert self.run(*rows) == [[b"\x65\x88abc"]]

    def test_start_and_end_in_one_fragment(self) -> None:
        """Conformance F4."""
        assert self.run((b"\x7c\xc5\x88a", 0, True)) == [[b"\x65\x88a"]]

    def test_empty_fragments(self) -> None:
        """Conformance F2."""
        rows = (
            (b"\x7c", 0, False),
            (b"\x7c\x85\x88a", 0, False),
            (b"\x7c\x05", 0, False),
            (b"\x7c\x45b", 0, True),
        )
        assert self.run(*rows) == [[b"\x65\x88ab"]]

    def test_empty_packets(self) -> None:
        assert self.run((b"", 0, True), (nal(0x65, 9), 1, False), (b"", 1, True)) == [[nal(0x65, 9)]]

    @pytest.mark.parametrize(
        "broken",
        [
            [b"\x7c\x05a", b"\x7c\x45b"],
            [b"\x7c\x85a", b"\x7c\x05b"],
            [b"\x7c\x85a", b"\x7c\x85b"],
            [b"\x78\0\x09ab"],
            [nal(0x65, 9), b"\x78\xff\xffab"],
        ],
        ids=["no start", "no end", "two starts", "short STAP-A", "short STAP-A behind a slice"],
    )
    def test_broken_unit_is_dropped_and_the_next_is_not(self, broken: list[bytes]) -> None:
        """Conformance F2."""
        rows = [(data, 0, place == len(broken) - 1) for place, data in enumerate(broken)]
        assert self.run(*rows, (nal(0x41, 9), 1, True)) == [[nal(0x41, 9)]]

    def test_fragments_cut_off_by_the_next_timestamp(self) -> None:
        assert self.run((b"\x7c\x85a", 0, False), (nal(0x41, 9), 1, True)) == [[nal(0x41, 9)]]

    @pytest.mark.parametrize("between", [START, b"\0\0\1"])
    @pytest.mark.parametrize("before", [b"", START])
    def test_start_codes_inside_one_nal_unit(self, between: bytes, before: bytes) -> None:
        """Conformance F2."""
        joined = before + between.join((SPS, PPS, nal(0x65, 9)))
        assert self.run((joined, 0, True)) == [[SPS, PPS, nal(0x65, 9)]]

    def test_start_codes_inside_fragments(self) -> None:
        """Conformance F2."""
        joined = annex_b(SPS, PPS, nal(0x65, 40))[4:]
        head, tail = joined[1:20], joined[20:]
        assert self.run((b"\x7c\x87" + head, 0, False), (b"\x7c\x47" + tail, 0, True)) == [
            [SPS, PPS, nal(0x65, 40)]
        ]

    @pytest.mark.parametrize("kind", [0, 24, 25, 26, 27, 29, 30, 31])
    def test_unknown_types_are_ignored(self, kind: int) -> None:
        # A STAP-A (24) is one that holds another, which may not be.
        """Conformance F2."""
        payload = b"\x78\0\x03\x78ab" if kind == 24 else bytes((0x60 | kind,)) + b"ab"
        assert self.run((payload, 0, False), (nal(0x65, 9), 0, True)) == [[nal(0x65, 9)]]

    def test_empty_entries_of_a_stap(self) -> None:
        assert self.run((b"\x78\0\0\0\x03\x65\x88a\0", 0, True)) == [[b"\x65\x88a"]]

    def test_sps_with_bytes_behind_it(self) -> None:
        """Conformance F2."""
        assert self.run((SPS + b"\x80\x11", 0, False), (nal(0x65, 9), 0, True)) == [
            [SPS + b"\x80\x11", nal(0x65, 9)]
        ]

    def test_repeated_packet(self) -> None:
        packets = [packet(nal(0x65, 9), 0xFFFF, 0, True)] * 2 + [packet(nal(0x41, 9), 0, 1, True)] * 2
        assert [unit.pts for unit in receive(H264Depacketizer(TRACK), packets)] == [0, 1]

    def test_endless_unit_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(assembly, "MAX_UNIT_BYTES", 2000)
        slices = [(nal(0x65, 500), 0, False)] * 5
        fragments = [(b"\x7c\x85", 1, False)] + [(b"\x7c\x05" + b"a" * 500, 1, False)] * 5
        ended = (b"\x7c\x45", 1, True)
        assert self.run(*slices, *fragments, ended, (nal(0x41, 9), 2, True)) == [[nal(0x41, 9)]]

    @pytest.mark.parametrize(
        "pieces",
        [[b"\x7c\x85a", *[b"\x7c\x05b"] * 50, b"\x7c\x45c"], [b"\x78" + b"\0\2\x65\x88" * 50]],
        ids=["fragments", "units in a STAP-A"],
    )
    @pytest.mark.parametrize("at_once", [True, False])
    def test_a_unit_of_too_many_pieces_is_given_up(
        self, monkeypatch: pytest.MonkeyPatch, pieces: list[bytes], at_once: bool
    ) -> None:
        monkeypatch.setattr(assembly, "MAX_UNIT_PIECES", 40)
        depacketizer = H264Depacketizer(TRACK)
        run = Run(96, 0, 0, 1, True, pieces)
        assert (depacketizer.receive_run(run) if at_once else receive(depacketizer, run.packets())) == []
        assert receive(depacketizer, [packet(nal(0x65, 9), len(pieces), 1, True)]) != []

    @given(
        any_packets(st.binary(max_size=40).map(lambda data: b"\x7c" + data) | st.just(b"\x78\0\x02\x65\x88"))
    )
    def test_never_raises(self, packets: list[Packet]) -> None:
        """Conformance F14."""
        depacketizer = H264Depacketizer(TRACK)
        for one in packets:
            assert isinstance(depacketizer.receive(one), list)


class TestLoss:
    SLICES = nal(0x65, 600), nal(0x65, 600, first=False)

    def units(self, *lost: int) -> list[int]:
        """Timestamps of the units that arrive of [SPS PPS] [slice] [slice] x 2, then three of one slice."""
        key = [SPS, PPS, *self.SLICES]
        sent = [AccessUnit(annex_b(*key), time, time) for time in range(2)]
        sent += [AccessUnit(annex_b(nal(0x41, 200)), time, time, False) for time in range(2, 5)]
        packets = packets_of(send(H264Packetizer(TRACK, 268), sent))
        assert len(packets) == 2 * (1 + 3 + 3) + 3
        return [unit.pts for unit in receive(H264Depacketizer(TRACK), damaged(packets, set(lost), set()))]

    @pytest.mark.parametrize(
        ("lost", "arrive"),
        [
            ((), [0, 1, 2, 3, 4]),
            ((8,), [0, 2, 3, 4]),
            ((13,), [0, 2, 3, 4]),
            ((7,), [0, 2, 3, 4]),
            ((7, 8, 9, 10), [0, 2, 3, 4]),
            # Nobody knows yet that parameter sets should stand before the second.
            ((6, 7), [1, 2, 3, 4]),
            ((6,), [1, 2, 3, 4]),
            ((8, 10, 12), [0, 2, 3, 4]),
            ((14,), [0, 1, 3, 4]),
            ((14, 15), [0, 1, 4]),
            (tuple(range(7, 14)), [0, 2, 3, 4]),
        ],
    )
    def test_table(self, lost: tuple[int, ...], arrive: list[int]) -> None:
        assert self.units(*lost) == arrive

    def test_joined_in_the_middle_of_a_picture(self) -> None:
        late = packet(nal(0x41, 9, first=False), 0, 0, True), packet(nal(0x41, 9), 1, 1, True)
        assert [unit.pts for unit in receive(H264Depacketizer(TRACK), late)] == [1]


class TestFormatParameters:
    def test_written(self) -> None:
        """Conformance D15."""
        assert FORMAT.format_parameters(TRACK) == {
            "packetization-mode": "1",
            "profile-level-id": "42C01E",
            "sprop-parameter-sets": "Z0LAHtkAoC/5YQAAAwABAAADADIPFi5I,aMuDyyA=",
        }

    def test_without_parameter_sets(self) -> None:
        assert FORMAT.format_parameters(Track("video", "h264", 90000, 96)) == {"packetization-mode": "1"}

    def sets(self, value: str) -> tuple[bytes, ...]:
        bare = Track("video", "h264", 90000, 96)
        return FORMAT.apply_parameters(bare, {"sprop-parameter-sets": value}).parameter_sets

    def test_read(self) -> None:
        bare = Track("video", "h264", 90000, 96)
        track = FORMAT.apply_parameters(bare, FORMAT.format_parameters(TRACK))
        assert (track.parameter_sets, track.width, track.height) == ((SPS, PPS), 640, 360)

    @pytest.mark.parametrize(
        "value",
        [
            b64encode(SPS).decode() + ",aMuDyyA",
            b64encode(SPS).decode() + ", aMuDyyA= ,",
            b64encode(SPS).decode() + ",aMuDyyA=,AAAA,\u00e9,a",
            b64encode(annex_b(SPS, PPS)).decode(),
            b64encode(START + SPS).decode() + "," + b64encode(START + PPS).decode(),
        ],
    )
    def test_read_with_tolerance(self, value: str) -> None:
        assert self.sets(value) == (SPS, PPS)

    @pytest.mark.parametrize(
        "value", ["", ",", "Z0LAHtkAoC/5YQAAAwABAAADADIPFi5I", "aMuDyyA=", "Z0LAHg==,aMuDyyA=", "%%%"]
    )
    def test_unusable_ones_are_ignored(self, value: str) -> None:
        """Conformance D21."""
        assert self.sets(value) == ()

    @given(st.text(max_size=60))
    def test_any_text(self, value: str) -> None:
        self.sets(value)
