"""The pacer: players are called in their tick, sent together, and followed by what waits for the flush."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from math import ceil

import pytest
from tests.server.virtual import VirtualLoop, in_virtual_time

from reelcast.server.pacer import (
    AHEAD,
    FEW,
    FIRST_COST,
    FULL,
    FULL_IN_STEP,
    IN_STEP,
    LOOK_AHEAD,
    SLOT,
    STEP,
    TICK,
    TOGETHER,
    Pacer,
)

HALF = TICK / 2


class Player:
    """Wants to be called at given times; notes when it was."""

    def __init__(
        self, *whens: float | None, call: Callable[[], None] = lambda: None, lead: float | None = None
    ) -> None:
        self.lead = lead
        self.called: list[float] = []
        self._whens = list(whens)
        self._call = call

    def advance(self, now: float) -> float | None:
        self.called.append(now)
        self._call()
        return self._whens.pop(0) if self._whens else None


class Flushes:
    """Counts them."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def pacer_and_start() -> tuple[Pacer, Flushes, float]:
    flushes = Flushes()
    return Pacer(flushes), flushes, asyncio.get_running_loop().time()


@in_virtual_time
async def test_called_within_half_a_tick() -> None:
    pacer, _, start = pacer_and_start()
    whens = [start + number * 0.0123 for number in range(1, 50)]
    player = Player(*whens[1:])
    pacer.add(player, whens[0])
    await asyncio.sleep(1)
    loop_times = [now - HALF for now in player.called]
    assert len(loop_times) == len(whens)
    for when, now in zip(whens, loop_times, strict=True):
        assert abs(now - when) <= HALF * 1.01
    assert all(now <= called for now, called in zip(whens, player.called, strict=True))


@in_virtual_time
async def test_one_flush_for_all_of_a_tick() -> None:
    pacer, flushes, start = pacer_and_start()
    players = [Player() for _ in range(TOGETHER - 1)]
    for player in players:
        pacer.add(player, start + 0.1)
    await asyncio.sleep(0.5)
    assert all(len(player.called) == 1 for player in players)
    assert flushes.count == 1


@in_virtual_time
async def test_the_first_of_many_do_not_wait_for_the_last() -> None:
    order: list[str] = []
    pacer = Pacer(lambda: order.append("flush"))
    start = asyncio.get_running_loop().time()
    for _ in range(2 * TOGETHER + 1):
        pacer.add(Player(call=partial(order.append, "player")), start + 0.1)
    await asyncio.sleep(0.5)
    some = ["player"] * TOGETHER + ["flush"]
    assert order == [*some, *some, "player", "flush"]


@in_virtual_time
async def test_one_with_a_lead_is_called_when_it_says() -> None:
    pacer, _, start = pacer_and_start()
    whens = [start + number * 0.0123 for number in range(1, 50)]
    player = Player(*whens[1:], lead=0.0)
    pacer.add(player, whens[0])
    await asyncio.sleep(1)
    assert len(player.called) == len(whens)
    for when, now in zip(whens, player.called, strict=True):
        assert 0.0 <= now - when <= STEP * 1.01


@in_virtual_time
async def test_a_lead_is_kept() -> None:
    pacer, _, start = pacer_and_start()
    loop = asyncio.get_running_loop()
    times: list[float] = []
    player = Player(call=lambda: times.append(loop.time()), lead=0.003)
    pacer.add(player, start + 0.1)
    await asyncio.sleep(1)
    # An event loop wakes up late, by half a step in the mean.
    assert times == pytest.approx([start + 0.1 - 0.003 - STEP / 2], abs=0.51 * STEP)
    assert player.called == pytest.approx([times[0] + 0.003 + STEP])


@in_virtual_time
async def test_how_late_media_leaves_is_told() -> None:
    told: list[tuple[float, float, float]] = []
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    pacer = Pacer(lambda: loop.hold_up(0.003), lambda *times: told.append(times))
    start = pacer.good_moment(0.0)
    pacer.add(Player(start + 4 * TICK), start)
    pacer.add(Player(), start + 0.001)
    broken = Player(call=fail)
    pacer.add(broken, start + 2 * TICK)
    await asyncio.sleep(1)
    dues, begun, gone = zip(*told, strict=True)
    assert dues == pytest.approx([start, start + 0.001, start + 2 * TICK, start + 4 * TICK])
    assert begun == pytest.approx([start] * 2 + [start + 2 * TICK, start + 4 * TICK])
    assert gone == pytest.approx([start + 0.003] * 2 + [start + 2 * TICK + 0.003, start + 4 * TICK + 0.003])


