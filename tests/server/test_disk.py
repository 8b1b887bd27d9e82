"""Work with files: a few at a time in one folder, and what hangs there holds up nobody else."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial

import pytest
from tests.server.raw import until

from reelcast.server.disk import AT_ONCE, Disk


class Share:
    """Stands for a network share that has gone, and may come back."""

    def __init__(self) -> None:
        self.back = threading.Event()
        self.asked = 0
        self._lock = threading.Lock()

    def was_asked(self, times: int) -> bool:
        return self.asked == times

    def read(self, number: int, *, twice: bool = False) -> int:
        with self._lock:
            self.asked += 1
        self.back.wait()
        return number * 2 if twice else number


@pytest.fixture
def share() -> Iterator[Share]:
    share = Share()
    yield share
    share.back.set()


async def test_what_it_returns_and_raises() -> None:
    disk = Disk()
    assert await disk.run(int, "12") == 12
    assert await disk.run(int, "12", base=3) == 5
    with pytest.raises(ValueError, match="invalid literal"):
        await disk.run(int, "x")
    assert await disk.run(threading.current_thread) is not threading.main_thread()


async def test_what_hangs_in_one_place_holds_up_no_other(share: Share) -> None:
    """Conformance H35: not what is read elsewhere, and not what the event loop's own threads are for."""
    gone, there = Disk(), Disk()
    asking = [asyncio.create_task(gone.run(share.read, number, twice=True)) for number in range(50)]
    await until(lambda: share.asked == AT_ONCE)
    assert await there.run(os.getpid) == os.getpid()
    assert await asyncio.to_thread(os.getpid) == os.getpid()
    assert share.asked == AT_ONCE
    share.back.set()
    assert await asyncio.gather(*asking) == list(range(0, 100, 2))


async def test_who_gives_up_makes_no_room_for_more_that_hang(share: Share) -> None:
    disk = Disk()
    for count in range(1, AT_ONCE + 1):
        asking = asyncio.create_task(disk.run(share.read, 1))
        await until(partial(share.was_asked, count))
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    waiting, leaving = (asyncio.create_task(disk.run(share.read, number)) for number in (2, 3))
    await asyncio.sleep(0.01)
    leaving.cancel()
    assert share.asked == AT_ONCE
    share.back.set()
    assert await waiting == 2
    assert leaving.cancelled()
    assert share.asked == AT_ONCE + 1


def test_what_is_done_when_the_loop_is_over_is_nobodys(share: Share) -> None:
    async def ask() -> None:
        asking = asyncio.create_task(Disk().run(share.read, 1))
        await until(lambda: share.asked == 1)
        asking.cancel()

    asyncio.run(ask())
    done = threading.Event()
    share.back.set()

    async def wait() -> None:
        await Disk().run(done.set)

    asyncio.run(wait())
    assert done.is_set()


@pytest.mark.parametrize(
    ("work", "patience", "told"),
    [("threading.Event().wait", 0, ""), ("lambda: time.sleep(0.1) or print('done')", 60, "done\n")],
    ids=["hangs", "comes to an end"],
)
def test_what_hangs_does_not_keep_the_process_from_ending(work: str, patience: int, told: str) -> None:
    program = f"""
import asyncio, threading, time
from reelcast.server import disk

async def main():
    asking = asyncio.create_task(disk.Disk().run({work}))
    await asyncio.sleep(0)
    asking.cancel()

disk.FAREWELL_SECONDS = {patience}
asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == (told, "")
