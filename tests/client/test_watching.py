"""Streams as applications use them, of our own server: frames, pauses, seeks, losses and reconnections."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from scripts.movies.marks import read_mark
from tests.client.scripted import ScriptedServer
from tests.server.raw import until

from reelcast.client import events
from reelcast.client.frame import Frame
from reelcast.client.reconnect import Reconnect
from reelcast.client.stream import Stream, Transport, connect
from reelcast.client.timeouts import Timeouts
from reelcast.errors import DeadlineError, MediaError, RemoteError, TransportError
from reelcast.media import decode
from reelcast.rtsp.states import State
from reelcast.server.app import Server

WAYS: tuple[Transport, ...] = ("udp", "tcp")
SOON = Reconnect(first=0.05, longest=0.1)


@pytest.fixture
async def server(movies: Path) -> AsyncIterator[Server]:
    server = Server(host="127.0.0.1", port=0)
    for name in ("movie.mp4", "movie-bframes.mp4", "movie.Mjpeg"):
        server.mount(f"/{name}", movies / name)
    server.mount("/live", movies / "movie.mp4", live=True)
    async with server:
        yield server


def url_of(server: Server, path: str = "movie.mp4") -> str:
    return f"rtsp://127.0.0.1:{server.port}/{path}"


def mark(frame: Frame) -> int | None:
    """The number that is written in the picture."""
    return read_mark(frame.to_ndarray("gray8"))


async def take(stream: Stream, count: int) -> list[Frame]:
    """The next frames, every one."""
    frames = stream.frames(every=True)
    return [await anext(frames) for _ in range(count)]


@pytest.mark.parametrize("transport", WAYS)
async def test_every_frame_in_order(server: Server, transport: Transport) -> None:
    async with connect(url_of(server, "movie-bframes.mp4"), transport=transport) as stream:
        frames = await take(stream, 60)
    assert [mark(frame) for frame in frames] == list(range(60))
    assert [frame.pts for frame in frames] == [pytest.approx(number / 25) for number in range(60)]
    assert frames[0].key
    assert not any(frame.corrupt for frame in frames)
    assert frames[0].to_ndarray().shape == (360, 640, 3)
    assert frames[0].to_image().size == (640, 360)


async def test_wall_clock_times_are_the_server_s(server: Server) -> None:
    """Within 5 ms of the clock after the first report: both ends have one clock here."""
    async with connect(url_of(server, "live"), transport="udp") as stream:
        latencies: list[float] = []
        async for received in stream.units():
            if received.track.kind == "video" and received.clock == "sender":
                assert received.time is not None
                (video, _) = stream.statistics()
                assert video.clock == "sender"
                assert video.latency is not None
                latencies += [time.time() - received.time, video.latency]
                if received.pts > 2.0:
                    break
    # A frame is timed when it is due, and leaves within a tick of that; some do on a busy machine too.
    assert min(latencies) > -0.1
    assert min(latencies) < 0.5


async def test_sight_and_sound(server: Server) -> None:
    async with connect(url_of(server)) as stream:
        found: dict[str, list[Frame]] = {"video": [], "audio": []}
        async for frame in stream.frames(("video", "audio"), every=True):
            found[frame.track.kind].append(frame)
            if min(map(len, found.values())) >= 40:
                break
    samples = found["audio"][5].to_ndarray()
    assert samples.dtype == np.float32
    assert samples.shape == (1024, 2)
    with pytest.raises(TypeError, match="heard, not seen"):
        found["audio"][0].to_image()


async def test_the_newest_frame_wins(server: Server) -> None:
    async with connect(url_of(server)) as stream:
        frames = stream.frames()
        first = await anext(frames)
        await asyncio.sleep(1.0)  # a reader that takes its time
        second = await anext(frames)
        third = await anext(frames)
    assert second.pts > first.pts + 0.5
    assert third.pts > second.pts
    assert second.arrival > first.arrival + 0.5


async def test_waiting_for_a_frame_can_be_cancelled(server: Server) -> None:
    async with connect(url_of(server)) as stream:
        frames = stream.frames(every=True)
        marks = [mark(await anext(frames))]
        while len(marks) < 10:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.005):
                    marks.append(mark(await anext(frames)))
    assert marks == list(range(10))


async def test_one_reader_takes_the_place_of_another(server: Server) -> None:
    async with connect(url_of(server)) as stream:
        before = stream.frames(every=True)
        await anext(before)
        await take(stream, 2)
        rest = [frame async for frame in before]
    assert len(rest) <= 4


async def test_nobody_decodes_for_nobody(server: Server) -> None:
    async with connect(url_of(server)) as stream:
        frames = stream.frames()
        await anext(frames)
        pump = frames._pump
        del frames
        stream.units()
        gc.collect()
        assert pump is not None
        async with asyncio.timeout(5):
            await pump


@pytest.mark.parametrize("transport", WAYS)
@pytest.mark.parametrize("name", ["movie.mp4", "movie-bframes.mp4", "movie.Mjpeg"])
async def test_pause_loses_no_frame(server: Server, name: str, transport: Transport) -> None:
    async with connect(url_of(server, name), transport=transport) as stream:
        frames = stream.frames(every=True)
        shown = [await anext(frames) for _ in range(10)]
        await stream.pause()
        states = [stream.state]
        await asyncio.sleep(0.3)
        await stream.play()
        assert [*states, stream.state] == [State.PAUSED, State.PLAYING]
        shown += [await anext(frames) for _ in range(30)]
    assert [frame.pts for frame in shown] == [pytest.approx(number / 25) for number in range(40)]
    if name != "movie.Mjpeg":
        assert [mark(frame) for frame in shown] == list(range(40))


@pytest.mark.parametrize("transport", WAYS)
async def test_seeking(server: Server, transport: Transport) -> None:
    async with connect(url_of(server), transport=transport) as stream:
        frames = stream.frames(every=True)
        first = await anext(frames)
        for place, keyframe in ((10.0, 250), (4.5, 100)):
            await stream.seek(place)
            shown = await anext(frames)
            while shown.segment == first.segment:  # decoded before the seek
                shown = await anext(frames)
            assert mark(shown) == keyframe
            assert shown.pts == pytest.approx(keyframe / 25)
            first = shown


async def test_a_place_that_is_not_there_leaves_it_where_it_was(server: Server) -> None:
    async with connect(url_of(server), transport="tcp") as stream:
        frames = stream.frames(every=True)
        await anext(frames)
        with pytest.raises(RemoteError, match="457"):
            await stream.seek(1000.0)
        assert stream.state is State.PAUSED
        await stream.play()
        shown = [mark(await anext(frames)) for _ in range(20)]
        assert shown == list(range(1, 21))


async def test_a_reader_that_does_not_read_can_still_pause_and_seek(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over TCP the server is held back, but its answers are heard."""
    monkeypatch.setattr("reelcast.client.queue.MAX_QUEUED_UNITS", 4)
    async with connect(url_of(server), transport="tcp", timeout=3.0) as stream:
        units = stream.units()
        await anext(units)
        await until(lambda: stream._queue.full)
        await stream.pause()
        await stream.play(at=10.0)
        received = await anext(units)
        assert received.pts == pytest.approx(10.0, abs=0.1)


