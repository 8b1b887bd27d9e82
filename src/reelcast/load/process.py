"""What a process and its descendants use, as Linux's /proc tells it (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reelcast.errors import ReelcastError

__all__ = ["Usage", "usage_of"]

PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of a process and all its descendants together.

    cpu       seconds on a processor since they began, in user and kernel mode
    memory    resident bytes; what they share counts for each
    """

    cpu: float
    memory: int


def usage_of(pid: int, proc: Path = PROC) -> Usage:
    """What a process tree uses now; ReelcastError where there is no such process, or no /proc."""
    if not proc.is_dir():
        raise ReelcastError("--server-pid needs Linux: there is no /proc here")
    processes = {number: (parent, usage) for number, parent, usage in _processes(proc)}
    if pid not in processes:
        raise ReelcastError(f"there is no process {pid}")
    tree = {pid}
    grown = True
    while grown:
        children = {number for number, (parent, _) in processes.items() if parent in tree}
        grown = not children <= tree
        tree |= children
    members = [processes[number][1] for number in tree]
    return Usage(sum(usage.cpu for usage in members), sum(usage.memory for usage in members))


def _processes(proc: Path) -> Iterator[tuple[int, int, Usage]]:
    """Number, parent and usage of every process."""
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text(errors="replace")
        except OSError:
            continue  # it has ended meanwhile
        # The name, in parentheses, may hold anything; the fields behind it are numbers.
        fields = stat.rpartition(")")[2].split()
        cpu = (int(fields[11]) + int(fields[12])) / ticks
        yield int(entry.name), int(fields[1]), Usage(cpu, int(fields[21]) * page)
