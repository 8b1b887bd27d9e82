"""Senders: the headers of a whole group for one session, to the byte."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.groups import AUDIO, TRACKS, VIDEO, burst, group_of, parsed

from reelcast.rtp.burst import lay_out
from reelcast.rtp.rtcp import SenderReport
from reelcast.rtp.sender import Sender, headers, reserve, stamp, tally

WORDS = st.integers(0, 2**32 - 1)
GROUP = group_of(
    [
        (0, burst(VIDEO, 9000, (30, 30, 5), duration=9000)),
        (1, burst(AUDIO, 880, (17,), duration=160)),
        (0, burst(VIDEO, 18000, (8,), duration=9000)),
    ]
)


def senders(sequence: int = 0, offset: int = 0) -> dict[int, Sender]:
    return {0: Sender(0xAABBCCDD, sequence, offset, 90_000), 1: Sender(0x01020304, 7, 0, 8_000)}


class TestStamp:
    def test_datagrams(self) -> None:
        pair = senders(0x1234, 0x100)
        assert stamp(GROUP, pair).tobytes() == bytes.fromhex(
            # marker and type, sequence, timestamp, SSRC
            "8060 1234 00002428 aabbccdd"
            "8060 1235 00002428 aabbccdd"
            "80e0 1236 00002428 aabbccdd"
            "8080 0007 00000370 01020304"
            "80e0 1237 00004750 aabbccdd"
        )
        assert (pair[0].sequence, pair[1].sequence) == (0x1238, 8)

    def test_interleaved_frames(self) -> None:
        # $, channel, length of what follows
        assert stamp(GROUP, senders(), {0: 0, 1: 6}).tobytes() == bytes.fromhex(
            "2400 002a 8060 0000 00002328 aabbccdd"
            "2400 002a 8060 0001 00002328 aabbccdd"
            "2400 0011 80e0 0002 00002328 aabbccdd"
            "2406 001d 8080 0007 00000370 01020304"
            "2400 0014 80e0 0003 00004650 aabbccdd"
        )

    def test_reserved_and_made_later(self) -> None:
        pair, channels = senders(3), {0: 4, 1: 9}
        numbers = reserve(GROUP, pair, 0.5)
        assert (pair[0].sequence, pair[1].sequence) == (7, 8)
        for made in (None, channels):
            assert headers(GROUP, numbers, made).tobytes() == stamp(GROUP, senders(3), made, 0.5).tobytes()

    def test_the_highest_channel_and_the_longest_frame(self) -> None:
        group = group_of([(0, burst(VIDEO, 0, (65_000,)))])
        assert stamp(group, {0: Sender(0, 0, 0, 90_000)}, {0: 255})[0].tobytes()[:4] == struct.pack(
            "!BBH", 0x24, 255, 65_012
        )

    def test_a_header_extension_stays_in_front_of_its_payload(self) -> None:
        one = lay_out([b"first", b"second"], 26, 0, 0, extension=(0xFFD8, b"\xff\xfe\0\2"))
        group = group_of([(0, one)])
        headers = stamp(group, {0: Sender(7, 5, 0, 90_000)})
        found = [
            parsed(headers[row].tobytes() + group.data[start : start + size])
            for row, (start, size) in enumerate(
                zip(group.columns.offsets.tolist(), group.columns.sizes.tolist(), strict=True)
            )
        ]
        assert [(each.sequence, each.extension, each.payload, each.marker) for each in found] == [
            (5, (0xFFD8, b"\xff\xfe\0\2"), b"first", False),
            (6, None, b"second", True),
        ]

    def test_wraps(self) -> None:
        pair = senders(0xFFFE, 2**32 - 9000)
        headers = [struct.unpack("!HHII", row.tobytes()) for row in stamp(GROUP, pair)]
        video = [(sequence, timestamp) for _, sequence, timestamp, ssrc in headers if ssrc == 0xAABBCCDD]
        assert video == [(0xFFFE, 0), (0xFFFF, 0), (0, 0), (1, 9000)]
        assert pair[0].sequence == 2

    def test_a_track_that_does_not_occur(self) -> None:
        video = GROUP.select(run for run in GROUP.runs if run.track == 0)
        pair = senders()
        assert len(stamp(video, pair)) == 4
        assert pair[1].sequence == 7

    def test_one_track_of_several(self) -> None:
        audio = GROUP.select(run for run in GROUP.runs if run.track == 1)
        only = {1: senders()[1]}
        assert stamp(audio, only, {1: 3}).tobytes() == bytes.fromhex("2403001d 80800007 00000370 01020304")

    def test_an_empty_group(self) -> None:
        pair = senders(5)
        assert stamp(group_of([]), pair).shape == (0, 3)
        assert stamp(group_of([]), pair, {0: 0, 1: 2}).shape == (0, 4)
        assert pair[0].sequence == 5

    def test_words_are_whole(self) -> None:
        words = stamp(GROUP, senders())
        assert words.dtype == np.uint32
        assert words.flags.c_contiguous


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(-(2**34), 2**34), st.lists(st.integers(1, 40), min_size=1)),
        max_size=8,
    ),
    st.tuples(WORDS, WORDS, WORDS, WORDS),
    st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)),
    st.none() | st.tuples(st.integers(0, 255), st.integers(0, 255)),
)
def test_any_group(
    rows: list[tuple[int, int, list[int]]],
    words: tuple[int, int, int, int],
    sequences: tuple[int, int],
    channels: tuple[int, int] | None,
) -> None:
    group = group_of((track, burst(TRACKS[track], dts, sizes)) for track, dts, sizes in rows)
    pair = {track: Sender(words[track], sequences[track], words[2 + track], 8_000) for track in (0, 1)}
    table = stamp(group, pair, dict(enumerate(channels)) if channels else None)
    following = list(sequences)
    for number, row in enumerate(table):
        track, data = int(group.columns.tracks[number]), row.tobytes()
        start = int(group.columns.offsets[number])
        first, _, timestamp, _ = struct.unpack_from("!HHII", group.data, start - 12)
        if channels:
            length = 12 + int(group.columns.sizes[number])
            assert data[:4] == struct.pack("!BBH", 0x24, channels[track], length)
        expected = first, following[track], (timestamp + words[2 + track]) % 2**32, words[track]
        assert struct.unpack("!HHII", data[-12:]) == expected
        following[track] = (following[track] + 1) % 2**16
    assert [pair[0].sequence, pair[1].sequence] == following


class TestSender:
    @pytest.mark.parametrize(
        ("offset", "seconds", "timestamp"),
        [
            (0, 0.0, 0),
            (10, 1.0, 90_010),
            (2**32 - 1, 1 / 90_000, 0),
            (0, -0.08, 2**32 - 7200),
            (0, 0.033333, 3000),
            (5, 2**32 / 90_000, 5),
        ],
    )
    def test_timestamp(self, offset: int, seconds: float, timestamp: int) -> None:
        assert Sender(1, 0, offset, 90_000).timestamp(seconds) == timestamp

    def test_numbers_are_cut_to_their_fields(self) -> None:
        sender = Sender(1, 0x1_2345, 2**32 + 3, 90_000)
        assert (sender.sequence, sender.offset) == (0x2345, 3)

    def test_report(self) -> None:
        sender = Sender(0xAABBCCDD, 0, 100, 8_000)
        assert sender.report(1 << 63, 0.5) == SenderReport(0xAABBCCDD, 1 << 63, 4100, 0, 0)
        sender.count(3, 400)
        sender.count(2, 50)
        assert sender.report(5, 0.0) == SenderReport(0xAABBCCDD, 5, 100, 5, 450)

    def test_tally(self) -> None:
        pair = senders()
        tally((), pair)
        assert (pair[0].packets, pair[1].packets) == (0, 0)
        tally(GROUP.runs[:2], pair)
        assert (pair[0].packets, pair[0].octets) == (3, 65)
        assert (pair[1].packets, pair[1].octets) == (1, 17)
        tally(GROUP.runs[2:], pair)
        assert (pair[0].packets, pair[0].octets) == (4, 73)

    def test_counts_wrap_in_reports(self) -> None:
        sender = Sender(1, 0, 0, 8_000)
        sender.count(2**32 + 1, 2**33 + 2)
        assert sender.report(0, 0.0) == SenderReport(1, 0, 0, 1, 2)
        assert (sender.packets, sender.octets) == (2**32 + 1, 2**33 + 2)
