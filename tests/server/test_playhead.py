"""Playheads in virtual time: every packet once, in time, and numbers that go on whatever the reader does."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pytest
from tests.server.film import FRAME, BrokenFilm, FakeCarrier, Film
from tests.server.theater import RATES, SSRCS, Theater, now, theater
from tests.server.virtual import VirtualLoop, in_virtual_time

from reelcast.errors import ProtocolError
from reelcast.net import clock as clock_module
from reelcast.rtp.clock import unix_to_ntp
from reelcast.rtp.group import MAX_AUDIO_LEAD
from reelcast.rtp.rtcp import Bye, SenderReport, SourceDescription
from reelcast.server.pacer import LOOK_AHEAD, SLOT, TICK
from reelcast.server.playhead import GOODBYE_WAIT, RETRY


@pytest.fixture(autouse=True)
def clock_of_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports in the loop's time."""
    monkeypatch.setattr(clock_module, "_OFFSET", 0.0)


class TestPlayOut:
    @in_virtual_time
    async def test_every_packet_once(self) -> None:
        room = theater()
        answer = await room.play()
        assert (answer.start, answer.end) == (0.0, 6.0)
        await room.until_the_end()
        for track in (0, 1):
            assert room.labels(track) == room.film.labels(track)
        room.assert_numbers_go_on()

    @in_virtual_time
    async def test_in_time(self) -> None:
        room = theater()
        begun = now()
        await room.play()
        await room.until_the_end()
        for one in room.carrier.of(0):
            due = one.label.pts / RATES[0]
            part = max(0.0, one.label.number - 40) and 0.05
            assert begun + due - TICK <= one.time <= begun + due + part + 2 * TICK
        for one in room.carrier.of(1):
            # It waits for a frame that comes soon, and is not sent amid one that is spread.
            due = one.label.pts / RATES[1]
            assert begun + due - MAX_AUDIO_LEAD - TICK <= one.time <= begun + due + 0.05 + 2 * TICK

    @in_virtual_time
    async def test_frames_fall_into_slots(self) -> None:
        """Also where playing goes on with audio from between two of them."""
        room = theater()
        await room.play()
        begun_with = set()
        for number in range(5):
            await asyncio.sleep(0.1707 + 0.02 * number)
            room.head.pause()
            await asyncio.sleep(0.0123 * number)
            since = len(room.carrier.sent)
            await room.play(None)
            await asyncio.sleep(0.2)
            begun_with.add(room.carrier.sent[since].track)
            first = room.carrier.of(0, since)[0]
            assert first.time / SLOT == pytest.approx(round(first.time / SLOT), abs=0.01)
            assert first.time == pytest.approx(room.head._epoch + first.label.pts / RATES[0], abs=0.001)
        assert 1 in begun_with

    @in_virtual_time
    async def test_a_keyframe_is_spread_over_udp_only(self) -> None:
        """Conformance R12."""
        for tcp in (False, True):
            room = theater(tcp=tcp)
            await room.play()
            await asyncio.sleep(0.05)
            keyframe = [one.time for one in room.carrier.of(0)]
            assert len(set(keyframe)) == (1 if tcp else 4)
            await room.until_the_end()
            if tcp:
                # One call a frame, with the audio near it.
                frames = {one.time for one in room.carrier.of(0)}
                assert len(frames) == 60
                # What is due soon behind a frame goes with it.
                near = [one for one in room.carrier.of(1) if one.label.pts % 800 in (0, 160, 320)]
                assert {one.time for one in near} <= frames

    @in_virtual_time
    async def test_one_track(self) -> None:
        for track in (0, 1):
            room = Theater(Film(3.0), ssrcs={track: SSRCS[track]})
            answer = await room.play()
            assert answer.first.keys() == {track}
            await room.until_the_end()
            assert room.labels(track) == room.film.labels(track)
            assert len(room.carrier.sent) == len(room.labels(track))
            room.assert_numbers_go_on()

    @in_virtual_time
    async def test_an_unknown_duration(self) -> None:
        room = theater(3.0)
        room.film.duration = None
        assert (await room.play(2.9)).end is None
        await room.until_the_end()
        assert room.labels(0) == room.film.labels(0, 1.5)

    @in_virtual_time
    async def test_nothing_in_it(self) -> None:
        room = theater(0.1)
        room.film._groups[0] = room.film._groups[0].select([])
        answer = await room.play()
        assert answer.start == 0.0
        await room.until_the_end()
        assert room.carrier.sent == []
        assert room.carrier.reported == []


