"""Turns: a few in each turn of the event loop, in their order."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from tests.server.virtual import in_virtual_time

from reelcast.server.turns import AT_ONCE, Turns


class Watch:
    """Counts the turns of the event loop, as long as it is asked to."""

    def __init__(self) -> None:
        self.number = 0
        self._loop = asyncio.get_running_loop()
        self._handle = self._loop.call_soon(self._count)

    def _count(self) -> None:
        self.number += 1
        self._handle = self._loop.call_soon(self._count)

    def stop(self) -> None:
        self._handle.cancel()


@pytest.mark.parametrize("count", [1, AT_ONCE, AT_ONCE + 1, 5 * AT_ONCE + 3])
@in_virtual_time
async def test_a_few_at_once_in_their_order(count: int) -> None:
    turns, watch = Turns(), Watch()
    order: list[int] = []
    when: Counter[int] = Counter()

    async def ask(number: int) -> None:
        await turns.take()
        order.append(number)
        when[watch.number] += 1

    await asyncio.gather(*(ask(number) for number in range(count)))
    watch.stop()
    assert order == list(range(count))
    assert max(when.values()) == min(count, AT_ONCE)
    assert len(when) == -(-count // AT_ONCE)


@in_virtual_time
async def test_one_after_the_other_nobody_waits() -> None:
    turns, watch = Turns(), Watch()
    for _ in range(3 * AT_ONCE):
        await asyncio.sleep(0)
        before = watch.number
        await turns.take()
        assert watch.number == before
    watch.stop()


@in_virtual_time
async def test_who_comes_while_others_wait_does_not_overtake_them() -> None:
    turns = Turns()
    order: list[str] = []

    async def ask(name: str) -> None:
        await turns.take()
        order.append(name)

    async with asyncio.TaskGroup() as group:
        for _ in range(3 * AT_ONCE):
            group.create_task(ask("early"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        group.create_task(ask("late"))
    assert order == ["early"] * 3 * AT_ONCE + ["late"]


@in_virtual_time
async def test_who_has_gone_is_passed_over() -> None:
    turns = Turns()
    done: list[int] = []

    async def ask(number: int) -> None:
        await turns.take()
        done.append(number)

    tasks = [asyncio.create_task(ask(number)) for number in range(3 * AT_ONCE)]
    await asyncio.sleep(0)
    for task in tasks[AT_ONCE : 2 * AT_ONCE + 1]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert done == [*range(AT_ONCE), *range(2 * AT_ONCE + 1, 3 * AT_ONCE)]
    # And those behind are not kept waiting.
    await ask(99)
    assert done[-1] == 99
