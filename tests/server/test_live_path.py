"""A live path from what feeds it to its readers, over real sockets: what comes, and what becomes of readers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from tests.server.raw import until

from reelcast.client.stream import Stream, connect
from reelcast.errors import ProtocolError, RemoteError
from reelcast.rtp.intake import Clock, ReceivedUnit
from reelcast.server import live as module
from reelcast.server.app import Server
from reelcast.server.live import Feeding, Live, LivePolicy, Origin
from reelcast.track import AccessUnit, Track

SETS = (b"\x67\x42\xc0\x1e\xd9\x00\xa0\x47\xfe\xc8", b"\x68\xce\x38\x80")
OTHER_SETS = (b"\x67\x42\xc0\x1e\xd9\x00\xa0\x47\xfe\xd0", b"\x68\xce\x38\x80")
VIDEO = Track("video", "h264", 90_000, 96, parameter_sets=SETS, control="streamid=0")
AUDIO = Track("audio", "aac", 48_000, 97, channels=2, config=b"\x11\x90", control="streamid=1")
FRAME = 3600
TRANSPORTS = pytest.mark.parametrize("transport", ["udp", "tcp"])


class Publisher:
    """Feeds a path by hand: frames of 40 ms, as fast as it is told to."""

    def __init__(
        self, live: Live, *, first: int = 1_000, by: str = "us", video: Track = VIDEO, ahead: float = 0.0
    ) -> None:
        self.displaced = False
        self.tracks = (video, AUDIO)
        self.count = 0
        self._first = first
        self._wall = time.time() + ahead
        self.feeding: Feeding = live.feed(self.tracks, by, self._displace)

    def _displace(self) -> None:
        self.displaced = True

    def frame(
        self,
        *,
        keyframe: bool = False,
        corrupt: bool = False,
        holes: tuple[bool, bool] = (False, False),
        leap: int = 0,
        big: int = 0,
    ) -> bytes:
        """Put a picture and the sound beside it, behind holes in the one or the other; the picture's data."""
        self._first += leap
        number, self.count = self.count, self.count + 1
        slice_ = bytes([0x65 if keyframe else 0x41, 0x88]) + b"%06d" % number * (20 + big)
        data = b"".join(
            b"\0\0\0\1" + nal for nal in ((*self.tracks[0].parameter_sets, slice_) if keyframe else (slice_,))
        )
        stamp = (self._first + number * FRAME) & 0xFFFFFFFF
        picture = AccessUnit(data, stamp, stamp, keyframe)
        self.put(self.tracks[0], picture, number * 0.04, corrupt=corrupt, hole=holes[0])
        sound = AccessUnit(number.to_bytes(4) * 8, number * 1920, number * 1920)
        self.put(self.tracks[1], sound, number * 0.04, hole=holes[1])
        return data

    def put(
        self, track: Track, unit: AccessUnit, place: float, *, corrupt: bool = False, hole: bool = False
    ) -> None:
        now, wall = time.monotonic(), self._wall + place
        self.feeding.put(ReceivedUnit(track, unit, place, wall, "sender", now, corrupt, hole=hole))


@asynccontextmanager
async def served(
    policy: LivePolicy | None = None, origin: Origin | None = None
) -> AsyncIterator[tuple[Server, Live, str]]:
    server = Server("127.0.0.1", 0)
    live = Live("/cam", policy, origin=origin)
    server.mount("/cam", live)
    async with server:
        yield server, live, f"rtsp://127.0.0.1:{server.port}/cam"


async def pictures(stream: Stream, count: int) -> list[ReceivedUnit]:
    found: list[ReceivedUnit] = []
    async for received in stream.units():
        if received.track.kind == "video":
            found.append(received)
            if len(found) == count:
                break
    return found


async def reading(url: str, transport: str = "tcp") -> Stream:
    """A stream that is open, and does not come back by itself."""
    stream = connect(url, transport="tcp" if transport == "tcp" else "udp", reconnect=False)
    await stream.open()
    return stream


