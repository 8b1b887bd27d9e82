from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.client.recorder import RecordingServer
from tests.client.scripted import reply

import reelcast
from reelcast.client import events
from reelcast.client import publish as module
from reelcast.client.publish import Publisher, publishing
from reelcast.errors import (
    AuthenticationError,
    DeadlineError,
    MediaError,
    ReelcastError,
    RemoteError,
    TransportError,
)
from reelcast.media.decode import VideoDecoder
from reelcast.rtp.clock import ntp_to_unix
from reelcast.rtsp.states import State

Picture = NDArray[np.uint8]
TRANSPORTS = pytest.mark.parametrize("transport", ["udp", "tcp"])
SOON = reelcast.Reconnect(first=0.01, longest=0.05)


@pytest.fixture
async def server() -> AsyncIterator[RecordingServer]:
    async with RecordingServer() as server:
        yield server


def picture(number: int = 0) -> Picture:
    return np.full((48, 64, 3), 40 + 5 * (number % 40), np.uint8)


async def fed(
    out: Publisher, until: Callable[[], bool], *, first: int = 0, shown: Picture | None = None
) -> int:
    """Write pictures, or one over and over, until something holds; the number of the next."""
    number = first
    while not until():
        await out.write(picture(number) if shown is None else shown, pts=number / 25)
        number += 1
        await asyncio.sleep(0.002)
    return number


@TRANSPORTS
async def test_pictures_and_sound_arrive_as_they_were_written(
    server: RecordingServer, transport: Any
) -> None:
    begun = time.time()
    async with publishing(server.url, transport=transport, sample_rate=8_000, audio_codec="pcmu") as out:
        assert out.state is State.INIT
        for number in range(10):
            await out.write(picture(number), pts=number / 25, wait=True)
            await out.write_audio(np.zeros(320, np.int16), pts=number / 25, wait=True)
    await server.until(lambda: server.goodbyes(0) == server.goodbyes(1) == 1)
    assert server.methods == ["OPTIONS", "ANNOUNCE", "SETUP", "SETUP", "RECORD", "TEARDOWN"]
    assert [(track.codec, track.width, track.height) for track in server.tracks] == [
        ("h264", 64, 48),
        ("pcmu", 0, 0),
    ]
    units = server.units(0)
    assert len(units) == 10
    # Times of day are rounded to ticks one by one.
    steps = [(later.pts - earlier.pts) & 0xFFFFFFFF for earlier, later in pairwise(units)]
    assert steps == [pytest.approx(3600, abs=1)] * 9
    decoder = VideoDecoder(server.tracks[0])
    levels = [pic.to_ndarray("gray8").mean() for unit in units for pic in decoder.decode(unit)]
    assert np.abs(np.array(levels) - [40 + 5 * n for n in range(10)]).max() < 6
    assert b"".join(unit.data for unit in server.units(1)) == b"\xff" * 3200
    for index, rate in ((0, 90_000), (1, 8_000)):
        # The first report comes at once, and ties the timestamps to the clock.
        report = server.sender_reports(index)[0]
        since = ((server.parsed(index)[0].timestamp - report.rtp + (1 << 31)) % (1 << 32) - (1 << 31)) / rate
        assert begun - 1 < ntp_to_unix(report.ntp) + since < time.time() + 1
    assert out.state is State.INIT
    assert [track.units for track in out.statistics()] == [10, 20]
    assert out.dropped == 0


@TRANSPORTS
async def test_what_is_announced_and_set_up(server: RecordingServer, transport: Any) -> None:
    async with publishing(server.url, transport=transport) as out:
        await out.write(picture())
        await server.until(lambda: bool(server.units()))
        assert out.state is State.RECORDING
        assert out.transport == transport
        assert repr(out) == f"<Publisher {server.url}: Recording over {transport}>"
        assert [track.codec for track in out.tracks] == ["h264"]
    announce = next(request for request in server.requests if request.method == "ANNOUNCE")
    assert announce.headers.get("Content-Type") == "application/sdp"
    assert b"a=range:npt=now-" in announce.body
    assert b"sprop-parameter-sets=" in announce.body
    (offer,) = server.asked("SETUP")
    assert (offer.get("Transport") or "").endswith(";mode=record")
    (record,) = server.asked("RECORD")
    assert (record.get("Range"), record.get("Session")) == ("npt=0.000-", "12345678")


async def test_tcp_where_udp_is_refused(server: RecordingServer) -> None:
    agree = server.answers["SETUP"]

    def refuse(request: Any) -> Any:
        wants_tcp = "TCP" in (request.headers.get("Transport") or "")
        return agree(request) if wants_tcp else reply(461)(request)

    server.answers["SETUP"] = refuse
    seen: list[events.Event] = []
    async with publishing(server.url, on_event=seen.append) as out:
        await fed(out, lambda: bool(server.units()))
        assert out.transport == "tcp"
    assert [type(event) for event in seen] == [events.FellBack, events.Connected, events.Ended]
    assert server.connections == 2


