"""Streams that are opened, played, closed, lost and let go at the wrong moment; against a scripted server."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable

import pytest
from tests.client.scripted import SDP, ScriptedServer, audio, goodbye, reply, sender_report
from tests.server.raw import until

from reelcast.client import events, lifetime, session
from reelcast.client.frame import Frame as Shown
from reelcast.client.reconnect import Reconnect
from reelcast.client.session import Session
from reelcast.client.stream import Stream, connect
from reelcast.client.timeouts import Timeouts
from reelcast.errors import DeadlineError, ReelcastError, RemoteError, TransportError
from reelcast.rtsp.message import Frame
from reelcast.rtsp.states import State

SOON = Reconnect(first=0.01, longest=0.02)
LIVE = SDP.replace(b"a=range:npt=0-8\r\n", b"")
TWO_TRACKS = SDP + b"m=audio 0 RTP/AVP 8\r\na=control:track2\r\n"


@pytest.fixture(autouse=True)
def _short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifetime, "TICK", 0.02)
    for name in ("TICK", "END_SILENCE"):
        monkeypatch.setattr(session, name, 0.02)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        server.answers["PAUSE"] = reply()
        server.on_play = sends(3)
        yield server


def sends(count: int, *, leaves: bool = False) -> Callable[[ScriptedServer], None]:
    """What a server does behind the answer to PLAY: some packets, and the end of the presentation."""

    def play(server: ScriptedServer) -> None:
        server.send_media(*map(audio, range(count)))
        if leaves:
            server.send_media(goodbye(), channel=1)

    return play


def watched(server: ScriptedServer, reconnect: Reconnect = SOON) -> tuple[Stream, list[events.Event]]:
    """A stream over TCP, and what is told of it."""
    told: list[events.Event] = []
    stream = connect(server.url, transport="tcp", timeout=5.0, reconnect=reconnect, on_event=told.append)
    return stream, told


def decoders() -> int:
    """Threads that decode."""
    return sum(thread.name.startswith("reelcast-decode") for thread in threading.enumerate())


# Opening and closing


async def test_playing_long_after_setting_up(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline for the opening is none for what is played later."""
    async with connect(server.url, transport="tcp", timeout=20.0, play=False) as stream:
        assert stream._link.session is not None
        loop = asyncio.get_running_loop()
        true_time = loop.time
        monkeypatch.setattr(loop, "time", lambda: true_time() + 1000)
        await stream.play()
        await anext(stream.units())