class TestPause:
    @in_virtual_time
    async def test_nothing_lost_nothing_twice(self) -> None:
        room = theater()
        await room.play()
        pauses = 0
        for wait in (0.02, 0.5, 0.003, 1.111, 0.0, 2.0, 0.9):
            await asyncio.sleep(wait)
            place = room.head.pause()
            assert room.head.position == pytest.approx(room.head.pause())
            count = len(room.carrier.sent)
            assert room.flushed == count
            await asyncio.sleep(1.7)
            assert len(room.carrier.sent) == count
            answer = await room.play()
            assert answer.start == pytest.approx(place, abs=0.12)
            assert answer.end == 6.0
            pauses += 1
        assert pauses == 7
        await room.until_the_end()
        for track in (0, 1):
            assert room.labels(track) == room.film.labels(track)
        room.assert_numbers_go_on()

    @in_virtual_time
    async def test_goes_on_at_its_own_pace(self) -> None:
        room = theater()
        await room.play()
        await asyncio.sleep(2.25)
        room.head.pause()
        await asyncio.sleep(100)
        count, begun = len(room.carrier.sent), now()
        answer = await room.play()
        await room.until_the_end()
        for one in room.carrier.of(0, count):
            due = one.label.pts / RATES[0] - (answer.start or 0.0)
            assert begun + due - 2 * TICK <= one.time <= begun + due + 0.1

    @in_virtual_time
    async def test_in_the_middle_of_a_frame(self) -> None:
        room = theater()
        await room.play(3.0)
        await asyncio.sleep(0.02)
        assert 0 < len(room.labels(0)) < len(room.film.labels(0, 3.0, 3.05))
        room.head.pause()
        # The frame is finished, and on its way.
        assert room.labels(0) == room.film.labels(0, 3.0, 3.05)
        assert room.flushed == len(room.carrier.sent)

    @in_virtual_time
    async def test_in_the_middle_of_a_frame_that_nobody_takes(self) -> None:
        room = theater()
        await room.play(3.0)
        await asyncio.sleep(0.02)
        count = len(room.carrier.sent)
        room.carrier.ready = False
        room.head.pause()
        assert len(room.carrier.sent) == count
        room.carrier.ready = True
        await room.play()
        await room.until_the_end()
        assert room.labels(0) == room.film.labels(0, 3.0)
        room.assert_numbers_go_on()

    @in_virtual_time
    async def test_before_playing_and_twice(self) -> None:
        room = theater()
        assert room.head.pause() == 0.0
        await room.play()
        await asyncio.sleep(1)
        assert room.head.pause() == pytest.approx(1.0, abs=2 * TICK)
        assert room.head.pause() == pytest.approx(1.0, abs=0.11)

    @in_virtual_time
    async def test_prepared_but_not_begun(self) -> None:
        room = theater()
        await room.head.play(None, None)
        assert room.head.pause() == 0.0
        assert (await room.play()).start == 0.0
        await room.until_the_end()
        assert room.labels(0) == room.film.labels(0)

    @in_virtual_time
    async def test_play_while_playing_changes_nothing(self) -> None:
        room = theater()
        await room.play()
        await asyncio.sleep(1.234)
        answer = await room.head.play(None, None)
        assert answer.start == pytest.approx(1.234, abs=1.01 * TICK)
        room.head.begin()
        await room.until_the_end()
        for track in (0, 1):
            assert room.labels(track) == room.film.labels(track)

    @in_virtual_time
    async def test_while_the_file_is_read(self) -> None:
        room = theater()
        gate = room.film.hold_back(2)
        await room.play()
        await asyncio.sleep(5)
        room.head.pause()
        assert room.head.position == pytest.approx(2.0, abs=0.11)
        gate.set_result(None)
        await asyncio.sleep(1)
        answer = await room.play()
        assert answer.start == pytest.approx(2.0, abs=0.11)
        await room.until_the_end()
        assert room.labels(0) == room.film.labels(0)
        room.assert_numbers_go_on()