async def test_seeking_while_paused(server: Server) -> None:
    async with connect(url_of(server)) as stream:
        frames = stream.frames(every=True)
        before = await anext(frames)
        await stream.pause()
        await stream.seek(12.0)
        assert stream.state is State.PAUSED
        assert stream.position == 12.0
        await stream.play()
        shown = await anext(frames)
        while shown.segment == before.segment:
            shown = await anext(frames)
        assert mark(shown) == 300


async def test_to_the_end_and_back(server: Server) -> None:
    told: list[events.Event] = []
    async with connect(url_of(server), at=19.0, on_event=told.append) as stream:
        shown = [frame async for frame in stream.frames(every=True)]
        assert [mark(frame) for frame in shown][-5:] == list(range(495, 500))
        await stream.play(at=2.0)
        again = await take(stream, 3)
        assert [mark(frame) for frame in again] == [50, 51, 52]
    assert told.count(events.Ended(None)) == 2


async def test_set_up_now_and_play_later(server: Server) -> None:
    async with connect(url_of(server), play=False) as stream:
        assert stream.state is State.READY
        assert stream.duration == pytest.approx(20.0, abs=0.1)
        assert [track.codec for track in stream.tracks] == ["h264", "aac"]
        await stream.play(at=8.0)
        assert mark((await take(stream, 1))[0]) == 200


async def test_another_speed_is_the_server_s_choice(server: Server) -> None:
    async with connect(url_of(server), scale=2.0) as stream:
        assert stream.scale in (1.0, 2.0)
        await take(stream, 2)


async def test_a_stream_that_is_not_there(server: Server) -> None:
    with pytest.raises(RemoteError, match="404") as caught:
        async with connect(url_of(server, "nothing.mp4")):
            pass
    assert caught.value.url.endswith("/nothing.mp4")


async def test_nothing_can_decode_it(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "_VIDEO", {})
    async with connect(url_of(server)) as stream:
        with pytest.raises(MediaError, match="no decoder for h264"):
            await anext(stream.frames())


# Losses


