"""Relays: a camera comes, goes, comes back and is put right; its path is fed, and its readers stay."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from tests.client.cameras.camera import Camera
from tests.client.cameras.catalogue import CAMERAS
from tests.client.cameras.stage import Stage
from tests.client.scripted import SDP, SSRC, ScriptedServer, audio, goodbye, reply
from tests.server.raw import until

from reelcast.client.reception import Reception
from reelcast.client.reconnect import Reconnect
from reelcast.client.stream import Transport, connect
from reelcast.client.timeouts import Timeouts
from reelcast.errors import ProtocolError, RemoteError
from reelcast.net.tls import Tls
from reelcast.rtp.intake import ReceivedUnit
from reelcast.rtp.packet import Packet
from reelcast.server.app import Server
from reelcast.server.live import Feeding, Live, LivePolicy
from reelcast.station import relay as module
from reelcast.station.relay import Relay, leads_back

SOON = Reconnect(first=0.01, longest=0.02)
LIVE = SDP.replace(b"a=range:npt=0-8\r\n", b"")
OTHER = LIVE.replace(b"RTP/AVP 0", b"RTP/AVP 8")
PATIENCE = 20.0

CASES = [
    pytest.param(camera, transport, id=f"{transport} {name}")
    for name, camera in CAMERAS.items()
    for transport in ("udp", "tcp")
    if getattr(camera, transport) is not None
]


class Scene:
    """A path, its relay, and what comes of it."""

    def __init__(self, relay: Relay, policy: LivePolicy) -> None:
        self.relay = relay
        self.live = Live("/cam", policy, origin=relay)
        self.units: list[ReceivedUnit] = []
        self.live.tap(self.units.append)

    @property
    def state(self) -> str:
        return self.relay.statistics().state

    async def units_come(self, count: int) -> None:
        await until(lambda: len(self.units) >= count)


@asynccontextmanager
async def scene(relay: Relay, *, patience: float = 5.0, take_over: bool = False) -> AsyncIterator[Scene]:
    """It is fetched until the end of the test."""
    scene = Scene(relay, LivePolicy(patience=patience, take_over=take_over))
    scene.live.start()
    try:
        yield scene
    finally:
        scene.live.close()
        assert relay._task is None or relay._task.cancelling() or relay._task.done()
        await settled(relay)


async def settled(relay: Relay) -> None:
    """What it had begun is over."""
    if relay._task is not None:
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([relay._task])


@pytest.fixture
async def camera() -> AsyncIterator[ScriptedServer]:
    """A camera with sound; it sends three packets behind each PLAY."""
    async with ScriptedServer() as server:
        server.answers["DESCRIBE"] = reply(200, ("Content-Type", "application/sdp"), body=LIVE)
        server.on_play = sends(0, 1, 2)
        yield server


def sends(*numbers: int) -> Callable[[ScriptedServer], None]:
    return lambda server: server.send_media(*map(audio, numbers))


def relay_of(server: ScriptedServer, *, on_demand: bool = False) -> Relay:
    return Relay(server.url, transport="tcp", timeout=PATIENCE, reconnect=SOON, on_demand=on_demand)


# What comes of a camera


@pytest.mark.parametrize(("camera", "transport"), CASES)
async def test_every_camera_can_be_relayed(camera: Camera, transport: Transport) -> None:
    expected = [feed.expected() for feed in camera.feeds]
    async with Stage(camera) as stage:
        relay = Relay(stage.entrance, transport=transport, reconnect=SOON)
        async with scene(relay) as here:
            await here.units_come(sum(map(len, expected)))
            assert [track.codec for track in here.live.tracks] == [feed.codec for feed in camera.feeds]
            assert here.live.statistics().by == f"relay of {stage.entrance}"
    for feed, wanted in zip(camera.feeds, expected, strict=True):
        came = [one for one in here.units if one.track.codec == feed.codec]
        assert [(one.unit.keyframe, feed.essence(one.unit.data)) for one in came] == [
            (key, data) for _, key, data in wanted
        ]
        assert all(one.time is not None for one in came)
        assert all(a.pts < b.pts for a, b in pairwise(came))


async def test_a_unit_is_handed_on_in_the_turn_that_it_came_in(
    camera: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is queued on the way."""
    async with scene(relay_of(camera)) as here:
        await here.units_come(3)
        take: Callable[..., None] = Reception.take

        def look(self: Reception, *arguments: object) -> None:
            before = len(here.units)
            take(self, *arguments)
            assert len(here.units) > before

        monkeypatch.setattr(Reception, "take", look)
        camera.send_media(audio(3))
        await here.units_come(4)