@TRANSPORTS
async def test_what_the_server_says_of_it(server: RecordingServer, transport: Any) -> None:
    async with publishing(server.url, transport=transport) as out:
        assert out.statistics() == ()
        await out.write(picture())
        await server.until(lambda: bool(server.sender_reports() and server.parsed()))
        middle = server.sender_reports()[0].ntp >> 16 & 0xFFFFFFFF
        assert out.statistics()[0].lost is None
        server.report(0, lost=3, jitter=900, last_sr=middle)
        await fed(out, lambda: out.statistics()[0].lost is not None)
        (track,) = out.statistics()
        assert track.lost == 3
        assert track.jitter == 0.01
        assert track.round_trip is not None
        assert 0 <= track.round_trip < 30
        assert track.packets >= track.units >= 1
        assert track.bytes > 0


@TRANSPORTS
async def test_a_server_that_comes_back(server: RecordingServer, transport: Any) -> None:
    seen: list[events.Event] = []
    async with publishing(
        server.url, transport=transport, reconnect=SOON, on_event=seen.append, keyframe_seconds=1000
    ) as out:
        number = await fed(out, lambda: len(server.parsed()) >= 3)
        first = {packet.ssrc for packet in server.parsed()}
        server.hang_up()
        await fed(out, lambda: len({packet.ssrc for packet in server.parsed()} - first) > 0, first=number)
        assert out.state is State.RECORDING
    kinds = [type(event) for event in seen]
    assert kinds[:2] == [events.Connected, events.Disconnected]
    assert kinds[2] is events.Waiting
    assert kinds[-2:] == [events.Connected, events.Ended]
    # It goes on with a keyframe, though the next was due much later.
    anew = next(at for at, packet in enumerate(server.parsed()) if packet.ssrc not in first)
    assert server.parsed()[anew].payload[0] & 0x1F in (24, 28)
    assert sum(unit.keyframe for unit in server.units()) == 2
    assert server.methods.count("ANNOUNCE") == 2


async def test_tcp_where_nothing_says_that_datagrams_arrive(server: RecordingServer) -> None:
    async with publishing(server.url, reconnect=SOON) as out:
        number = await fed(out, lambda: bool(server.parsed()))
        assert out.transport == "udp"
        server.hang_up()
        number = await fed(out, lambda: server.methods.count("RECORD") == 2, first=number)
        await fed(out, lambda: out.state is State.RECORDING, first=number)
        assert out.transport == "tcp"


async def test_a_server_that_does_not_come_back(server: RecordingServer) -> None:
    policy = reelcast.Reconnect(attempts=2, first=0.01)
    seen: list[events.Event] = []
    out = publishing(server.url, transport="tcp", reconnect=policy, on_event=seen.append)
    await out.open()
    await fed(out, lambda: bool(server.units()))
    server.answers["ANNOUNCE"] = reply(503)
    server.hang_up()
    with pytest.raises(RemoteError, match="503"):
        await fed(out, lambda: False)
    await out.close()
    assert sum(isinstance(event, events.Waiting) for event in seen) == 2
    assert isinstance(seen[-1], events.Ended)


async def test_who_is_not_let_in_does_not_try_on(server: RecordingServer) -> None:
    out = publishing(server.url, transport="tcp", reconnect=SOON)
    await out.open()
    await fed(out, lambda: bool(server.units()))
    server.answers["ANNOUNCE"] = reply(401, ("WWW-Authenticate", 'Basic realm="x"'))
    server.hang_up()
    with pytest.raises(AuthenticationError):
        await fed(out, lambda: False)
    await out.close()


async def test_without_reconnection(server: RecordingServer) -> None:
    out = publishing(server.url, transport="tcp", reconnect=False)
    await out.open()
    await fed(out, lambda: bool(server.units()))
    server.hang_up()
    with pytest.raises(TransportError, match="the connection"):
        await fed(out, lambda: False)
    # Who was told is not told again.
    await out.close()
    assert server.methods.count("ANNOUNCE") == 1


async def test_a_server_that_is_gone_when_it_is_closed(server: RecordingServer) -> None:
    slow = reelcast.Reconnect(first=60.0)
    lost = asyncio.Event()

    def tell(event: events.Event) -> None:
        if isinstance(event, events.Waiting):
            lost.set()

    async with publishing(server.url, transport="tcp", reconnect=slow, on_event=tell) as out:
        number = await fed(out, lambda: bool(server.units()))
        server.hang_up()
        await lost.wait()
        for later in range(20):
            await out.write(picture(), pts=(number + later) / 25)
        assert out.dropped > 0


async def test_refusals_are_told_to_who_writes(server: RecordingServer) -> None:
    server.answers["ANNOUNCE"] = reply(403)
    with pytest.raises(RemoteError, match="403") as caught:
        async with publishing(server.url) as out:
            await fed(out, lambda: False)
    assert caught.value.url == server.url
    assert caught.value.advice.startswith("ask who runs the server")


