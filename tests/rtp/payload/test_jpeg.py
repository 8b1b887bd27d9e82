"""JPEG in RTP: every picture comes out with the pixels it went in with, or says why it cannot."""

from __future__ import annotations

import io
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.rtp.payload.wire import (
    any_packets,
    loses_only_what_is_hit,
    packet,
    packets_of,
    places,
    receive,
    send,
)

from reelcast.errors import PayloadError
from reelcast.rtp.onvif import PROFILE, dated
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload import jpeg
from reelcast.rtp.payload.jpeg import JpegDepacketizer, JpegPacketizer
from reelcast.rtp.payload.jpeg_image import frame_header, frame_size, parse_image, scaled_tables
from reelcast.track import AccessUnit, Track

TRACK = Track("video", "jpeg", 90000, 26)


def picture(width: int = 96, height: int = 64, *, sampling: str = "4:2:0", quality: int = 60) -> bytes:
    """A noisy JPEG; Pillow writes the standard Huffman tables unless told to optimise."""
    noise = random.Random(width * height).randbytes(3 * width * height)
    file = io.BytesIO()
    Image.frombytes("RGB", (width, height), noise).save(file, "JPEG", subsampling=sampling, quality=quality)
    return file.getvalue()


def pixels(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(Image.open(io.BytesIO(data)))


def carry(data: bytes, track: Track = TRACK, size: int = 400) -> bytes:
    packets = packets_of(send(JpegPacketizer(track, size), [AccessUnit(data, 0, 0)]))
    (unit,) = receive(JpegDepacketizer(track), packets)
    return unit.data


def payloads_of(data: bytes, size: int = 400) -> list[bytes]:
    return [one.payload for one in packets_of(send(JpegPacketizer(TRACK, size), [AccessUnit(data, 0, 0)]))]


def with_restarts(interval: int) -> bytes:
    """A grey picture of 4:2:0, 96x64: 24 MCUs without differences, a restart marker after each interval."""
    # For Y, end of block is 1010 and a DC difference of 0 is 00; for Cb and Cr they are 00 and 00.
    mcu = "001010" * 4 + "0000" * 2
    runs = [int(mcu * interval, 2).to_bytes(4 * interval, "big") for _ in range(24 // interval)]
    scan = b"".join(run + bytes((0xFF, 0xD0 + place % 8)) for place, run in enumerate(runs[:-1])) + runs[-1]
    return replace(parse_image(picture()), restart_interval=interval).with_scan(scan)


class TestPixels:
    @pytest.mark.parametrize("sampling", ["4:2:0", "4:2:2"])
    @pytest.mark.parametrize("quality", [1, 50, 95])
    def test_same_as_before(self, sampling: str, quality: int) -> None:
        before = picture(sampling=sampling, quality=quality)
        np.testing.assert_array_equal(pixels(carry(before)), pixels(before))

    @pytest.mark.parametrize("sampling", ["4:2:0", "4:2:2"])
    def test_size_that_is_no_multiple_of_eight(self, sampling: str) -> None:
        before = picture(91, 61, sampling=sampling)
        after = pixels(carry(before))
        assert after.shape == (64, 96, 3)
        # At the cut edge the upsampling of colours reads what used to be hidden.
        np.testing.assert_array_equal(after[:60, :90], pixels(before)[:60, :90])

    def test_size_from_the_description(self) -> None:
        before = picture(91, 61)
        after = carry(before, replace(TRACK, width=91, height=61))
        np.testing.assert_array_equal(pixels(after), pixels(before))

    def test_wrong_size_in_the_description_is_ignored(self) -> None:
        assert pixels(carry(picture(), replace(TRACK, width=640, height=480))).shape == (64, 96, 3)

    def test_restart_intervals(self) -> None:
        before = with_restarts(4)
        after = carry(before)
        assert parse_image(after) == parse_image(before)
        assert parse_image(after).restart_interval == 4
        np.testing.assert_array_equal(pixels(after), pixels(before))

    @pytest.mark.parametrize("quality", [1, 49, 50, 99])
    def test_computed_tables(self, quality: int) -> None:
        """Pillow and RFC 2435 scale the tables of the standard by the same formula."""
        before = picture(quality=quality)
        image = parse_image(before)
        assert (image.luma, image.chroma) == scaled_tables(quality)
        payload = bytes((0, 0, 0, 0, 1, quality, 12, 8)) + image.scan
        (unit,) = JpegDepacketizer(TRACK).receive(packet(payload, marker=True))
        np.testing.assert_array_equal(pixels(unit.data), pixels(before))


class TestPacketizer:
    def test_first_packet(self) -> None:
        """Conformance F5."""
        image = parse_image(picture())
        (first, *_) = payloads_of(picture())
        assert first[:8] == bytes((0, 0, 0, 0, 1, 255, 12, 8))
        assert first[8:12] == bytes((0, 0, 0, 128))
        assert first[12:140] == image.luma + image.chroma
        assert first[140:] == image.scan[: 388 - 140]

    def test_offsets_and_sizes(self) -> None:
        """Conformance F5."""
        payloads = payloads_of(picture())
        assert {len(one) for one in payloads[:-1]} == {388}
        assert 8 < len(payloads[-1]) <= 388
        offset = 0
        for place, one in enumerate(payloads):
            assert int.from_bytes(one[:4], "big") == offset
            offset += len(one) - (140 if place == 0 else 8)
        assert offset == len(parse_image(picture()).scan)

    def test_restart_header_in_each_packet(self) -> None:
        """Conformance F5."""
        payloads = payloads_of(with_restarts(12), 268)
        assert [one[4] for one in payloads] == [65]
        assert payloads[0][8:12] == b"\0\x0c\xff\xff"

    def test_header_fields(self) -> None:
        (burst,) = JpegPacketizer(TRACK, 400).packetize(AccessUnit(picture(), 1 << 33 | 7, 9, True, 3600))
        assert (burst.pts, burst.dts, burst.keyframe, burst.duration) == (1 << 33 | 7, 9, True, 3600)
        packets = packets_of([burst])
        assert [one.marker for one in packets] == [False] * (len(packets) - 1) + [True]
        assert {(one.timestamp, one.payload_type) for one in packets} == {(7, 26)}

    @pytest.mark.parametrize("size", [(2048, 16), (2041, 16), (16, 2041)])
    def test_size_beyond_the_header(self, size: tuple[int, int]) -> None:
        """Conformance F5: the size stands in a header extension, and nothing grows larger by it."""
        packets = packets_of(send(JpegPacketizer(TRACK, 400), [AccessUnit(picture(*size), 0, 0)]))
        assert {one.payload[6:8] for one in packets} == {b"\0\0"}
        profile, segments = packets[0].extension or (0, b"")
        assert (profile, segments) == (0xFFD8, frame_header(parse_image(picture(*size))) + b"\xff")
        assert all(one.extension is None for one in packets[1:])
        assert {len(one.to_bytes()) for one in packets[:-1]} == {400}
        after = carry(picture(*size))
        np.testing.assert_array_equal(pixels(after), pixels(picture(*size)))

    def test_size_behind_the_time_of_replay(self) -> None:
        """ONVIF Streaming Specification, "Compatibility with the JPEG header extension"."""
        wide = picture(2048, 16)
        (burst,) = JpegPacketizer(TRACK, 400).packetize(AccessUnit(wide, 0, 0))
        (first, *others) = packets_of([dated(burst, 1e9)])
        assert first.extension is not None
        assert first.extension[0] == PROFILE
        assert first.extension[1][12:14] == b"\xff\xd8"
        (unit,) = receive(JpegDepacketizer(TRACK), [first, *others])
        np.testing.assert_array_equal(pixels(unit.data), pixels(wide))

    def test_largest(self) -> None:
        packets = packets_of(send(JpegPacketizer(TRACK, 400), [AccessUnit(picture(2040, 16), 0, 0)]))
        assert packets[0].payload[6:8] == b"\xff\x02"
        assert packets[0].extension is None

    def test_too_many_bytes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(jpeg, "_MAX_OFFSET", 1000)
        with pytest.raises(PayloadError, match="lower its quality"):
            payloads_of(picture())


FIRST = bytes((0, 0, 0, 0, 1, 60, 2, 2))
SECOND = bytes((0, 0, 0, 4, 1, 60, 2, 2))
SCAN = b"abcd"
SOF = bytes.fromhex("ffc0 0011 08 0798 0a20 03 012200 021101 031101")
"""A frame header of 2592x1944."""


def headed(quality: int, tables: bytes | None, *, precision: int = 0, length: int | None = None) -> bytes:
    """The payload of a whole frame with a table header."""
    head = bytes((0, 0, 0, 0, 1, quality, 2, 2))
    if tables is None:
        return head
    size = len(tables) if length is None else length
    return head + bytes((0, precision)) + size.to_bytes(2, "big") + tables + SCAN


class TestDepacketizer:
    """Each case: payloads with timestamp and marker, in sequence, and the scans they make."""

    def run(self, *rows: tuple[bytes, int, bool]) -> list[bytes]:
        packets = [packet(data, place, time, marker) for place, (data, time, marker) in enumerate(rows)]
        return [parse_image(unit.data).scan for unit in receive(JpegDepacketizer(TRACK), packets)]

    def whole(self, *payloads: bytes) -> list[bytes]:
        return self.run(*((data, time, True) for time, data in enumerate(payloads)))

    def test_marker_or_timestamp_ends_a_frame(self) -> None:
        rows = (
            (FIRST + SCAN, 0, False),
            (SECOND + b"ef", 0, True),
            (FIRST + SCAN, 1, False),
            (FIRST + b"x", 2, True),
        )
        assert self.run(*rows) == [b"abcdef", b"abcd", b"x"]

    @pytest.mark.parametrize(
        "later",
        [
            b"",
            SECOND[:7],
            SECOND,
            bytes((0, 0, 0, 5, 1, 60, 2, 2)),
            bytes((0, 0, 0, 4, 0, 60, 2, 2)),
            bytes((0, 0, 0, 4, 1, 61, 2, 2)),
            bytes((0, 0, 0, 4, 1, 60, 3, 2)),
            bytes((0, 0, 0, 4, 65, 60, 2, 2, 0, 1)),
            bytes((0, 0, 0, 4, 65, 60, 2, 2, 0, 1, 0, 0)),
        ],
    )
    def test_packets_that_do_not_belong_together(self, later: bytes) -> None:
        rows = (FIRST + SCAN, 0, False), (later + b"ef" * (later == SECOND), 0, True), (FIRST + b"x", 1, True)
        assert self.run(*rows) == [b"abcdef", b"x"] if later == SECOND else [b"x"]

    @pytest.mark.parametrize(
        "payload",
        [
            bytes((0, 0, 0, 0, 2, 60, 2, 2)) + SCAN,
            bytes((0, 0, 0, 0, 128, 60, 2, 2)) + SCAN,
            bytes((0, 0, 0, 0, 1, 0, 2, 2)) + SCAN,
            bytes((0, 0, 0, 0, 1, 100, 2, 2)) + SCAN,
            bytes((0, 0, 0, 0, 1, 127, 2, 2)) + SCAN,
            bytes((0, 0, 0, 0, 1, 60, 0, 2)) + SCAN,
            bytes((0, 0, 0, 0, 1, 60, 2, 0)) + SCAN,
            bytes((0, 0, 0, 0, 65, 60, 2, 2, 0, 0, 0, 0)) + SCAN,
            bytes((0, 0, 0, 0, 65, 60, 2, 2, 0)),
            FIRST,
            headed(200, None),
            headed(200, None) + b"\0\0\0",
            headed(200, b""),
            headed(255, b""),
            headed(255, bytes(63)),
            headed(255, bytes(128), precision=1),
            headed(255, bytes(128), precision=2),
            headed(255, bytes(128), length=133),
            headed(255, bytes(128), length=0xFFFF),
        ],
    )
    def test_unreadable_frame_is_dropped_and_the_next_is_not(self, payload: bytes) -> None:
        """Conformance F6."""
        assert self.whole(payload, FIRST + b"x") == [b"x"]

    def test_tables_in_band(self) -> None:
        luma, chroma = b"\1" * 64, b"\2" * 64
        (unit,) = JpegDepacketizer(TRACK).receive(
            packet(headed(255, luma + chroma + b"\3" * 64), marker=True)
        )
        image = parse_image(unit.data)
        assert (image.luma, image.chroma, image.scan) == (luma, chroma, SCAN)

    def test_one_table_serves_both(self) -> None:
        (unit,) = JpegDepacketizer(TRACK).receive(packet(headed(255, b"\1" * 64), marker=True))
        assert parse_image(unit.data).chroma == b"\1" * 64

    def test_tables_are_kept_for_their_q(self) -> None:
        tables = headed(128, b"\1" * 64), headed(254, b"\2" * 64), headed(255, b"\3" * 64)
        rows = *tables, headed(128, b""), headed(254, b""), headed(255, b""), headed(129, b"")
        packets = [packet(data, time, time, True) for time, data in enumerate(rows)]
        units = receive(JpegDepacketizer(TRACK), packets)
        assert [parse_image(unit.data).luma[0] for unit in units] == [1, 2, 3, 1, 2]

    def test_end_of_image_is_there_once(self) -> None:
        for tail in (b"", b"\xff\xd9", b"\xff\xd9\0\0"):
            (unit,) = JpegDepacketizer(TRACK).receive(packet(FIRST + SCAN + tail, marker=True))
            assert unit.data.count(b"\xff\xd9") == 1

    def test_size_beyond_the_header_from_the_description(self) -> None:
        track = replace(TRACK, width=2592, height=1944)
        (unit,) = JpegDepacketizer(track).receive(
            packet(bytes((0, 0, 0, 0, 1, 60, 0, 243)) + SCAN, marker=True)
        )
        image = parse_image(unit.data)
        assert (image.width, image.height) == (2592, 1944)

    @pytest.mark.parametrize(
        ("profile", "segments", "size"),
        [
            (0xFFD8, SOF, (2592, 1944)),
            (0xFFD8, b"\xff\xff\xff" + SOF + b"\xff", (2592, 1944)),
            (0xFFD8, b"\xff\xfe\0\4hi" + SOF, (2592, 1944)),
            (0xFFD8, SOF[:5] + bytes(4) + SOF[9:], (16, 16)),
            (0xFFD8, b"", (16, 16)),
            (0xFFD8, SOF[:8], (16, 16)),
            (0xFFD8, b"\xff\xfe\0\0" + SOF, (16, 16)),
            (0xABAC, SOF, (16, 16)),
            (0xABAC, bytes(12) + b"\xff\xd8\0\x05" + SOF, (2592, 1944)),
            (0xABAC, bytes(12) + b"\0\0\0\x05" + SOF, (16, 16)),
            (0xABAC, bytes(12) + b"\xff\xd8", (16, 16)),
        ],
    )
    def test_size_in_the_header_extension(self, profile: int, segments: bytes, size: tuple[int, int]) -> None:
        extended = replace(packet(FIRST + SCAN, marker=True), extension=(profile, segments))
        (unit,) = JpegDepacketizer(TRACK).receive(extended)
        image = parse_image(unit.data)
        assert (image.width, image.height) == size

    def test_repeated_packet(self) -> None:
        packets = [packet(FIRST + SCAN), packet(FIRST + SCAN), packet(SECOND + b"ef", 1, marker=True)]
        (unit,) = receive(JpegDepacketizer(TRACK), packets)
        assert parse_image(unit.data).scan == b"abcdef"

    @settings(max_examples=200)
    @given(st.binary(max_size=40) | st.binary(max_size=30).map(lambda data: b"\xff\xc0" + data))
    def test_any_extension(self, segments: bytes) -> None:
        width, height = frame_size(segments)
        assert 0 <= width <= 0xFFFF
        assert 0 <= height <= 0xFFFF

    @settings(max_examples=200)
    @given(
        any_packets(
            st.builds(
                lambda offset, kind, quality, rest: bytes((0, 0, 0, offset, kind, quality, 2, 2)) + rest,
                st.integers(0, 3) | st.just(0),
                st.sampled_from([0, 1, 64, 65, 2, 255]),
                st.integers(0, 255),
                st.binary(max_size=12) | st.just(b"\0\0\0\x40" + bytes(70)),
            )
        )
    )
    def test_never_raises(self, packets: list[Packet]) -> None:
        """Conformance F14."""
        depacketizer = JpegDepacketizer(TRACK)
        for one in packets:
            for unit in depacketizer.receive(one):
                assert unit.data.startswith(b"\xff\xd8")
                assert len(unit.data) < 1000 + 30 * 80


PICTURES = [
    picture(16 * side, 16, sampling=sampling) for side in (1, 4, 9) for sampling in ("4:2:0", "4:2:2")
]


class TestStreams:
    @settings(max_examples=100)
    @given(
        st.lists(st.sampled_from(PICTURES), min_size=1, max_size=8), st.integers(268, 1500), places, places
    )
    def test_losses(self, pictures: list[bytes], size: int, lost: set[int], repeated: set[int]) -> None:
        units = [AccessUnit(carry(data), 3600 * place, 3600 * place) for place, data in enumerate(pictures)]
        coder = JpegPacketizer(TRACK, size), JpegDepacketizer(TRACK)
        loses_only_what_is_hit(coder, units, lost, repeated)
