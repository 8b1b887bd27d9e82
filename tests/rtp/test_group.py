"""Groups: runs that segmentation offload can send, in an order and at times that suit readers."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.groups import AUDIO, TRACKS, VIDEO, burst, group_of, group_with, packets_in

from reelcast.rtp.burst import MAX_PACKET_SIZE, Burst
from reelcast.rtp.group import MAX_RUN_PACKETS, SPREAD, Group
from reelcast.rtp.packet import HEADER_SIZE
from reelcast.track import Track

KERNEL_SEGMENTS = 64
KERNEL_BYTES = 65_507
"""What one message with segmentation offload may hold."""
H = HEADER_SIZE
FULL = MAX_RUN_PACKETS


@pytest.mark.parametrize(
    ("sizes", "runs"),
    [
        ((), []),
        ((5,), [(0, 1, 5)]),
        ((5, 5, 5), [(0, 3, 5)]),
        ((5, 5, 3), [(0, 3, 5)]),
        ((5, 3, 3), [(0, 2, 5), (2, 1, 3)]),
        ((3, 5, 5), [(0, 1, 3), (1, 2, 5)]),
        ((5, 5, 3, 5, 5), [(0, 3, 5), (3, 2, 5)]),
        ((5, 4, 3, 2), [(0, 2, 5), (2, 2, 3)]),
        ((9,) * FULL, [(0, FULL, 9)]),
        ((9,) * (FULL + 1), [(0, FULL, 9), (FULL, 1, 9)]),
        ((9,) * 2 * FULL + (1,), [(0, FULL, 9), (FULL, FULL, 9), (2 * FULL, 1, 1)]),
        ((9,) * FULL + (1,), [(0, FULL, 9), (FULL, 1, 1)]),
    ],
    ids=lambda value: "-".join(map(str, value[:6])) if value and isinstance(value[0], int) else None,
)
def test_runs(sizes: tuple[int, ...], runs: list[tuple[int, int, int]]) -> None:
    group = group_with(*sizes)
    assert [(run.first, run.count, run.size - H) for run in group.runs] == runs


@settings(max_examples=200)
@given(st.lists(st.sampled_from([1, 2, 700, MAX_PACKET_SIZE - H]) | st.integers(1, 1440), max_size=120))
def test_every_run_is_one_message(sizes: list[int]) -> None:
    group = group_with(*sizes)
    place = 0
    for run in group.runs:
        assert run.first == place
        own = [size + H for size in sizes[place : place + run.count]]
        assert 1 <= len(own) == run.count <= MAX_RUN_PACKETS <= KERNEL_SEGMENTS
        assert set(own[:-1]) <= {run.size}
        assert own[-1] <= run.size == own[0]
        assert sum(own) <= KERNEL_BYTES
        place += run.count
        if place < len(sizes):
            # As long as it can be.
            assert run.count == MAX_RUN_PACKETS or own[-1] < run.size or sizes[place] + H > run.size
    assert place == len(sizes) == len(group)


class TestDues:
    def test_a_small_burst_goes_out_at_once(self) -> None:
        group = group_of([(0, burst(VIDEO, 9000, (1400, 100) * 10 + (7,), duration=3600))])
        assert len(group.runs) == 11
        assert set(group.dues) == set(group.spread) == {0.1}

    def test_a_large_burst_is_spread_over_most_of_its_duration(self) -> None:
        """Conformance R12."""
        group = group_of([(0, burst(VIDEO, 9000, (1400,) * 4 * FULL, duration=3600))])
        assert group.dues == (0.1,) * 4
        assert group.spread == pytest.approx([0.1 + SPREAD * 0.04 * part / 4 for part in range(4)])

    def test_a_large_burst_of_no_duration(self) -> None:
        group = group_of([(0, burst(VIDEO, 0, (1400,) * 4 * FULL))])
        assert group.spread == group.dues == (0.0,) * 4

    def test_decoding_order(self) -> None:
        # I0 P3 B1 B2, shown two frames later than decoded
        frames = [(0, 2), (1, 5), (2, 3), (3, 4)]
        bursts = [burst(VIDEO, 3600 * dts, pts=3600 * pts, duration=3600) for dts, pts in frames]
        group = group_of((0, one) for one in reversed(bursts))
        assert group.dues == pytest.approx([0.0, 0.04, 0.08, 0.12])
        assert [run.pts for run in group.runs] == pytest.approx([0.08, 0.2, 0.12, 0.16])
        assert [run.end for run in group.runs] == pytest.approx([0.12, 0.24, 0.16, 0.2])
        assert group.end == pytest.approx(0.24)

    def test_audio_goes_with_the_frame_before_it(self) -> None:
        bursts = [(0, burst(VIDEO, 3600 * number)) for number in range(1, 4)]
        bursts += [(1, burst(AUDIO, 160 * number)) for number in range(8)]
        group = group_of(bursts)
        assert [(run.track, round(run.due * 1000)) for run in group.runs] == [
            # what comes before any frame has its own time
            *[(1, 0), (1, 20)],
            *[(0, 40), (1, 40), (1, 40)],
            *[(0, 80), (1, 80), (1, 80)],
            *[(0, 120), (1, 120)],
            (1, 120),
        ]
        heard = [run.pts for run in group.runs if run.track == 1]
        assert heard == pytest.approx([0.02 * number for number in range(8)])

    def test_audio_is_not_much_earlier_than_due(self) -> None:
        bursts = [(0, burst(VIDEO, 0)), (0, burst(VIDEO, 90_000))]
        bursts += [(1, burst(AUDIO, 160 * number)) for number in range(50)]
        dues = [run.due for run in group_of(bursts).runs if run.track == 1]
        assert dues[:3] == [0.0, 0.0, 0.0]
        assert dues[3:] == pytest.approx([0.02 * number for number in range(3, 50)])

    def test_audio_alone_has_its_own_time(self) -> None:
        other = Track("audio", "l16", 44_100, 97, channels=2)
        bursts = [(0, burst(AUDIO, 160 * number)) for number in range(3)]
        bursts += [(1, burst(other, 882 * number)) for number in range(3)]
        group = group_of(bursts, (AUDIO, other))
        assert [run.track for run in group.runs] == [0, 1] * 3
        assert group.dues == pytest.approx([0.0, 0.0, 0.02, 0.02, 0.04, 0.04])

    def test_video_first_where_times_are_equal(self) -> None:
        tracks = AUDIO, VIDEO
        group = group_of([(0, burst(AUDIO, 0)), (1, burst(VIDEO, 0))], tracks)
        assert [run.track for run in group.runs] == [1, 0]

    def test_units_before_the_start(self) -> None:
        group = group_of([(0, burst(VIDEO, -7200, pts=0)), (1, burst(AUDIO, -80))])
        assert group.dues == pytest.approx([-0.08, -0.01])
        assert [packet.timestamp for _, packet in packets_in(group)] == [0, 2**32 - 80]
        assert group.columns.timestamps.tolist() == [0, 2**32 - 80]


def test_tables() -> None:
    group = group_of(
        [
            (0, burst(VIDEO, 2**32 + 5, (10, 10, 3), duration=3600)),
            (1, burst(AUDIO, 2**40, (4,), duration=160)),
        ]
    )
    assert len(group) == 4
    assert group.columns.tracks.tolist() == [0, 0, 0, 1]
    assert group.columns.sequences.tolist() == [0, 1, 2, 0]
    assert group.columns.timestamps.tolist() == [5, 5, 5, 0]
    assert group.columns.sizes.tolist() == [10, 10, 3, 4]
    assert group.columns.offsets.tolist() == [12, 34, 56, 71]
    assert [hex(flags) for flags in group.columns.flags.tolist()] == [
        *["0x80600000"] * 2,
        "0x80e00000",
        "0x80800000",
    ]
    assert group.nbytes > len(group.data) == 12 * 4 + 27
    assert group.last
    assert not Group.build(3, [], TRACKS, last=False).last


def test_an_empty_group() -> None:
    group = group_of([])
    assert (len(group), group.runs, group.data, group.end) == (0, (), b"", 0.0)
    assert len(group.select([])) == 0


class TestSelect:
    GROUP = group_of(
        [
            *((0, burst(VIDEO, 9000 * number, (20, 20, 6), duration=9000)) for number in range(4)),
            *((1, burst(AUDIO, 800 * number, (7,), duration=800)) for number in range(4)),
        ]
    )

    def test_packets_are_numbered_anew(self) -> None:
        chosen = self.GROUP.select(run for run in self.GROUP.runs if run.pts > 0.15)
        assert [run.first for run in chosen.runs] == [0, 3, 4, 7]
        assert chosen.columns.sequences.tolist() == [0, 1, 2, 0, 3, 4, 5, 1]
        assert chosen.columns.tracks.tolist() == [0, 0, 0, 1, 0, 0, 0, 1]
        assert chosen.dues == self.GROUP.dues[-4:]
        assert chosen.spread == self.GROUP.spread[-4:]

    def test_what_is_not_a_matter_of_choice_stays(self) -> None:
        chosen = self.GROUP.select(self.GROUP.runs[:1])
        assert chosen.data is self.GROUP.data
        assert (chosen.index, chosen.end, chosen.last) == (self.GROUP.index, self.GROUP.end, self.GROUP.last)

    @given(st.sets(st.integers(0, 7)))
    def test_packets_keep_their_bytes(self, places: set[int]) -> None:
        runs = [self.GROUP.runs[place] for place in sorted(places)]
        chosen = self.GROUP.select(runs)
        whole = packets_in(self.GROUP)
        assert packets_in(chosen) == [
            packet for run in runs for packet in whole[run.first : run.first + run.count]
        ]
        assert len(chosen) == sum(run.count for run in runs)
        for track in (0, 1):
            own = chosen.columns.sequences[chosen.columns.tracks == track].tolist()
            assert own == list(range(len(own)))


class TestRetimed:
    GROUP = TestSelect.GROUP

    def test_timestamps_are_those_of_the_runs(self) -> None:
        runs = [replace(run, pts=run.pts / -2 + 0.025, due=run.due + 7.0) for run in self.GROUP.runs]
        moved = self.GROUP.retimed(runs, TRACKS, index=-3, end=9.0, last=False)
        assert (moved.index, moved.end, moved.last, moved.runs) == (-3, 9.0, False, tuple(runs))
        assert moved.dues == tuple(run.due for run in runs)
        expected = [round(run.pts * TRACKS[run.track].clock_rate) for run in runs for _ in range(run.count)]
        assert moved.columns.timestamps.astype(np.int32).tolist() == expected
        assert min(expected) < 0
        # All else is as it was, here and there.
        assert packets_in(moved) == packets_in(self.GROUP)
        assert moved.columns.sequences.tolist() == self.GROUP.columns.sequences.tolist()
        assert self.GROUP.columns.timestamps.max() == 27_000

    def test_of_nothing(self) -> None:
        assert len(group_of([]).retimed([], TRACKS, index=0, end=0.0, last=True)) == 0


bursts_of_two_tracks = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(-10_000, 100_000),
        st.lists(st.integers(1, 60), min_size=1, max_size=40),
        st.integers(0, 9000),
    ),
    max_size=12,
)


@settings(max_examples=100)
@given(bursts_of_two_tracks)
def test_any_bursts(rows: list[tuple[int, int, list[int], int]]) -> None:
    bursts: list[tuple[int, Burst]] = [
        (track, burst(TRACKS[track], dts, sizes, duration=duration)) for track, dts, sizes, duration in rows
    ]
    group = group_of(bursts)
    # Nothing is lost, nothing comes twice, and within a track all is in order.
    assert sorted(packets_in(group), key=repr) == sorted(
        (pair for one in bursts for pair in packets_in(group_of([one]))), key=repr
    )
    assert [run.due for run in group.runs] == list(group.dues)
    assert list(group.dues) == sorted(group.dues)
    assert sum(run.count for run in group.runs) == len(group)
    for run, after in pairwise(group.runs):
        assert run.first + run.count == after.first
        assert run.spread >= run.due
    for track in (0, 1):
        times = [run.pts for run in group.runs if run.track == track]
        assert times == sorted(times)


def test_what_several_files_have_of_a_track_is_not_mixed() -> None:
    """The sound that ends one file would go by itself, and that which begins the next with a keyframe before it."""
    ending = group_of([(0, burst(VIDEO, 0)), (1, burst(AUDIO, 800)), (1, burst(AUDIO, 960))])
    beginning = group_of([(0, burst(VIDEO, 9000)), (1, burst(AUDIO, 1120)), (0, burst(VIDEO, 13_500))])
    assert ending.dues == (0.0, 0.1, 0.12)
    assert beginning.dues == (0.1, 0.1, 0.15)
    group = Group.joined(7, [ending, beginning], last=False)
    assert [(run.track, run.due, run.spread, run.pts) for run in group.runs] == [
        (0, 0.0, 0.0, 0.0),
        (1, 0.1, 0.1, 0.1),
        (1, 0.1, 0.1, 0.12),
        (0, 0.1, 0.1, 0.1),
        (1, 0.1, 0.1, 0.14),
        (0, 0.15, 0.15, 0.15),
    ]
    packets = sorted(map(repr, packets_in(group)))
    assert packets == sorted(map(repr, packets_in(ending) + packets_in(beginning)))