@in_virtual_time
async def test_sooner_ones_go_first() -> None:
    pacer, flushes, start = pacer_and_start()
    late, soon, soonest = Player(), Player(), Player()
    pacer.add(late, start + 0.3)
    pacer.add(soon, start + 0.2)
    pacer.add(soonest, start + 0.1)
    await asyncio.sleep(1)
    assert soonest.called < soon.called < late.called
    assert flushes.count == 3


@in_virtual_time
async def test_what_is_due_already_comes_in_the_next_step() -> None:
    pacer, _, start = pacer_and_start()
    player = Player(start - 5, start - 5)
    pacer.add(player, start - 5)
    await asyncio.sleep(1)
    assert len(player.called) == 3
    assert player.called[0] - start <= 2 * TICK
    # A player that is behind does not keep the loop from others.
    gaps = [after - before for before, after in zip(player.called, player.called[1:], strict=False)]
    assert gaps == pytest.approx([STEP, STEP])


@in_virtual_time
async def test_a_loop_that_was_held_up() -> None:
    pacer, flushes, start = pacer_and_start()
    order: list[int] = []
    for number in (3, 1, 4, 0, 2):
        pacer.add(Player(call=partial(order.append, number)), start + 0.02 * (number + 1))
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.hold_up(1.0)
    await asyncio.sleep(TICK)
    assert order == [0, 1, 2, 3, 4]
    assert flushes.count == 1


@in_virtual_time
async def test_discard() -> None:
    pacer, _, start = pacer_and_start()
    player, other = Player(), Player()
    pacer.add(player, start + 0.1)
    pacer.add(other, start + 0.1)
    pacer.discard(player)
    pacer.discard(player)
    await asyncio.sleep(1)
    assert not player.called
    assert len(other.called) == 1
    pacer.add(player, start + 1.1)
    await asyncio.sleep(1)
    assert len(player.called) == 1


@in_virtual_time
async def test_after_flush() -> None:
    events: list[str] = []
    pacer = Pacer(lambda: events.append("flush"))
    start = asyncio.get_running_loop().time()

    def advance() -> None:
        events.append("advance")
        pacer.after_flush(lambda: events.append("after"))

    pacer.add(Player(call=advance), start + 0.1)
    pacer.add(Player(call=advance), start + 0.1)
    await asyncio.sleep(1)
    assert events[:5] == ["advance", "advance", "flush", "after", "after"]


@in_virtual_time
async def test_after_flush_outside_a_tick() -> None:
    events: list[str] = []
    pacer = Pacer(lambda: events.append("flush"))
    pacer.after_flush(lambda: events.append("after"))
    pacer.after_flush(lambda: events.append("last"))
    await asyncio.sleep(1)
    assert events == ["flush", "after", "last"]


@in_virtual_time
async def test_what_is_asked_for_after_a_flush_comes_in_the_next_tick() -> None:
    events: list[str] = []
    pacer = Pacer(lambda: events.append("flush"))
    pacer.after_flush(lambda: pacer.after_flush(lambda: events.append("after")))
    await asyncio.sleep(1)
    assert events == ["flush", "flush", "after"]


@in_virtual_time
async def test_players_that_add_and_discard_others() -> None:
    pacer, _, start = pacer_and_start()
    other, added = Player(), Player()

    def call() -> None:
        pacer.discard(other)
        pacer.add(added, start)

    pacer.add(Player(call=call), start + 0.1)
    pacer.add(other, start + 0.2)
    await asyncio.sleep(1)
    assert not other.called
    assert len(added.called) == 1


@in_virtual_time
async def test_flush_without_waiting() -> None:
    pacer, flushes, _ = pacer_and_start()
    pacer.flush()
    assert flushes.count == 1


@in_virtual_time
async def test_close() -> None:
    pacer, flushes, start = pacer_and_start()
    player = Player()
    pacer.add(player, start + 0.1)
    pacer.after_flush(flushes)
    pacer.close()
    await asyncio.sleep(1)
    assert not player.called
    assert flushes.count == 0
    Pacer(flushes).close()


@in_virtual_time
async def test_nothing_to_do_costs_nothing() -> None:
    _, flushes, _ = pacer_and_start()
    await asyncio.sleep(100)
    assert flushes.count == 0


def fail() -> None:
    raise RuntimeError("out of order")