async def test_a_machine_that_stood_still(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came meanwhile is read before anybody is found to be silent."""
    server.on_play = sends(1)
    stream, _ = watched(server)
    async with stream:
        units = stream.units()
        first = await anext(units)
        assert stream._link.session is not None
        looks = stream._link.session._lifetime
        pending = looks._tick
        loop = asyncio.get_running_loop()
        true_time = loop.time
        monkeypatch.setattr(loop, "time", lambda: true_time() + 1000)
        await until(lambda: looks._tick is not pending)
        server.send_media(audio(1))
        assert (await anext(units)).segment == first.segment


async def test_a_machine_that_stands_still_again_and_again(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence is found on it too, if later."""
    monkeypatch.setattr(lifetime, "STALL", 0.0)
    timeout = Timeouts(silence=0.1)
    async with connect(server.url, transport="tcp", timeout=timeout, reconnect=False) as stream:
        with pytest.raises(DeadlineError, match=r"silent for 0\.1 s"):
            assert len([unit async for unit in stream.units()]) == 3


async def test_closing_while_another_task_opens(server: ScriptedServer) -> None:
    server.answers["PLAY"] = lambda _: None
    stream, _ = watched(server)
    opening = asyncio.create_task(stream.open())
    await server.until(lambda: "PLAY" in server.methods)
    await asyncio.gather(stream.close(), stream.close())
    with pytest.raises(ReelcastError, match="the stream was closed meanwhile"):
        await opening
    assert server.methods[-1] == "TEARDOWN"


@pytest.mark.parametrize("name", ["open", "play", "pause"])
async def test_what_is_closed_stays_closed(server: ScriptedServer, name: str) -> None:
    stream, told = watched(server)
    async with stream:
        pass
    with pytest.raises(ReelcastError, match=f"{server.url}: the stream is closed"):
        await getattr(stream, name)()
    await stream.close()
    assert told[-1] == events.Ended(None)
    assert told.count(events.Ended(None)) == 1


async def test_opening_twice_is_opening_once(server: ScriptedServer) -> None:
    stream, _ = watched(server)
    await asyncio.gather(stream.open(), stream.open())
    await stream.close()
    assert server.connections == 1


async def test_opening_again_what_was_given_up(server: ScriptedServer) -> None:
    stream, _ = watched(server, Reconnect(attempts=1, first=0.01))
    await stream.open()
    description = server.answers["DESCRIBE"]
    server.answers["DESCRIBE"] = reply(404)
    server.hang_up()
    with pytest.raises(RemoteError, match="404"):
        async for _ in stream.units():
            pass
    server.answers["DESCRIBE"] = description
    await stream.open()
    await anext(stream.units())
    await stream.close()


async def test_a_decoder_ends_with_its_stream(server: ScriptedServer) -> None:
    async with connect(server.url, transport="tcp", timeout=5.0) as stream:
        frames = stream.frames(("audio",), every=True)
        await anext(frames)
        assert decoders() == 1
    await until(lambda: decoders() == 0)
    rest = [frame async for frame in frames]
    assert len(rest) <= 2


async def test_a_decoder_ends_when_nobody_has_it(server: ScriptedServer) -> None:
    async with connect(server.url, transport="tcp", timeout=5.0) as stream:
        async for _ in stream.frames(("audio",)):
            break
        gc.collect()
        await until(lambda: decoders() == 0)


async def test_a_reader_that_is_replaced_before_it_began(server: ScriptedServer) -> None:
    """It meets the end, and is not cancelled."""
    async with connect(server.url, transport="tcp", timeout=5.0) as stream:
        frames = stream.frames(("audio",))

        async def read() -> list[Shown]:
            return [frame async for frame in frames]

        reading = asyncio.create_task(read())
        await asyncio.sleep(0)
        stream.units()
        assert await reading == []


async def test_one_reader_takes_the_place_of_another(server: ScriptedServer) -> None:
    """Also while the one before waits: what comes is for the new one."""
    async with connect(server.url, transport="tcp", timeout=5.0) as stream:
        before = stream.units()
        for _ in range(3):
            await anext(before)
        waiting = asyncio.create_task(anext(before, None))
        await asyncio.sleep(0)
        units = stream.units()
        assert await waiting is None
        server.send_media(*map(audio, range(3, 6)))
        assert [round((await anext(units)).pts, 3) for _ in range(3)] == [0.06, 0.08, 0.1]
        assert await anext(before, None) is None


# Losses


async def test_opening_what_is_being_looked_for(server: ScriptedServer) -> None:
    stream, told = watched(server, Reconnect(first=0.1, longest=0.1))
    async with stream:
        server.hang_up()
        await until(lambda: any(isinstance(event, events.Waiting) for event in told))
        await stream.open()
        with pytest.raises(ReelcastError, match="the stream is not open"):
            await stream.play()
        await until(lambda: told.count(events.Connected("tcp")) == 2)
        await anext(stream.units())
    assert server.methods.count("PLAY") == 2


async def test_closing_what_is_being_looked_for_is_told(server: ScriptedServer) -> None:
    stream, told = watched(server, Reconnect(first=60.0))
    async with stream:
        server.hang_up()
        await until(lambda: any(isinstance(event, events.Waiting) for event in told))
    assert told[-1] == events.Ended(None)


async def test_lost_again_before_it_was_seen_to_be_found(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection ends between the first packet and the task that waits for it."""
    first = Session.first
    lose = [False, True, False]

    async def lost_at_once(session: Session, seconds: float) -> None:
        await first(session, seconds)
        if lose.pop(0):
            session._lose(TransportError("lost at once"))

    monkeypatch.setattr(Session, "first", lost_at_once)
    stream, told = watched(server)
    async with stream:
        server.hang_up()
        await until(lambda: not lose)
        units = stream.units()
        while (await anext(units)).segment < 3:
            pass
    waits = [event for event in told if isinstance(event, events.Waiting)]
    assert [str(event.error) for event in waits][1:] == ["lost at once"]


async def test_a_fault_while_connecting_again_is_no_end(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up = Session.set_up
    faults: list[Exception] = []

    async def fail_once(session: Session, rtp_port: int | None = None) -> None:
        if server.connections == 2:
            faults.append(ZeroDivisionError("of all things"))
            raise faults[0]
        await set_up(session, rtp_port)

    monkeypatch.setattr(Session, "set_up", fail_once)
    stream, told = watched(server)
    async with stream:
        server.hang_up()
        await until(lambda: told.count(events.Connected("tcp")) == 2)
    assert len(faults) == 1
    assert any("of all things" in str(event) for event in told)


async def test_playing_again_when_the_server_has_hung_up(server: ScriptedServer) -> None:
    """Behind the end of a movie its server may close the connection."""
    server.on_play = sends(2, leaves=True)
    stream, told = watched(server)
    async with stream:
        assert len([unit async for unit in stream.units()]) == 2
        server.hang_up()
        await until(lambda: stream._link.session is not None and stream._link.session.lost)
        assert stream.state is State.PLAYING
        await stream.play(at=0.0)
        assert len([unit async for unit in stream.units()]) == 2
    assert server.connections == 2
    assert told.count(events.Ended(None)) == 2


async def test_playing_again_in_vain_leaves_it_over(server: ScriptedServer) -> None:
    server.on_play = sends(2, leaves=True)
    stream, _ = watched(server)
    async with stream:
        assert len([unit async for unit in stream.units()]) == 2
        server.answers["PLAY"] = reply(457)
        with pytest.raises(RemoteError, match="457"):
            await stream.play(at=100.0)
        assert [unit async for unit in stream.units()] == []


async def test_playing_again_when_the_server_is_back(server: ScriptedServer) -> None:
    """A movie is over, its server hangs up and refuses, and is there again later."""
    server.on_play = sends(2, leaves=True)
    stream, _ = watched(server)
    async with stream:
        assert len([unit async for unit in stream.units()]) == 2
        server.hang_up()
        await until(lambda: stream._link.session is not None and stream._link.session.lost)
        describe, server.answers["DESCRIBE"] = server.answers["DESCRIBE"], reply(503)
        for _ in range(2):
            with pytest.raises(RemoteError, match="503"):
                await stream.play(at=0.0)
        assert stream.state is State.INIT
        server.answers["DESCRIBE"] = describe
        await stream.play(at=0.0)
        assert len([unit async for unit in stream.units()]) == 2


async def test_a_live_source_has_no_places(server: ScriptedServer) -> None:
    """Its times go on over a seek, wherever that was to lead."""
    server.answers["DESCRIBE"] = reply(200, body=LIVE)
    stream, _ = watched(server)
    async with stream:
        units = stream.units()
        before = [await anext(units) for _ in range(3)]
        await stream.pause()
        await stream.seek(0.0)
        await stream.play()
        assert (await anext(units)).pts > before[-1].pts


async def test_a_reader_that_does_not_read_and_a_server_that_comes_back(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is held back from the start would never be heard to begin."""
    monkeypatch.setattr("reelcast.client.queue.MAX_QUEUED_UNITS", 2)
    stream, told = watched(server)
    async with stream:
        await until(lambda: stream._queue.full)
        assert isinstance(stream._link.session, Session)
        stream._link.session._dialogue.hold_back(False)
        server.hang_up()
        await until(lambda: told.count(events.Connected("tcp")) == 2)
    assert server.methods.count("PLAY") == 2


async def test_what_was_asked_for_is_asked_for_again(server: ScriptedServer) -> None:
    """Place and speed of a presentation."""
    range_of_reply = ("Range", "npt=2.000-8.000")
    server.answers["PLAY"] = reply(200, range_of_reply, ("Scale", "2.0"))
    stream, told = watched(server)
    async with stream:
        await stream.play(at=2.0, scale=2.0)
        assert stream.position >= 2.0
        server.hang_up()
        await until(lambda: told.count(events.Connected("tcp")) == 2)
    again = server.asked("PLAY")[-1]
    assert again.get("Scale") == "2.000"
    assert (again.get("Range") or "").startswith("npt=2.0")


async def test_figures_survive_an_attempt_that_came_half_way(server: ScriptedServer) -> None:
    set_up = server.answers["SETUP"]
    server.answers["DESCRIBE"] = reply(200, body=TWO_TRACKS)
    stream, told = watched(server)
    async with stream:
        server.answers["SETUP"] = lambda request: (
            reply(503)(request) if request.uri.endswith("track2") else set_up(request)
        )
        server.hang_up()
        await until(lambda: [type(event) for event in told].count(events.Waiting) >= 2)
        server.answers["SETUP"] = set_up
        await until(lambda: told.count(events.Connected("tcp")) == 2)
        await until(lambda: stream.statistics()[0].units == 6)


async def test_a_watcher_that_fails(server: ScriptedServer) -> None:
    """What the application does wrong does not keep the stream from coming back."""

    def fail(_: object) -> None:
        raise ZeroDivisionError

    async with connect(
        server.url, transport="tcp", timeout=5.0, reconnect=SOON, on_event=fail, on_message=fail
    ) as stream:
        server.hang_up()
        await until(lambda: server.methods.count("PLAY") == 2)
        await anext(stream.units())


async def test_that_it_is_connected_is_told_first(server: ScriptedServer) -> None:
    """Also where a sender report and the units behind it come in one piece."""

    def play(server: ScriptedServer) -> None:
        server.send(Frame(1, sender_report(0, 1 << 63)).to_bytes() + Frame(0, audio(0)).to_bytes())

    server.on_play = play
    stream, told = watched(server)
    async with stream:
        pass
    assert [type(event) for event in told] == [events.Connected, events.Synchronized, events.Ended]


async def test_a_source_that_leaves_and_another_that_comes(server: ScriptedServer) -> None:
    """A camera's encoder that starts anew says goodbye first; the stream is not over."""
    server.answers["DESCRIBE"] = reply(200, body=LIVE)
    stream, told = watched(server)
    async with stream:
        units = stream.units()
        for _ in range(3):
            await anext(units)
        server.send_media(goodbye(), channel=1)
        server.send_media(audio(100, ssrc=7))
        await anext(units)
        assert isinstance(stream._link.session, Session)
        assert not stream._link.session.receptions[0].intake.ended
    assert [type(event) for event in told][-1] is events.Ended


@pytest.mark.parametrize("host", ["a..b", "a" * 70])
async def test_a_name_that_no_host_can_have(host: str) -> None:
    with pytest.raises(TransportError, match="no host has a name like this") as caught:
        async with connect(f"rtsp://user:secret@{host}/movie"):
            pass
    assert "secret" not in str(caught.value)
