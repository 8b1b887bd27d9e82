"""Broadcasts in virtual time: who comes late catches up without a gap, and all are sent the same."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from tests.server.film import Film
from tests.server.studio import Loop, Reader, Studio, live_in_virtual_time, now, studio_of
from tests.server.virtual import VirtualLoop, in_virtual_time

from reelcast.errors import MediaError, ProtocolError
from reelcast.net import fanout as fanout_module
from reelcast.net.interleaved_fanout import MAX_QUEUE_BYTES
from reelcast.rtp.clock import unix_to_ntp
from reelcast.rtp.group import MAX_AUDIO_LEAD, Run
from reelcast.server import broadcast as broadcast_module
from reelcast.server import tempo as tempo_module
from reelcast.server.broadcast import KEYFRAME_SECONDS, MAX_LATE, PART_APART, Broadcast
from reelcast.server.feed import Era
from reelcast.server.pacer import TICK
from reelcast.server.subscription import CATCH_UP_SPEED

RATES = (90_000, 8_000)
GOP = 1.5
TRANSPORTS = pytest.mark.parametrize("transport", ["udp", "tcp"])


@pytest.fixture(autouse=True)
def clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    live_in_virtual_time(monkeypatch)


def feed(seconds: float = 6.0, *, groups: int = 10_000, error: MediaError | None = None) -> Loop:
    """The film has a keyframe every GOP seconds."""
    return Loop(Film(seconds), groups=groups, error=error)


def assert_whole(reader: Reader, since: tuple[int, int] = (0, 0)) -> None:
    """Every packet is the film's of that time, and none is missing, twice or out of order."""
    film = reader.studio.feed.film
    assert film.duration is not None
    for track in (0, 1):
        order = {label: number for number, label in enumerate(film.labels(track))}
        heard = reader.heard[track][since[track] :]
        assert reader.gaps(track, since[track]) == []
        places = [order[one.label] for one in heard]
        assert all(after == (before + 1) % len(order) for before, after in pairwise(places))
        for one in heard:
            ticks = round(reader.studio.media_time(track, one.packet) * RATES[track])
            assert ticks % round(film.duration * RATES[track]) == one.label.pts


def begins(reader: Reader, since: int = 0) -> float:
    """The media time of the first packet of video, which begins a keyframe."""
    first = reader.heard[0][since]
    assert first.label.number == 0
    assert first.label.pts % round(GOP * RATES[0]) == 0
    return reader.studio.media_time(0, first.packet)


