"""Playheads at other scales and speeds, in virtual time: what is sent when, with which RTP times."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pytest
from tests.server.film import FRAME, Film, Sent
from tests.server.theater import RATES, SSRCS, Theater, now, theater
from tests.server.virtual import in_virtual_time

from reelcast.errors import ProtocolError
from reelcast.net import clock as clock_module
from reelcast.rtp.clock import unix_to_ntp
from reelcast.rtp.rtcp import SenderReport
from reelcast.server.pacer import LOOK_AHEAD, TICK
from reelcast.server.reel import KEYFRAME_INTERVAL
from reelcast.server.source import Pace


@pytest.fixture(autouse=True)
def clock_of_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports in the loop's time."""
    monkeypatch.setattr(clock_module, "_OFFSET", 0.0)


def shown(packets: list[Sent]) -> list[float]:
    """The NPT of the pictures in the order in which they were sent."""
    times = [one.label.pts / RATES[0] for one in packets]
    return list(dict.fromkeys(times))


def rtp_steps(packets: list[Sent]) -> list[float]:
    """Seconds of RTP time between pictures."""
    stamps = list(dict.fromkeys(one.packet.timestamp for one in packets))
    return [
        ((after - before + (1 << 31)) % (1 << 32) - (1 << 31)) / 90_000 for before, after in pairwise(stamps)
    ]