class TestSeek:
    @in_virtual_time
    async def test_to_the_keyframe_before(self) -> None:
        """Conformance P4."""
        room = theater()
        answer = await room.play(4.0)
        assert answer.start == 3.0
        await room.until_the_end()
        for track in (0, 1):
            assert room.labels(track) == room.film.labels(track, 3.0)
        room.assert_numbers_go_on()

    @pytest.mark.parametrize("places", [(4.6, 0.0, 3.3), (0.0, 5.9, 1.5), (1.5, 1.5, 1.5)], ids=str)
    @pytest.mark.parametrize("pausing", [False, True])
    @in_virtual_time
    async def test_numbers_go_on(self, places: tuple[float, ...], pausing: bool) -> None:
        room = theater()
        await room.play()
        for place in places:
            await asyncio.sleep(0.777)
            if pausing:
                room.head.pause()
                await asyncio.sleep(3)
            last = {track: room.carrier.of(track)[-1].packet.timestamp for track in (0, 1)}
            count = len(room.carrier.sent)
            answer = await room.play(place)
            assert answer.start == pytest.approx(place // 1.5 * 1.5)
            for track in (0, 1):
                # RTP time goes on where it was, whichever way the reader went.
                step = (answer.first[track][1] - last[track]) % (1 << 32)
                assert 0 < step <= 0.21 * RATES[track]
            await asyncio.sleep(0.5)
            assert room.labels(0, count)[0].pts == round((answer.start or 0.0) * RATES[0])
        await room.until_the_end()
        room.assert_numbers_go_on()
        for track in (0, 1):
            stamps = [one.packet.timestamp for one in room.carrier.of(track)]
            assert all((after - before) % (1 << 32) <= RATES[track] for before, after in pairwise(stamps))

    @in_virtual_time
    async def test_leading_pictures_of_an_open_group_are_left_out(self) -> None:
        room = theater(gop=10, is_open=True)
        answer = await room.play(3.5)
        assert answer.start == pytest.approx(3.2)
        await room.until_the_end()
        shown = sorted({label.pts // FRAME for label in room.labels(0)})
        assert shown == list(range(32, 60))
        assert room.labels(0) == room.film.labels(0, 3.2)
        # Audio begins with the picture, and that of the same time is not lost.
        assert room.labels(1) == room.film.labels(1, 3.2)
        room.assert_numbers_go_on()

    @in_virtual_time
    async def test_at_the_start_nothing_is_left_out(self) -> None:
        room = theater(gop=10, is_open=True)
        assert (await room.play(0.1)).start == 0.0
        await room.until_the_end()
        for track in (0, 1):
            assert room.labels(track) == room.film.labels(track)

    @in_virtual_time
    async def test_behind_the_end(self) -> None:
        room = theater()
        await room.play()
        await asyncio.sleep(1)
        with pytest.raises(ProtocolError, match=r"npt=6\.001 is behind the end") as caught:
            await room.head.play(6.001, None)
        assert caught.value.status == 457
        await room.until_the_end()
        for track in (0, 1):
            assert room.labels(track) == room.film.labels(track)
        assert (await room.play(6.0)).start == 4.5

    @in_virtual_time
    async def test_after_the_end(self) -> None:
        room = theater(3.0)
        await room.play()
        await room.until_the_end()
        await asyncio.sleep(10)
        count = len(room.carrier.sent)
        assert (await room.play(2.0)).start == 1.5
        await room.until_the_end()
        assert room.labels(0, count) == room.film.labels(0, 1.5)
        count = len(room.carrier.sent)
        # Without a range, from the start.
        assert (await room.play()).start == 0.0
        await room.until_the_end()
        assert room.labels(0, count) == room.film.labels(0)
        room.assert_numbers_go_on()
        assert len(room.byes()) == 3


class TestClosedRange:
    @in_virtual_time
    async def test_ends_there(self) -> None:
        room = theater()
        begun = now()
        answer = await room.play(1.5, 3.25)
        assert (answer.start, answer.end) == (1.5, 3.25)
        await room.until_the_end()
        assert room.labels(0) == room.film.labels(0, 1.5, 3.25)
        assert now() == pytest.approx(begun + 1.75, abs=0.5)
        assert room.byes() == []
        assert room.head.position == pytest.approx(3.3, abs=0.1)

    @in_virtual_time
    async def test_goes_on_from_there(self) -> None:
        room = theater()
        await room.play(0.0, 3.0)
        await room.until_the_end()
        count = len(room.carrier.sent)
        answer = await room.play()
        assert (answer.start, answer.end) == (3.0, 6.0)
        await room.until_the_end()
        assert room.labels(0, count) == room.film.labels(0, 3.0)
        room.assert_numbers_go_on()
        assert len(room.byes()) == 1

    @in_virtual_time
    async def test_up_to_the_end(self) -> None:
        room = theater(3.0)
        for end in (3.0, 7.0):
            assert (await room.play(0.0, end)).end == 3.0
            await room.until_the_end()
        assert len(room.byes()) == 2

    @in_virtual_time
    async def test_where_a_group_begins(self) -> None:
        room = theater()
        await room.play(0.0, 2.0)
        await room.until_the_end()
        assert room.labels(0) == room.film.labels(0, 0.0, 2.0)

    @pytest.mark.parametrize("end", [2.7, 4.0, None], ids=str)
    @in_virtual_time
    async def test_another_end_after_a_pause(self, end: float | None) -> None:
        room = theater()
        await room.play(0.0, 2.5)
        await asyncio.sleep(2.2)
        room.head.pause()
        answer = await room.play(None, end)
        assert answer.end == (end or 6.0)
        await room.until_the_end()
        assert room.labels(0) == room.film.labels(0, 0.0, end or 6.0)
        room.assert_numbers_go_on()

    @in_virtual_time
    async def test_an_earlier_end_after_a_pause(self) -> None:
        room = theater()
        await room.play()
        await asyncio.sleep(2.2)
        room.head.pause()
        await room.play(None, 2.5)
        await room.until_the_end()
        assert room.labels(0) == room.film.labels(0, 0.0, 2.5)


class TestRewire:
    @pytest.mark.parametrize("playing", [False, True])
    @pytest.mark.parametrize("wait", [0.02, 0.5, 1.96, 2.22])
    @in_virtual_time
    async def test_a_track_is_dropped(self, playing: bool, wait: float) -> None:
        for dropped, kept in ((0, 1), (1, 0)):
            room = theater()
            await room.play()
            await asyncio.sleep(wait)
            if not playing:
                room.head.pause()
            room.head.rewire({kept: SSRCS[kept]}, room.carrier)
            count = len(room.labels(dropped))
            if not playing:
                await asyncio.sleep(1)
                assert room.labels(kept) == room.film.labels(kept)[: len(room.labels(kept))]
                await room.play()
            await room.until_the_end()
            assert len(room.labels(dropped)) == count
            assert room.labels(kept) == room.film.labels(kept)
            room.assert_numbers_go_on()
            # A frame that was begun is finished before goodbye is said.
            assert len(room.byes(dropped)) == (1 if count else 0)
            for bye in room.byes(dropped):
                before = [one for one in room.carrier.sent[: bye.behind] if one.track == dropped]
                assert len(before) == count
                assert [report for report in bye.reports if isinstance(report, Bye)] == [
                    Bye((SSRCS[dropped],))
                ]
            (bye,) = room.byes(kept)
            assert bye.behind == len(room.carrier.sent)

    @pytest.mark.parametrize("playing", [False, True])
    @in_virtual_time
    async def test_a_track_is_added(self, playing: bool) -> None:
        for added, first in ((0, 1), (1, 0)):
            room = Theater(Film(6.0), ssrcs={first: SSRCS[first]})
            await room.play()
            await asyncio.sleep(2.22)
            if not playing:
                room.head.pause()
            room.head.rewire(SSRCS, room.carrier)
            answer = await room.play()
            since = len(room.carrier.sent)
            await asyncio.sleep(0.2)
            sequence, rtptime = answer.first[added]
            packet = room.carrier.of(added, since)[0].packet
            assert packet.sequence == sequence
            assert abs((packet.timestamp - rtptime + (1 << 31)) % (1 << 32) - (1 << 31)) <= 0.2 * RATES[added]
            # Both tracks are reported on as soon as they send, and are in step.
            told = {one.track: one for one in room.carrier.reported if one.behind >= since}
            assert told.keys() == {0, 1}
            moments = [
                (report.rtp - answer.first[track][1] + (1 << 31)) % (1 << 32) / RATES[track]
                - (1 << 31) / RATES[track]
                - told[track].time
                for track in (0, 1)
                for report in told[track].reports
                if isinstance(report, SenderReport)
            ]
            assert moments[0] == pytest.approx(moments[1], abs=0.001)
            await room.until_the_end()
            assert room.labels(first) == room.film.labels(first)
            assert room.labels(added) == room.film.labels(added)[-len(room.labels(added)) :]
            assert len(room.labels(added)) >= 0.5 * len(room.film.labels(added))
            assert len(room.byes(0)) == len(room.byes(1)) == 1

    @in_virtual_time
    async def test_another_way_for_one(self) -> None:
        """Its source is a new one; the other track goes on as if nothing had happened."""
        room = theater()
        await room.play()
        await asyncio.sleep(2.22)
        room.head.pause()
        carrier = FakeCarrier()
        room.head.rewire({0: SSRCS[0], 1: 77}, carrier)
        before = [room.labels(track) for track in (0, 1)]
        (bye,) = room.byes(1)
        assert bye.reports[-1] == Bye((SSRCS[1],))
        assert room.byes(0) == []
        answer = await room.play()
        await room.until_the_end()
        assert [room.labels(track) for track in (0, 1)] == before
        for track in (0, 1):
            assert before[track] + [one.label for one in carrier.of(track)] == room.film.labels(track)
            assert carrier.of(track)[0].packet.sequence == answer.first[track][0]
        assert {one.packet.ssrc for one in carrier.of(1)} == {77}
        assert carrier.of(0)[0].packet.sequence == (room.carrier.of(0)[-1].packet.sequence + 1) & 0xFFFF

    @in_virtual_time
    async def test_before_playing(self) -> None:
        room = theater()
        room.head.rewire({0: SSRCS[0]}, room.carrier)
        assert room.carrier.reported == []
        answer = await room.play()
        assert answer.first.keys() == {0}
        await room.until_the_end()
        assert room.labels(0) == room.film.labels(0)
        assert room.labels(1) == []

    @in_virtual_time
    async def test_behind_the_end(self) -> None:
        room = theater(3.0)
        await room.play()
        await room.until_the_end()
        room.head.rewire({0: SSRCS[0]}, room.carrier)
        count = len(room.carrier.sent)
        await room.play(1.6)
        await room.until_the_end()
        assert room.labels(0, count) == room.film.labels(0, 1.5)
        assert room.labels(1, count) == []

    @in_virtual_time
    async def test_while_the_file_is_read(self) -> None:
        room = theater()
        gate = room.film.hold_back(2)
        await room.play()
        await asyncio.sleep(5)
        room.head.rewire({0: SSRCS[0]}, room.carrier)
        await asyncio.sleep(1)
        gate.set_result(None)
        await room.until_the_end()
        assert room.labels(0) == room.film.labels(0)
        assert room.labels(1) == room.film.labels(1, 0.0, 2.0)


class TestReports:
    @in_virtual_time
    async def test_one_behind_the_first_packet(self) -> None:
        room = theater()
        begun = now()
        await room.play()
        await asyncio.sleep(0.3)
        first = room.carrier.reported[0]
        assert first.time <= begun + 2 * TICK
        assert first.behind > 0
        assert {one.track for one in room.carrier.reported} == {0, 1}

    @in_virtual_time
    async def test_the_two_clocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        room = theater(30.0)
        for start in (None, 15.0, 6.2):
            answer = await room.play(start)
            begun, count = now(), len(room.carrier.reported)
            await asyncio.sleep(9.9)
            later = room.carrier.reported[count:]
            assert len(later) >= 4
            for one in later:
                report, description = one.reports
                assert isinstance(report, SenderReport)
                assert isinstance(description, SourceDescription)
                assert report.ssrc == SSRCS[one.track] == description.ssrc
                assert report.ntp == unix_to_ntp(one.time)
                played = one.time - begun
                said = (report.rtp - answer.first[one.track][1]) % (1 << 32)
                assert said == pytest.approx(played * RATES[one.track], abs=1.01 * RATES[one.track] * TICK)
                before = [sent for sent in room.carrier.sent[: one.behind] if sent.track == one.track]
                assert report.packets == len(before)
                assert report.octets == sum(len(sent.packet.payload) for sent in before)

    @in_virtual_time
    async def test_goodbye_once_at_the_end(self) -> None:
        room = theater(3.0)
        begun = now()
        await room.play()
        await room.until_the_end()
        await asyncio.sleep(10)
        for track in (0, 1):
            (bye,) = room.byes(track)
            # Long enough behind the last packets that nobody reads it before them.
            assert bye.time >= begun + 3.0 - TICK
            assert bye.time == pytest.approx(room.carrier.sent[-1].time + GOODBYE_WAIT, abs=2 * TICK)
            assert bye.behind == len(room.carrier.sent)
            report = bye.reports[0]
            assert isinstance(report, SenderReport)
            assert report.packets == len(room.carrier.of(track))
        room.head.stop()
        assert len(room.byes()) == 1

    @in_virtual_time
    async def test_goodbye_when_stopped(self) -> None:
        room = theater()
        await room.play()
        await asyncio.sleep(1)
        count = len(room.carrier.sent)
        room.head.stop()
        room.head.stop()
        assert len(room.byes(0)) == len(room.byes(1)) == 1
        room.head.begin()
        await asyncio.sleep(1)
        assert len(room.carrier.sent) == count

    @in_virtual_time
    async def test_no_goodbye_of_one_who_has_not_spoken(self) -> None:
        room = theater()
        await room.head.play(None, None)
        room.head.stop()
        assert room.carrier.reported == []

    @in_virtual_time
    async def test_none_while_paused(self) -> None:
        room = theater()
        await room.play()
        await asyncio.sleep(0.5)
        room.head.pause()
        count = len(room.carrier.reported)
        await asyncio.sleep(60)
        assert len(room.carrier.reported) == count
        await room.play()
        await asyncio.sleep(0.2)
        assert len(room.carrier.reported) == count + 2


class TestTrouble:
    @in_virtual_time
    async def test_a_late_group(self) -> None:
        room = theater()
        gate = room.film.hold_back(3)
        await room.play()
        await asyncio.sleep(10)
        assert room.labels(0) == room.film.labels(0, 0.0, 3.0)
        count, resumed = len(room.carrier.sent), now()
        gate.set_result(None)
        await room.until_the_end()
        for track in (0, 1):
            assert room.labels(track) == room.film.labels(track)
        room.assert_numbers_go_on()
        for one in room.carrier.of(0, count):
            # Nobody is flooded with what was missed: the timeline moves.
            assert one.time >= resumed + one.label.pts / RATES[0] - 3.0 - 0.1 - TICK

    @in_virtual_time
    async def test_a_group_that_is_just_in_time(self) -> None:
        room = theater()
        gate = room.film.hold_back(1)
        await room.play()
        await asyncio.sleep(0.99)
        gate.set_result(None)
        begun = now() - 0.99
        await room.until_the_end()
        assert room.labels(0) == room.film.labels(0)
        assert room.carrier.of(0)[-1].time == pytest.approx(begun + 5.9, abs=2 * TICK)

    @in_virtual_time
    async def test_a_group_that_comes_when_it_is_no_longer_wanted(self) -> None:
        room = theater()
        gate = room.film.hold_back(1)
        await room.play()
        await asyncio.sleep(3)
        count = len(room.carrier.sent)
        await room.play(4.6)
        gate.set_result(None)
        await room.until_the_end()
        assert room.labels(0, count) == room.film.labels(0, 4.5)
        room.assert_numbers_go_on()

    @in_virtual_time
    async def test_stopped_while_the_file_is_read(self) -> None:
        room = theater()
        gate = room.film.hold_back(1)
        await room.play()
        await asyncio.sleep(3)
        count = len(room.carrier.sent)
        room.head.stop()
        gate.set_result(None)
        await asyncio.sleep(3)
        assert len(room.carrier.sent) == count
        assert len(room.byes()) == 1

    @in_virtual_time
    async def test_an_end_that_was_not_foreseen(self) -> None:
        for late in (False, True):
            room = theater(3.0)
            room.film.forget_the_end()
            gate = room.film.hold_back(3) if late else None
            await room.play()
            await asyncio.sleep(5)
            if gate is not None:
                assert not room.head.ended
                gate.set_result(None)
            await room.until_the_end()
            assert room.labels(0) == room.film.labels(0)
            assert len(room.byes()) == 1

    @in_virtual_time
    async def test_a_file_that_goes_bad(self, caplog: pytest.LogCaptureFixture) -> None:
        """Conformance H35."""
        room = Theater(BrokenFilm(6.0, bad=2))
        await room.play()
        await room.until_the_end()
        assert room.labels(0) == room.film.labels(0, 0.0, 2.0)
        assert len(room.byes()) == 1
        assert "the disk is gone" in caplog.text

    @pytest.mark.parametrize("stall", [0.05, 0.7, 3.0, 60.0])
    @in_virtual_time
    async def test_a_slow_connection(self, stall: float) -> None:
        """Conformance H22, H23."""
        room = theater(tcp=True)
        begun = now()
        await room.play()
        await asyncio.sleep(1.53)
        count = len(room.carrier.sent)
        room.carrier.ready = False
        await asyncio.sleep(stall)
        assert len(room.carrier.sent) == count
        room.carrier.ready = True
        await room.until_the_end()
        for track in (0, 1):
            assert room.labels(track) == room.film.labels(track)
        room.assert_numbers_go_on()
        last = room.carrier.of(0)[-1].time - begun
        if stall < room.carrier.max_lag:
            # What is a little late is caught up on.
            assert last == pytest.approx(5.9, abs=2 * TICK)
        else:
            # What is later moves everything behind it.
            moved = last - 5.9
            assert stall - 0.1 - RETRY - TICK - LOOK_AHEAD <= moved <= stall + RETRY + TICK

    @in_virtual_time
    async def test_a_connection_that_always_lags_a_little(self) -> None:
        room = theater(tcp=True)
        chance = random.Random(1)
        await room.play()
        while not room.head.ended:
            room.carrier.ready = chance.random() < 0.3
            await asyncio.sleep(0.013)
        assert room.labels(0) == room.film.labels(0)
        assert room.labels(1) == room.film.labels(1)
        room.assert_numbers_go_on()

    @in_virtual_time
    async def test_a_machine_that_was_held_up(self) -> None:
        """Conformance H37."""
        room = theater()
        await room.play()
        await asyncio.sleep(1.0)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        epoch = room.head._epoch
        loop.hold_up(2.0)
        count, resumed = len(room.carrier.sent), now()
        await room.until_the_end()
        # Whose timelines move together, theirs stay as far apart as they were.
        frames = (room.head._epoch - epoch) / LOOK_AHEAD
        assert frames == pytest.approx(round(frames), abs=1e-6)
        assert round(frames) >= 2.0 / LOOK_AHEAD - 3
        assert room.labels(0) == room.film.labels(0)
        early = [one for one in room.carrier.of(0, count) if one.time < resumed + 0.05]
        # No more than a reader's buffer holds.
        assert len(early) <= 10
        room.assert_numbers_go_on()

    @in_virtual_time
    async def test_a_machine_that_is_held_up_again_and_again(self) -> None:
        """Whenever it has its turn, something is sent."""
        room = theater()
        await room.play()
        await asyncio.sleep(1.0)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        for _ in range(20):
            count = len(room.carrier.sent)
            loop.hold_up(0.15)
            await asyncio.sleep(0.001)
            assert len(room.carrier.sent) > count


@pytest.mark.parametrize("seed", range(12))
@in_virtual_time
async def test_whatever_a_reader_does(seed: int) -> None:
    chance = random.Random(seed)
    room = theater(tcp=bool(seed % 2), gop=chance.choice([5, 10, 15]), is_open=bool(seed % 3))
    for _ in range(40):
        step = chance.randrange(6)
        if step == 0:
            room.head.pause()
        elif step == 1:
            room.carrier.ready = not room.carrier.ready
        elif step == 2:
            await room.play(chance.uniform(0, 6))
        elif step == 3:
            start = chance.uniform(0, 5)
            await room.play(start, start + chance.uniform(0.1, 2))
        else:
            await room.play()
        await asyncio.sleep(chance.choice([0.0, 0.003, 0.05, 0.4, 1.3]))
    room.carrier.ready = True
    await room.play()
    await room.until_the_end()
    room.assert_numbers_go_on()
    for track in (0, 1):
        stamps = [one.packet.timestamp for one in room.carrier.of(track)]
        # Pictures may be sent before others that are shown earlier, by three at most.
        assert all((after - before + 3 * FRAME) % (1 << 32) < 1 << 31 for before, after in pairwise(stamps))
    room.head.stop()
