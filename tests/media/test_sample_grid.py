"""PCM on a grid: the same units wherever reading began, and every sample once."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.media.sample_grid import SampleGrid
from reelcast.track import AccessUnit

FRAME = 2
CELL = 160


def samples(start: int, count: int) -> bytes:
    return b"".join((at & 0xFFFF).to_bytes(FRAME) for at in range(start, start + count))


def unit(start: int, count: int) -> AccessUnit:
    return AccessUnit(samples(start, count), start, start, duration=count)


def cut(grid: SampleGrid, *units: AccessUnit) -> list[tuple[int, int]]:
    """Where the units are that come out, all of them with the samples that belong there."""
    found = [each for one in units for each in grid.push(one)] + grid.flush()
    assert all(each == unit(each.pts, each.duration) for each in found)
    return [(each.pts, each.duration) for each in found]


def test_whole_units() -> None:
    assert SampleGrid(8000, FRAME).cell == CELL
    assert cut(SampleGrid(8000, FRAME), unit(0, 400)) == [(0, 160), (160, 160), (320, 80)]


def test_units_are_joined() -> None:
    grid = SampleGrid(8000, FRAME)
    assert grid.push(unit(0, 100)) == []
    assert cut(grid, unit(100, 100), unit(200, 120)) == [(0, 160), (160, 160)]


def test_a_gap_ends_a_unit() -> None:
    grid = SampleGrid(8000, FRAME)
    assert cut(grid, unit(0, 100), unit(1000, 200)) == [(0, 100), (1000, 120), (1120, 80)]


def test_before_the_start() -> None:
    assert cut(SampleGrid(8000, FRAME), unit(-200, 400)) == [(-200, 40), (-160, 160), (0, 160), (160, 40)]


def test_behind_a_seek() -> None:
    grid = SampleGrid(8000, FRAME)
    grid.push(unit(0, 100))
    grid.restart(whole=False)
    assert cut(grid, unit(1000, 400)) == [(1120, 160), (1280, 120)]
    grid.restart(whole=False)
    # Nothing of the first is left, and of the second some.
    assert cut(grid, unit(1000, 50), unit(1050, 150)) == [(1120, 80)]
    grid.restart(whole=False)
    assert cut(grid, unit(1120, 160)) == [(1120, 160)]
    grid.restart(whole=True)
    assert cut(grid, unit(1000, 400)) == [(1000, 120), (1120, 160), (1280, 120)]


@settings(max_examples=200)
@given(
    st.integers(0, 500),
    st.lists(st.integers(1, 500), min_size=1, max_size=10),
    st.lists(st.integers(1, 500), min_size=1, max_size=10),
)
def test_the_same_wherever_it_began(skipped: int, some: list[int], others: list[int]) -> None:
    """Two readers of one recording, one of them from later on and in other pieces."""

    def read(start: int, lengths: list[int]) -> list[tuple[int, int]]:
        grid = SampleGrid(8000, FRAME)
        grid.restart(whole=not start)
        units: list[AccessUnit] = []
        for length in lengths:
            units.append(unit(start, length))
            start += length
        return cut(grid, *units)

    everything, later = read(0, some), read(skipped, others)
    assert sum(length for _, length in everything) == sum(some)
    end = min(sum(some), skipped + sum(others)) // CELL * CELL
    whole = [row for row in everything if skipped <= row[0] < end]
    assert [row for row in later if row[0] < end] == whole
