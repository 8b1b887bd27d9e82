"""H.265 in RTP: what differs from H.264, cameras, and streams of both directions; conformance rows D16, F3, F4."""

from __future__ import annotations

from base64 import b64encode

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
from reelcast.rtp.payload.h265 import H265Depacketizer, H265Packetizer
from reelcast.rtp.payload.nal_units import split_nal_units
from reelcast.track import AccessUnit, Track

START = b"\0\0\0\1"
VPS = bytes.fromhex("40010c01ffff0408000003009e0800000300003c959809")
SPS = bytes.fromhex(
    "4201010408000003009e0800000300003c9001410173e5cb2b349265780b7020200040000003004000000642"
)
PPS = bytes.fromhex("4401c172860c4624")
AUD = b"\x46\x01\x50"
SEI = b"\x4e\x01\x05\x01\xaa\x80"
SETS = (VPS, SPS, PPS)
BARE = Track("video", "h265", 90000, 96)
TRACK = Track("video", "h265", 90000, 96, parameter_sets=SETS)
FORMAT = format_of("h265")
IDR, CRA, TRAIL = 19, 21, 1
AGGREGATE = b"\x60\x01\0\x03\x26\x01\xa0"


def nal(kind: int, size: int, *, first: bool = True, sub_layer: int = 1) -> bytes:
    """A slice of `size` bytes; `first` of its picture or a later one."""
    body = bytes(place % 251 + 1 for place in range(max(size - 3, 0)))
    return bytes((kind << 1, sub_layer, 0xA0 if first else 0x22)) + body


def annex_b(*nals: bytes) -> bytes:
    return b"".join(START + unit for unit in nals)


def payloads_of(data: bytes, *, keyframe: bool = False) -> list[bytes]:
    """In packets that leave 256 bytes to the payload."""
    (burst,) = send(H265Packetizer(TRACK, 268), [AccessUnit(data, 0, 0, keyframe)])
    return [one.payload for one in packets_of([burst])]


class TestPacketizer:
    def test_single_nal_unit(self) -> None:
        """Conformance F3."""
        assert payloads_of(annex_b(nal(TRAIL, 256))) == [nal(TRAIL, 256)]

    def test_fragments_are_of_one_size(self) -> None:
        """Conformance F3, R11."""
        unit = nal(IDR, 2 + 253 * 3, sub_layer=3)
        payloads = payloads_of(annex_b(unit))
        assert [one[:3] for one in payloads] == [b"\x62\x03\x93", b"\x62\x03\x13", b"\x62\x03\x53"]
        assert [len(one) for one in payloads] == [256, 256, 256]
        assert b"".join(one[3:] for one in payloads) == unit[2:]

    def test_one_byte_too_many_makes_fragments(self) -> None:
        unit = nal(TRAIL, 257)
        assert payloads_of(annex_b(unit)) == [b"\x62\x01\x81" + unit[2:255], b"\x62\x01\x41" + unit[255:]]

    def test_small_ones_share_a_packet(self) -> None:
        """Conformance F3."""
        first, second = nal(TRAIL, 10), nal(TRAIL, 20, first=False)
        assert payloads_of(annex_b(first, second)) == [b"\x60\x01\0\x0a" + first + b"\0\x14" + second]

    def test_the_packet_has_the_lowest_layer_and_sub_layer(self) -> None:
        nals = b"\x83\x0aab", b"\x02\x1cab", b"\x02\x13ab"
        # The first: forbidden bit, layer 33, sub-layer 2; the others: layers 3 and 2, sub-layers 4 and 3.
        assert payloads_of(annex_b(*nals))[0][:2] == b"\xe0\x12"

    @pytest.mark.parametrize(
        ("nals", "expected"),
        [
            ([nal(IDR, 9)], [*SETS, nal(IDR, 9)]),
            ([AUD, nal(CRA, 9)], [AUD, *SETS, nal(CRA, 9)]),
            ([*SETS, nal(IDR, 9)], [*SETS, nal(IDR, 9)]),
        ],
    )
    def test_parameter_sets_before_keyframes(self, nals: list[bytes], expected: list[bytes]) -> None:
        (payload,) = payloads_of(annex_b(*nals), keyframe=True)
        (unit,) = H265Depacketizer(TRACK).receive(packet(payload, marker=True))
        assert list(split_nal_units(unit.data)) == expected
        assert unit.keyframe

    def test_types_of_the_payload_format_are_not_sent(self) -> None:
        """Conformance F3."""
        others = [bytes((kind << 1, 1, 7)) for kind in range(48, 64)]
        assert payloads_of(annex_b(*others, b"\x02", nal(TRAIL, 9))) == [nal(TRAIL, 9)]

    @pytest.mark.parametrize("data", [b"", START, annex_b(b"\x60\x01ab"), annex_b(b"\x02")])
    def test_no_nal_unit(self, data: bytes) -> None:
        with pytest.raises(PayloadError, match=r"the H\.265 frame holds no NAL unit"):
            H265Packetizer(TRACK, 1452).packetize(AccessUnit(data, 0, 0))