class TestReaders:
    @TRANSPORTS
    async def test_who_comes_late_gets_the_picture_that_is_on_at_once(self, transport: str) -> None:
        """From the last keyframe on, bit by bit, although the next one never comes."""
        async with served() as (_, live, url):
            publisher = Publisher(live)
            old = publisher.frame(keyframe=True)
            sent = [publisher.frame(keyframe=number == 0) for number in range(5)]
            async with await reading(url, transport) as stream:
                sent += [publisher.frame() for _ in range(5)]
                seen = await pictures(stream, 10)
        assert old not in sent
        assert [received.unit.data for received in seen] == sent
        assert seen[0].unit.keyframe
        assert not any(received.corrupt for received in seen)
        assert [round(after.pts - before.pts, 3) for before, after in pairwise(seen)] == [0.04] * 9

    async def test_nobody_publishes(self) -> None:
        async with served() as (_, _, url):
            with pytest.raises(RemoteError) as caught:
                await reading(url)
        assert caught.value.status == 404

    async def test_it_is_described_in_our_own_words(self) -> None:
        async with served() as (_, live, _):
            Publisher(live)
            assert [track.control for track in live.tracks] == ["trackID=1", "trackID=2"]
            assert live.tracks[0].parameter_sets == SETS

    async def test_descriptions_follow_what_is_sent(self) -> None:
        async with served() as (_, live, url):
            publisher = Publisher(live)
            before = (await live.source()).origin
            publisher.tracks = (replace(VIDEO, parameter_sets=OTHER_SETS), AUDIO)
            publisher.feeding = live.feeding or publisher.feeding
            data = b"".join(b"\0\0\0\1" + nal for nal in (*OTHER_SETS, b"\x65\x88" + bytes(range(1, 50))))
            publisher.put(VIDEO, AccessUnit(data, 0, 0, True), 0.0)
            assert live.tracks[0].parameter_sets == OTHER_SETS
            assert (await live.source()).origin != before
            async with await reading(url) as stream:
                assert stream.tracks[0].parameter_sets == OTHER_SETS

    async def test_what_was_lost_on_the_way_to_us_is_known_to_readers(self) -> None:
        async with served() as (_, live, url):
            publisher = Publisher(live)
            publisher.frame(keyframe=True)
            async with await reading(url) as stream:
                for corrupt, hole in ((False, False), (True, True), (True, False), (False, False)):
                    publisher.frame(keyframe=not corrupt, corrupt=corrupt, holes=(hole, False))
                seen = await pictures(stream, 5)
        assert [received.corrupt for received in seen] == [False, False, True, True, False]
        assert [received.hole for received in seen] == [False, False, True, False, False]

    async def test_so_is_sound_that_was_lost(self) -> None:
        async with served() as (_, live, url):
            publisher = Publisher(live)
            publisher.frame(keyframe=True)
            async with await reading(url) as stream:
                for hole in (False, True, False, True, True):
                    publisher.frame(holes=(False, hole))
                units = stream.units()
                seen: list[ReceivedUnit] = []
                while sum(each.track.kind == "audio" for each in seen) < 6:
                    seen.append(await anext(units))
        heard = [each.hole for each in seen if each.track.kind == "audio"]
        assert heard == [False, False, True, False, True, True]
        assert not any(each.hole or each.corrupt for each in seen if each.track.kind == "video")

    async def test_the_publishers_clock_is_carried_on(self) -> None:
        """An hour ahead of ours, and readers are told so, by each track's report."""
        async with served() as (_, live, url):
            publisher = Publisher(live, ahead=3600.0)
            publisher.frame(keyframe=True)
            async with await reading(url) as stream:
                units = stream.units()
                told: dict[str, ReceivedUnit] = {}
                while len(told) < 2:
                    publisher.frame()
                    received = await anext(units)
                    if received.clock == "sender":
                        told[received.track.kind] = received
                    await asyncio.sleep(0.01)
        for received in told.values():
            assert received.time == pytest.approx(publisher._wall + received.pts, abs=0.005)

    async def test_timestamps_that_leap_are_smoothed(self) -> None:
        async with served() as (_, live, url):
            publisher = Publisher(live)
            publisher.frame(keyframe=True)
            async with await reading(url) as stream:
                for leap in (0, 1 << 30, 0, -(1 << 30), 0):
                    publisher.frame(leap=leap)
                seen = await pictures(stream, 6)
        steps = [after.pts - before.pts for before, after in pairwise(seen)]
        assert all(0 < step < 0.2 for step in steps)
        assert live.statistics().leaps == 2

    async def test_a_path_may_be_fed_while_the_application_listens_in(self) -> None:
        heard: list[ReceivedUnit] = []
        async with served() as (_, live, _):
            publisher = Publisher(live)
            end = live.tap(heard.append)
            sent = publisher.frame(keyframe=True)
            again = Publisher(live) if live.feeding is None else publisher
            again.frame(leap=-(1 << 29))
            end()
            end()
            publisher.frame()
        assert [received.track.control for received in heard] == ["trackID=1", "trackID=2"] * 2
        assert heard[0].unit.data == sent
        assert 0 <= heard[2].pts - heard[0].pts < 0.2
        assert heard[0].time == pytest.approx(time.time(), abs=5)

    async def test_sound_is_recorded_where_its_publisher_says(self) -> None:
        """Reports that come late, as GStreamer's do: until then it stands where it came."""
        heard: list[ReceivedUnit] = []
        async with served() as (_, live, _):
            publisher = Publisher(live)
            live.tap(heard.append)
            for number in range(20):
                clock: Clock = "estimated" if number < 10 else "sender"
                now, place = time.monotonic(), number * 0.04
                for track, late, rate in ((VIDEO, 0.0, 90_000), (AUDIO, 0.06, 48_000)):
                    wall = 1e9 + place + (late if clock == "sender" else 0.0)
                    unit = AccessUnit(b"\0\0\0\1\x65\x88", round(place * rate), 0)
                    publisher.feeding.put(ReceivedUnit(track, unit, place, wall, clock, now))
        apart = [
            round(sound.pts - picture.pts, 3) for picture, sound in zip(heard[::2], heard[1::2], strict=True)
        ]
        assert apart == [0.0] * 10 + [0.06] * 10


