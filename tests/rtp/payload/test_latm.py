"""AAC in LATM: units behind their lengths, in packets of their own or cut, and the configuration in bits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rtp.payload.wire import any_packets, packet, receive

from reelcast.errors import PayloadError
from reelcast.rtp.description import tracks_of
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload.aac_config import build_config
from reelcast.rtp.payload.latm import MAX_ELEMENT_BYTES, LatmDepacketizer, apply_latm_parameters, audio_config
from reelcast.sdp import parse
from reelcast.track import AccessUnit, Track

PLAIN = bytes.fromhex("1190")
TRACK = Track("audio", "aac", 48_000, 96, 2, config=PLAIN, latm=True)
UNITS = st.lists(st.binary(min_size=1, max_size=600), min_size=1, max_size=5)
GSTREAMER = """v=0
m=audio 0 RTP/AVP 96
a=rtpmap:96 MP4A-LATM/48000
a=fmtp:96 cpresent=0;config=40002320adca00
"""
FFMPEG = """v=0
m=audio 0 RTP/AVP 97
a=rtpmap:97 MP4A-LATM/44100/2
a=fmtp:97 profile-level-id=41;cpresent=0;config=400024203fc0
"""


def element(*units: bytes) -> bytes:
    return b"".join(b"\xff" * (len(unit) // 255) + bytes([len(unit) % 255]) + unit for unit in units)


def mux(
    config: str, *, head: str = "01" + "000000" + "0000" + "000", tail: str = "000" + "1" * 8 + "00"
) -> bytes:
    """A StreamMuxConfig around the bits of an AudioSpecificConfig."""
    bits = head + config.replace("_", "") + tail
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8)


class TestDepacketizer:
    @given(UNITS)
    def test_units_of_one_packet(self, units: list[bytes]) -> None:
        """Conformance F8."""
        found = LatmDepacketizer(TRACK).receive(packet(element(*units), 0, 0xFFFFFFFF, marker=True))
        assert [unit.data for unit in found] == units
        assert [unit.pts for unit in found] == [
            (0xFFFFFFFF + 1024 * number) % 2**32 for number in range(len(units))
        ]
        assert {unit.duration for unit in found} == {1024}

    @given(UNITS, st.integers(1, 200))
    def test_an_element_in_pieces(self, units: list[bytes], size: int) -> None:
        data = element(*units)
        pieces = [data[place : place + size] for place in range(0, len(data), size)]
        packets = [packet(piece, number, 7, number == len(pieces) - 1) for number, piece in enumerate(pieces)]
        assert [unit.data for unit in receive(LatmDepacketizer(TRACK), packets)] == units

    def test_a_lost_piece(self) -> None:
        """The whole element is lost, whichever piece of it was, and the one behind it is not."""
        data = element(bytes(range(1, 101)))
        pieces = [packet(data[34 * number : 34 * number + 34], number, 7, number == 2) for number in range(3)]
        behind = packet(element(b"next"), 3, 1031, marker=True)
        for lost in range(3):
            left = [packet(element(b"first"), 0xFFFF, 6, marker=True), *pieces, behind]
            del left[lost + 1]
            assert [unit.data for unit in receive(LatmDepacketizer(TRACK), left)] == [b"first", b"next"]

    def test_a_repeated_packet(self) -> None:
        packets = [packet(element(b"one"), 0, 7, marker=True)] * 2
        assert len(receive(LatmDepacketizer(TRACK), packets)) == 1

    @pytest.mark.parametrize("data", [b"", b"\xff", b"\xff" * 9, b"\x05four", b"\x00"])
    def test_what_is_cut_short(self, data: bytes) -> None:
        assert LatmDepacketizer(TRACK).receive(packet(data, 0, 7, marker=True)) == []
        whole = LatmDepacketizer(TRACK).receive(packet(element(b"one") + data, 0, 7, marker=True))
        assert [unit.data for unit in whole] == [b"one"]

    def test_one_that_never_ends(self) -> None:
        depacketizer = LatmDepacketizer(TRACK)
        for number in range(MAX_ELEMENT_BYTES // 1000 + 2):
            assert depacketizer.receive(packet(bytes([255]) * 1000, number, 7)) == []
        assert depacketizer.receive(packet(b"end", number + 1, 7, marker=True)) == []
        assert len(depacketizer.receive(packet(element(b"next"), number + 2, 8, marker=True))) == 1

    @settings(max_examples=200)
    @given(any_packets(st.binary(max_size=64)))
    def test_any_packets(self, packets: list[Packet]) -> None:
        """Conformance F14."""
        assert all(unit.data for unit in receive(LatmDepacketizer(TRACK), packets))


class TestConfiguration:
    @pytest.mark.parametrize(
        ("description", "rate", "config"),
        [(GSTREAMER, 48_000, "119056e500"), (FFMPEG, 44_100, "1210")],
    )
    def test_of_peers(self, description: str, rate: int, config: str) -> None:
        (track,) = tracks_of(parse(description))
        assert (track.codec, track.clock_rate, track.channels) == ("aac", rate, 2)
        assert track.config.hex() == config
        assert track.latm

    @given(
        st.sampled_from([8000, 44_100, 48_000, 96_000, 12_345]), st.integers(1, 6), st.sampled_from([1, 2, 4])
    )
    def test_of_plain_aac(self, rate: int, channels: int, kind: int) -> None:
        config = build_config(rate, channels, kind)
        bits = "".join(f"{byte:08b}" for byte in config)[: 37 + 3 if rate == 12_345 else 13 + 3]
        assert audio_config(mux(bits)) == config

    @pytest.mark.parametrize(
        "bits",
        [
            # AAC with SBR said first; SBR behind, at a rate of its own; a core coder with its delay.
            "00101_0110_0010_0011_00010_000",
            "00010_0110_0010_000_01010110111_00101_1_0011",
            "00010_0011_0010_01_00000000000001_0",
        ],
    )
    def test_of_other_aac(self, bits: str) -> None:
        bits = bits.replace("_", "")
        size = -(-len(bits) // 8)
        assert audio_config(mux(bits)) == int(bits.ljust(8 * size, "0"), 2).to_bytes(size)

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x40",
            mux("0001000110010000", head="11" + "0" * 13),
            mux("0001000110010000", head="00" + "0" * 13),
            mux("0001000110010000", head="01" + "000000" + "0001" + "000"),
            mux("0001000110010000", tail="001" + "0" * 10),
            mux("00010_0011_0000_000"),
            mux("00010_0011_0010_001"),
            mux("10111_0011_0010_000"),
        ],
    )
    def test_of_what_is_none(self, data: bytes) -> None:
        with pytest.raises(PayloadError, match="MP4A-LATM without a configuration of plain AAC"):
            apply_latm_parameters(TRACK, {"config": data.hex()})

    def test_no_hexadecimal(self) -> None:
        with pytest.raises(PayloadError):
            apply_latm_parameters(TRACK, {"config": "4x", "cpresent": "1"})

    @settings(max_examples=200)
    @given(st.binary(max_size=24))
    def test_any_bytes(self, data: bytes) -> None:
        config = audio_config(data)
        assert config is None or len(config) <= len(data)


def test_units_are_raw() -> None:
    """What comes is what a decoder of AAC takes, without LATM around it."""
    assert LatmDepacketizer(TRACK).receive(packet(b"\x03abc", 0, 9, marker=True)) == [
        AccessUnit(b"abc", 9, 9, duration=1024)
    ]