async def test_refusals_are_told_at_the_end_to_who_writes_no_more(server: RecordingServer) -> None:
    server.answers["ANNOUNCE"] = reply(403)
    with pytest.raises(RemoteError, match="403"):
        async with publishing(server.url) as out:
            await out.write(picture())
    # What ended the block says more.
    with contextlib.suppress(KeyError):
        async with publishing(server.url) as out:
            await out.write(picture())
            raise KeyError


async def test_no_server() -> None:
    async with RecordingServer() as server:
        url = server.url
    with pytest.raises(TransportError, match="cannot connect: Connection refused"):
        async with publishing(url):
            pass
    with pytest.raises(ReelcastError, match="no RTSP URL"):
        async with publishing("/path"):
            pass


async def test_no_encoder_like_that(server: RecordingServer) -> None:
    with pytest.raises(MediaError, match="3000000 Hz are not possible"):
        async with publishing(server.url, sample_rate=3_000_000):
            pass
    assert server.connections == 0


async def test_a_server_that_says_nothing(server: RecordingServer) -> None:
    server.answers["RECORD"] = lambda _: None
    out = publishing(server.url, timeout=reelcast.Timeouts(reply=0.1))
    await out.open()
    with pytest.raises(DeadlineError, match=r"no answer to RECORD within 0\.1 s"):
        await fed(out, lambda: False)
    await out.close()


async def test_who_does_not_wait_for_the_end(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = publishing(server.url, transport="tcp")
    await out.open()
    await fed(out, lambda: out.state is State.RECORDING)
    monkeypatch.setattr(out._ended, "wait", asyncio.Event().wait)
    closing = asyncio.create_task(out.close())
    await asyncio.sleep(0)
    monkeypatch.undo()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert out.state is State.INIT
    assert server.methods[-1] == "TEARDOWN"


async def test_nothing_was_written(server: RecordingServer) -> None:
    async with publishing(server.url) as out:
        assert out.tracks == ()
        await out.open()
    await out.close()
    assert server.methods == ["OPTIONS"]


async def test_what_is_not_open_cannot_be_written_to(server: RecordingServer) -> None:
    out = publishing(server.url)
    with pytest.raises(ReelcastError, match="it is not open"):
        await out.write(picture())
    await out.close()


async def test_a_server_that_takes_nothing_any_more(server: RecordingServer) -> None:
    """What waits for it is bounded: pictures are left out, and in the end it is given up."""
    stop = server.stop_reading
    server.on_record = lambda _: stop()
    timeouts = reelcast.Timeouts(silence=0.3)
    noise = np.random.default_rng(1).integers(0, 255, (720, 1280, 3), np.uint8)
    out = publishing(server.url, transport="tcp", timeout=timeouts, reconnect=False, codec="jpeg")
    await out.open()
    with pytest.raises(DeadlineError, match=r"nothing of what is sent was taken for 0\.3 s"):
        await fed(out, lambda: False, shown=noise)
    assert out.dropped > 0
    await out.close()


async def test_datagrams_that_nobody_wants_any_more(server: RecordingServer) -> None:
    out = publishing(server.url, transport="udp", reconnect=False)
    await out.open()
    number = await fed(out, lambda: bool(server.units()))
    server.close_ports()
    with pytest.raises(TransportError, match="nobody listens for datagrams there any more") as caught:
        await fed(out, lambda: False, first=number)
    assert caught.value.advice == "try transport tcp"
    await out.close()


async def test_a_server_that_is_silent_is_asked(server: RecordingServer) -> None:
    timeouts = reelcast.Timeouts(silence=0.2, reply=0.2)
    out = publishing(server.url, transport="udp", timeout=timeouts, reconnect=False)
    await out.open()
    number = await fed(out, lambda: server.methods.count("OPTIONS") >= 2)
    server.answers["OPTIONS"] = lambda _: None
    with pytest.raises(DeadlineError, match=r"no answer to OPTIONS within 0\.2 s"):
        await fed(out, lambda: False, first=number)
    await out.close()


async def test_a_server_that_does_not_say_where_to_send(server: RecordingServer) -> None:
    server.answers["SETUP"] = reply(200, ("Transport", "RTP/AVP;unicast"), ("Session", "1"))
    with pytest.raises(ReelcastError, match="does not say where to send datagrams"):
        async with publishing(server.url, transport="udp") as out:
            await out.write(picture())


async def test_what_is_written_last_is_waited_for_only_so_long(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.1)
    server.answers["ANNOUNCE"] = lambda _: None
    out = publishing(server.url, timeout=reelcast.Timeouts(reply=50.0))
    await out.open()
    await out.write(picture())
    await out.write(picture())
    with pytest.raises(DeadlineError, match=r"nothing of what is sent was taken for 0\.1 s"):
        await out.close()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"transport": "smoke"}, "transport must be one of"),
        ({"fps": -1}, "fps must be a number more than 0"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        publishing("rtsp://127.0.0.1/x", **options)
