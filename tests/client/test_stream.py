"""Streams from end to end, against a scripted server on loopback: both transports, and every way to end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator

import pytest
from tests.client.scripted import SDP, Answer, ScriptedServer, audio, goodbye, reply
from tests.server.raw import until

from reelcast.client import lifetime, reception, session
from reelcast.client import link as link_module
from reelcast.client import queue as queue_module
from reelcast.client.reconnect import Reconnect
from reelcast.client.stream import Stream, Transport, connect
from reelcast.client.timeouts import Timeouts
from reelcast.errors import DeadlineError, ProtocolError, ReelcastError, RemoteError, TransportError
from reelcast.rtp.intake import ReceivedUnit
from reelcast.rtp.receiver import ENOUGH
from reelcast.rtp.rtcp import Bye, ReceiverReport, SourceDescription, parse
from reelcast.rtsp.headers import TransportSpec
from reelcast.rtsp.message import Request, Response


@pytest.fixture(autouse=True)
def _short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "UDP_SILENCE", 0.02)
    monkeypatch.setattr(lifetime, "TICK", 0.02)
    for name in ("TICK", "END_SILENCE"):
        monkeypatch.setattr(session, name, 0.02)


class Media:
    """The server's UDP ports, and where a client asked to be sent to."""

    def __init__(self, server: ScriptedServer) -> None:
        self.rtp, self.rtcp = sorted((self._socket(), self._socket()), key=socket.socket.getsockname)
        self.targets: list[TransportSpec] = []
        server.answers["SETUP"] = self._set_up

    def send(self, *packets: bytes, track: int = 0, control: bool = False) -> None:
        pair = self.targets[track].client_port
        assert pair is not None
        for packet in packets:
            self.rtp.sendto(packet, ("127.0.0.1", pair[control]))

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()

    def _set_up(self, request: Request) -> Response:
        offer = TransportSpec.parse(request.headers.get("Transport") or "")
        self.targets.append(offer)
        ports = f"server_port={self.rtp.getsockname()[1]}-{self.rtcp.getsockname()[1]}"
        return Response.to(request, 200, [("Transport", f"{offer};{ports}"), ("Session", "12345678")])

    def _socket(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        return sock


@pytest.fixture
def media(server: ScriptedServer) -> Iterator[Media]:
    media = Media(server)
    yield media
    media.close()


async def times(stream: Stream) -> list[float]:
    """Presentation times of all that comes, rounded to milliseconds."""
    return [round(received.pts, 3) async for received in stream.units()]


async def one(stream: Stream) -> ReceivedUnit:
    """The next unit."""
    return await anext(stream.units())


def opened(
    url: str, *, transport: Transport = "auto", timeout: float = 5.0, at: float | None = None
) -> Stream:
    """A stream that is not looked for again."""
    return connect(url, transport=transport, timeout=timeout, at=at, reconnect=False)


async def started(url: str, *, transport: Transport = "auto", timeout: float = 5.0) -> Stream:
    stream = opened(url, transport=transport, timeout=timeout)
    await stream.open()
    return stream


def replace_type(data: bytes, payload_type: int) -> bytes:
    """A packet, of another payload type."""
    return data[:1] + bytes([payload_type]) + data[2:]


def packets(count: int, first: int = 0) -> list[bytes]:
    return [audio(first + number) for number in range(count)]


async def test_tcp(server: ScriptedServer) -> None:
    def play(server: ScriptedServer) -> None:
        server.send_media(*packets(3))
        server.send_media(goodbye(), channel=1)

    server.on_play = play
    async with opened(server.url, transport="tcp", timeout=5.0) as stream:
        assert (stream.transport, stream.duration) == ("tcp", 8.0)
        assert [track.codec for track in stream.tracks] == ["pcmu"]
        assert await times(stream) == [0.0, 0.02, 0.04]
        assert stream.position == pytest.approx(0.04)
        (track,) = stream.statistics()
        assert (track.track, track.units, track.dropped, track.packets.received) == (
            stream.tracks[0],
            3,
            0,
            3,
        )
        with pytest.raises(StopAsyncIteration):
            await one(stream)
    assert server.methods == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN"]
    assert server.requests[2].uri == f"{server.url}/track1"
    assert server.asked("SETUP")[0].get("Transport") == "RTP/AVP/TCP;unicast;interleaved=0-1"
    assert server.asked("PLAY")[0].get("Range") == "npt=0.000-"
    assert server.asked("PLAY")[0].get("Session") == "12345678"
    # The first report is empty, the last one says goodbye; both are on the RTCP channel.
    assert {frame.channel for frame in server.frames} == {1}
    first, last = parse(server.frames[0].data), parse(server.frames[-1].data)
    assert isinstance(first[0], ReceiverReport)
    assert isinstance(first[1], SourceDescription)
    assert first[0].blocks == ()
    assert isinstance(last[0], ReceiverReport)
    assert last[0].blocks[0].highest_sequence == 2
    assert last[1:] == [first[1], Bye((last[0].ssrc,))]


@pytest.mark.parametrize(("limit", "expected"), [(1024, [0.0, 0.02, 0.04]), (2, [0.0, 0.02])])
async def test_media_before_the_answer_to_play(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, limit: int, expected: list[float]
) -> None:
    """Conformance P19."""
    answer = server.answers["PLAY"]

    def play(request: Request) -> Response | bytes | None:
        server.send_media(*packets(3))
        return answer(request)

    monkeypatch.setattr(reception, "MAX_EARLY", limit)
    server.answers["PLAY"] = play
    async with opened(server.url, transport="tcp", timeout=5.0) as stream:
        server.send_media(goodbye(), channel=1)
        assert await times(stream) == expected


@pytest.mark.parametrize(
    ("headers", "start", "expected"),
    [
        ((("Range", "npt=3.5-8"), ("RTP-Info", "url=track1;rtptime=0")), 4.0, 3.5),
        ((("Range", "npt=3.5-8"),), 4.0, 3.5),
        ((("RTP-Info", "url=track1;rtptime=0"),), 4.0, 4.0),
        ((("Range", "clock=20200101T000000Z-"),), None, 0.0),
        ((("Range", "npt=now-"),), None, 0.0),
        ((), None, 0.0),
    ],
)
async def test_start(
    server: ScriptedServer, headers: tuple[tuple[str, str], ...], start: float | None, expected: float
) -> None:
    server.answers["PLAY"] = reply(200, *headers)
    server.on_play = lambda server: server.send_media(audio(0))
    async with opened(server.url, transport="tcp", timeout=5.0, at=start) as stream:
        assert (await one(stream)).pts == expected
    assert server.asked("PLAY")[0].get("Range") == f"npt={start or 0:.3f}-"


async def test_channels_are_those_of_the_answer(server: ScriptedServer) -> None:
    """Conformance T8."""
    server.answers["SETUP"] = reply(200, ("Transport", "RTP/AVP/TCP;interleaved=6-7"), ("Session", "1"))
    server.on_play = lambda server: server.send_media(audio(0), channel=6)
    async with opened(server.url, transport="tcp", timeout=5.0) as stream:
        assert (await one(stream)).pts == 0.0
    assert {frame.channel for frame in server.frames} == {7}


async def test_udp(server: ScriptedServer, media: Media) -> None:
    server.on_play = lambda _: media.send(audio(0), audio(2), audio(1), audio(3))
    async with opened(server.url, timeout=5.0) as stream:
        assert stream.transport == "udp"
        received = [round((await one(stream)).pts, 3) for _ in range(4)]
        assert received == [0.0, 0.02, 0.04, 0.06]
        assert stream.statistics()[0].packets.reordered == 1
        media.send(goodbye(), control=True)
        assert await times(stream) == []
        first = parse(media.rtcp.recv(1500))
    last = parse(media.rtcp.recv(1500))
    assert isinstance(first[0], ReceiverReport)
    assert first[0].blocks == ()
    assert isinstance(last[-1], Bye)
    assert server.methods == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN"]


async def test_a_packet_behind_a_gap_comes_in_time(server: ScriptedServer, media: Media) -> None:
    server.on_play = lambda _: media.send(audio(0), audio(2))
    async with opened(server.url, transport="udp", timeout=5.0) as stream:
        assert [(await one(stream)).pts for _ in range(2)] == [0.0, pytest.approx(0.04)]


def refuse_udp(request: Request) -> Response:
    offer = request.headers.get("Transport") or ""
    if "TCP" not in offer:
        return Response.to(request, 461)
    return Response.to(request, 200, [("Transport", offer), ("Session", "1")])


def insist_on_tcp(request: Request) -> Response:
    return Response.to(request, 200, [("Transport", "RTP/AVP/TCP;interleaved=0-1"), ("Session", "1")])


def agree_and_be_silent(request: Request) -> Response:
    offer = request.headers.get("Transport") or ""
    return Response.to(request, 200, [("Transport", offer), ("Session", "1")])


FALLBACKS = {
    "refused": (refuse_udp, False),
    "answered with TCP": (insist_on_tcp, True),
    "silence": (agree_and_be_silent, True),
}


@pytest.mark.parametrize(("answer", "teardown"), FALLBACKS.values(), ids=FALLBACKS)
async def test_fallback_to_tcp(
    server: ScriptedServer, answer: Callable[[Request], Response], teardown: bool
) -> None:
    def play(server: ScriptedServer) -> None:
        if server.connections == 2:
            server.send_media(audio(0))

    server.answers["SETUP"] = answer
    server.on_play = play
    async with opened(server.url, timeout=5.0) as stream:
        assert stream.transport == "tcp"
        assert (await one(stream)).pts == 0.0
    assert server.connections == 2
    assert server.methods.count("TEARDOWN") == 1 + teardown


async def test_udp_alone_does_not_fall_back(server: ScriptedServer) -> None:
    server.answers["SETUP"] = refuse_udp
    with pytest.raises(RemoteError, match="461"):
        await started(server.url, transport="udp", timeout=5.0)
    assert server.connections == 1


async def test_other_refusals_are_final(server: ScriptedServer) -> None:
    server.answers["SETUP"] = reply(404)
    with pytest.raises(RemoteError, match="404"):
        await started(server.url, timeout=5.0)
    assert server.connections == 1


async def test_a_description_of_nothing(server: ScriptedServer) -> None:
    server.answers["DESCRIBE"] = reply(200, body=b"v=0\r\ns=empty\r\nm=text 0 RTP/AVP 99\r\n")
    with pytest.raises(ReelcastError, match="no track"):
        await started(server.url, timeout=5.0)
    await server.until(lambda: server.connections == 1)


@pytest.mark.parametrize(
    ("method", "answer", "message"),
    [
        ("DESCRIBE", reply(200, body=b"nothing"), "the description holds no line of SDP"),
        ("DESCRIBE", reply(302, ("Location", "http://other/")), "'http://other/' is no RTSP URL"),
        ("SETUP", reply(200, ("Transport", "RTP/AVP;unicast")), "the server insists on RTP/AVP"),
        ("SETUP", reply(200, ("Session", ";timeout=9")), "the server names a session that can be none"),
    ],
)
async def test_every_error_says_whose_it_is(
    server: ScriptedServer, method: str, answer: Answer, message: str
) -> None:
    server.answers[method] = answer
    with pytest.raises(ProtocolError, match=message) as caught:
        await started(server.url, transport="tcp", timeout=5.0)
    assert str(caught.value).startswith(server.url)


async def test_a_track_that_is_refused_is_left_out(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    set_up = server.answers["SETUP"]

    def refuse_second(request: Request) -> Response | bytes | None:
        return Response.to(request, 500) if request.uri.endswith("track2") else set_up(request)

    server.answers["DESCRIBE"] = reply(200, body=SDP + b"m=audio 0 RTP/AVP 0\r\na=control:track2\r\n")
    server.answers["SETUP"] = refuse_second
    server.on_play = lambda server: server.send_media(audio(0))
    async with opened(server.url, transport="tcp") as stream:
        assert [track.control for track in stream.tracks] == ["track1"]
        assert (await one(stream)).pts == 0.0
    assert "500 Internal Server Error" in caplog.text


async def test_a_lost_connection_is_an_error(server: ScriptedServer) -> None:
    def play(server: ScriptedServer) -> None:
        server.send_media(audio(0))
        server.hang_up()

    server.on_play = play
    async with opened(server.url, transport="tcp", timeout=5.0) as stream:
        assert (await one(stream)).pts == 0.0
        with pytest.raises(TransportError, match="closed the connection"):
            await one(stream)


async def test_a_connection_that_ends_after_the_goodbye_is_none(server: ScriptedServer) -> None:
    def play(server: ScriptedServer) -> None:
        server.send_media(audio(0))
        server.send_media(goodbye(), channel=1)
        server.hang_up()

    server.on_play = play
    async with opened(server.url, transport="tcp", timeout=5.0) as stream:
        assert await times(stream) == [0.0]


LONG = SDP.replace(b"npt=0-8", b"npt=0-60")
"""A minute."""


@pytest.mark.parametrize("hangs_up", [False, True])
async def test_a_goodbye_in_the_middle_is_a_loss(server: ScriptedServer, hangs_up: bool) -> None:
    """A server that is stopped says it too."""

    def play(server: ScriptedServer) -> None:
        server.send_media(audio(0), audio(1, timestamp=8_000 * 30))
        server.send_media(goodbye(), channel=1)
        if hangs_up:
            server.hang_up()

    server.answers["DESCRIBE"] = reply(200, body=LONG)
    server.on_play = play
    async with opened(server.url, transport="tcp") as stream:
        with pytest.raises(TransportError, match=r"said goodbye at 30\.0 s of 60\.0 s"):
            await times(stream)
        assert stream.position == 30.0


@pytest.mark.parametrize("place", [50, 54, 60])
async def test_announced_ends_are_guesses(server: ScriptedServer, place: int) -> None:
    def play(server: ScriptedServer) -> None:
        server.send_media(audio(0), audio(1, timestamp=8_000 * place))
        server.send_media(goodbye(), channel=1)

    server.answers["DESCRIBE"] = reply(200, body=LONG)
    server.on_play = play
    async with opened(server.url, transport="tcp") as stream:
        assert await times(stream) == [0.0, place]


async def test_what_was_cut_short_is_gone_on_from(server: ScriptedServer) -> None:
    """Where there is no more, that is the end, whatever was announced."""
    plays: list[str | None] = []

    def play(server: ScriptedServer) -> None:
        plays.append(server.requests[-1].headers.get("Range"))
        if len(plays) == 1:
            server.send_media(audio(0), audio(1, timestamp=8_000 * 30))
            server.answers["PLAY"] = reply(200, ("Range", "npt=30-60"))
        else:
            server.send_media(audio(0))
        server.send_media(goodbye(), channel=1)

    server.answers["DESCRIBE"] = reply(200, body=LONG)
    server.on_play = play
    reconnect = Reconnect(first=0.0)
    async with connect(server.url, transport="tcp", timeout=5.0, reconnect=reconnect) as stream:
        assert await times(stream) == [0.0, 30.0, 30.0]
    assert plays == ["npt=0.000-", "npt=30.000-"]


async def test_silence_is_an_error(server: ScriptedServer) -> None:
    server.on_play = lambda server: server.send_media(audio(0))
    timeout = Timeouts(silence=0.2)
    async with connect(server.url, transport="tcp", timeout=timeout, reconnect=False) as stream:
        await one(stream)
        with pytest.raises(DeadlineError, match=r"silent for 0\.2 s"):
            await one(stream)


async def test_silence_at_the_end_is_the_end(server: ScriptedServer) -> None:
    """The goodbye is one datagram, and may be lost."""
    server.on_play = lambda server: server.send_media(audio(0), audio(1, timestamp=8_000 * 7 + 4_000))
    async with opened(server.url, transport="tcp", timeout=5.0) as stream:
        assert await times(stream) == [0.0, 7.5]


async def test_all_tracks_must_say_goodbye(server: ScriptedServer) -> None:
    def play(server: ScriptedServer) -> None:
        server.send_media(goodbye(), channel=1)
        server.send_media(audio(0), channel=2)

    server.answers["DESCRIBE"] = reply(200, body=SDP + b"m=audio 0 RTP/AVP 0\r\na=control:track2\r\n")
    server.on_play = play
    async with opened(server.url, transport="tcp", timeout=5.0) as stream:
        received = await one(stream)
        assert received.track is stream.tracks[1]
        server.send_media(audio(1), channel=2)
        await one(stream)
        server.send_media(goodbye(), channel=3)
        assert await times(stream) == []
    assert [request.uri.rpartition("/")[2] for request in server.requests if request.method == "SETUP"] == [
        "track1",
        "track2",
    ]


async def test_reports_are_sent_in_time(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reelcast.rtp.intake.next_interval", lambda *_, **__: 0.01)
    server.on_play = lambda server: server.send_media(audio(0))
    async with opened(server.url, transport="tcp", timeout=5.0) as stream:
        await one(stream)
        await server.until(lambda: len(server.frames) >= 3)
        last = parse(server.frames[-1].data)
        assert isinstance(last[0], ReceiverReport)
        assert len(last[0].blocks) == 1


async def test_an_application_that_does_not_read_holds_tcp_back(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "MAX_QUEUED_UNITS", 4)
    server.on_play = lambda server: server.send_media(*packets(50))
    patient = Timeouts(silence=0.1)
    async with connect(server.url, transport="tcp", timeout=patient, reconnect=False) as stream:
        await asyncio.sleep(0.15)
        received = [round((await one(stream)).pts, 3) for _ in range(50)]
        assert received == [round(0.02 * number, 3) for number in range(50)]
        assert stream.statistics()[0].dropped == 0


async def test_an_application_that_does_not_read_loses_datagrams(
    server: ScriptedServer, media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "MAX_QUEUED_UNITS", 4)
    put = queue_module.UnitQueue.put
    all_came = asyncio.Event()

    def put_and_tell(queue: queue_module.UnitQueue, received: ReceivedUnit) -> None:
        if received.unit.pts == 9 * 160:
            all_came.set()
        put(queue, received)

    monkeypatch.setattr(queue_module.UnitQueue, "put", put_and_tell)
    server.on_play = lambda _: media.send(*packets(10))
    async with opened(server.url, transport="udp", timeout=5.0) as stream:
        await all_came.wait()
        assert stream.statistics()[0].dropped == 6
        assert [round((await one(stream)).pts, 3) for _ in range(4)] == [0.0, 0.02, 0.04, 0.06]


async def test_a_goodbye_is_looked_at_soon(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nothing has waited for a while: looks are rare then."""
    monkeypatch.setattr(lifetime, "LEISURE", 1000.0)
    server.on_play = lambda server: server.send_media(audio(0))
    async with opened(server.url, transport="tcp", timeout=5.0) as stream:
        await one(stream)
        playing = stream._link.session
        assert isinstance(playing, session.Session)
        await until(lambda: not playing._lifetime._pressing)
        server.send_media(goodbye(), channel=1)
        with pytest.raises(StopAsyncIteration):
            await one(stream)


async def test_closing_early(server: ScriptedServer) -> None:
    server.on_play = lambda server: server.send_media(audio(0))
    stream = await started(server.url, transport="tcp", timeout=5.0)
    await stream.close()
    await stream.close()
    assert server.methods[-1] == "TEARDOWN"
    units = stream.units()
    await anext(units)
    with pytest.raises(StopAsyncIteration):
        await anext(units)


async def test_cancelling_while_it_opens(server: ScriptedServer) -> None:
    server.answers["PLAY"] = lambda _: None
    opening = asyncio.create_task(started(server.url, transport="tcp", timeout=5.0))
    await server.until(lambda: "PLAY" in server.methods)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert server.methods[-1] == "TEARDOWN"


async def test_a_silent_server_over_udp_alone(server: ScriptedServer, media: Media) -> None:
    with pytest.raises(DeadlineError, match=r"no media within 0\.1 s"):
        await started(server.url, transport="udp", timeout=0.1)
    await server.until(lambda: server.methods[-1] == "TEARDOWN")


async def test_another_payload_type_than_described_is_told(server: ScriptedServer) -> None:
    """A static one is another codec, and not to be taken for what was described."""
    pcma = replace_type(audio(0), 8)
    server.on_play = lambda server: server.send_media(*[pcma] * 2 * ENOUGH)
    with pytest.raises(DeadlineError, match="no media within") as caught:
        await started(server.url, transport="tcp", timeout=0.2)
    assert caught.value.advice == "packets of payload type 8 came, and 0 was described for audio"


async def test_media_from_a_stranger_is_told(server: ScriptedServer, media: Media) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.3", 0))

        def play(_: ScriptedServer) -> None:
            pair = media.targets[0].client_port
            assert pair is not None
            stranger.sendto(audio(0), ("127.0.0.1", pair[0]))

        server.on_play = play
        with pytest.raises(DeadlineError, match="no media within") as caught:
            await started(server.url, transport="udp", timeout=0.2)
    assert caught.value.advice == "packets came from 127.0.0.3, which the server did not name as its address"


async def test_multicast_is_not_what_was_asked_for(server: ScriptedServer) -> None:
    answer = "RTP/AVP;multicast;destination=239.1.1.1;port=5000-5001"
    server.answers["SETUP"] = reply(200, ("Transport", answer), ("Session", "1"))
    with pytest.raises(ProtocolError, match="insists"):
        await started(server.url, transport="udp", timeout=5.0)


async def test_who_wants_every_unit_at_once(server: ScriptedServer, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is queued then; who fails over one is given the next."""
    given: list[float] = []

    def take(received: ReceivedUnit) -> None:
        given.append(round(received.pts, 3))
        if len(given) == 2:
            raise ZeroDivisionError

    server.on_play = _sends_and_leaves
    stream = connect(server.url, transport="tcp", timeout=5.0, reconnect=False, on_unit=take)
    async with stream:
        assert [received async for received in stream.units()] == []
        assert stream.waiting == 0
    assert given == [0.0, 0.02, 0.04]
    assert "the application failed over ReceivedUnit" in caplog.text


def _sends_and_leaves(server: ScriptedServer) -> None:
    server.send_media(*packets(3))
    server.send_media(goodbye(), channel=1)
