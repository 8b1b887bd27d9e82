"""Process trees out of a /proc made for the test, and our own out of the real one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from reelcast.errors import ReelcastError
from reelcast.load.process import Usage, usage_of


def process(
    proc: Path, number: int, parent: int, ticks: tuple[int, int], pages: int, name: str = "x"
) -> None:
    fields = ["S", str(parent), *["0"] * 9, *map(str, ticks), *["0"] * 8, str(pages), "0"]
    (proc / str(number)).mkdir()
    (proc / str(number) / "stat").write_text(f"{number} ({name}) {' '.join(fields)}\n")


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="no POSIX")
def test_a_tree_is_summed_up(tmp_path: Path) -> None:
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    process(tmp_path, 1, 0, (9, 9), 9)
    process(tmp_path, 20, 1, (ticks, ticks), 2, "a ) 1 (name")
    process(tmp_path, 15, 20, (ticks, 0), 3)
    process(tmp_path, 30, 15, (0, ticks), 4)
    process(tmp_path, 31, 1, (5, 5), 5)
    (tmp_path / "self").mkdir()
    (tmp_path / "99").mkdir()  # it has ended
    assert usage_of(20, tmp_path) == Usage(4.0, 9 * page)
    assert usage_of(30, tmp_path) == Usage(1.0, 4 * page)


def test_no_such_process(tmp_path: Path) -> None:
    with pytest.raises(ReelcastError, match="no process 7"):
        usage_of(7, tmp_path)
    with pytest.raises(ReelcastError, match="needs Linux"):
        usage_of(7, tmp_path / "proc")


@pytest.mark.skipif(sys.platform != "linux", reason="no /proc")
def test_ourselves() -> None:
    usage = usage_of(os.getpid())
    assert usage.cpu > 0
    assert usage.memory > 1 << 20