@in_virtual_time
async def test_a_player_that_fails_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    pacer, flushes, start = pacer_and_start()
    broken, before, behind, later = Player(start + 0.2, call=fail), Player(), Player(), Player()
    for player in (before, broken, behind):
        pacer.add(player, start + 0.1)
    pacer.add(later, start + 0.3)
    await asyncio.sleep(1)
    assert [len(player.called) for player in (before, broken, behind, later)] == [1, 1, 1, 1]
    assert flushes.count == 2
    assert "out of order" in caplog.text


@in_virtual_time
async def test_a_call_behind_a_flush_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    pacer, _, start = pacer_and_start()
    done: list[str] = []
    pacer.after_flush(fail)
    pacer.after_flush(lambda: done.append("after"))
    player = Player()
    pacer.add(player, start + 0.1)
    await asyncio.sleep(1)
    assert done == ["after"]
    assert len(player.called) == 1
    assert "out of order" in caplog.text


@in_virtual_time
async def test_what_is_asked_for_after_a_flush_does_not_wait_for_a_player() -> None:
    pacer, _, start = pacer_and_start()
    loop = asyncio.get_running_loop()
    called: list[float] = []
    pacer.add(Player(), start + 10)
    pacer.after_flush(lambda: pacer.after_flush(lambda: called.append(loop.time())))
    await asyncio.sleep(3)
    pacer.after_flush(lambda: called.append(loop.time()))
    await asyncio.sleep(3)
    assert [round(when - start) for when in called] == [0, 3]


@in_virtual_time
async def test_all_begin_in_step() -> None:
    pacer = Pacer(lambda: None)
    loop = asyncio.get_running_loop()
    for period in (1 / 24, 0.04, 1 / 30, 1 / 60):
        for _ in range(20):
            await asyncio.sleep(0.0137)
            begin = pacer.good_moment(period)
            assert 0 < begin - loop.time() < LOOK_AHEAD + SLOT
            assert begin / SLOT == pytest.approx(round(begin / SLOT))
            if period == 0.04:
                assert begin / period == pytest.approx(round(begin / period))
            # In the slot that a multiple of the period falls into, or where that is too far off, in the next.
            assert (begin + STEP) % period < 2 * SLOT * 1.001
    # What has no frames begins soon.
    assert 0 < pacer.good_moment(0.0) - loop.time() < TICK + SLOT


@in_virtual_time
async def test_where_many_begin_others_begin_behind_them() -> None:
    pacer, period = Pacer(lambda: None), LOOK_AHEAD
    first = pacer.good_moment(period)
    slots = round(period / SLOT)
    for number in range(slots):
        full = FULL_IN_STEP if number < IN_STEP else FULL
        for _ in range(ceil(full * SLOT / FIRST_COST)):
            # The next frame's time is as good as this one's.
            assert (pacer.good_moment(period) - first) % period == pytest.approx(number * SLOT, abs=1e-6)
            pacer.add(Player(), first + number * SLOT)
    # All have enough: where the fewest are.
    for number in range(slots):
        if number != 7:
            pacer.add(Player(), first + number * SLOT)
    assert (pacer.good_moment(period) - first) % period == pytest.approx(7 * SLOT, abs=1e-6)
    pacer.close()


class Film:
    """Frames in a steady rhythm, the first of them `later` behind the beginning; notes when they are called."""

    lead = None

    def __init__(self, begin: float, later: float, times: list[float], *, work: float = 0.0) -> None:
        self._next = begin + later
        self._times = times
        self._work = work

    def advance(self, now: float) -> float | None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self._times.append(loop.time())
        loop.hold_up(self._work)
        when = self._next
        self._next += LOOK_AHEAD
        return when


@pytest.mark.parametrize("later", [0.0, 3 * TICK])
@in_virtual_time
async def test_where_frames_fall_later_than_playing_begins_that_counts(later: float) -> None:
    """Where it begins, nobody waits any more; what counts is where it is sent."""
    dues: list[float] = []
    pacer, period = Pacer(lambda: None, lambda due, begun, gone: dues.append(due)), LOOK_AHEAD
    enough = ceil(FULL_IN_STEP * SLOT / FIRST_COST)
    for _ in range(3 * enough):
        begin = pacer.good_moment(period, later)
        pacer.add(Film(begin, later, [], work=FIRST_COST), begin)
        await asyncio.sleep(TICK * 1.1)
    dues.clear()
    await asyncio.sleep(period)
    pacer.close()
    called = Counter(round(due / SLOT) for due in dues)
    assert 3 * enough - 2 <= len(dues) <= 3 * enough + 2
    # Who began within the latest frame's time has not been called then yet.
    assert max(called.values()) <= enough + period / TICK + 1