class TestDepacketizer:
    """Each case: payloads with timestamp and marker, in sequence, and the units they make."""

    def run(self, *rows: tuple[bytes, int, bool]) -> list[list[bytes]]:
        packets = [packet(data, place, time, marker) for place, (data, time, marker) in enumerate(rows)]
        units = receive(H265Depacketizer(BARE), packets)
        return [list(split_nal_units(unit.data)) for unit in units]

    @pytest.mark.parametrize(
        ("kind", "keyframe"), [(TRAIL, False), (9, False), (16, True), (IDR, True), (CRA, True)]
    )
    def test_keyframes(self, kind: int, keyframe: bool) -> None:
        (unit,) = H265Depacketizer(BARE).receive(packet(nal(kind, 9), 7, 1234, True))
        assert unit == AccessUnit(annex_b(nal(kind, 9)), 1234, 1234, keyframe)

    def test_marker_on_parameter_sets(self) -> None:
        assert self.run(*((one, 0, True) for one in (*SETS, SEI, nal(IDR, 9)))) == [[*SETS, SEI, nal(IDR, 9)]]

    def test_start_and_end_in_one_fragment(self) -> None:
        """F4: OpenIPC cameras send whole units so."""
        assert self.run((b"\x62\x01\xd3" + nal(IDR, 9)[2:], 0, True)) == [[nal(IDR, 9)]]

    def test_wrong_type_in_later_fragments(self) -> None:
        """F4."""
        rows = (b"\x62\x01\x93\xa0a", 0, False), (b"\x62\x01\x01b", 0, False), (b"\x62\x01\x42c", 0, True)
        assert self.run(*rows) == [[b"\x26\x01\xa0abc"]]

    @pytest.mark.parametrize("kind", range(48, 64))
    def test_types_of_the_payload_format_are_no_units(self, kind: int) -> None:
        """F3: alone, in an aggregate, and as fragments."""
        nested = bytes((kind << 1, 1)) + b"ab"
        aggregate = b"\x60\x01\0\x04" + nested + b"\0\x09" + nal(IDR, 9)
        fragment = bytes((0x62, 1, 0xC0 | kind)) + b"ab"
        rows = [(aggregate, 0, False), (fragment, 0, False), (nal(IDR, 9, first=False), 0, True)]
        if kind not in (48, 49):
            rows.insert(0, (nested, 0, False))
        assert self.run(*rows) == [[nal(IDR, 9), nal(IDR, 9, first=False)]]

    @pytest.mark.parametrize(
        "broken",
        [
            [b"\x62\x01\x13a", b"\x62\x01\x53b"],
            [b"\x62\x01\x93a"],
            [b"\x62\x01\x93a", b"\x62\x01\x93b"],
            [nal(IDR, 9), b"\x60\x01\xff\xffab"],
        ],
        ids=["no start", "no end", "two starts", "short aggregate"],
    )
    def test_broken_unit_is_dropped_and_the_next_is_not(self, broken: list[bytes]) -> None:
        rows = [(data, 0, place == len(broken) - 1) for place, data in enumerate(broken)]
        assert self.run(*rows, (nal(TRAIL, 9), 1, True)) == [[nal(TRAIL, 9)]]

    @pytest.mark.parametrize(
        "payload", [b"\x26", b"\x60", b"\x60\x01", b"\x60\x01\0", b"\x62", b"\x62\x01", b"\x60\x01\0\x01\x26"]
    )
    def test_payloads_that_hold_nothing(self, payload: bytes) -> None:
        assert self.run((payload, 0, False), (nal(IDR, 9), 0, True)) == [[nal(IDR, 9)]]

    @given(
        any_packets(
            st.binary(max_size=40).map(lambda data: b"\x62\x01" + data)
            | st.just(b"\x60\x01\0\x03\x26\x01\xa0")
        )
    )
    def test_never_raises(self, packets: list[Packet]) -> None:
        depacketizer = H265Depacketizer(BARE)
        for one in packets:
            for unit in depacketizer.receive(one):
                assert all(nal[0] >> 1 & 0x3F < 48 for nal in split_nal_units(unit.data))