async def test_it_comes_back_with_the_server(movies: Path) -> None:
    """One timeline over the server's restart; times go on, and the program is told."""
    told: list[events.Event] = []
    first = Server(host="127.0.0.1", port=0)
    first.mount("/live", movies / "movie.mp4", live=True)
    await first.start()
    port = first.port
    async with connect(
        f"rtsp://127.0.0.1:{port}/live", transport="tcp", reconnect=SOON, on_event=told.append
    ) as stream:
        frames = stream.frames(every=True)
        before = [await anext(frames) for _ in range(5)]
        await first.stop()
        second = Server(host="127.0.0.1", port=port)
        second.mount("/live", movies / "movie.mp4", live=True)
        async with second:
            async with asyncio.timeout(20):
                after = await anext(frames)
                while after.segment == before[-1].segment:
                    before.append(after)
                    after = await anext(frames)
            assert after.pts > before[-1].pts
            assert after.key
            units = stream.statistics()[0].units
            assert units > len(before)
    kinds = [type(event) for event in told]
    assert kinds[0] is events.Connected
    assert kinds.index(events.Disconnected) < kinds.index(events.Waiting)
    assert kinds.count(events.Connected) == 2
    assert told[-1] == events.Ended(None)


async def test_a_movie_goes_on_where_it_was(server: Server) -> None:
    async with connect(url_of(server), transport="tcp", reconnect=SOON, at=6.0) as stream:
        frames = stream.frames(every=True)
        shown = [await anext(frames) for _ in range(5)]
        for connection in list(server._connections):
            connection._transport.abort()
        after = await anext(frames)
        while after.segment == shown[-1].segment:
            after = await anext(frames)
        assert 6.0 <= after.pts <= 9.0


async def test_a_movie_that_is_lost_while_paused_stays_paused(server: Server) -> None:
    told: list[events.Event] = []
    set_up = asyncio.Event()

    def watch(event: events.Event) -> None:
        told.append(event)

    async with connect(
        url_of(server),
        transport="tcp",
        reconnect=SOON,
        at=6.0,
        on_event=watch,
        on_message=lambda message: (
            set_up.set() if message.sent and message.text.startswith("SETUP") and told[1:] else None
        ),
    ) as stream:
        frames = stream.frames(every=True)
        before = await anext(frames)
        await stream.pause()
        for connection in list(server._connections):
            connection._transport.abort()
        await set_up.wait()
        async with stream._lock:
            assert stream.state is State.READY
        await stream.play()
        after = await anext(frames)
        while after.segment == before.segment:
            after = await anext(frames)
        assert 6.0 <= after.pts <= 9.0
    assert [type(event) for event in told].count(events.Connected) == 2


async def test_it_gives_up_as_told(server: Server) -> None:
    told: list[events.Event] = []
    policy = Reconnect(attempts=2, first=0.01, longest=0.01)
    async with connect(
        url_of(server, "live"), transport="tcp", reconnect=policy, on_event=told.append
    ) as stream:
        units = stream.units()
        await anext(units)
        await server.stop()
        with pytest.raises(TransportError, match="cannot connect"):
            async for _ in units:
                pass
    assert [event.attempt for event in told if isinstance(event, events.Waiting)] == [1, 2]
    ended = [event for event in told if isinstance(event, events.Ended)]
    assert isinstance(ended[0].error, TransportError)


async def test_closing_while_it_looks_for_the_server(server: Server) -> None:
    waiting = asyncio.Event()

    def watch(event: events.Event) -> None:
        if isinstance(event, events.Waiting):
            waiting.set()

    stream = connect(url_of(server, "live"), reconnect=Reconnect(first=60.0), on_event=watch)
    await stream.open()
    units = stream.units()
    await server.stop()
    await waiting.wait()
    assert stream.state is State.INIT
    await stream.close()
    rest = [received async for received in units]
    assert len(rest) < 1000


# Servers that do nothing


async def test_a_camera_that_accepts_and_says_nothing() -> None:
    async with ScriptedServer() as camera:
        camera.answers["OPTIONS"] = lambda _: None
        with pytest.raises(DeadlineError, match="no answer to OPTIONS within") as caught:
            async with connect(camera.url, timeout=0.2):
                pass
        assert caught.value.peer == f"127.0.0.1:{camera.port}"


@pytest.mark.parametrize("timeout", [0.4, Timeouts(first_packet=0.4)], ids=["in all", "for media"])
async def test_a_camera_that_answers_everything_and_sends_nothing(timeout: float | Timeouts) -> None:
    """Over UDP, then over TCP, within the time for both; and no session is left behind."""
    told: list[events.Event] = []
    async with ScriptedServer() as camera:
        with pytest.raises(DeadlineError, match="no media within") as caught:
            async with connect(camera.url, timeout=timeout, on_event=told.append):
                pass
        assert caught.value.url == camera.url
        assert camera.methods.count("SETUP") == camera.methods.count("TEARDOWN") == 2
    assert [type(event) for event in told] == [events.FellBack]