class TestAllFrames:
    @pytest.mark.parametrize("scale", [0.25, 0.5, 1.5, 2.0])
    @pytest.mark.parametrize("tcp", [False, True])
    @in_virtual_time
    async def test_every_frame_sooner_or_later(self, scale: float, tcp: bool) -> None:
        room = theater(tcp=tcp)
        begun = now()
        answer = await room.play(0.0, None, Pace(scale))
        assert (answer.start, answer.end, answer.pace) == (0.0, 6.0, Pace(scale))
        assert answer.first.keys() == {0, 1}
        await room.until_the_end()
        assert room.labels(0) == room.film.labels(0)
        assert room.labels(1) == []
        assert rtp_steps(room.carrier.sent) == pytest.approx([0.1 / scale] * 59, abs=2e-5)
        for one in room.carrier.sent:
            due = begun + one.label.pts / RATES[0] / scale
            assert due - 2 * TICK <= one.time <= due + 0.05 + (LOOK_AHEAD + TICK)
        room.assert_numbers_go_on()
        (bye,) = room.byes()
        assert bye.time == pytest.approx(begun + 6.0 / scale, abs=0.1 + 2 * TICK)
        # Readers wait for the goodbyes of all tracks, also of those that had nothing to say.
        assert len(room.byes(1)) == 1

    @in_virtual_time
    async def test_from_a_keyframe_on(self) -> None:
        room = theater(gop=10, is_open=True)
        answer = await room.play(3.5, None, Pace(2.0))
        assert answer.start == pytest.approx(3.2)
        await room.until_the_end()
        assert sorted({label.pts // FRAME for label in room.labels(0)}) == list(range(32, 60))
        assert room.labels(0) == room.film.labels(0, 3.2)
        room.assert_numbers_go_on()

    @in_virtual_time
    async def test_a_closed_range(self) -> None:
        room = theater()
        begun = now()
        answer = await room.play(1.5, 3.25, Pace(2.0))
        assert (answer.start, answer.end) == (1.5, 3.25)
        await room.until_the_end()
        assert room.labels(0) == room.film.labels(0, 1.5, 3.25)
        assert now() == pytest.approx(begun + 0.875, abs=0.5)
        assert room.head.position == pytest.approx(3.3)


class TestKeyframes:
    @pytest.mark.parametrize("scale", [2.5, 4.0, 8.0])
    @in_virtual_time
    async def test_forwards(self, scale: float) -> None:
        room = theater(12.0)
        begun = now()
        answer = await room.play(4.0, None, Pace(scale))
        assert (answer.start, answer.end, answer.pace.scale) == (3.0, 12.0, scale)
        await room.until_the_end()
        assert shown(room.carrier.sent) == pytest.approx([3.0 + 1.5 * step for step in range(6)])
        assert rtp_steps(room.carrier.sent) == pytest.approx([1.5 / scale] * 5, abs=2e-5)
        for one in room.carrier.sent:
            due = begun + (one.label.pts / RATES[0] - 3.0) / scale
            assert due - TICK <= one.time <= due + 0.05 + (LOOK_AHEAD + TICK)
        room.assert_numbers_go_on()
        (bye,) = room.byes()
        assert bye.time == pytest.approx(begun + 9.0 / scale, abs=0.1)

    @pytest.mark.parametrize("scale", [-0.5, -1.0, -2.0, -8.0])
    @in_virtual_time
    async def test_backwards(self, scale: float) -> None:
        """Conformance P15."""
        room = theater(11.0)
        begun = now()
        answer = await room.play(10.0, None, Pace(scale))
        assert (answer.start, answer.end, answer.pace.scale) == (9.0, 0.0, scale)
        await asyncio.sleep(3.0 / -scale)
        assert room.head.position == pytest.approx(6.0, abs=2 * TICK * -scale)
        await room.until_the_end()
        assert room.head.position == 0.0
        assert shown(room.carrier.sent) == pytest.approx([9.0 - 1.5 * step for step in range(7)])
        assert rtp_steps(room.carrier.sent) == pytest.approx([1.5 / -scale] * 6, abs=2e-5)
        for one in room.carrier.sent:
            due = begun + (one.label.pts / RATES[0] - 9.0) / scale
            assert due - TICK <= one.time <= due + 0.05 + (LOOK_AHEAD + TICK)
        room.assert_numbers_go_on()
        assert len(room.byes()) == 1

    @in_virtual_time
    async def test_backwards_from_the_end(self) -> None:
        room = theater()
        answer = await room.play(None, None, Pace(-4.0))
        assert (answer.start, answer.end) == (4.5, 0.0)
        await room.until_the_end()
        assert shown(room.carrier.sent) == [4.5, 3.0, 1.5, 0.0]
        # At the start, it begins anew at the other end; forwards, at the start.
        assert (await room.play(None, None, Pace(-4.0))).start == 4.5
        await room.until_the_end()
        assert (await room.play(None, None, Pace())).start == 0.0
        await room.until_the_end()
        assert (await room.play(None, None, Pace(-4.0))).start == 4.5
        room.assert_numbers_go_on()

    @in_virtual_time
    async def test_backwards_from_the_start(self) -> None:
        room = theater(gop=5)
        answer = await room.play(0.0, None, Pace(-1.0))
        assert (answer.start, answer.end) == (0.0, 0.0)
        await room.until_the_end()
        assert shown(room.carrier.sent) == [0.0]

    @pytest.mark.parametrize(("scale", "end", "count"), [(-2.0, 4.0, 4), (-2.0, 4.5, 3), (4.0, 16.0, 5)])
    @in_virtual_time
    async def test_a_closed_range(self, scale: float, end: float, count: int) -> None:
        room = theater(17.0)
        begun = now()
        answer = await room.play(9.0, end, Pace(scale))
        assert (answer.start, answer.end) == (9.0, end)
        await room.until_the_end()
        step = 1.5 if scale > 0 else -1.5
        assert shown(room.carrier.sent) == [9.0 + step * number for number in range(count)]
        assert now() == pytest.approx(begun + (end - 9.0) / scale, abs=0.5)
        assert room.byes() == []

    @in_virtual_time
    async def test_far_apart(self) -> None:
        """The file is not read faster than it is played where nothing of it is sent."""
        room = theater(60.0, gop=300)
        for start, scale in ((0.0, 8.0), (60.0, -8.0)):
            begun, since, loaded = now(), len(room.carrier.sent), len(room.film.asked)
            await room.play(start, None, Pace(scale))
            await asyncio.sleep(2.0)
            asked = set(room.film.asked[loaded:])
            assert 16 <= len(asked) <= 20
            await room.until_the_end()
            assert shown(room.carrier.sent[since:]) == ([0.0, 30.0] if scale > 0 else [30.0, 0.0])
            span = 60.0 if scale > 0 else 30.0
            assert now() == pytest.approx(begun + span / 8, abs=0.6)
        room.assert_numbers_go_on()

    @pytest.mark.parametrize("scale", [4.0, 8.0, -1.0, -8.0])
    @in_virtual_time
    async def test_all_are_keyframes(self, scale: float) -> None:
        """As with motion JPEG: not all of them are sent."""
        room = theater(6.0, gop=1)
        await room.play(None, None, Pace(scale))
        await room.until_the_end()
        steps = rtp_steps(room.carrier.sent)
        assert all(KEYFRAME_INTERVAL - 1e-3 <= step <= KEYFRAME_INTERVAL + 0.1 / abs(scale) for step in steps)
        room.assert_numbers_go_on()

    @in_virtual_time
    async def test_a_late_group(self) -> None:
        room = theater(12.0)
        gate = room.film.hold_back(6)
        await room.play(0.0, None, Pace(4.0))
        await asyncio.sleep(10)
        assert shown(room.carrier.sent) == [0.0, 1.5, 3.0, 4.5]
        gate.set_result(None)
        await room.until_the_end()
        assert shown(room.carrier.sent) == [1.5 * step for step in range(8)]
        room.assert_numbers_go_on()

    @in_virtual_time
    async def test_pause(self) -> None:
        room = theater(12.0)
        for scale, places in ((4.0, (6.0, 7.5)), (-4.0, (4.5, 3.0))):
            await room.play(0.0 if scale > 0 else 10.0, None, Pace(scale))
            await asyncio.sleep(1.7 if scale > 0 else 1.2)
            place = room.head.pause()
            assert place == pytest.approx(6.8 if scale > 0 else 4.2, abs=0.1)
            assert room.head.position == place
            last = room.carrier.sent[-1].label.pts / RATES[0]
            await asyncio.sleep(5)
            since = len(room.carrier.sent)
            answer = await room.play(None, None, Pace(scale))
            assert (last, answer.start) == pytest.approx(places)
            await asyncio.sleep(0.1)
            assert shown(room.carrier.sent[since:]) == [answer.start]
        room.assert_numbers_go_on()

    @in_virtual_time
    async def test_rewired(self) -> None:
        room = theater(12.0)
        await room.play(0.0, None, Pace(4.0))
        await asyncio.sleep(1.0)
        room.head.rewire({0: SSRCS[0]}, room.carrier)
        await room.until_the_end()
        assert shown(room.carrier.sent) == [1.5 * step for step in range(8)]
        room.assert_numbers_go_on()


class TestChanges:
    @pytest.mark.parametrize("pausing", [False, True])
    @in_virtual_time
    async def test_from_here(self, pausing: bool) -> None:
        room = theater(24.0)
        await room.play()
        place = 0.0
        scale = 1.0
        for wanted in (2.0, 1.0, 4.0, 8.0, -2.0, 1.0, 0.5, -8.0, 1.0):
            await asyncio.sleep(1.2)
            place += 1.2 * scale
            if pausing:
                room.head.pause()
                await asyncio.sleep(7)
            since, last = len(room.carrier.sent), room.carrier.of(0)[-1].packet.timestamp
            answer = await room.play(None, None, Pace(wanted))
            assert answer.start is not None
            assert answer.pace == Pace(wanted)
            assert place - 1.6 - 0.2 * abs(scale) <= answer.start <= place + 0.1 * abs(scale)
            assert answer.start % 1.5 == pytest.approx(0.0)
            step = (answer.first[0][1] - last) % (1 << 32) / RATES[0]
            assert 0 < step <= 1.5 / min(abs(scale), 1.0)
            await asyncio.sleep(0.05)
            assert shown(room.carrier.of(0, since))[0] == pytest.approx(answer.start)
            place, scale = answer.start + 0.05 * wanted, wanted
        sounds = room.labels(1, since)
        assert sounds
        assert sounds[0].pts / RATES[1] == pytest.approx(answer.start, abs=0.03)
        room.assert_numbers_go_on()

    @in_virtual_time
    async def test_asking_for_nothing_changes_nothing(self) -> None:
        room = theater(12.0)
        await room.play(0.0, None, Pace(4.0))
        await asyncio.sleep(1.0)
        answer = await room.play()
        assert answer.pace == Pace(4.0)
        assert answer.start == pytest.approx(4.0, abs=0.1)
        await room.until_the_end()
        assert shown(room.carrier.sent) == [1.5 * step for step in range(8)]

    @in_virtual_time
    async def test_behind_the_end(self) -> None:
        room = theater()
        for scale in (2.0, -2.0):
            with pytest.raises(ProtocolError) as caught:
                await room.head.play(6.1, None, Pace(scale))
            assert caught.value.status == 457

    @in_virtual_time
    async def test_sound_alone_has_one_scale(self) -> None:
        room = Theater(Film(3.0), ssrcs={1: SSRCS[1]})
        answer = await room.play(0.0, None, Pace(4.0))
        assert answer.pace == Pace()
        await room.until_the_end()
        assert room.labels(1) == room.film.labels(1)


class TestReports:
    @in_virtual_time
    async def test_of_silent_tracks(self) -> None:
        room = theater()
        await room.play(0.0, None, Pace(2.0))
        await asyncio.sleep(0.1)
        told = {one.track: one.reports[0] for one in room.carrier.reported}
        assert told.keys() == {0, 1}
        assert isinstance(told[1], SenderReport)
        assert told[1].packets == 0
        room.head.rewire({0: SSRCS[0]}, room.carrier)
        assert len(room.byes(1)) == 1

    @pytest.mark.parametrize(
        "pace", [Pace(2.0), Pace(4.0), Pace(-2.0), Pace(1.0, 2.0), Pace(2.0, 0.5)], ids=str
    )
    @in_virtual_time
    async def test_the_two_clocks(self, pace: Pace) -> None:
        room = theater(24.0)
        await room.play()
        await asyncio.sleep(1)
        count, since = len(room.carrier.reported), len(room.carrier.sent)
        answer = await room.play(12.0, None, pace)
        await asyncio.sleep(2.9)
        begun = room.carrier.of(0, since)[0].time
        later = room.carrier.reported[count:]
        assert {one.track for one in later} == {0, 1}
        for one in later:
            report = one.reports[0]
            assert isinstance(report, SenderReport)
            assert report.ntp == unix_to_ntp(one.time)
            rate = RATES[one.track]
            said = (report.rtp - answer.first[one.track][1]) % (1 << 32)
            assert said == pytest.approx(
                (one.time - begun) * pace.speed * rate, abs=2 * pace.speed * rate * TICK
            )


class TestSpeed:
    @pytest.mark.parametrize("speed", [0.5, 2.0, 4.0])
    @in_virtual_time
    async def test_sooner_with_the_same_times(self, speed: float) -> None:
        """Conformance P16."""
        room = theater()
        begun = now()
        answer = await room.play(0.0, None, Pace(1.0, speed))
        assert answer.pace == Pace(1.0, speed)
        await room.until_the_end()
        for track in (0, 1):
            assert room.labels(track) == room.film.labels(track)
        assert rtp_steps(room.carrier.of(0)) == [0.1] * 59
        for one in room.carrier.of(0):
            due = begun + one.label.pts / RATES[0] / speed
            assert due - 2 * TICK <= one.time <= due + 0.1 + 2 * TICK
        room.assert_numbers_go_on()

    @in_virtual_time
    async def test_changes_lose_nothing(self) -> None:
        room = theater(12.0)
        await room.play()
        for speed in (2.0, 4.0, 0.25, 1.0):
            await asyncio.sleep(1.234)
            answer = await room.play(None, None, Pace(1.0, speed))
            assert answer.pace.speed == speed
        await room.until_the_end()
        for track in (0, 1):
            assert room.labels(track) == room.film.labels(track)
        room.assert_numbers_go_on()


@pytest.mark.parametrize("seed", range(8))
@in_virtual_time
async def test_whatever_a_reader_does(seed: int) -> None:
    chance = random.Random(seed)
    room = theater(12.0, tcp=bool(seed % 2), gop=chance.choice([1, 5, 15, 40]), is_open=bool(seed % 3))
    for _ in range(40):
        pace = Pace(chance.choice([-8, -1, 0.5, 1, 2, 4, 8]), chance.choice([1, 1, 0.5, 2]))
        step = chance.randrange(6)
        if step == 0:
            room.head.pause()
        elif step == 1:
            room.carrier.ready = not room.carrier.ready
        elif step == 2:
            await room.play(chance.uniform(0, 12), None, pace)
        elif step == 3:
            start, length = chance.uniform(3, 9), chance.uniform(0.1, 3)
            await room.play(start, start + (length if pace.scale > 0 else -length), pace)
        elif step == 4:
            await room.play(None, None, pace)
        else:
            await room.play()
        await asyncio.sleep(chance.choice([0.0, 0.003, 0.05, 0.4, 1.3]))
    room.carrier.ready = True
    await room.play(None, None, Pace(chance.choice([-1, 1, 4])))
    await room.until_the_end()
    room.assert_numbers_go_on()
    for track in (0, 1):
        stamps = [one.packet.timestamp for one in room.carrier.of(track)]
        # Pictures may be sent before others that are shown earlier, by three at most, for longest at half the pace.
        assert all((after - before + 6 * FRAME) % (1 << 32) < 1 << 31 for before, after in pairwise(stamps))
    room.head.stop()
