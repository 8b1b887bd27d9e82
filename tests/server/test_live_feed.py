"""What a live path keeps for those who come later, and puts on the air for those who are there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from reelcast.server import live_feed as module
from reelcast.server.feed import Portion
from reelcast.server.live_feed import WAIT_SECONDS, LiveFeed, Sample
from reelcast.track import AccessUnit, Track

VIDEO = Track("video", "h264", 90_000, 96, control="trackID=1")
AUDIO = Track("audio", "aac", 48_000, 97, channels=2, config=b"\x11\x90", control="trackID=2")
FRAME = 3600
SOUND = 1920


def picture(number: int, *, keyframe: bool = False, hole: bool = False, size: int = 100) -> Sample:
    data = bytes([0, 0, 0, 1, 0x65 if keyframe else 0x41]) + bytes([number & 0xFF or 1]) * size
    return Sample(0, AccessUnit(data, number * FRAME, number * FRAME, keyframe, FRAME), hole)


def sound(number: int) -> Sample:
    return Sample(1, AccessUnit(b"\x21" * 50, number * SOUND, number * SOUND, True, SOUND))


def fed(*samples: Sample, tracks: tuple[Track, ...] = (VIDEO, AUDIO)) -> LiveFeed:
    feed = LiveFeed(tracks)
    for number, sample in enumerate(samples):
        feed.put(sample, 0.04 * number)
    return feed


async def everything(portions: AsyncIterator[Portion], feed: LiveFeed) -> list[Portion]:
    """All that is there; behind it the feed is closed."""
    feed.close()
    return [portion async for portion in portions]


def times(portion: Portion) -> list[tuple[int, int]]:
    """Of each burst: its track, and its time in the track's clock."""
    rates = (VIDEO.clock_rate, AUDIO.clock_rate)
    return [(run.track, round(run.pts * rates[run.track])) for run in portion.group.runs]


async def test_who_comes_late_begins_at_the_last_keyframe() -> None:
    feed = fed(
        picture(0, keyframe=True), sound(0), picture(1), picture(2, keyframe=True), sound(3), picture(3)
    )
    (portion,) = await everything(feed.portions(1.0), feed)
    assert times(portion) == [(0, 2 * FRAME), (0, 3 * FRAME), (1, 3 * SOUND)]
    assert portion.group.runs[0].keyframe


async def test_nothing_goes_before_the_first_keyframe() -> None:
    feed = fed(picture(0), sound(0), picture(1))
    assert await everything(feed.portions(1.0), feed) == []


async def test_a_stream_without_keyframes_begins_anywhere_after_a_while() -> None:
    feed = fed(picture(0))
    portions = feed.portions(0.0)
    waiting = asyncio.ensure_future(anext(portions))
    await asyncio.sleep(0)
    feed.put(picture(1), WAIT_SECONDS - 0.1)
    feed.put(picture(2), WAIT_SECONDS + 0.1)
    assert times(await waiting) == [(0, 2 * FRAME)]


async def test_sound_alone_needs_no_keyframe() -> None:
    alone = Sample(0, sound(7).unit)
    feed = fed(alone, tracks=(AUDIO,))
    (portion,) = await everything(feed.portions(1.0), feed)
    assert round(portion.group.runs[0].pts * AUDIO.clock_rate) == 7 * SOUND


async def test_what_comes_goes_on_the_air_at_once() -> None:
    feed = fed(picture(0, keyframe=True))
    portions = feed.portions(0.0)
    assert times(await anext(portions)) == [(0, 0)]
    feed.put(picture(1), 0.04)
    feed.put(sound(2), 0.04)
    assert sorted(times(await anext(portions))) == [(0, FRAME), (1, 2 * SOUND)]
    feed.close()
    with pytest.raises(StopAsyncIteration):
        await anext(portions)


async def test_what_was_lost_leaves_a_hole() -> None:
    feed = fed(picture(0, keyframe=True))
    portions = feed.portions(0.0)
    assert (await anext(portions)).holes == ()
    feed.put(picture(2, hole=True), 0.08)
    assert (await anext(portions)).holes == (0,)


async def test_what_is_kept_goes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PORTION_BYTES", 300)
    feed = fed(picture(0, keyframe=True), *(picture(number) for number in range(1, 9)))
    portions = await everything(feed.portions(1.0), feed)
    assert [len(portion.group.runs) for portion in portions] == [3, 3, 3]


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is there already misses nothing, who comes waits for the next keyframe."""
    monkeypatch.setattr(module, "MAX_KEPT_BYTES", 1000)
    feed = fed(picture(0, keyframe=True))
    portions = feed.portions(0.0)
    await anext(portions)
    for number in range(1, 20):
        feed.put(picture(number), number * 0.04)
    assert len(times(await anext(portions))) == 19
    late = feed.portions(1.0)
    feed.put(picture(20, keyframe=True), 0.8)
    assert times(await anext(late)) == [(0, 20 * FRAME)]


async def test_another_publisher_begins_with_its_own_keyframe() -> None:
    feed = fed(picture(0, keyframe=True), picture(1))
    feed.begin((VIDEO, AUDIO))
    feed.put(picture(2), 0.1)
    feed.put(picture(3, keyframe=True), 0.1)
    (portion,) = await everything(feed.portions(1.0), feed)
    assert times(portion) == [(0, 3 * FRAME)]


async def test_parameter_sets_of_the_present_publisher_go_before_its_keyframes() -> None:
    feed = fed(picture(0, keyframe=True))
    portions = feed.portions(0.0)
    before = await anext(portions)
    sets = (b"\x67\x42\x00\x1e\xab", b"\x68\xce\x38\x80")
    feed.begin((Track("video", "h264", 90_000, 96, parameter_sets=sets), AUDIO))
    feed.put(picture(1, keyframe=True), 0.04)
    after = await anext(portions)
    assert sets[0] not in before.group.data
    assert sets[0] in after.group.data
    assert sets[1] in after.group.data


async def test_what_no_packet_carries_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    odd = Sample(0, AccessUnit(b"no NAL unit", FRAME, FRAME, False))
    feed = fed(picture(0, keyframe=True), odd, odd, picture(2))
    (portion,) = await everything(feed.portions(1.0), feed)
    assert times(portion) == [(0, 0), (0, 2 * FRAME)]
    assert feed.refused == 2
    assert caplog.text.count("is left out") == 1


async def test_nothing_is_packetised_while_nobody_watches() -> None:
    feed = fed(picture(0, keyframe=True))
    portions = feed.portions(0.0)
    await anext(portions)
    waiting = asyncio.ensure_future(anext(portions))
    await asyncio.sleep(0)
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    feed.put(picture(1), 0.04)
    (portion,) = await everything(feed.portions(0.1), feed)
    assert times(portion) == [(0, 0), (0, FRAME)]


async def test_for_a_crowd_sound_leaves_with_the_picture() -> None:
    feed = fed(picture(0, keyframe=True))
    feed.crowded = True
    portions = feed.portions(0.0)
    await anext(portions)
    for sample in (sound(1), picture(1), sound(2)):
        feed.put(sample, 0.04)
    assert sorted(times(await anext(portions))) == [(0, FRAME), (1, SOUND), (1, 2 * SOUND)]
    began = asyncio.get_running_loop().time()
    feed.put(sound(3), 0.12)
    assert times(await anext(portions)) == [(1, 3 * SOUND)]
    assert asyncio.get_running_loop().time() - began > module.SOUND_SECONDS / 2