class TestParts:
    """What is due to many is sent to a share of them at a time."""

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fanout_module, "SHARE", 1)
        monkeypatch.setattr(tempo_module, "GO_SECONDS", -1.0)
        monkeypatch.setattr(tempo_module, "PART_SECONDS", 0.0)
        monkeypatch.setattr(broadcast_module, "ALONE", 3)

    @TRANSPORTS
    @pytest.mark.parametrize(("paced", "apart"), [(True, PART_APART), (False, 0.0)])
    @in_virtual_time
    async def test_each_has_a_time_of_its_own(self, transport: str, paced: bool, apart: float) -> None:
        """What comes as it happens does not wait, but lets others have their turn."""
        source = feed()
        source.paced = paced
        async with studio_of(source) as studio:
            readers = [studio.reader(transport, 0) for _ in range(4)]
            for reader in readers:
                await reader.play()
            await asyncio.sleep(8.0)
            assert studio.broadcast.lead == 0.0
            for reader in readers:
                assert reader.gaps(0) == []
            last = [{one.packet.timestamp: one.time for one in reader.heard[0][-300:]} for reader in readers]
            moments = [[times[timestamp] for times in last] for timestamp in last[0].keys() & last[3].keys()]
            assert len(moments) > 10
            for times in moments:
                assert [after - before for before, after in pairwise(times)] == pytest.approx(
                    [apart] * 3, abs=0.005
                )

    @TRANSPORTS
    @in_virtual_time
    async def test_more_than_there_is_time_for(self, transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(broadcast_module, "PART_APART", 0.2)
        async with studio_of(feed()) as studio:
            readers = [studio.reader(transport) for _ in range(3)]
            for wait, reader in zip((0.0, 1.23, 2.5), readers, strict=True):
                await asyncio.sleep(wait)
                await reader.play()
            await asyncio.sleep(6.0)
            readers[1].player.pause()
            await asyncio.sleep(6.0)
            for reader in (readers[0], readers[2]):
                assert_whole(reader)
                assert now() - reader.heard[0][-1].time < 0.3

    @in_virtual_time
    async def test_a_feed_that_falls_behind_amid_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What was begun keeps the broadcast going while nothing follows; it must not be called twice then."""
        monkeypatch.setattr(broadcast_module, "PART_APART", 0.2)
        calls: list[float] = []
        source = feed()
        source.gate = asyncio.Event()
        async with studio_of(source) as studio:
            advance = studio.broadcast.advance

            def counted(now: float) -> float | None:
                calls.append(now)
                return advance(now)

            monkeypatch.setattr(studio.broadcast, "advance", counted)
            source.gate.set()
            readers = [studio.reader("tcp") for _ in range(4)]
            for reader in readers:
                await reader.play()
            for number in range(20):
                source.gate.clear()
                await asyncio.sleep(2.0 + 0.07 * number)
                source.gate.set()
                await asyncio.sleep(0.3)
            for reader in readers:
                assert_whole(reader)
        assert len(calls) == len(set(calls))

    @pytest.mark.parametrize(("step", "several"), [(0.0, False), (0.15, True)])
    @in_virtual_time
    async def test_what_is_called_together_is_weighed_together(
        self, monkeypatch: pytest.MonkeyPatch, step: float, several: bool
    ) -> None:
        """Or a keyframe would be begun in time for its parameter sets alone."""
        monkeypatch.setattr(broadcast_module, "STEP", step)
        weighed: list[list[float]] = []
        async with studio_of(feed()) as studio:
            fan_out = studio.broadcast.fan_out
            weight = fan_out.weight

            def noted(runs: Sequence[Run]) -> int:
                weighed.append([run.spread for run in runs])
                return weight(runs)

            monkeypatch.setattr(fan_out, "weight", noted)
            readers = [studio.reader("tcp") for _ in range(3)]
            for reader in readers:
                await reader.play()
            await asyncio.sleep(4.0)
        assert all(times[-1] - times[0] <= step for times in weighed)
        assert any(times[-1] > times[0] for times in weighed) is several


class TestOneReader:
    @TRANSPORTS
    @in_virtual_time
    async def test_round_after_round(self, transport: str) -> None:
        async with studio_of(feed()) as studio:
            reader = studio.reader(transport)
            await reader.play()
            begun = now()
            await asyncio.sleep(20.0)
            assert_whole(reader)
            for track in (0, 1):
                for one in reader.heard[track][-200:]:
                    due = studio.media_time(track, one.packet)
                    assert begun + due - MAX_AUDIO_LEAD - 2 * TICK <= one.time <= begun + due + 0.12
            assert studio.media_time(0, reader.packets(0)[-1]) == pytest.approx(19.9, abs=0.12)

    @TRANSPORTS
    @in_virtual_time
    async def test_what_was_answered_comes_first(self, transport: str) -> None:
        async with studio_of(feed()) as studio:
            for wait in (0.0, 0.7, 2.0, 3.333, 1.1):
                await asyncio.sleep(wait)
                reader = studio.reader(transport)
                answer = await reader.play()
                assert (answer.start, answer.end) == (None, None)
                await asyncio.sleep(0.5)
                video, audio = reader.packets(0)[0], reader.packets(1)[0]
                assert (video.sequence, video.timestamp) == answer.first[0]
                assert audio.sequence == answer.first[1][0]
                lag = (audio.timestamp - answer.first[1][1] + (1 << 31)) % (1 << 32) - (1 << 31)
                assert 0 <= lag <= 0.1 * RATES[1]
                assert [video.ssrc, audio.ssrc] == [studio.broadcast.ssrc(track) for track in (0, 1)]

    @TRANSPORTS
    @pytest.mark.parametrize("track", [0, 1])
    @in_virtual_time
    async def test_one_track_of_two(self, transport: str, track: int) -> None:
        async with studio_of(feed()) as studio:
            both, alone = studio.reader(transport), studio.reader(transport, track)
            await both.play()
            await asyncio.sleep(2.2)
            answer = await alone.play()
            assert answer.first.keys() == {track}
            await asyncio.sleep(5)
            assert alone.packets(1 - track) == []
            assert {one.track for one in alone.told} == {track}
            own = alone.packets(track)
            assert alone.gaps(track) == []
            assert both.packets(track)[-len(own) :] == own
            assert own[0].sequence == answer.first[track][0]
            assert_whole(both)

    @in_virtual_time
    async def test_only_now_can_be_played(self) -> None:
        async with studio_of(feed()) as studio:
            reader = studio.tcp()
            with pytest.raises(ProtocolError, match="live") as caught:
                await reader.player.play(1.0, None)
            assert caught.value.status == 457
            await reader.play(0.0)
            await asyncio.sleep(1)
            with pytest.raises(ProtocolError):
                await reader.player.play(0.5, 2.0)
            await asyncio.sleep(5)
            assert reader.player.position == pytest.approx(6.0, abs=2 * TICK)
            assert studio.broadcast.duration is None
            assert_whole(reader)

    @in_virtual_time
    async def test_play_while_playing_changes_nothing(self) -> None:
        async with studio_of(feed()) as studio:
            reader = studio.tcp()
            await reader.play()
            await asyncio.sleep(2)
            count = reader.count(0)
            answer = await reader.play()
            assert answer.first[0][0] == (reader.packets(0)[-1].sequence + 1) & 0xFFFF
            await asyncio.sleep(2)
            assert reader.packets(0, count)[0].sequence == answer.first[0][0]
            assert_whole(reader)


class TestManyReaders:
    @in_virtual_time
    async def test_all_are_sent_the_same(self) -> None:
        async with studio_of(feed()) as studio:
            readers = [studio.reader(transport) for transport in ("udp", "tcp") * 3]
            for reader in readers:
                await reader.play()
                await asyncio.sleep(1.13)
            await asyncio.sleep(4)
            whole = [readers[0].packets(track) for track in (0, 1)]
            for reader in readers:
                assert_whole(reader)
                for track in (0, 1):
                    own = reader.packets(track)
                    assert own == whole[track][-len(own) :]

    @TRANSPORTS
    @pytest.mark.parametrize("wait", [0.01, 1.0, 1.49, 1.503, 1.51, 2.98, 3.017, 8.0])
    @in_virtual_time
    async def test_a_late_one_begins_at_the_last_keyframe(self, transport: str, wait: float) -> None:
        """Conformance P22."""
        async with studio_of(feed()) as studio:
            first, late = studio.tcp(), studio.reader(transport)
            await first.play()
            await asyncio.sleep(wait)
            await late.play()
            come = now()
            await asyncio.sleep(3.0)
            # The first packet is there at once, the others faster than life, or all at once.
            assert late.heard[0][0].time <= come + 3 * TICK
            behind = studio.broadcast.elapsed - 3.0 - begins(late)
            assert -TICK <= behind <= GOP + TICK
            caught_up = come + (behind / (CATCH_UP_SPEED - 1) if transport == "udp" else 0.0) + 0.15
            for one in late.heard[0]:
                if one.time > caught_up:
                    due = come - behind + studio.media_time(0, one.packet) - begins(late)
                    assert one.time <= due + 0.06
            assert_whole(late)
            assert_whole(first)

    @in_virtual_time
    async def test_over_udp_it_is_not_flooded(self) -> None:
        """Conformance R12."""
        async with studio_of(feed()) as studio:
            first, late = studio.tcp(), studio.udp()
            await first.play()
            await asyncio.sleep(1.45)
            await late.play()
            come = now()
            await asyncio.sleep(1.0)
            early = [one for one in late.heard[0] if one.time <= come + 0.1]
            # 0.1 s at CATCH_UP_SPEED: half a second of film, a keyframe and four frames.
            assert len(early) <= len(studio.feed.film.labels(0, 0.0, 0.6))
            assert_whole(late)

    @in_virtual_time
    async def test_one_who_goes_is_not_missed(self) -> None:
        async with studio_of(feed()) as studio:
            stays, goes = studio.udp(), studio.udp()
            await stays.play()
            await goes.play()
            await asyncio.sleep(2)
            goes.player.stop()
            await asyncio.sleep(0.01)
            count = goes.count(0)
            await asyncio.sleep(3)
            assert goes.count(0) == count
            for track in (0, 1):
                assert len(goes.goodbyes(track)) == 1
                assert stays.goodbyes(track) == []
            goes.player.stop()
            goes.player.begin()
            await asyncio.sleep(1)
            assert goes.count(0) == count
            assert len(goes.goodbyes(0)) == 1
            assert_whole(stays)

    @in_virtual_time
    async def test_whatever_they_do(self) -> None:
        """Readers come, pause, go on and go at random: each stretch of each is gapless, and one is never hurt."""
        chance = random.Random(7)
        async with studio_of(feed()) as studio:
            watcher = studio.tcp()
            await watcher.play()
            others: list[Reader] = []
            for _ in range(120):
                step = chance.randrange(4)
                if step == 0 and len(others) < 12:
                    others.append(studio.reader(chance.choice(["udp", "tcp"])))
                    await others[-1].play()
                elif others and step == 1:
                    chance.choice(others).player.pause()
                elif others and step == 2:
                    reader = chance.choice(others)
                    since = reader.count(0), reader.count(1)
                    answer = await reader.play()
                    await asyncio.sleep(0.2)
                    for track in (0, 1):
                        assert reader.packets(track, since[track])[0].sequence == answer.first[track][0]
                        assert reader.gaps(track, since[track]) == []
                await asyncio.sleep(chance.choice([0.0, 0.003, 0.05, 0.4]))
            assert_whole(watcher)
            for reader in others:
                for track in (0, 1):
                    # A pause may leave packets out, but none comes twice.
                    numbers = [packet.sequence for packet in reader.packets(track)]
                    assert len(set(numbers)) == len(numbers)


class TestPause:
    @TRANSPORTS
    @in_virtual_time
    async def test_a_long_one_goes_on_at_the_last_keyframe(self, transport: str) -> None:
        async with studio_of(feed()) as studio:
            watcher, reader = studio.tcp(), studio.reader(transport)
            await watcher.play()
            await reader.play()
            await asyncio.sleep(1.2)
            assert reader.player.pause() == pytest.approx(1.2, abs=0.01)
            await asyncio.sleep(0.01)
            since = reader.count(0), reader.count(1)
            await asyncio.sleep(4.0)
            assert reader.count(0) == since[0]
            answer = await reader.play()
            await asyncio.sleep(2)
            assert begins(reader, since[0]) == pytest.approx(4.5, abs=0.001)
            assert reader.packets(0, since[0])[0].sequence == answer.first[0][0]
            assert_whole(reader, since)
            assert_whole(watcher)

    @TRANSPORTS
    @pytest.mark.parametrize("wait", [0.0, 0.01, 0.2, 0.35])
    @in_virtual_time
    async def test_a_short_one_goes_on_where_it_was(self, transport: str, wait: float) -> None:
        async with studio_of(feed()) as studio:
            watcher, reader = studio.tcp(), studio.reader(transport)
            await watcher.play()
            await reader.play()
            for _ in range(3):
                await asyncio.sleep(0.37)
                reader.player.pause()
                await asyncio.sleep(wait)
                await reader.play()
            await asyncio.sleep(2)
            assert_whole(reader)

    @in_virtual_time
    async def test_before_playing_and_while_catching_up(self) -> None:
        async with studio_of(feed()) as studio:
            watcher, reader = studio.tcp(), studio.udp()
            reader.player.pause()
            await watcher.play()
            await asyncio.sleep(1.2)
            await reader.play()
            await asyncio.sleep(0.1)
            reader.player.pause()
            assert not reader.player.joined
            await reader.play()
            await asyncio.sleep(2)
            assert reader.player.joined
            assert_whole(reader)


class TestRest:
    @in_virtual_time
    async def test_numbers_and_time_go_on(self) -> None:
        async with studio_of(feed()) as studio:
            first = studio.tcp()
            await first.play()
            await asyncio.sleep(4.21)
            first.player.stop()
            assert studio.feed.started == 1
            sent = [first.packets(track)[-1] for track in (0, 1)]
            await asyncio.sleep(100)
            second = studio.udp()
            answer = await second.play()
            await asyncio.sleep(2)
            assert studio.feed.started == 2
            for track in (0, 1):
                packet = second.packets(track)[0]
                assert packet.sequence == answer.first[track][0]
                # It may begin behind what was passed over before the keyframe.
                assert (packet.sequence - sent[track].sequence) & 0xFFFF <= 200
            assert begins(second) == pytest.approx(103.5, abs=0.001)
            assert_whole(second)
            report = second.told[0].sender_report
            assert report.packets > len(first.packets(0))

    @in_virtual_time
    async def test_the_same_reader_after_a_rest(self) -> None:
        async with studio_of(feed()) as studio:
            reader = studio.tcp()
            await reader.play()
            for wait in (10.0, 0.5, 3.3):
                await asyncio.sleep(2.0)
                reader.player.pause()
                since = reader.count(0), reader.count(1)
                await asyncio.sleep(wait)
                assert reader.count(0) == since[0]
                answer = await reader.play()
                await asyncio.sleep(0.3)
                assert begins(reader, since[0]) == pytest.approx(
                    (studio.broadcast.elapsed - 0.3) // GOP * GOP, abs=0.001
                )
                assert reader.packets(0, since[0])[0].sequence == answer.first[0][0]
                assert_whole(reader, since)

    @in_virtual_time
    async def test_all_that_was_sent_is_counted(self) -> None:
        async with studio_of(feed()) as studio:
            reader = studio.tcp()
            await reader.play()
            await asyncio.sleep(2.34)
            reader.player.stop()
            for track in (0, 1):
                (bye,) = reader.goodbyes(track)
                packets = reader.packets(track)
                assert bye.sender_report.packets == len(packets)
                assert bye.sender_report.octets == sum(len(packet.payload) for packet in packets)

    @in_virtual_time
    async def test_one_who_goes_before_anything_comes(self) -> None:
        async with studio_of(feed()) as studio:
            studio.feed.gate = asyncio.Event()
            reader = studio.tcp()
            waiting = asyncio.create_task(reader.play())
            await asyncio.sleep(1)
            assert not waiting.done()
            reader.player.stop()
            await waiting
            await asyncio.sleep(1)
            assert reader.told == []
            assert reader.packets(0) == []

    @TRANSPORTS
    @in_virtual_time
    async def test_one_who_comes_long_before_anything_does(self, transport: str) -> None:
        """It is answered, and sent what comes when it comes: a publisher may be there and send nothing."""
        async with studio_of(feed()) as studio:
            studio.feed.gate = asyncio.Event()
            reader = studio.reader(transport)
            asked = now()
            answer = await reader.play()
            assert now() - asked == pytest.approx(KEYFRAME_SECONDS, abs=0.1)
            await asyncio.sleep(5)
            assert reader.packets(0) == []
            studio.feed.gate.set()
            await asyncio.sleep(3)
            for track in (0, 1):
                assert reader.packets(track)[0].sequence == answer.first[track][0]
                assert reader.gaps(track) == []


class TestReports:
    @TRANSPORTS
    @in_virtual_time
    async def test_one_before_the_first_packet_that_is_of_the_past(self, transport: str) -> None:
        """What a new reader has missed comes faster than life: by its arrival nobody could say when it was."""
        async with studio_of(feed()) as studio:
            for wait in (0.0, 1.3, 2.1):
                await asyncio.sleep(wait)
                reader = studio.reader(transport)
                await reader.play()
                come = now()
                await asyncio.sleep(1.0)
                first = {track: next(one for one in reader.told if one.track == track) for track in (0, 1)}
                assert first[0].time <= reader.heard[0][0].time + 2 * TICK
                # Over UDP they come by another port, and in no order that could be told.
                assert transport == "udp" or first[0].behind == 0
                # A track's first report comes soon after the track has begun.
                assert first[1].time <= come + 0.15

    @in_virtual_time
    async def test_the_two_clocks(self) -> None:
        async with studio_of(feed()) as studio:
            first, late = studio.tcp(), studio.tcp()
            await first.play()
            await asyncio.sleep(3.7)
            await late.play()
            await asyncio.sleep(40)
            for reader in (first, late):
                for track in (0, 1):
                    told = [one for one in reader.told if one.track == track]
                    assert len(told) >= 6
                    for one in told:
                        report = one.sender_report
                        assert report.ssrc == studio.broadcast.ssrc(track)
                        assert report.ntp == unix_to_ntp(one.time)
                        sender = studio.broadcast.senders[track]
                        assert report.rtp == sender.timestamp(studio.broadcast.elapsed - (now() - one.time))
            for one in first.told:
                before = [heard for heard in first.heard[one.track] if heard.time <= one.time]
                assert one.sender_report.packets == len(before)

    @in_virtual_time
    async def test_none_while_paused(self) -> None:
        async with studio_of(feed()) as studio:
            watcher, reader = studio.tcp(), studio.tcp()
            await watcher.play()
            await reader.play()
            await asyncio.sleep(1)
            reader.player.pause()
            count = len(reader.told)
            await asyncio.sleep(30)
            assert len(reader.told) == count
            await reader.play()
            await asyncio.sleep(0.1)
            assert len(reader.told) >= count + 2


class TestEnd:
    @TRANSPORTS
    @in_virtual_time
    async def test_goodbye_behind_the_last_packet(
        self, transport: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        for error in (None, MediaError("the disk is gone")):
            async with studio_of(feed(groups=4, error=error)) as studio:
                readers = [studio.reader(transport), studio.reader(transport)]
                for reader in readers:
                    await reader.play()
                    await asyncio.sleep(1.3)
                await asyncio.sleep(10)
                for reader in readers:
                    assert reader.packets(0)[-1].payload[:10] == _last_label(studio, 4.0)
                    for track in (0, 1):
                        (bye,) = reader.goodbyes(track)
                        assert bye.behind == sum(map(len, reader.heard.values()))
                    assert_whole(reader)
                    assert reader.player.ended
                    reader.player.stop()
                    assert len(reader.goodbyes(0)) == 1
        assert "a live stream has ended: the disk is gone" in caplog.text

    @in_virtual_time
    async def test_one_who_has_not_caught_up_is_sent_the_rest(self) -> None:
        async with studio_of(feed(groups=3)) as studio:
            first, late = studio.tcp(), studio.udp()
            await first.play()
            await asyncio.sleep(2.85)
            await late.play()
            await asyncio.sleep(0.14)
            assert not late.player.joined
            await asyncio.sleep(2)
            assert late.packets(0)[-1] == first.packets(0)[-1]
            assert len(late.goodbyes(0)) == len(first.goodbyes(0)) == 1
            assert_whole(late)

    @in_virtual_time
    async def test_another_play_begins_anew(self) -> None:
        """Conformance H36."""
        async with studio_of(feed(groups=3)) as studio:
            reader = studio.tcp()
            await reader.play()
            await asyncio.sleep(8)
            assert reader.player.ended
            since = reader.count(0), reader.count(1)
            await reader.play()
            assert not reader.player.ended
            await asyncio.sleep(1)
            assert studio.feed.started == 2
            assert begins(reader, since[0]) == pytest.approx(7.5, abs=0.001)
            assert_whole(reader, since)

    @in_virtual_time
    async def test_nothing_at_all(self) -> None:
        async with studio_of(feed(groups=0, error=MediaError("no such file"))) as studio:
            reader = studio.tcp()
            await reader.play()
            await asyncio.sleep(1)
            assert reader.player.ended
            assert reader.told == []

    @in_virtual_time
    async def test_closed(self) -> None:
        async with studio_of(feed()) as studio:
            reader = studio.tcp()
            await reader.play()
            await asyncio.sleep(1)
            studio.broadcast.close()
            assert studio.feed.closed
            count = reader.count(0)
            await asyncio.sleep(3)
            assert reader.count(0) == count


class TestSlowReaders:
    @in_virtual_time
    async def test_one_is_left_out_until_the_next_keyframe(self) -> None:
        """Conformance H23."""
        async with studio_of(feed()) as studio:
            watcher, slow = studio.udp(), studio.tcp()
            await watcher.play()
            await slow.play()
            await asyncio.sleep(1.7)
            count = slow.count(0)
            slow.line.waiting = MAX_QUEUE_BYTES
            await asyncio.sleep(0.5)
            assert slow.count(0) == count
            slow.line.waiting = 0
            await asyncio.sleep(0.5)
            assert slow.count(0) == count
            await asyncio.sleep(2)
            assert begins(slow, count) == pytest.approx(3.0, abs=0.001)
            since = (
                count,
                next(
                    number
                    for number, one in enumerate(slow.heard[1])
                    if studio.media_time(1, one.packet) > 2.5
                ),
            )
            assert_whole(slow, since)
            assert_whole(watcher)

    @pytest.mark.parametrize("stall", [0.2, 5.0])
    @in_virtual_time
    async def test_one_who_is_slow_to_catch_up(self, stall: float) -> None:
        async with studio_of(feed()) as studio:
            watcher, slow = studio.udp(), studio.tcp()
            await watcher.play()
            await asyncio.sleep(1.2)
            slow.line.waiting = 1
            answer = await slow.play()
            await asyncio.sleep(stall)
            assert slow.count(0) == 0
            slow.line.waiting = 0
            await asyncio.sleep(2)
            expected = (1.2 + stall) // GOP * GOP
            assert begins(slow) == pytest.approx(expected, abs=0.001)
            assert (slow.packets(0)[0].sequence == answer.first[0][0]) is (stall < 1)
            assert_whole(slow)


class TestMemory:
    @in_virtual_time
    async def test_no_more_is_kept_than_since_the_last_keyframe(self) -> None:
        async with studio_of(feed()) as studio:
            reader = studio.tcp()
            await reader.play()
            for _ in range(100):
                await asyncio.sleep(0.31)
                # Two that the last keyframe may lie in, and what is prepared.
                assert len(studio.broadcast._aired) <= 3 + broadcast_module.AHEAD

    @in_virtual_time
    async def test_what_was_made_for_all_is_let_go(self) -> None:
        """Readers choose their channels: what is kept for who comes later is not kept for each choice."""
        async with studio_of(Loop(Film(30.0, gop=250))) as studio:
            for tracks in ((0, 1), (0,), (1,)):
                await studio.tcp(*tracks).play()
            await asyncio.sleep(8.0)
            kept = studio.broadcast._aired
            assert len(kept) > 6
            assert 0 < sum(bool(aired._contiguous) for aired in kept) <= broadcast_module.SETTLED + 1

    @in_virtual_time
    async def test_what_is_kept_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        film = Film(30.0, gop=250)
        group = film.cached(1)
        assert group is not None
        monkeypatch.setattr(broadcast_module, "MAX_KEPT_BYTES", 8 * group.nbytes)
        async with studio_of(Loop(film)) as studio:
            watcher = studio.tcp()
            await watcher.play()
            await asyncio.sleep(15.0)
            assert len(studio.broadcast._aired) <= 1 + broadcast_module.AHEAD
            late = studio.tcp()
            answer = await late.play()
            await asyncio.sleep(15.0)
            # Not what was before: that is gone.
            assert late.packets(0)[0].sequence == answer.first[0][0]
            assert studio.media_time(0, late.packets(0)[0]) >= 14.9
            assert_whole(late)
            assert_whole(watcher)


class TestTrouble:
    @pytest.mark.parametrize("seconds", [0.3, 0.9, 7.0])
    @in_virtual_time
    async def test_a_machine_that_was_held_up(self, seconds: float) -> None:
        async with studio_of(feed()) as studio:
            reader = studio.tcp()
            await reader.play()
            await asyncio.sleep(2.0)
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            reports = len(reader.told)
            loop.hold_up(seconds)
            await asyncio.sleep(3.0)
            assert_whole(reader)
            reached = studio.media_time(0, reader.packets(0)[-1])
            if seconds < MAX_LATE:
                # What is a little late is caught up on.
                assert reached == pytest.approx(5.0 + seconds, abs=0.11)
            else:
                # What is later moves everything, and readers are told.
                assert reached == pytest.approx(5.0, abs=0.2)
                assert len(reader.told) > reports
                report = reader.told[-1].sender_report
                sender = studio.broadcast.senders[reader.told[-1].track]
                back = now() - reader.told[-1].time
                assert report.rtp == sender.timestamp(studio.broadcast.elapsed - back)

    @in_virtual_time
    async def test_a_feed_that_stalls(self) -> None:
        """Conformance H36."""
        async with studio_of(feed()) as studio:
            reader = studio.tcp()
            await reader.play()
            await asyncio.sleep(1.5)
            studio.feed.gate = asyncio.Event()
            await asyncio.sleep(10)
            count, stalled = reader.count(0), now()
            studio.feed.gate.set()
            await asyncio.sleep(0.05)
            assert reader.count(0) - count <= 100
            await asyncio.sleep(3)
            assert_whole(reader)
            later = reader.heard[0][count:]
            assert later[-1].time - later[0].time == pytest.approx(
                studio.media_time(0, later[-1].packet) - studio.media_time(0, later[0].packet), abs=0.1
            )
            assert later[0].time >= stalled

    @TRANSPORTS
    @in_virtual_time
    async def test_one_who_comes_while_it_stalls(self, transport: str) -> None:
        """There is nothing more to catch up on, and nothing comes twice meanwhile."""
        async with studio_of(feed()) as studio:
            watcher, late = studio.tcp(), studio.reader(transport)
            await watcher.play()
            await asyncio.sleep(1.5)
            studio.feed.gate = asyncio.Event()
            await asyncio.sleep(5)
            await late.play()
            await asyncio.sleep(5)
            assert late.packets(0)[-1] == watcher.packets(0)[-1]
            studio.feed.gate.set()
            await asyncio.sleep(3)
            assert_whole(late)


class TestRewire:
    @TRANSPORTS
    @in_virtual_time
    async def test_a_track_is_dropped(self, transport: str) -> None:
        async with studio_of(feed()) as studio:
            for wait in (0.2, 2.0):
                reader, other = studio.reader(transport), studio.reader(transport)
                await reader.play()
                await other.play()
                await asyncio.sleep(wait)
                count = reader.count(1)
                reader.player.rewire(reader.ssrcs(0), reader.carrier(0))
                await asyncio.sleep(3)
                assert reader.count(1) == count
                assert reader.gaps(0) == []
                assert_whole(other)
                assert len(reader.goodbyes(1)) == 1
                assert reader.goodbyes(0) == other.goodbyes(0) == other.goodbyes(1) == []
                assert reader.told[-1].track == 0
                reader.player.stop()
                assert (len(reader.goodbyes(0)), len(reader.goodbyes(1))) == (1, 1)

    @TRANSPORTS
    @in_virtual_time
    async def test_a_track_is_added_while_playing(self, transport: str) -> None:
        async with studio_of(feed()) as studio:
            reader = studio.reader(transport, 0)
            await reader.play()
            await asyncio.sleep(2.0)
            reader.player.rewire(reader.ssrcs(0, 1), reader.carrier(0, 1))
            answer = await reader.play()
            await asyncio.sleep(0.02)
            # It is told at once how the new track's time relates to the clock.
            assert {one.track for one in reader.told} == {0, 1}
            await asyncio.sleep(2)
            assert reader.packets(1)[0].sequence == answer.first[1][0]
            assert_whole(reader)

    @TRANSPORTS
    @in_virtual_time
    async def test_a_track_is_added_while_paused(self, transport: str) -> None:
        async with studio_of(feed()) as studio:
            watcher, reader = studio.tcp(), studio.reader(transport, 1)
            await watcher.play()
            await reader.play()
            await asyncio.sleep(2.0)
            reader.player.pause()
            reader.player.rewire(reader.ssrcs(0, 1), reader.carrier(0, 1))
            since = reader.count(1)
            answer = await reader.play()
            await asyncio.sleep(2)
            assert begins(reader) == pytest.approx(1.5, abs=0.001)
            for track in (0, 1):
                assert reader.packets(track, since * track)[0].sequence == answer.first[track][0]
            assert_whole(reader, (0, since))
            assert reader.goodbyes(0) == reader.goodbyes(1) == []

    @in_virtual_time
    async def test_another_way(self) -> None:
        """From a connection to ports, while paused: not a packet is lost."""
        async with studio_of(feed()) as studio:
            reader, ports = studio.tcp(), studio.udp()
            await reader.play()
            await asyncio.sleep(2.0)
            reader.player.pause()
            reader.player.rewire(reader.ssrcs(0, 1), ports.carrier(0, 1))
            before = [reader.packets(track)[-1].sequence for track in (0, 1)]
            await reader.play()
            await asyncio.sleep(2)
            # Alone, it has the stream begin anew: at the keyframe.
            assert begins(ports) == pytest.approx(1.5, abs=0.001)
            for track in (0, 1):
                assert reader.packets(track)[-1].sequence == before[track]
            assert_whole(ports)
            assert reader.goodbyes(0) == []


class TestEra:
    def test_processes_that_share_one_are_one_stream(self) -> None:
        era = Era(5.0, 42)
        one, same, other = (Broadcast(feed(), era, name) for name in ("a", "a", "b"))
        numbers = [
            [(sender.ssrc, sender.sequence, sender.offset) for sender in broadcast.senders.values()]
            for broadcast in (one, same, other)
        ]
        assert numbers[0] == numbers[1]
        assert one.origin == same.origin != other.origin
        assert {ssrc for ssrc, _, _ in numbers[0]}.isdisjoint(ssrc for ssrc, _, _ in numbers[2])

    @in_virtual_time
    async def test_each_has_its_own_where_none_is_given(self) -> None:
        one, other = Broadcast(feed()), Broadcast(feed())
        assert one.ssrc(0) != other.ssrc(0)


def _last_label(studio: Studio, seconds: float) -> bytes:
    label = studio.feed.film.labels(0, 0.0, seconds)[-1]
    return label.pts.to_bytes(8) + label.number.to_bytes(2)