def base64(nal: bytes) -> str:
    return b64encode(nal).decode()


class TestFormatParameters:
    def test_written(self) -> None:
        """Conformance D16: d16: all three, and what the SPS says of profile and level."""
        assert FORMAT.format_parameters(TRACK) == {
            "profile-id": "4",
            "tier-flag": "0",
            "level-id": "60",
            "sprop-vps": base64(VPS),
            "sprop-sps": base64(SPS),
            "sprop-pps": base64(PPS),
        }

    def test_several_of_a_kind(self) -> None:
        track = Track("video", "h265", 90000, 96, parameter_sets=(*SETS, PPS + b"\x01"))
        assert FORMAT.format_parameters(track)["sprop-pps"] == f"{base64(PPS)},{base64(PPS + bytes((1,)))}"

    def test_without_parameter_sets(self) -> None:
        assert FORMAT.format_parameters(BARE) == {}

    def test_read(self) -> None:
        track = FORMAT.apply_parameters(BARE, FORMAT.format_parameters(TRACK))
        assert (track.parameter_sets, track.width, track.height) == (SETS, 320, 180)

    @pytest.mark.parametrize(
        ("parameters", "sets", "width"),
        [
            ({}, (), 0),
            ({"sprop-sps": base64(SPS)}, (), 320),
            ({"sprop-sps": base64(SPS), "sprop-pps": base64(PPS)}, (), 320),
            ({"sprop-vps": base64(VPS), "sprop-pps": base64(PPS)}, (), 0),
            ({"sprop-vps": "%%%", "sprop-sps": base64(SPS), "sprop-pps": base64(PPS)}, (), 320),
            ({"sprop-vps": base64(VPS), "sprop-sps": base64(SPS[:9]), "sprop-pps": base64(PPS)}, (), 0),
            ({"sprop-pps": base64(annex_b(PPS, VPS, SPS))}, SETS, 320),
            (
                {
                    "sprop-vps": base64(VPS),
                    "sprop-sps": base64(START + SPS),
                    "sprop-pps": base64(PPS).rstrip("="),
                },
                SETS,
                320,
            ),
        ],
    )
    def test_read_with_tolerance(
        self, parameters: dict[str, str], sets: tuple[bytes, ...], width: int
    ) -> None:
        """D16, D21: some are missing (TP-Link), or unusable: then those in-band have to do."""
        track = FORMAT.apply_parameters(BARE, parameters)
        assert (track.parameter_sets, track.width) == (sets, width)

    @pytest.mark.parametrize("value", ["1", "32767", "9" * 5000])
    def test_decoding_order_numbers_are_refused(self, value: str) -> None:
        """F3."""
        with pytest.raises(PayloadError, match="sprop-max-don-diff"):
            FORMAT.apply_parameters(BARE, {"sprop-max-don-diff": value})

    @pytest.mark.parametrize("value", ["", "0", "-1", "no"])
    def test_no_decoding_order_numbers(self, value: str) -> None:
        assert FORMAT.apply_parameters(BARE, {"sprop-max-don-diff": value}) == BARE

    @given(st.dictionaries(st.sampled_from(["sprop-vps", "sprop-sps", "sprop-pps"]), st.text(max_size=60)))
    def test_any_text(self, parameters: dict[str, str]) -> None:
        FORMAT.apply_parameters(BARE, parameters)