# Coming and going


async def test_a_camera_that_comes_back(camera: ScriptedServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with scene(relay_of(camera)) as here:
        await here.units_come(3)
        camera.hang_up()
        await here.units_come(6)
        assert [unit.segment for unit in here.units] == [1, 1, 1, 2, 2, 2]
        assert all(a.pts < b.pts for a, b in pairwise(here.units))
        told = here.relay.statistics()
        assert (told.state, told.sessions, told.attempts, told.transport) == ("feeding", 2, 0, "tcp")
        assert told.error.endswith(": the server closed the connection")
    assert here.state == "resting"
    assert "the server closed the connection; connecting again in 0.0 s" in caplog.text
    assert camera.methods[-1] == "TEARDOWN"


async def test_a_camera_that_is_away_for_longer(camera: ScriptedServer) -> None:
    answer = camera.answers["DESCRIBE"]
    camera.answers["DESCRIBE"] = reply(503)
    async with scene(relay_of(camera)) as here:
        await camera.until(lambda: camera.methods.count("DESCRIBE") == 3)
        told = here.relay.statistics()
        assert told.attempts >= 2
        assert "503" in told.error
        assert told.url == camera.url
        camera.answers["DESCRIBE"] = answer
        await here.units_come(3)


async def test_a_camera_that_is_not_there() -> None:
    """Attempts go on, and nobody is told of it but the log."""
    relay = Relay("rtsp://user:secret@127.0.0.1:1/cam", reconnect=SOON, transport="tcp")
    async with scene(relay) as here:
        await until(lambda: relay.statistics().attempts > 3)
        assert here.state in ("connecting", "waiting")
        assert "secret" not in str(relay.statistics())
        assert "Connection refused" in relay.statistics().error


async def test_it_may_give_up(camera: ScriptedServer, caplog: pytest.LogCaptureFixture) -> None:
    camera.answers["DESCRIBE"] = reply(503)
    relay = Relay(camera.url, reconnect=Reconnect(attempts=2, first=0.01))
    async with scene(relay):
        await settled(relay)
        assert camera.methods.count("DESCRIBE") == 2
        assert "is given up after 2 attempts" in caplog.text
        assert relay.statistics().state == "resting"


async def test_a_presentation_that_ends_begins_again(camera: ScriptedServer) -> None:
    def play(server: ScriptedServer) -> None:
        sends(0, 1, 2)(server)
        server.send_media(goodbye(), channel=1)

    camera.on_play = play
    async with scene(relay_of(camera)) as here:
        await here.units_come(6)
        assert here.relay.statistics().error.endswith("has ended")


async def test_a_camera_that_falls_silent(camera: ScriptedServer) -> None:
    relay = Relay(camera.url, transport="tcp", timeout=Timeouts(silence=0.3), reconnect=SOON)
    async with scene(relay) as here:
        await here.units_come(6)
        assert relay.statistics().error.endswith("silent for 0.3 s")


async def test_a_login_that_is_refused_is_not_tried_on_and_on(
    camera: ScriptedServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(module, "OCCUPIED_SECONDS", 0.01)
    camera.answers["DESCRIBE"] = reply(401, ("WWW-Authenticate", 'Basic realm="camera"'))
    relay = relay_of(camera)
    async with scene(relay) as here:
        await until(lambda: "user and password were refused: they are tried again in 300 s" in caplog.text)
        await until(lambda: "Unauthorized to DESCRIBE; connecting again in " in caplog.text)
        assert "connecting again in 0." not in caplog.text
        await until(lambda: here.state == "waiting")
        asked = camera.methods.count("DESCRIBE")
        # Nor by another reader.
        relay.stop()
        relay.start(here.live)
        await until(lambda: here.state == "waiting")
        assert camera.methods.count("DESCRIBE") == asked
        relay._refused_until = 0.0
        await camera.until(lambda: camera.methods.count("DESCRIBE") > asked)


async def test_a_fault_is_told_and_does_not_end_it(
    camera: ScriptedServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: Callable[..., object] = connect
    faults = [ZeroDivisionError("a mistake")]

    def failing(*arguments: object, **options: object) -> object:
        if faults:
            raise faults.pop()
        return opened(*arguments, **options)

    monkeypatch.setattr(module, "connect", failing)
    async with scene(relay_of(camera)) as here:
        await here.units_come(3)
        assert "a fault in the relay of " in caplog.text


async def test_where_udp_does_not_get_through_it_is_not_waited_for_again(
    camera: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = camera.answers["SETUP"]
    camera.answers["SETUP"] = lambda request: (
        answer(request) if "TCP" in (request.headers.get("Transport") or "") else reply(461)(request)
    )
    async with scene(Relay(camera.url, reconnect=SOON)) as here:
        await here.units_come(3)
        camera.hang_up()
        await here.units_come(6)
        assert len(camera.asked("SETUP")) == 3
        # After an attempt in vain it may have become another camera.
        here.relay._way = "tcp"
        camera.answers["DESCRIBE"] = reply(503)
        camera.hang_up()
        await until(lambda: here.relay._way == "auto")


# Other publishers


async def test_who_is_displaced_waits_until_the_path_is_free(
    camera: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OCCUPIED_SECONDS", 0.01)
    async with scene(relay_of(camera), take_over=True) as here:
        await here.units_come(3)
        feeding = here.live.feed([here.units[0].track], "another", lambda: None)
        await until(lambda: here.state == "waiting" and "TEARDOWN" in camera.methods)
        assert here.relay.statistics().error == "/cam is fed by another publisher now"
        plays = camera.methods.count("PLAY")
        await until(lambda: here.relay._turn is not None)
        assert camera.methods.count("PLAY") == plays
        feeding.end()
        await here.units_come(6)


async def test_who_comes_second_is_refused_and_waits(
    camera: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the path and the first unit another may have come."""
    monkeypatch.setattr(module, "OCCUPIED_SECONDS", 0.01)
    taken: list[Feeding] = []

    def play(server: ScriptedServer) -> None:
        if not taken:
            taken.append(here.live.feed([track], "another", lambda: None))
        sends(0, 1, 2)(server)

    camera.on_play = play
    async with connect(camera.url, transport="tcp", play=False) as stream:
        (track,) = stream.tracks
    async with scene(relay_of(camera)) as here:
        await until(lambda: here.relay.statistics().error == "/cam is being published by another")
        await until(lambda: here.state == "waiting")
        assert here.units == []
        taken[0].end()
        await here.units_come(3)


# On demand, and readers


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server("127.0.0.1", 0) as server:
        yield server


def url_of(server: Server, path: str = "/cam") -> str:
    return f"rtsp://127.0.0.1:{server.port}{path}"


async def test_the_first_reader_waits_and_the_last_one_lets_it_go(
    camera: ScriptedServer, server: Server
) -> None:
    relay = relay_of(camera, on_demand=True)
    server.mount("/cam", Live("/cam", LivePolicy(linger=0.05), origin=relay))
    assert relay.statistics().state == "resting"
    assert camera.connections == 0
    for connections in (1, 2):
        async with (
            connect(url_of(server), transport="tcp", play=False) as first,
            connect(url_of(server), transport="udp", play=False) as second,
        ):
            assert [track.codec for track in first.tracks + second.tracks] == ["pcmu", "pcmu"]
            await first.play()
            assert camera.connections == connections
            camera.send_media(*map(audio, range(3, 9)))
            await anext(first.units())
        await until(lambda: relay.statistics().state == "resting")
        await settled(relay)
        assert camera.methods[-1] == "TEARDOWN"


async def test_a_reader_of_what_does_not_come_is_told(
    camera: ScriptedServer,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And the log says why."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("reelcast.server.live.OPENING_SECONDS", 0.1)
    camera.answers["DESCRIBE"] = reply(503)
    relay = relay_of(camera, on_demand=True)
    server.mount("/cam", Live("/cam", LivePolicy(linger=0.05), origin=relay))
    with pytest.raises(RemoteError, match="504"):
        await connect(url_of(server), transport="tcp", reconnect=False).open()
    assert f"its source did not come within 0.1 s: {camera.url}: the server answered 503" in caplog.text
    await until(lambda: relay.statistics().state == "resting")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_readers_stay_while_the_camera_is_away(
    camera: ScriptedServer, server: Server, transport: Transport
) -> None:
    """One session, one stream: what came behind the camera's restart follows on what came before."""
    live = Live("/cam", LivePolicy(patience=PATIENCE), origin=relay_of(camera))
    server.mount("/cam", live)
    await until(lambda: live.feeding is not None)
    async with connect(url_of(server), transport=transport, reconnect=False) as stream:
        units = stream.units()
        for number in range(3, 9):
            camera.send_media(audio(number))
        first = await anext(units)
        camera.hang_up()
        await until(lambda: live.statistics().feedings == 2)
        camera.send_media(*map(audio, range(3, 40)))
        came = [first]
        async with asyncio.timeout(PATIENCE):
            while len(came) < 20:
                came.append(await anext(units))
        assert all(a.pts < b.pts for a, b in pairwise(came))
        assert {unit.segment for unit in came} == {first.segment}
        (track,) = stream.statistics()
        assert track.packets.lost == 0


async def test_a_camera_that_comes_back_with_another_codec(camera: ScriptedServer, server: Server) -> None:
    """Readers are told goodbye, and find the new one when they ask anew."""
    live = Live("/cam", LivePolicy(patience=PATIENCE), origin=relay_of(camera))
    server.mount("/cam", live)
    await until(lambda: live.feeding is not None)
    async with connect(url_of(server), transport="tcp", reconnect=SOON) as stream:
        camera.send_media(audio(3))
        camera.answers["DESCRIBE"] = reply(200, ("Content-Type", "application/sdp"), body=OTHER)
        camera.on_play = lambda server: server.send_media(
            Packet(8, 1, 160, SSRC, False, bytes(160)).to_bytes()
        )
        camera.hang_up()
        async with asyncio.timeout(PATIENCE):
            assert {unit.track.codec async for unit in stream.units()} == {"pcmu"}
    async with connect(url_of(server), transport="tcp", play=False) as stream:
        assert [track.codec for track in stream.tracks] == ["pcma"]


async def test_a_relay_of_itself_does_no_harm(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody publishes, so nothing comes; and on demand it ends, since nobody else wants it."""
    monkeypatch.setattr("reelcast.server.live.OPENING_SECONDS", 0.2)
    relay = Relay(
        url_of(server), on_demand=True, transport="tcp", timeout=0.1, reconnect=Reconnect(first=0.2)
    )
    live = Live("/cam", LivePolicy(linger=0.1), origin=relay)
    server.mount("/cam", live)
    with pytest.raises(RemoteError, match="504"):
        await connect(url_of(server), transport="tcp", timeout=PATIENCE, reconnect=False).open()
    await until(lambda: relay.statistics().state == "resting")
    assert live.tracks == ()
    with pytest.raises(ProtocolError, match="did not come within"):
        await live.source()


async def test_a_source_that_is_encrypted(movies: Path, server: Server, tmp_path: Path) -> None:
    tls = Tls.self_signed(tmp_path / "tls.pem", port=0)
    upstream = Server("127.0.0.1", 0, tls=tls)
    upstream.mount("/movie", movies / "movie.mp4", live=True)
    async with upstream:
        url = f"rtsps://127.0.0.1:{upstream.tls_port}/movie"
        relay = Relay(url, trust=tls.fingerprint, reconnect=SOON)
        stranger = Relay(url, reconnect=SOON)
        server.mount("/cam", Live("/cam", origin=relay))
        server.mount("/stranger", Live("/stranger", origin=stranger))
        async with connect(url_of(server), transport="tcp") as stream:
            assert [track.codec for track in stream.tracks] == ["h264", "aac"]
            await anext(stream.units())
        await until(lambda: "the server is not trusted" in stranger.statistics().error)


def test_stopping_what_never_began() -> None:
    relay = Relay("rtsp://h/")
    relay.stop()
    assert (relay.statistics().state, relay.trouble) == ("resting", "")


def test_what_makes_no_sense() -> None:
    with pytest.raises(ProtocolError, match="media goes inside the connection"):
        Relay("rtsps://h/", transport="udp")
    with pytest.raises(ValueError, match="nothing to trust"):
        Relay("rtsps://h/", trust=Path("none.pem"))


@pytest.mark.parametrize(
    ("url", "back"),
    [
        ("rtsp://127.0.0.1:8554/a%20cam/", True),
        ("rtsp://user:secret@LOCALHOST:8554/a%20cam", True),
        (f"rtsps://{socket.gethostname()}:8322/a%20cam", True),
        ("rtsp://127.0.0.1/a%20cam", False),
        ("rtsp://127.0.0.1:8554/other", False),
        ("rtsp://127.0.0.1:8554/%zz", False),
        ("rtsp://192.0.2.1:8554/a%20cam", False),
        ("rtsp://camera:8554/a%20cam", False),
    ],
)
def test_what_leads_back(url: str, back: bool) -> None:
    assert leads_back(url, "/a cam", {8554, 8322}) is back
