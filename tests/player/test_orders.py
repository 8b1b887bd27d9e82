"""Orders: what is done, what is left out, what is broken off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from reelcast.player.orders import Orders


class Desk:
    """Orders, and what became of them."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.failures: list[str] = []
        self.gate = asyncio.Event()
        self.orders = Orders("kept", lambda error: self.failures.append(str(error)))
        self._task = asyncio.create_task(self.orders.obey())

    def take(self, name: str, *, urgent: bool = False, waits: bool = False) -> None:
        self.orders.take(name, self._action(name, waits), urgent)

    def _action(self, name: str, waits: bool) -> Callable[[], Awaitable[None]]:
        async def action() -> None:
            self.done.append(f"{name} begun" if waits else name)
            if waits:
                await self.gate.wait()
                self.done.append(f"{name} ended")

        return action

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def close(self) -> None:
        self.orders.end()
        self.gate.set()
        self.take("last")
        await self._task


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    yield desk
    await desk.close()


async def test_in_order(desk: Desk) -> None:
    for name in ("a", "b", "a"):
        desk.take(name)
    await desk.settle()
    assert desk.done == ["a", "b", "a"]


async def test_the_latter_of_two_in_a_row(desk: Desk) -> None:
    desk.take("a", waits=True)
    await desk.settle()
    for name in ("b", "b", "b", "c"):
        desk.take(name)
    desk.gate.set()
    await desk.settle()
    assert desk.done == ["a begun", "a ended", "b", "c"]


async def test_an_urgent_one_takes_the_place_of_all(desk: Desk) -> None:
    desk.take("a", waits=True)
    await desk.settle()
    desk.take("b")
    desk.take("now", urgent=True)
    await desk.settle()
    assert desk.done == ["a begun", "now"]


async def test_but_for_what_is_kept(desk: Desk) -> None:
    desk.take("kept", waits=True, urgent=True)
    await desk.settle()
    desk.take("kept")
    desk.take("now", urgent=True)
    desk.gate.set()
    await desk.settle()
    assert desk.done == ["kept begun", "kept ended", "kept", "now"]


async def test_what_fails_is_told_and_the_next_is_done(desk: Desk) -> None:
    async def fail() -> None:
        raise ValueError("no")

    desk.orders.take("a", fail, False)
    desk.take("b")
    await desk.settle()
    assert desk.failures == ["no"]
    assert desk.done == ["b"]
