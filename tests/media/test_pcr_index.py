"""The clock of transport streams: made by hand, by ffmpeg, broken and in every framing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ts_packets import ts_packet

from reelcast.errors import MediaError
from reelcast.media import pcr_index as module
from reelcast.media.pcr_index import Framing, PcrIndex, find_framing, pcr_index

Movie = Callable[[str], Path]
PLAIN = Framing(188, 0)
WRAP = 1 << 33


def index_of(packets: int, *references: tuple[int, int]) -> PcrIndex:
    places, clock = zip(*references, strict=True)
    return PcrIndex(packets, np.array(places, np.int64), np.array(clock, np.int64))


def test_times_between_references() -> None:
    index = index_of(40, (10, 5000), (20, 6000), (30, 8000))
    # Before the first and behind the last, at the rate of its neighbour.
    assert [index.time(number) for number in (0, 5, 10, 15, 20, 25, 30, 35, 40)] == [
        *(0, 500, 1000, 1500, 2000, 3000, 4000, 5000, 6000)
    ]
    assert (index.packets, index.duration) == (40, 6000)
    assert [index.packet_at(ticks) for ticks in (0, 1000, 2999, 3000, 9999)] == [0, 10, 24, 25, 40]


def test_the_clock_wraps() -> None:
    index = index_of(30, (0, WRAP - 1000), (10, 0), (20, 1000))
    assert index.time(20) == 2000


@pytest.mark.parametrize("clock", [3_000_000, 100, 2000])
def test_a_break_goes_on_at_the_usual_rate(clock: int) -> None:
    """The clock of another recording: ahead, back, or standing still."""
    index = index_of(50, (0, 0), (10, 1000), (20, 2000), (30, clock), (40, clock + 1000))
    assert [index.time(number) for number in (10, 20, 30, 40, 50)] == [1000, 2000, 3000, 4000, 5000]


@pytest.mark.parametrize("references", [[(3, 7)], [(3, 7), (9, 7)], [(3, 10**7), (9, 7)]])
def test_no_rate(references: Sequence[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="no two clock references"):
        index_of(10, *references)


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.integers(1, 5000), st.integers(0, WRAP - 1)), min_size=2, max_size=30),
    st.integers(0, 5000),
)
def test_times_rise_whatever_the_clock(steps: list[tuple[int, int]], rest: int) -> None:
    places = np.cumsum([step for step, _ in steps])
    packets = int(places[-1]) + rest + 1
    try:
        index = PcrIndex(packets, places, np.array([clock for _, clock in steps], np.int64))
    except ValueError:
        return
    times = [index.time(number) for number in range(0, packets, 7)]
    assert times[0] == 0
    assert all(earlier < later for earlier, later in pairwise(times))
    assert times[-1] <= index.duration


@pytest.mark.parametrize(("stride", "offset"), [(188, 0), (192, 4), (204, 0)])
def test_framings(movie: Movie, tmp_path: Path, stride: int, offset: int) -> None:
    """The same packets at the same times, however they lie."""
    plain = movie("film.ts").read_bytes()
    path = tmp_path / "film.ts"
    path.write_bytes(
        b"".join(
            bytes(offset) + plain[place : place + 188] + bytes(stride - offset - 188)
            for place in range(0, len(plain), 188)
        )
    )
    framing = find_framing(path)
    assert framing == Framing(stride, offset)
    assert framing.rows(path.read_bytes() + b"more").tobytes() == plain
    expected, found = pcr_index(movie("film.ts"), PLAIN), pcr_index(path, framing)
    assert found.packets == expected.packets == len(plain) // 188
    assert [found.time(number) for number in range(0, 500, 7)] == [
        expected.time(number) for number in range(0, 500, 7)
    ]
    # Sixty frames, less what a demultiplexer holds before the last is shown.
    assert found.duration == pytest.approx(90_000 * 2.0, abs=90_000 * 0.4)


def test_no_transport_stream(movie: Movie, tmp_path: Path) -> None:
    path = tmp_path / "short.ts"
    path.write_bytes(ts_packet() * 4)
    for other in (path, movie("movie.mp4"), movie("sound.wav")):
        assert find_framing(other) is None
    with pytest.raises(MediaError, match=r"none\.ts: cannot be read: No such file"):
        find_framing(tmp_path / "none.ts")
    with pytest.raises(MediaError, match=r"none\.ts: cannot be read: No such file"):
        pcr_index(tmp_path / "none.ts", PLAIN)


def test_the_first_program_paces_all(tmp_path: Path) -> None:
    path = tmp_path / "two.ts"
    packets = [
        ts_packet(1000 * at, 300) if at % 2 else ts_packet(7_000_000 + 2000 * at, 301) for at in range(1, 40)
    ]
    path.write_bytes(b"".join(packets))
    assert pcr_index(path, PLAIN).time(20) == 20_000


@pytest.mark.parametrize("data", [ts_packet() * 50, ts_packet(5) + ts_packet() * 50, b""])
def test_without_a_clock(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "timeless.ts"
    path.write_bytes(data)
    with pytest.raises(MediaError, match=r"timeless\.ts: cannot be sent whole: .*; serve its tracks instead"):
        pcr_index(path, PLAIN)


def test_read_in_pieces(movie: Movie, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "copy.ts"
    path.write_bytes(movie("film.ts").read_bytes())
    monkeypatch.setattr(module, "_READ_PACKETS", 7)
    one, other = pcr_index(movie("film.ts"), PLAIN), pcr_index(path, PLAIN)
    assert one is pcr_index(movie("film.ts"), PLAIN)
    assert [one.time(number) for number in range(300)] == [other.time(number) for number in range(300)]
