"""The queue: order, bounds, what is dropped or held back, and how it ends."""

from __future__ import annotations

import asyncio

import pytest

from reelcast.client import queue as module
from reelcast.client.queue import UnitQueue
from reelcast.errors import ReelcastError
from reelcast.rtp.intake import ReceivedUnit
from reelcast.track import AccessUnit, Track

VIDEO = Track("video", "h264", 90_000, 96)
AUDIO = Track("audio", "pcmu", 8_000, 0)


def unit(number: int, *, keyframe: bool = False, size: int = 1, track: Track = VIDEO) -> ReceivedUnit:
    return ReceivedUnit(
        track, AccessUnit(bytes(size), number, number, keyframe), float(number), None, "estimated", 0.0
    )


@pytest.fixture(autouse=True)
def _small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_QUEUED_UNITS", 4)
    monkeypatch.setattr(module, "MAX_QUEUED_BYTES", 100)


def taken(queue: UnitQueue, received: ReceivedUnit) -> bool:
    """Whether the queue keeps a unit."""
    before = queue.dropped.total()
    queue.put(received)
    return queue.dropped.total() == before


async def drain(queue: UnitQueue) -> list[int]:
    queue.end(None)
    numbers: list[int] = []
    while True:
        try:
            numbers.append((await queue.get()).unit.pts)
        except StopAsyncIteration:
            return numbers


async def test_order_and_end() -> None:
    queue = UnitQueue()
    queue.put(unit(1))
    queue.put(unit(2))
    assert await drain(queue) == [1, 2]
    assert taken(queue, unit(3)) is False
    with pytest.raises(StopAsyncIteration):
        await queue.get()


async def test_an_error_comes_behind_what_is_queued_and_stays() -> None:
    queue = UnitQueue()
    queue.put(unit(1))
    queue.end(ReelcastError("lost"))
    queue.end(None)
    assert (await queue.get()).unit.pts == 1
    for _ in range(2):
        with pytest.raises(ReelcastError, match="lost"):
            await queue.get()


async def test_a_reader_that_waits() -> None:
    queue = UnitQueue()
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.put(unit(1))
    assert (await waiting).unit.pts == 1
    ending = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.end(ReelcastError("lost"))
    with pytest.raises(ReelcastError, match="lost"):
        await ending


async def test_video_is_dropped_until_a_keyframe() -> None:
    queue = UnitQueue()
    assert [taken(queue, unit(number)) for number in range(6)] == [True] * 4 + [False] * 2
    assert queue.full
    for number in range(2):
        assert (await queue.get()).unit.pts == number
    assert not queue.full
    assert not taken(queue, unit(6))
    assert taken(queue, unit(7, keyframe=True, track=AUDIO))
    assert taken(queue, unit(8, keyframe=True))
    assert not taken(queue, unit(9))
    assert await drain(queue) == [2, 3, 7, 8]


async def test_bytes_are_bounded() -> None:
    queue = UnitQueue()
    assert taken(queue, unit(0, size=100))
    assert not taken(queue, unit(1))
    await queue.get()
    assert taken(queue, unit(2, keyframe=True))


async def test_a_sender_that_can_be_held_back_loses_nothing() -> None:
    calls: list[bool] = []
    queue = UnitQueue(calls.append)
    assert all(taken(queue, unit(number)) for number in range(6))
    assert calls == [True]
    for _ in range(3):
        await queue.get()
    assert calls == [True]
    await queue.get()
    assert calls == [True, False]
    assert await drain(queue) == [4, 5]
    assert calls == [True, False]


def timed(number: int, arrival: float, *, keyframe: bool = False, track: Track = VIDEO) -> ReceivedUnit:
    return ReceivedUnit(track, AccessUnit(b"x", number, number, keyframe), 0.0, None, "estimated", arrival)


async def test_a_reader_of_the_newest_that_lags_goes_on_at_the_last_keyframe() -> None:
    queue = UnitQueue()
    queue.want(newest=True)
    queue.put(timed(1, 0.0, keyframe=True))
    queue.put(timed(2, 0.4, keyframe=True))
    queue.put(timed(3, 1.2))
    assert queue.dropped == {VIDEO: 1}
    assert await drain(queue) == [2, 3]


async def test_where_no_keyframe_waits_the_next_one_is_waited_for() -> None:
    queue = UnitQueue()
    queue.want(newest=True)
    queue.put(timed(1, 0.0, keyframe=True))
    queue.put(timed(2, 0.1, track=AUDIO))
    queue.put(timed(3, 1.2))
    assert not len(queue)
    queue.put(timed(4, 1.3))
    queue.put(timed(5, 1.3, keyframe=True, track=AUDIO))
    queue.put(timed(6, 1.4, keyframe=True))
    assert queue.dropped == {VIDEO: 3, AUDIO: 1}
    assert await drain(queue) == [5, 6]


async def test_who_wants_the_newest_holds_nobody_back() -> None:
    calls: list[bool] = []
    queue = UnitQueue(calls.append)
    for number in range(4):
        queue.put(unit(number))
    queue.want(newest=True)
    assert calls == [True, False]
    assert not taken(queue, unit(4))
    queue.want(newest=False)
    assert calls == [True, False, True]


async def test_another_sender_is_held_back_too() -> None:
    calls: list[bool] = []
    queue = UnitQueue()
    queue.connect(calls.append)
    assert calls == []
    for number in range(4):
        queue.put(unit(number))
    queue.connect(calls.append)
    assert calls == [True, True]


async def test_what_is_past_is_forgotten() -> None:
    calls: list[bool] = []
    queue = UnitQueue(calls.append)
    for number in range(4):
        queue.put(unit(number))
    queue.keep(1)
    assert calls == [True, False]
    assert not len(queue)


async def test_what_was_over_goes_on() -> None:
    queue = UnitQueue()
    queue.end(ReelcastError("over"))
    queue.reopen()
    queue.put(unit(1))
    assert await drain(queue) == [1]
