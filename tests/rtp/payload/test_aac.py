"""AAC in RTP: packing, fragments, timestamps, and headers of other widths."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rtp.payload.wire import any_packets, damaged, packet, packets_of, places, receive, send

from reelcast.errors import PayloadError
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload import aac, format_of
from reelcast.rtp.payload.aac import AacDepacketizer, AacPacketizer
from reelcast.track import AccessUnit, Track

TRACK = Track("audio", "aac", 48000, 97, channels=2, config=bytes.fromhex("1190"))
BARE = Track("audio", "aac", 48000, 97, channels=2)
FORMAT = format_of("aac")


def units_of(*sizes: int, first: int = 0) -> list[AccessUnit]:
    """Units of these sizes, each of bytes of its own."""
    return [
        AccessUnit(
            bytes([(place * 37 + size) % 256]) * size, first + 1024 * place, first + 1024 * place, True, 1024
        )
        for place, size in enumerate(sizes)
    ]


def payloads_of(*units: AccessUnit, size: int = 1452) -> list[tuple[bytes, bool]]:
    packets = packets_of(send(AacPacketizer(TRACK, size), units))
    return [(one.payload, one.marker) for one in packets]


class TestPacketizer:
    def test_units_share_a_packet(self) -> None:
        """Conformance F7."""
        first, second = units_of(3, 4)
        head = bytes((0, 32, 0, 3 << 3, 0, 4 << 3))
        assert payloads_of(first, second) == [(head + first.data + second.data, True)]

    def test_burst_tells_of_all_of_them(self) -> None:
        (burst,) = send(AacPacketizer(TRACK, 1452), units_of(3, 4, 5, first=1 << 32))
        assert (burst.pts, burst.dts, burst.keyframe, burst.duration) == (1 << 32, 1 << 32, True, 3072)
        assert packets_of([burst])[0].timestamp == 0

    def test_unknown_duration(self) -> None:
        (burst,) = send(AacPacketizer(TRACK, 1452), [AccessUnit(b"a", 0, 0)])
        assert burst.duration == 1024

    def test_a_packet_waits_until_it_is_full(self) -> None:
        packetizer = AacPacketizer(TRACK, 1452)
        counts = [len(packetizer.packetize(unit)) for unit in units_of(*[100] * 10)]
        # Four units last 85 ms, five would last more than 100.
        assert counts == [0, 0, 0, 0, 1, 0, 0, 0, 1, 0]
        assert [burst.duration for burst in packetizer.flush()] == [2048]
        assert packetizer.flush() == []

    def test_as_full_as_it_goes(self) -> None:
        # 2 + (2 + 126) + (2 + 124) bytes fill the 256 exactly.
        payloads = payloads_of(*units_of(126, 124, 126, 125), size=268)
        assert [len(data) for data, _ in payloads] == [256, 130, 129]

    def test_a_jump_in_time_ends_the_packet(self) -> None:
        first, second = units_of(3, 4)
        assert len(payloads_of(first, replace(second, pts=1025, dts=1025))) == 2

    def test_fragments(self) -> None:
        """Conformance F7."""
        small, big, last = units_of(5, 600, 7)
        payloads = payloads_of(small, big, last, size=268)
        head = bytes((0, 16)) + (600 << 3).to_bytes(2, "big")
        assert payloads[1:4] == [
            (head + big.data[:252], False),
            (head + big.data[252:504], False),
            (head + big.data[504:], True),
        ]
        assert len(payloads) == 5

    @pytest.mark.parametrize("size", [0, 8192])
    def test_sizes_that_cannot_be_carried(self, size: int) -> None:
        with pytest.raises(PayloadError, match=f"has {size} bytes, RTP carries 1 to 8191"):
            AacPacketizer(TRACK, 1452).packetize(AccessUnit(bytes(size), 0, 0))

    def test_largest(self) -> None:
        (unit,) = units_of(8191)
        packets = packets_of(send(AacPacketizer(TRACK, 1452), [unit]))
        assert receive(AacDepacketizer(TRACK), packets) == [unit]


def payload(*sizes: int, data: bytes = b"abcdefghij", indices: tuple[int, ...] = ()) -> bytes:
    indices = indices or (0,) * len(sizes)
    headers = b"".join(
        (size << 3 | index).to_bytes(2, "big") for size, index in zip(sizes, indices, strict=True)
    )
    return (16 * len(sizes)).to_bytes(2, "big") + headers + data


class TestDepacketizer:
    def run(self, *rows: tuple[bytes, int, bool], track: Track = TRACK) -> list[tuple[bytes, int]]:
        packets = [packet(data, place, time, marker) for place, (data, time, marker) in enumerate(rows)]
        return [(unit.data, unit.pts) for unit in receive(AacDepacketizer(track), packets)]

    def test_units_are_a_frame_apart(self) -> None:
        assert self.run((payload(3, 2, 5), 0xFFFFFF00, True)) == [
            (b"abc", 0xFFFFFF00),
            (b"de", 0x300),
            (b"fghij", 0x700),
        ]

    @pytest.mark.parametrize(
        ("config", "clock_rate", "ticks"),
        [("1194", 48000, 960), ("2b920800", 44100, 2048), ("", 48000, 1024), ("ff", 48000, 1024)],
        ids=["short frames", "SBR", "no config", "broken config"],
    )
    def test_length_of_a_frame(self, config: str, clock_rate: int, ticks: int) -> None:
        track = replace(TRACK, config=bytes.fromhex(config), clock_rate=clock_rate)
        assert self.run((payload(3, 2), 0, True), track=track) == [(b"abc", 0), (b"de", ticks)]

    def test_interleaved_units(self) -> None:
        found = self.run((payload(3, 2, 1, indices=(5, 2, 0)), 0, True))
        assert found == [(b"abc", 0), (b"de", 3 * 1024), (b"f", 4 * 1024)]

    def test_bytes_behind_the_units(self) -> None:
        assert self.run((payload(3), 0, True)) == [(b"abc", 0)]

    def test_empty_units(self) -> None:
        assert self.run((payload(0, 3, 0, 2), 0, True)) == [(b"abc", 1024), (b"de", 3072)]

    def test_cut_units(self) -> None:
        assert self.run((payload(3, 30, 2), 0, True)) == [(b"abc", 0)]

    @pytest.mark.parametrize(
        "data", [b"", b"\0", b"\0\0", b"\0\0abc", b"\0\x10", b"\0\x10\0", b"\xff\xffabc", b"\0\x08a"]
    )
    def test_unreadable(self, data: bytes) -> None:
        assert self.run((data, 0, True), (payload(3), 1, True)) == [(b"abc", 1)]

    def test_fragments(self) -> None:
        rows = (payload(25), 0, False), (payload(25), 0, False), (payload(25, data=b"12345"), 0, True)
        assert self.run(*rows) == [(b"abcdefghijabcdefghij12345", 0)]

    @pytest.mark.parametrize(
        "rows",
        [
            [(payload(25), 0, False), (payload(25), 0, True)],
            [(payload(25), 0, False), (payload(25), 1, False)],
            [(payload(15), 0, False), (payload(15), 0, False)],
            [(payload(15), 0, True), (payload(15, data=b"12345"), 0, False)],
        ],
        ids=["short", "no end", "long", "marker too early"],
    )
    def test_broken_fragments(self, rows: list[tuple[bytes, int, bool]]) -> None:
        assert self.run(*rows, (payload(3), 9, True)) == [(b"abc", 9)]

    def test_whole_unit_amid_fragments(self) -> None:
        rows = (payload(15), 0, False), (payload(3), 0, True), (payload(15, data=b"12345"), 0, True)
        assert self.run(*rows) == [(b"abc", 0)]

    def test_adts_instead_of_au_headers(self) -> None:
        """Cameras without a name (conformance F14)."""
        frames = bytes.fromhex("fff14c80015ffc") + b"abc" + bytes.fromhex("fff14c80013ffc") + b"de"
        assert self.run((frames, 7, True)) == [(b"abc", 7), (b"de", 1031)]

    def test_adts_behind_au_headers(self) -> None:
        frame = bytes.fromhex("fff14c80015ffc") + b"abc"
        assert self.run((payload(10, data=frame), 7, True)) == [(b"abc", 7)]
        halves = (payload(10, data=frame[:5]), 7, False), (payload(10, data=frame[5:]), 7, True)
        assert self.run(*halves) == [(b"abc", 7)]

    def test_repeated_packet(self) -> None:
        packets = [packet(payload(3), 7, 0, True)] * 3
        assert len(receive(AacDepacketizer(TRACK), packets)) == 1

    def test_lbr(self) -> None:
        track = replace(TRACK, au_header=(6, 2, 2))
        assert self.run((bytes((0, 16, 3 << 2, 2 << 2 | 1)) + b"abcde", 0, True), track=track) == [
            (b"abc", 0),
            (b"de", 2048),
        ]

    def test_headers_without_index(self) -> None:
        track = replace(TRACK, au_header=(16, 0, 0))
        assert self.run((bytes((0, 32, 0, 3, 0, 2)) + b"abcde", 0, True), track=track) == [
            (b"abc", 0),
            (b"de", 1024),
        ]

    def test_headers_are_bounded(self) -> None:
        found = self.run((payload(*[1] * 2000, data=b"a" * 2000), 0, True))
        assert len(found) == aac.MAX_PACKET_UNITS

    def test_endless_unit_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(aac, "MAX_UNIT_BYTES", 30)
        rows = [(payload(8000), 0, False)] * 4
        assert self.run(*rows, (payload(3), 1, True)) == [(b"abc", 1)]

    @given(
        any_packets(
            st.builds(
                lambda bits, rest: bits.to_bytes(2, "big") + rest, st.integers(0, 80), st.binary(max_size=40)
            )
        ),
        st.tuples(st.integers(1, 32), st.integers(0, 32), st.integers(0, 32)) | st.just((13, 3, 3)),
    )
    def test_never_raises(self, packets: list[Packet], widths: tuple[int, int, int]) -> None:
        """Conformance F14."""
        depacketizer = AacDepacketizer(replace(TRACK, au_header=widths))
        for one in packets:
            for unit in depacketizer.receive(one):
                assert unit.data
                assert 0 <= unit.pts < 1 << 32


streams = st.lists(st.integers(1, 300) | st.integers(1, 2000), min_size=1, max_size=40).map(
    lambda sizes: units_of(*sizes)
)


class TestStreams:
    @settings(max_examples=100)
    @given(streams, st.integers(268, 1500))
    def test_round_trip(self, units: list[AccessUnit], size: int) -> None:
        bursts = send(AacPacketizer(TRACK, size), units)
        assert sum(burst.duration for burst in bursts) == 1024 * len(units)
        for burst in bursts:
            assert max(burst.sizes) <= size
            assert len(set(burst.sizes[:-1])) <= 1
            assert burst.duration <= 48000 * aac.MAX_PACKET_SECONDS
        assert receive(AacDepacketizer(TRACK), packets_of(bursts, 65530)) == units

    @settings(max_examples=100)
    @given(streams, places, places)
    def test_losses(self, units: list[AccessUnit], lost: set[int], repeated: set[int]) -> None:
        bursts = send(AacPacketizer(TRACK, 268), units)
        counts = [len(burst.sizes) for burst in bursts]
        ends = itertools.accumulate(counts)
        arrived = [
            range(burst.pts, burst.pts + burst.duration)
            for burst, end, count in zip(bursts, ends, counts, strict=True)
            if not lost & set(range(end - count, end))
        ]
        whole = [unit for unit in units if any(unit.pts in span for span in arrived)]
        packets = damaged(packets_of(bursts, 65530), lost, repeated)
        assert receive(AacDepacketizer(TRACK), packets) == whole


class TestFormatParameters:
    def test_written(self) -> None:
        """Conformance D17."""
        assert ";".join(f"{name}={value}" for name, value in FORMAT.format_parameters(TRACK).items()) == (
            "streamtype=5;profile-level-id=1;mode=AAC-hbr;"
            "sizelength=13;indexlength=3;indexdeltalength=3;config=1190"
        )

    def test_written_without_config(self) -> None:
        assert FORMAT.format_parameters(BARE)["config"] == "1190"

    def test_round_trip(self) -> None:
        assert FORMAT.apply_parameters(BARE, FORMAT.format_parameters(TRACK)) == TRACK

    @pytest.mark.parametrize(
        ("parameters", "expected"),
        [
            ({}, (13, 3, 3)),
            ({"mode": "aac-HBR", "sizelength": "13", "indexdeltalength": "3"}, (13, 3, 3)),
            ({"mode": "AAC-lbr"}, (6, 2, 2)),
            ({"sizelength": "16", "indexlength": "0", "indexdeltalength": "0"}, (16, 0, 0)),
            ({"sizelength": "0", "indexlength": "-1", "indexdeltalength": "x"}, (13, 3, 3)),
            ({"sizelength": "33", "indexlength": "999999", "indexdeltalength": "²"}, (13, 3, 3)),
        ],
    )
    def test_widths(self, parameters: Mapping[str, str], expected: tuple[int, int, int]) -> None:
        assert FORMAT.apply_parameters(BARE, parameters).au_header == expected

    @pytest.mark.parametrize(
        ("config", "kept", "channels"),
        [
            ("1188", "1188", 1),
            ("1180", "1180", 2),
            ("", "1190", 2),
            ("11", "1190", 2),
            ("nonsense", "1190", 2),
            ("1", "1190", 2),
        ],
    )
    def test_config(self, config: str, kept: str, channels: int) -> None:
        track = FORMAT.apply_parameters(BARE, {"config": config})
        assert (track.config.hex(), track.channels) == (kept, channels)

    @pytest.mark.parametrize("mode", ["generic", "CELP-cbr", ""])
    def test_other_modes(self, mode: str) -> None:
        with pytest.raises(PayloadError, match="is not AAC"):
            FORMAT.apply_parameters(BARE, {"mode": mode})
