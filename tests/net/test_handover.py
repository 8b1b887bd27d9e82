from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest

from reelcast.net import handover as module
from reelcast.net.handover import MAX_IN_FLIGHT, Handover


async def test_work_is_done_in_the_loop_in_order() -> None:
    done: list[tuple[int, bool]] = []
    finished = asyncio.Event()
    hand = Handover()
    ours = threading.get_ident()

    def make() -> None:
        for number in range(3 * MAX_IN_FLIGHT):
            hand(partial(note, number))
        hand(finished.set)

    def note(number: int) -> None:
        done.append((number, threading.get_ident() == ours))

    threading.Thread(target=make, daemon=True).start()
    await finished.wait()
    assert done == [(number, True) for number in range(3 * MAX_IN_FLIGHT)]


async def test_where_the_loop_is_busy_the_thread_waits() -> None:
    hand = Handover()
    count = 0

    def make() -> None:
        nonlocal count
        for _ in range(MAX_IN_FLIGHT + 1):
            hand(lambda: None)
            count += 1

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    # The loop is not let to its turn.
    thread.join(0.05)
    assert thread.is_alive()
    assert count == MAX_IN_FLIGHT
    await asyncio.to_thread(thread.join)
    assert count == MAX_IN_FLIGHT + 1


async def test_nothing_is_done_behind_its_end() -> None:
    hand = Handover()
    done: list[int] = []
    hand(lambda: done.append(1))
    await asyncio.sleep(0)
    hand(lambda: done.append(2))
    hand.close()
    hand(lambda: done.append(3))
    await asyncio.sleep(0)
    assert done == [1]


def test_a_loop_that_has_ended_is_waited_for_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    done: list[int] = []

    async def make() -> Handover:
        return Handover()

    hand = asyncio.run(make())
    for number in range(MAX_IN_FLIGHT + 2):
        hand(partial(done.append, number))
    assert done == []
