"""What should not happen, and does: after each case another reader has lost nothing, and nothing is left over.

docs/conformance.md lists the forty hostile inputs; here are those that need a whole server.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import random
import resource
import shutil
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import cycle, pairwise
from pathlib import Path

import pytest
import pytest_asyncio
from tests.server.logins import ODD, ask_as, offered
from tests.server.publisher import Publisher
from tests.server.raw import Answer, Client, Ports, gaps, receiver_report, until

from reelcast.net.interleaved import InterleavedWriter
from reelcast.net.interleaved_fanout import MAX_QUEUE_BYTES
from reelcast.rtsp.reader import MAX_BODY_BYTES
from reelcast.server import care, mounts, publication
from reelcast.server.app import Server
from reelcast.server.connection import Connection
from reelcast.server.guard import Guard, User
from reelcast.server.limits import Limits
from reelcast.server.passwords import Password
from reelcast.server.playback import Playback
from reelcast.server.playhead import Playhead
from reelcast.server.rights import Rights
from reelcast.server.session import Session
from reelcast.server.subscription import Subscription

TCP = "Transport: RTP/AVP/TCP;unicast"
KINDS = ("tcp", "udp", "second", "play", "seek", "range", "pause", "track", "teardown", "wait")
OPTIONS = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"


@pytest.fixture(autouse=True)
def no_errors(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing is logged as an error: neither ours nor asyncio's."""
    yield
    worst = [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert [record.getMessage() for record in worst] == []


@pytest_asyncio.fixture
async def attacked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """A server with a reader that plays on undisturbed, and that is as it was when the test is over."""
    monkeypatch.setattr(care, "CARE_SECONDS", 0.05)
    monkeypatch.setattr(publication, "ORPHAN_SECONDS", 0.1)
    server = Server("127.0.0.1", 0, limits=Limits(message_seconds=0.2))
    server.mount("/", folder)
    async with server, await Client.connect(server.port) as reader:
        with Ports() as ports:
            answer = await reader.ask("SETUP", "/short.mp4/trackID=1", ports.transport)
            session = f"Session: {answer.session}"
            await reader.ask("PLAY", "/short.mp4", session)
            packets = await ports.packets(1)
            before = _census(server)
            yield server
            await until(lambda: all(now <= then for now, then in zip(_census(server), before, strict=True)))
            packets += ports.waiting()
            await reader.ask("PLAY", "/short.mp4", session, "Range: npt=0-")
            packets += await ports.packets(5)
            assert gaps(packets) == []
            assert {packet.ssrc for packet in packets} == {int(answer.transport("ssrc"), 16)}


def _census(server: Server) -> tuple[int, int, int, int]:
    """Connections, sessions, tasks and open sockets; movies may stay open for who asks next."""
    sockets = 0
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            sockets += os.readlink(f"/proc/self/fd/{number}").startswith("socket:")
    return len(server._connections), len(server._sessions), len(asyncio.all_tasks()), sockets


async def still_speaks(client: Client) -> None:
    assert (await client.ask("OPTIONS", "*")).status == 200


# Bytes that are no RTSP


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"X: " + b"y" * 1_000_000, id="2 endless head"),
        pytest.param(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n" + b"X-Y: z\r\n" * 10_000 + b"\r\n", id="3 lines"),
        pytest.param(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: " + b"z" * 65_536 + b"\r\n\r\n", id="4 value"),
        pytest.param(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: a\0b\xff\r\n\r\n", id="4 NUL"),
        pytest.param(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: +5\r\n\r\n12345", id="5 sign"),
        pytest.param(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 0x10\r\n\r\n", id="5 hex"),
        pytest.param(
            b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: " + b"9" * 20 + b"\r\n\r\n", id="5 huge"
        ),
        pytest.param(
            b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", id="5 twice"
        ),
        pytest.param(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 9\r\n\r\nshort", id="6 silence"),
        pytest.param(
            b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 2\r\n\r\nabGARBAGE\1\2", id="7 garbage"
        ),
        pytest.param(b"\r\n\t\n\r\r\n OPTIONS\t*\tRTSP/1.0\rCSeq: 1\r\r", id="8 line ends"),
        pytest.param(b"OPTIONS *\r\n\r\n", id="10 no version"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="10 HTTP/2"),
        pytest.param(bytes.fromhex("16030100f4010000f00303") + bytes(range(256)), id="10 TLS"),
        pytest.param(b"$\0\0\0$\7\0\4abcd$\xff\xff\xff" + bytes(300), id="11 stalled frame"),
        pytest.param(bytes(random.Random(1).randbytes(200_000)), id="noise"),
        pytest.param(b"OPTIONS " + b"a" * 100_000 + b" RTSP/1.0\r\nCSeq: 1\r\n\r\n", id="27 long URL"),
    ],
)
async def test_bytes(attacked: Server, data: bytes) -> None:
    """Conformance H2, H3, H4, H5, H6, H7, H8, H10, H11, H27."""
    async with await Client.connect(attacked.port) as client:
        client.send(data)
        await asyncio.sleep(0.05)
        # Whatever is left open is closed, as soon as it has been begun for too long.
        client.send(OPTIONS)
        await asyncio.sleep(0.05)


async def test_one_byte_a_moment(attacked: Server) -> None:
    """Conformance H1."""
    async with await Client.connect(attacked.port) as slow:
        with contextlib.suppress(ConnectionError):
            for byte in OPTIONS * 3:
                slow.send(bytes([byte]))
                await asyncio.sleep(0.01)
                if slow.closed.is_set():
                    break
        await slow.gone()
        assert slow.order == []


async def test_pipelines(attacked: Server) -> None:
    """Conformance H9."""
    async with await Client.connect(attacked.port) as client:
        client.send(OPTIONS * 1000)
        assert [(await client.answer()).status for _ in range(1000)] == [200] * 1000
        for byte in OPTIONS:
            client.send(bytes([byte]))
            await asyncio.sleep(0)
        assert (await client.answer()).status == 200


async def test_frames_nobody_asked_for(attacked: Server) -> None:
    """Conformance H11, M12."""
    async with await Client.connect(attacked.port) as client:
        session = f"Session: {(await client.setup('/short.mp4/trackID=1')).session}"
        junk = random.Random(2).randbytes(65_535)
        for channel in (0, 1, 2, 255):
            client.send(struct.pack("!cBH", b"$", channel, 65_535) + junk)
            client.send(struct.pack("!cBH", b"$", channel, 0))
        await client.ask("PLAY", "/short.mp4", session)
        assert gaps(await client.packets(0, 5)) == []


# Requests that should not be


async def test_a_flood_of_sessions(attacked: Server) -> None:
    """Conformance H14."""
    async with await Client.connect(attacked.port) as client, await Client.connect(attacked.port) as other:
        for number in range(2000):
            port = 10_000 + 2 * (number % 20_000)
            client.say(
                "SETUP", "/short.mp4/trackID=1", f"Transport: RTP/AVP;unicast;client_port={port}-{port + 1}"
            )
        answers = [await client.answer() for _ in range(2000)]
        assert {answer.status for answer in answers} == {200}
        assert len({answer.session for answer in answers}) == 2000
        await still_speaks(other)
        for answer in answers:
            client.say("TEARDOWN", "*", f"Session: {answer.session}")
        assert {(await client.answer()).status for _ in answers} == {200}


async def test_ids_that_are_guessed(attacked: Server) -> None:
    """Conformance H19, T11."""
    (session,) = attacked._sessions
    async with await Client.connect(attacked.port) as client:
        for guess in ("", " ", ";", "0" * 16, session.id[:-1], f"{session.id} x", f"x{session.id}", "é" * 8):
            assert (await client.ask("TEARDOWN", "/short.mp4", f"Session: {guess}")).status == 454


async def test_two_connections_with_one_session(attacked: Server, ports: Ports) -> None:
    """Conformance H18, H20."""
    async with await Client.connect(attacked.port) as a, await Client.connect(attacked.port) as b:
        session = f"Session: {(await a.ask('SETUP', '/short.mp4/trackID=1', ports.transport)).session}"
        for number in range(50):
            a.say("PLAY", "/short.mp4", session, f"Range: npt={number % 3}-")
            b.say("PAUSE" if number % 2 else "PLAY", "/short.mp4", session)
        statuses = {(await client.answer()).status for _ in range(50) for client in (a, b)}
        assert statuses <= {200, 455}
        # The last word may have been a PAUSE.
        assert (await a.ask("PLAY", "/short.mp4", session)).status == 200
        assert gaps(await ports.packets(3)) == []
        for client in (a, b, a):
            client.say("TEARDOWN", "/short.mp4", session)
        assert sorted([(await client.answer()).status for client in (a, b, a)]) == [200, 454, 454]


async def test_teardown_while_play_is_prepared(attacked: Server, ports: Ports) -> None:
    """Conformance H18."""
    async with await Client.connect(attacked.port) as a, await Client.connect(attacked.port) as b:
        for _ in range(20):
            answer = await a.ask("SETUP", "/brief.mp4/trackID=1", ports.transport)
            session = f"Session: {answer.session}"
            a.say("PLAY", "/brief.mp4", session, "Range: npt=0.3-")
            b.say("TEARDOWN", "/brief.mp4", session)
            assert (await b.answer()).status in (200, 454)
            assert (await a.answer()).status in (200, 454)
            a.say("TEARDOWN", "/brief.mp4", session)
            await a.answer()


@pytest.mark.parametrize("seed", range(8))
async def test_any_order(attacked: Server, ports: Ports, seed: int) -> None:
    """Conformance H16: whatever order requests come in, each is answered, and packets follow one another."""
    dice = random.Random(seed)
    async with await Client.connect(attacked.port) as client:
        session, last = "Session: none", Answer(0, {})
        for _ in range(60):
            kind = dice.choice(KINDS)
            path = dice.choice(["/short.mp4", "/short.mp4", "/brief.mp4"])
            held = dice.choice([[], [session]])
            if kind == "tcp":
                last = await client.setup(f"{path}/trackID=1", dice.choice([None, 0, 3]), *held)
            elif kind == "udp":
                last = await client.ask("SETUP", f"{path}/trackID=1", ports.transport, *held)
            elif kind == "second":
                last = await client.setup(f"{path}/trackID=2", None, session)
            elif kind == "play":
                await client.ask("PLAY", path, session)
            elif kind == "seek":
                await client.ask("PLAY", path, session, f"Range: npt={dice.uniform(0, 4):.3f}-")
            elif kind == "range":
                start = dice.uniform(0, 3)
                await client.ask("PLAY", path, session, f"Range: npt={start:.3f}-{start + dice.random():.3f}")
            elif kind == "pause":
                await client.ask("PAUSE", path, session)
            elif kind == "track":
                await client.ask("TEARDOWN", f"{path}/trackID={dice.choice([1, 2])}", session)
            elif kind == "teardown":
                await client.ask("TEARDOWN", path, session)
            else:
                await asyncio.sleep(0.01)
            assert last.status != 500
            if "session" in last.headers:
                session = f"Session: {last.session}"
        await still_speaks(client)
        await client.close()
        for left in list(attacked._sessions):
            if left.receives_media_at(("127.0.0.1", ports.pair[0])):
                attacked._sessions.end(left)


@pytest.mark.parametrize(
    "path",
    [
        "/../short.mp4",
        "/sub/../short.mp4",
        "/%2e%2e/short.mp4",
        "/%252e%252e/short.mp4",
        "/..%2fshort.mp4",
        "/..%5cshort.mp4",
        "/..\\short.mp4",
        "//etc/passwd",
        "/etc/passwd",
        "/short.mp4%00.jpg",
        "/" + "a" * 4096 + ".mp4",
        "/" + "a/" * 2000 + "b.mp4",
        "/outside.mp4",
        "/pipe.mp4",
        "/folder.mp4",
        "/circle.mp4",
        "/%ff%fe.mp4",
        "/short.mp4?" + "q" * 10_000,
        "/.hidden.mp4",
    ],
)
async def test_paths_that_lead_elsewhere(folder: Path, tmp_path: Path, path: str) -> None:
    """Conformance H26, H27."""
    root = tmp_path / "root"
    root.mkdir()
    shutil.copy(folder / "brief.mp4", root / "brief.mp4")
    shutil.copy(folder / "brief.mp4", root / ".hidden.mp4")
    shutil.copy(folder / "brief.mp4", tmp_path / "short.mp4")
    (root / "outside.mp4").symlink_to(tmp_path / "short.mp4")
    (root / "circle.mp4").symlink_to(root / "circle.mp4")
    (root / "folder.mp4").mkdir()
    os.mkfifo(root / "pipe.mp4")
    server = Server("127.0.0.1", 0)
    server.mount("/", root)
    async with server, await Client.connect(server.port) as client:
        assert (await client.ask("DESCRIBE", path)).status in (400, 404)
        assert (await client.ask("SETUP", f"{path}/trackID=1", TCP)).status in (400, 404)
        await still_speaks(client)


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://",
        "rtsp:///short.mp4",
        "rtsp://127.0.0.1:0/short.mp4",
        "rtsp://127.0.0.1:70000/short.mp4",
        "rtsp://[fe80::1%25eth0/short.mp4",
        "rtsp://:@/short.mp4",
        "rtsp://a@b@c:d/short.mp4",
        "ftp://127.0.0.1/short.mp4",
        "short.mp4",
    ],
)
async def test_urls_that_are_none(attacked: Server, url: str) -> None:
    """Conformance H27."""
    async with await Client.connect(attacked.port) as client:
        assert (await client.ask("DESCRIBE", url)).status == 400
        await still_speaks(client)


@pytest.mark.parametrize("value", [*ODD, "Basic YTpi"])
async def test_credentials_that_nobody_asked_for(attacked: Server, value: str) -> None:
    """Conformance H24, H25: without users, whatever is said, and however often, changes nothing."""
    async with await Client.connect(attacked.port) as client, await Client.connect(attacked.port) as other:
        for _ in range(20):
            client.say("DESCRIBE", "/short.mp4", f"Authorization: {value}")
        assert {(await client.answer()).status for _ in range(20)} == {200}
        assert (await other.ask("DESCRIBE", "/short.mp4", "Authorization: Basic YTpi")).status == 200


async def test_guesses(attacked: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Conformance H24, H25, A9: credentials of every odd form, and guesses from many connections at once.

    Whoever comes from elsewhere meanwhile waits for none of them.
    """
    attacked.guard = Guard(
        [User("alice", Password.of("alice", "wonder:land"))], anyone=Rights(read=("/short.mp4",))
    )
    async with await Client.connect(attacked.port) as client:
        login = offered(await client.ask("DESCRIBE", "/video.mp4"), "alice", "guess")
    guessers = await asyncio.gather(*(Client.connect(attacked.port, local="127.0.0.2") for _ in range(60)))
    for guesser, value in zip(guessers, cycle(ODD)):
        guesser.say("DESCRIBE", "/video.mp4", f"Authorization: {value}")
        for _ in range(10):
            guesser.say("DESCRIBE", "/video.mp4", login.header("DESCRIBE", guesser.url("/video.mp4")))
    async with await Client.connect(attacked.port) as client:
        assert (await ask_as(client, "alice", "wonder:land", "DESCRIBE", "/video.mp4")).status == 200
        assert attacked.guard._throttle.wait("127.0.0.2", time.monotonic()) > 0
    statuses = {(await guesser.answer()).status for guesser in guessers}
    assert statuses <= {401, 503}
    # Most are still waiting, and leave.
    await asyncio.gather(*(guesser.close() for guesser in guessers))
    await until(lambda: not attacked.guard._throttle._seated)


@pytest.mark.parametrize(
    "data",
    [
        b"POST /short.mp4 HTTP/1.0\r\nx-sessioncookie: a\r\nContent-Length: 32767\r\n\r\nT1BUSU9OUw==",
        b"GET /short.mp4 HTTP/1.0\r\nx-sessioncookie: a\r\nAccept: application/x-rtsp-tunnelled\r\n\r\n"
        b"POST /short.mp4 HTTP/1.0\r\nx-sessioncookie: a\r\n\r\n!!!!",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2,
        b"GET " + b"/" * 10_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
async def test_tunnels_that_are_not_there(attacked: Server, data: bytes) -> None:
    """Conformance H28, M18: HTTP is recognised, answered in its own words, and closed."""
    for _ in range(20):
        async with await Client.connect(attacked.port) as client:
            client.send(data)
            answer = await client.answer()
            assert answer.line == "HTTP/1.1 405 Method Not Allowed"
            await client.gone()


async def test_tunnels_that_never_come_to_be(attacked: Server) -> None:
    """Conformance H1, H28: so many that begin, and say no more."""
    clients = await asyncio.gather(*(Client.connect(attacked.port) for _ in range(200)))
    for client in clients:
        client.send(b"GET / HTTP/1.0\r\n")
    await asyncio.gather(*(client.gone() for client in clients))
    await asyncio.gather(*(client.close() for client in clients))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"v=0\r\n" + b"m=video 0 RTP/AVP 96\r\n" * 10_000, 413),
        (b"v=0\r\n" + b"m=video 0 RTP/AVP 26\r\n" * 100, 413),
        (b"v=0\r\n" + b"m=video 0 RTP/AVP 26\r\n" * 10, 400),
        (b"v=0\r\n" + b"m=video 0 RTP/AVP 96\r\n", 415),
        (b"v=0\r\ns=" + b"x" * 1_000_000, 413),
        (b"v=0\r\n", 400),
        (b"\xff\xfe\xfd", 400),
        (b"", 400),
    ],
)
async def test_descriptions_that_are_none(attacked: Server, body: bytes, status: int) -> None:
    """Conformance H30: they leave nothing behind, and are read no further than the limit."""
    async with await Client.connect(attacked.port) as client:
        answer = await client.ask("ANNOUNCE", "/cam", "Content-Type: application/sdp", body=body)
        assert answer.status == status
        if len(body) < MAX_BODY_BYTES:
            transport = 'Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode="RECORD"'
            assert (await client.ask("SETUP", "/cam/streamid=0", transport)).status == 455
            assert (await client.ask("SETUP", "/short.mp4/trackID=1", transport)).status == 455
            assert (await client.ask("RECORD", "/cam", "Range: npt=0.000-")).status == 454


HEADS = [b"", b"\x80", b"\x80\xe0", b"\x80\xc8", b"\x81\xcb", b"\xbf\x60", b"\x90\x00"]
"""Of RTP and RTCP that is nearly right: reports, goodbyes, sources and extensions that are not there."""


@pytest.mark.parametrize("way", ["udp", "tcp"])
async def test_a_publisher_of_garbage(attacked: Server, way: str) -> None:
    """Conformance H30, H31, H32: what is no RTP, on channels and ports, before RECORD and behind it."""
    dice = random.Random(4)
    with Ports() as ports, Ports() as more_ports:
        async with await Client.connect(attacked.port) as client:
            publisher = Publisher(client)
            await publisher.announce()
            for track, pair in enumerate((ports, more_ports)):
                assert (await publisher.set_up(track, ports=pair if way == "udp" else None)).status == 200
            for method in ("OPTIONS", "RECORD", "OPTIONS"):
                assert (await publisher.ask(method)).status == 200
                for number in range(400):
                    track, control = number % 2, bool(number & 2)
                    head = dice.choice(
                        [b"", b"\x80", b"\x80\xe0", b"\x80\xc8", b"\x81\xcb", b"\xbf\x60", b"\x90\x00"]
                    )
                    publisher.send_packet(track, head + dice.randbytes(dice.randrange(200)), control=control)
                    publisher.send(track, dice.randbytes(dice.randrange(1, 60)), ssrc=dice.randrange(3))
            await still_speaks(client)
            client.reset()


async def test_publishers_that_come_and_go(attacked: Server) -> None:
    """Conformance H21, H30: closed, reset or left alone in every state, with ports of their own."""
    for step in range(24):
        async with await Client.connect(attacked.port) as client:
            publisher = Publisher(client, f"/cam{step}")
            await publisher.announce()
            if step % 4 > 0:
                with Ports() as ports:
                    await publisher.set_up(0, ports=ports if step % 3 else None)
            if step % 4 > 1:
                assert (await publisher.ask("RECORD")).status == 200
            if step % 4 > 2:
                assert (await publisher.ask("PAUSE")).status == 200
            if step % 2:
                client.reset()


async def test_publishers_in_random_order(attacked: Server) -> None:
    """Conformance H16, H20: two connections, one session and two paths; each is told what it may not, and why."""
    dice = random.Random(5)
    expected = {200, 403, 404, 453, 454, 455, 459, 461}
    with Ports() as ports:
        async with await Client.connect(attacked.port) as one, await Client.connect(attacked.port) as other:
            publishers = [Publisher(one), Publisher(other, "/cam"), Publisher(one, "/other")]
            seen: Counter[int] = Counter()
            for _ in range(150):
                publisher = dice.choice(publishers)
                method = dice.choice(
                    ["ANNOUNCE", *["SETUP", "RECORD", "PAUSE"] * 3, "PLAY", "TEARDOWN", "swap"]
                )
                if method == "swap":
                    publisher.session = dice.choice(publishers).session
                    continue
                publisher.send_packet(0, bytes([0x80]) + dice.randbytes(40))
                if method == "ANNOUNCE":
                    answer = await publisher.announce()
                elif method == "SETUP":
                    answer = await publisher.set_up(dice.randrange(3), ports=dice.choice([None, ports]))
                else:
                    answer = await publisher.ask(method)
                seen[answer.status] += 1
            assert seen.keys() <= expected
            assert seen[200] > 10


# Readers that do not read


async def test_a_reader_that_never_reads(attacked: Server, movies: Path) -> None:
    """Conformance H22."""
    attacked.mount("/long", movies / "movie.mp4")
    async with await Client.connect(attacked.port, receive_buffer=2048) as client:
        session = f"Session: {(await client.setup('/long/trackID=1')).session}"
        await client.ask("PLAY", "/long", session)
        client.stop_reading()
        (stuck,) = (item for item in attacked._connections if item.channels)
        stuck._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
        await until(lambda: not stuck.writer.idle)
        # Nothing piles up: at most what was due in one go. What waits may still shrink, into the kernel's
        # buffers, and a report may join it; no media does.
        sizes: list[int] = []
        for _ in range(20):
            sizes.append(stuck._transport.get_write_buffer_size())
            await asyncio.sleep(0.01)
        assert max(sizes) < 100_000
        assert all(later - earlier < 500 for earlier, later in pairwise(sizes))


# Datagrams that should not be


async def test_junk_to_the_ports(attacked: Server) -> None:
    """Conformance H31, H32, R8, R9."""
    dice = random.Random(3)
    (session,) = attacked._sessions
    (delivery,) = session.deliveries.values()
    assert isinstance(session, Playback)
    assert session.udp is not None
    rtp, rtcp = session.udp.ports
    crafted = [
        b"",
        b"\x80",
        b"\x80\xc9\xff\xff" + bytes(4),
        b"\x80\xc9\x00\x00" * 300,
        b"\xbf\xc8" + bytes(10),
        b"\x9f\xc9\x00\xbb" + bytes(748),
        struct.pack("!BBHI", 0x81, 203, 1, delivery.ssrc),
        receiver_report(delivery.ssrc),
        b"\x8f\x60" + bytes(10),
        b"\xa0\x60" + bytes(9) + b"\xff",
        *(dice.randbytes(dice.randrange(1500)) for _ in range(300)),
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.3", 0))
        for data in crafted:
            sock.sendto(data, ("127.0.0.1", rtp))
            sock.sendto(data, ("127.0.0.1", rtcp))
        await asyncio.sleep(0.05)


async def test_storms_of_feedback(attacked: Server) -> None:
    """Conformance H33: repairs and keyframes that are asked for are not sent: nothing grows but a counter."""
    (session,) = attacked._sessions
    (delivery,) = session.deliveries.values()
    assert isinstance(session, Playback)
    assert session.udp is not None
    nack = struct.pack("!BBHII", 0x81, 205, 2 + 60, 1, delivery.ssrc) + bytes(range(240))
    pli = struct.pack("!BBHII", 0x81, 206, 2, 1, delivery.ssrc)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(1000):
            sock.sendto(receiver_report(delivery.ssrc) + nack, ("127.0.0.1", session.udp.ports[1]))
            sock.sendto(receiver_report(delivery.ssrc) + pli, ("127.0.0.1", session.udp.ports[1]))
            await asyncio.sleep(0)


# Files that go bad


async def test_a_file_that_is_cut_off_while_it_is_played(
    attacked: Server, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conformance H35."""
    monkeypatch.setattr(mounts, "FRESH", -1.0)
    path = tmp_path / "movie.mp4"
    shutil.copy(folder / "short.mp4", path)
    attacked.mount("/bad", path)
    async with await Client.connect(attacked.port) as client:
        session = f"Session: {(await client.setup('/bad/trackID=1')).session}"
        await client.ask("PLAY", "/bad", session)
        await client.packets(0, 3)
        os.truncate(path, path.stat().st_size // 2)
        answer = await client.ask("PLAY", "/bad", session, "Range: npt=2-")
        assert answer.status in (200, 415)
        assert (await client.ask("DESCRIBE", "/bad")).status in (200, 415)
        path.unlink()
        assert (await client.ask("DESCRIBE", "/bad")).status == 415
        await still_speaks(client)


# The machine's own troubles


async def test_many_connections_at_once(attacked: Server) -> None:
    """Conformance H39."""
    clients = await asyncio.gather(*(Client.connect(attacked.port) for _ in range(200)))
    await asyncio.gather(*(still_speaks(client) for client in clients))
    for client in clients:
        client.reset()
    await asyncio.gather(*(client.close() for client in clients))


async def test_too_many_connections(attacked: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Conformance H39, T23."""
    monkeypatch.setattr(attacked._connections, "_room", 3)
    async with await Client.connect(attacked.port) as second, await Client.connect(attacked.port) as third:
        await asyncio.gather(still_speaks(second), still_speaks(third))
        async with await Client.connect(attacked.port) as fourth:
            assert (await fourth.answer()).status == 503
            await fourth.gone()
        await still_speaks(second)
    await until(lambda: len(attacked._connections) == 1)
    async with await Client.connect(attacked.port) as client:
        await still_speaks(client)


async def test_readers_that_are_killed(attacked: Server) -> None:
    """Conformance H21, H38, K2."""
    for _ in range(10):
        async with await Client.connect(attacked.port) as client:
            with Ports() as ports:
                over_udp = await client.ask("SETUP", "/short.mp4/trackID=1", ports.transport)
                over_tcp = await client.setup("/video.mp4/trackID=1")
                await client.ask("PLAY", "/short.mp4", f"Session: {over_udp.session}")
                await client.ask("PLAY", "/video.mp4", f"Session: {over_tcp.session}")
                await ports.packets(2)
            client.reset()


def _instances() -> Counter[str]:
    """How many objects there are of those that a reader brings along."""
    gc.collect()
    kinds = (Connection, Session, Playhead, Subscription, InterleavedWriter)
    return Counter(type(item).__name__ for item in gc.get_objects() if isinstance(item, kinds))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_nothing_is_left_of_readers_that_vanish(attacked: Server, movies: Path, transport: str) -> None:
    """Conformance H21, K2: not an object of all that they had, of a file and of a live stream."""
    attacked.mount("/live", movies / "movie.mp4", live=True)
    before = _instances()
    for number in range(40):
        path = "/live" if number % 2 else "/short.mp4"
        async with await Client.connect(attacked.port) as client:
            with Ports() as ports:
                over_tcp = transport == "tcp"
                way = TCP if over_tcp else ports.transport
                session = f"Session: {(await client.ask('SETUP', f'{path}/trackID=1', way)).session}"
                assert (await client.ask("PLAY", path, session)).status == 200
                await (client.packets(0, 1) if over_tcp else ports.packets(1))
            client.reset()
    await until(lambda: _instances() <= before)


async def test_readers_that_stop_reading_beside_others(attacked: Server, movies: Path) -> None:
    """Conformance H22: of a live stream, too, the others get every packet, and what waits is bounded."""
    attacked.mount("/live", movies / "movie.mp4", live=True)
    async with contextlib.AsyncExitStack() as stack:

        async def play(receive_buffer: int = 0) -> Client:
            connecting = Client.connect(attacked.port, receive_buffer=receive_buffer)
            client = await stack.enter_async_context(await connecting)
            session = f"Session: {(await client.setup('/live/trackID=1')).session}"
            assert (await client.ask("PLAY", "/live", session)).status == 200
            return client

        stalled = [await play(2048) for _ in range(10)]
        readers = [await play() for _ in range(10)]
        for client in stalled:
            client.stop_reading()
        for connection in attacked._connections:
            connection._transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDBUF, 2048
            )
        await until(lambda: sum(not one.writer.idle for one in attacked._connections) >= len(stalled))
        counts = [len(client.frames[0]) + 15 for client in readers]
        for client, count in zip(readers, counts, strict=True):
            assert gaps(await client.packets(0, count)) == []
        assert all(one.writer.queued() < 2 * MAX_QUEUE_BYTES for one in attacked._connections)


async def test_no_files_left(attacked: Server) -> None:
    """Conformance H38."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with await Client.connect(attacked.port) as client, contextlib.AsyncExitStack() as taken:
        limit = max(map(int, os.listdir("/proc/self/fd"))) + 1
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        taken.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with contextlib.suppress(OSError):
            while True:
                taken.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        assert (await client.ask("DESCRIBE", "/video.mp4")).status == 415
        await taken.aclose()
        assert (await client.ask("DESCRIBE", "/video.mp4")).status == 200