@pytest.mark.parametrize(
    ("count", "cost", "steps"),
    [
        (1, 100e-6, 0),
        (FEW, 50e-6, 0),
        (FEW, 70e-6, 1),
        (40, 35e-6, 1),
        (50, 45e-6, 2),
        (60, 100e-6, AHEAD),
    ],
)
@in_virtual_time
async def test_what_takes_long_is_begun_early(count: int, cost: float, steps: int) -> None:
    """By what it takes, so that all are in time; but never by half a tick."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    pacer = Pacer(lambda: None)
    start = pacer.good_moment()
    times: list[float] = []
    for _ in range(count):
        pacer.add(Film(start, 0.0, times, work=cost), start)
    # To learn from a thousand is to know nearly for certain.
    await asyncio.sleep(start + 400 * LOOK_AHEAD - loop.time() - HALF - STEP)
    times.clear()
    await asyncio.sleep(2 * HALF)
    pacer.close()
    assert len(times) == count
    assert times[0] == pytest.approx(start + 400 * LOOK_AHEAD - steps * STEP, abs=1e-6)


@pytest.mark.parametrize(
    ("steps", "joins"), [(-1, False), (0, True), (1, True), (AHEAD, True), (AHEAD + 1, False)]
)
@in_virtual_time
async def test_who_is_nearly_due_is_called_with_others(steps: int, joins: bool) -> None:
    loop = asyncio.get_running_loop()
    pacer = Pacer(lambda: None)
    start = pacer.good_moment()
    pacer.add(Player(), start - 0.1)
    pacer.add(Player(), start)
    times: list[float] = []
    player = Player(call=lambda: times.append(loop.time()))
    pacer.add(player, start + steps * STEP)
    await asyncio.sleep(0.1)
    pacer.close()
    assert times == pytest.approx([start if joins else start + steps * STEP], abs=1e-6)
    # Whenever it is called, what is due for it is due.
    assert player.called[0] >= start + steps * STEP


@in_virtual_time
async def test_a_head_start_leaves_others_their_turn() -> None:
    """Of those who are not yet due, a few are called before the event loop does what else there is."""
    loop = asyncio.get_running_loop()
    pacer = Pacer(lambda: None)
    start = pacer.good_moment()
    order: list[str] = []

    def call(name: str) -> None:
        order.append(name)
        if order.count(name) == 1:
            loop.call_soon(order.append, "others")

    for step in range(AHEAD + 1):
        for _ in range(TOGETHER):
            pacer.add(Player(call=partial(call, str(step))), start + step * STEP)
    await asyncio.sleep(0.1)
    pacer.close()
    turns = [[str(step)] * TOGETHER + ["others"] for step in range(AHEAD + 1)]
    assert order == [name for turn in turns for name in turn]


@in_virtual_time
async def test_one_with_a_lead_gets_no_head_start() -> None:
    loop = asyncio.get_running_loop()
    pacer = Pacer(lambda: None)
    start = pacer.good_moment()
    pacer.add(Player(), start)
    times: list[float] = []
    pacer.add(Player(call=lambda: times.append(loop.time()), lead=0.0), start + 2 * STEP)
    gone = Player(lead=0.001)
    pacer.add(gone, start + 2 * STEP)
    pacer.discard(gone)
    closed = Player(lead=0.001)
    pacer.add(closed, start + 1.0)
    await asyncio.sleep(0.1)
    pacer.close()
    await asyncio.sleep(2)
    assert times == pytest.approx([start + 2 * STEP], abs=STEP)
    assert not gone.called
    assert not closed.called


@pytest.mark.parametrize("work", [20e-6, 33e-6, 100e-6])
@in_virtual_time
async def test_slots_are_filled_by_the_work_in_them(work: float) -> None:
    """What a call takes is learned."""
    loop = asyncio.get_running_loop()
    pacer = Pacer(lambda: None)
    start = pacer.good_moment()
    for _ in range(FEW):
        pacer.add(Film(start, LOOK_AHEAD, [], work=work), start)
    await asyncio.sleep(20)
    first = pacer.good_moment() + LOOK_AHEAD
    # All but the films have stopped.
    count = 0
    while (pacer.good_moment() - first) % LOOK_AHEAD == pytest.approx(0.0, abs=1e-6):
        pacer.add(Player(), first)
        count += 1
    pacer.close()
    assert start <= loop.time()
    assert count == pytest.approx(FULL * SLOT / work, rel=0.05, abs=FEW + 1)