class TestPublishers:
    @TRANSPORTS
    async def test_readers_stay_when_a_publisher_comes_back(
        self, transport: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """With other timestamps, and other parameter sets, which go in-band."""
        caplog.set_level(logging.INFO, "reelcast")
        async with served() as (_, live, url):
            first = Publisher(live, by="camera A")
            sent = [first.frame(keyframe=True), first.frame()]
            async with await reading(url, transport) as stream:
                before = await pictures(stream, 2)
                first.feeding.end("it fell off the wall")
                first.feeding.end("and again")
                await asyncio.sleep(0.3)
                other = replace(VIDEO, parameter_sets=OTHER_SETS)
                second = Publisher(live, by="camera B", first=4_000_000_000, video=other)
                first.frame()
                second.frame()
                sent += [second.frame(keyframe=True), second.frame()]
                after = await pictures(stream, 2)
        seen = before + after
        assert [received.unit.data for received in seen] == sent
        assert OTHER_SETS[0] in after[0].unit.data
        assert 0.25 < after[0].pts - before[0].pts < 3.0
        assert after[1].pts - after[0].pts == pytest.approx(0.04, abs=1e-4)
        assert "camera A has ended (it fell off the wall)" in caplog.text
        assert "camera B goes on with it" in caplog.text
        assert live.statistics().feedings == 2

    async def test_readers_of_other_tracks_have_to_ask_anew(self) -> None:
        async with served() as (_, live, url):
            first = Publisher(live)
            first.frame(keyframe=True)
            async with await reading(url) as stream:
                await pictures(stream, 1)
                first.feeding.end()
                feeding = live.feed((AUDIO,), "a radio", lambda: None)
                assert [received async for received in stream.units() if received.track.kind == "video"] == []
            feeding.put(
                ReceivedUnit(AUDIO, AccessUnit(b"x" * 9, 0, 0), 0.0, None, "estimated", time.monotonic())
            )
            async with await reading(url) as again:
                assert [track.codec for track in again.tracks] == ["aac"]
                assert (await anext(again.units())).unit.data == b"x" * 9

    @pytest.mark.parametrize("asked", [True, False])
    async def test_readers_are_told_goodbye_when_nobody_comes_back(self, asked: bool) -> None:
        over: list[bool] = []
        async with served(LivePolicy(patience=0.2)) as (_, live, url):
            live.on_over = (lambda: over.append(True)) if asked else None
            publisher = Publisher(live)
            publisher.frame(keyframe=True)
            async with await reading(url) as stream:
                publisher.feeding.end()
                assert len([received async for received in stream.units()]) == 2
            assert over == [True] * asked
            with pytest.raises(ProtocolError, match="nobody publishes"):
                await live.source()

    async def test_one_at_a_time(self) -> None:
        async with served() as (_, live, _):
            first = Publisher(live, by="the first")
            with pytest.raises(ProtocolError, match="is being published by the first") as caught:
                Publisher(live)
            assert caught.value.status == 403
            assert not first.displaced

    async def test_unless_it_seems_to_be_gone(self) -> None:
        async with served() as (_, live, _):
            first = Publisher(live)
            first.feeding.forsaken = True
            Publisher(live, by="the second")
            assert first.displaced
            assert live.statistics().by == "the second"

    async def test_unless_taking_over_is_allowed(self) -> None:
        async with served(LivePolicy(take_over=True)) as (_, live, url):
            first = Publisher(live)
            first.frame(keyframe=True)
            async with await reading(url) as stream:
                await pictures(stream, 1)
                second = Publisher(live, by="the second")
                assert first.displaced
                first.frame(keyframe=True)
                sent = second.frame(keyframe=True)
                assert (await pictures(stream, 1))[0].unit.data == sent
            assert live.statistics().by == "the second"


class Camera:
    """See `reelcast.server.live.Origin`; it delivers at once, or when it is let."""

    def __init__(self, *, on_demand: bool = True, delivers: bool = True) -> None:
        self.on_demand = on_demand
        self.trouble = ""
        self.delivers = delivers
        self.started = self.stopped = 0
        self.publisher: Publisher | None = None

    def start(self, live: Live) -> None:
        self.started += 1
        if self.delivers:
            self.publisher = Publisher(live, by="a camera")
            self.publisher.frame(keyframe=True)

    def stop(self) -> None:
        self.stopped += 1
        if self.publisher is not None:
            self.publisher.feeding.end("stopped")


class TestOrigins:
    async def test_one_that_is_always_on(self) -> None:
        camera = Camera(on_demand=False)
        async with served(origin=camera) as (server, live, url):
            assert camera.started == 1
            async with await reading(url) as stream:
                await pictures(stream, 1)
            other = Live("/other", origin=(late := Camera(on_demand=False)))
            server.mount("/other", other)
            assert late.started == 1
        assert camera.started == camera.stopped == 1
        assert live.feeding is None

    async def test_on_demand(self) -> None:
        """The first reader has it fetched, and the last one's leaving lets it go, after a while."""
        camera = Camera()
        async with served(LivePolicy(linger=0.5), camera) as (_, live, url):
            assert camera.started == 0
            async with await reading(url) as stream, await reading(url):
                await pictures(stream, 1)
                await asyncio.sleep(0.8)
                assert (camera.started, camera.stopped) == (1, 0)
            await until(lambda: camera.stopped == 1)
            assert live.feeding is None
            async with await reading(url) as stream:
                await pictures(stream, 1)
                assert camera.started == 2

    async def test_who_only_asks_what_there_is_has_it_let_go_too(self) -> None:
        camera = Camera()
        async with served(LivePolicy(linger=0.05), camera) as (_, live, _):
            await live.source()
            await until(lambda: camera.stopped == 1)

    async def test_one_that_does_not_come(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "OPENING_SECONDS", 0.1)
        async with served(origin=Camera(delivers=False)) as (_, _, url):
            with pytest.raises(RemoteError) as caught:
                await reading(url)
        assert caught.value.status == 504

    async def test_one_that_comes_late(self) -> None:
        camera = Camera(delivers=False)
        async with served(origin=camera) as (_, live, url):
            opening = asyncio.create_task(reading(url))
            await until(lambda: camera.started == 1)
            Publisher(live).frame(keyframe=True)
            async with await opening as stream:
                await pictures(stream, 1)


async def test_paths_of_publishers(folder: Path) -> None:
    """Made when they are published to, gone when that is over; not where something else is."""
    server = Server("127.0.0.1", 0)
    server.mount("/movie", folder / "short.mp4")
    async with server:
        mounts = server._mounts
        with pytest.raises(ProtocolError, match="no live path") as caught:
            mounts.publish_to("/movie")
        assert caught.value.status == 405
        live = mounts.publish_to("/new%20one", LivePolicy(patience=0.05))
        assert mounts.publish_to("/new one") is live
        publisher = Publisher(live)
        assert "/new%20one" in list(mounts.paths())
        publisher.feeding.end()
        await until(lambda: "/new%20one" not in list(mounts.paths()))
