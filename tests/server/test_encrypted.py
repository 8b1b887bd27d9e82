"""RTSPS: a server with a port for TLS beside the plain one, and what is different there."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from argon2 import PasswordHasher
from tests.net.authority import authority, key_pem, signed
from tests.server.logins import basic
from tests.server.raw import Client, Ports, Rtp, gaps, rtcp_kinds, until

from reelcast.errors import TransportError
from reelcast.net.tls import Tls
from reelcast.server import care, guard
from reelcast.server.app import Server
from reelcast.server.guard import Guard, User
from reelcast.server.limits import Limits
from reelcast.server.passwords import Password

MANY = 12


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    authority(folder)
    signed(folder)
    (folder / "key.pem").write_bytes(key_pem())
    return folder


def tls_of(folder: Path, port: int = 0) -> Tls:
    return Tls(port, folder / "server0.pem", folder / "key.pem")


@pytest.fixture(scope="module")
def trust(certificates: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificates / "authority.pem")


@pytest_asyncio.fixture
async def server(folder: Path, certificates: Path) -> AsyncIterator[Server]:
    server = Server("127.0.0.1", 0, tls=tls_of(certificates))
    server.mount("/", folder)
    server.mount("/live", folder / "video.mp4", live=True)
    async with server:
        yield server


async def enter(server: Server, trust: ssl.SSLContext | None, *, receive_buffer: int = 0) -> Client:
    """A client, by TLS if it has somebody to trust."""
    port = server.port if trust is None else server.tls_port
    assert port is not None
    return await Client.connect(port, tls=trust, receive_buffer=receive_buffer)


def heard(client: Client, channel: int) -> list[Rtp]:
    return [Rtp.read(data) for data in client.frames[channel]]


async def play(client: Client, path: str, *headers: str, tracks: int = 1) -> str:
    """Play it: the Session header."""
    session = ""
    for track in range(tracks):
        answer = await client.setup(f"{path}/trackID={track + 1}", 2 * track, *filter(None, [session]))
        session = f"Session: {answer.session}"
    assert (await client.ask("PLAY", path, session, *headers)).status == 200
    return session


def test_the_urls_of_both(folder: Path, certificates: Path) -> None:
    server = Server(port=8554, tls=tls_of(certificates, 8322))
    server.mount("/a movie", folder / "short.mp4")
    assert server.urls() == ["rtsp://127.0.0.1:8554/a%20movie", "rtsps://127.0.0.1:8322/a%20movie"]
    assert Server().tls_port is None


async def test_the_same_media_as_in_clear(server: Server, trust: ssl.SSLContext) -> None:
    """Every frame and every sample, bit by bit."""
    both: list[list[list[bytes]]] = []
    for key in (None, trust):
        async with await enter(server, key) as client:
            described = await client.ask("DESCRIBE", "/short.mp4")
            assert described["Content-Base"] == client.url("/short.mp4/")
            await play(client, "/short.mp4", "Speed: 4", tracks=2)
            await client.until(partial(_said_goodbye, client, 1))
            await client.until(partial(_said_goodbye, client, 3))
            both.append([[packet.payload for packet in heard(client, channel)] for channel in (0, 2)])
            assert gaps(heard(client, 0)) == gaps(heard(client, 2)) == []
    assert both[0] == both[1]
    assert sum(packet.marker for packet in heard(client, 0)) == 75


def _said_goodbye(client: Client, channel: int) -> bool:
    return any(203 in rtcp_kinds(report) for report in client.frames[channel])


async def test_without_a_host_the_base_is_of_the_same_scheme(server: Server, trust: ssl.SSLContext) -> None:
    async with await enter(server, trust) as client:
        client.say("OPTIONS", "*")
        await client.answer()
        client.send(b"DESCRIBE /short.mp4 RTSP/1.0\r\nCSeq: 2\r\n\r\n")
        answer = await client.answer()
        assert answer["Content-Base"].startswith("rtsps://127.0.0.1:")


async def test_media_goes_inside_the_connection_alone(
    server: Server, trust: ssl.SSLContext, ports: Ports, caplog: pytest.LogCaptureFixture
) -> None:
    """Conformance T2: UDP is refused, and where both are offered TCP is chosen."""
    caplog.set_level(logging.INFO)
    async with await enter(server, trust) as client:
        refused = await client.ask("SETUP", "/short.mp4/trackID=1", ports.transport)
        assert refused.status == 461
        assert "over TLS media goes inside the connection alone" in caplog.text
        assert not server._sessions
        offer = f"{ports.transport},RTP/AVP/TCP;unicast;interleaved=0-1"
        answer = await client.ask("SETUP", "/short.mp4/trackID=1", offer)
        assert answer["Transport"].startswith("RTP/AVP/TCP;")


async def test_a_session_is_not_carried_on_in_clear(
    server: Server, trust: ssl.SSLContext, ports: Ports
) -> None:
    async with await enter(server, trust) as client, await enter(server, None) as other:
        session = f"Session: {(await client.setup('/short.mp4/trackID=1')).session}"
        for transport in (ports.transport, "Transport: RTP/AVP/TCP;unicast"):
            assert (await other.ask("SETUP", "/short.mp4/trackID=1", transport, session)).status == 461


async def test_many_readers_of_one_live_stream(server: Server, trust: ssl.SSLContext) -> None:
    clients = [await enter(server, trust if number % 3 else None) for number in range(MANY)]
    try:
        for client in clients:
            await play(client, "/live")
        for client in clients:
            assert gaps(await client.packets(0, 30)) == []
    finally:
        await asyncio.gather(*(client.close() for client in clients))
    await until(lambda: not server._connections)


async def test_who_reads_nothing_is_disconnected(
    folder: Path, certificates: Path, trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conformance H22: while it waits, others are served."""
    monkeypatch.setattr(care, "CARE_SECONDS", 0.05)
    server = Server("127.0.0.1", 0, tls=tls_of(certificates), limits=Limits(stalled_seconds=0.5))
    server.mount("/", folder)
    async with (
        server,
        await enter(server, trust, receive_buffer=4096) as stuck,
        await enter(server, trust) as other,
    ):
        stuck.stop_reading()
        for connection in server._connections:
            sock = connection._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            connection._transport.set_write_buffer_limits(4096)
        # Answers alone are enough to fill what lies between.
        stuck.send(b"DESCRIBE rtsp://h/short.mp4 RTSP/1.0\r\nCSeq: 1\r\n\r\n" * 500)
        await play(other, "/short.mp4")
        await until(lambda: len(server._connections) == 1)
        assert gaps(await other.packets(0, 20)) == []


async def test_who_leaves_while_it_is_answered(server: Server, trust: ssl.SSLContext) -> None:
    """TLS knows no half of a connection: who closes is not answered any more, and nothing is told of it."""
    for _ in range(5):
        client = await enter(server, trust)
        for _ in range(20):
            client.say("DESCRIBE", "/short.mp4")
        await client.close()
    client = await enter(server, trust)
    await play(client, "/short.mp4")
    client.reset()
    await client.close()
    await until(lambda: not server._connections and not server._sessions)


async def test_stopping_says_goodbye(folder: Path, certificates: Path, trust: ssl.SSLContext) -> None:
    server = Server("127.0.0.1", 0, tls=tls_of(certificates))
    server.mount("/", folder)
    async with server:
        client = await enter(server, trust)
        await play(client, "/short.mp4")
        await client.packets(0, 3)
    await client.gone()
    assert _said_goodbye(client, 1)
    await client.close()


async def test_a_certificate_that_is_renewed(
    tmp_path: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    authority(tmp_path)
    signed(tmp_path)
    (tmp_path / "key.pem").write_bytes(key_pem())
    server = Server("127.0.0.1", 0, tls=tls_of(tmp_path))
    server.mount("/", folder)
    trust = ssl.create_default_context(cafile=tmp_path / "authority.pem")
    async with server:
        before = await enter(server, trust)
        signed(tmp_path)
        server.reload_certificate()
        assert "the certificate was read again" in caplog.text
        after = await enter(server, trust)
        assert before.certificate != after.certificate
        (tmp_path / "key.pem").write_bytes(key_pem(1))
        with pytest.raises(TransportError, match="is of another certificate"):
            server.reload_certificate()
        last = await enter(server, trust)
        assert last.certificate == after.certificate
        for client in (before, after, last):
            assert (await client.ask("OPTIONS", "*")).status == 200
            await client.close()


async def test_without_tls_there_is_nothing_to_read_again() -> None:
    async with Server("127.0.0.1", 0) as server:
        server.reload_certificate()


async def test_a_port_that_cannot_be_had(folder: Path, certificates: Path, server: Server) -> None:
    assert server.tls_port is not None
    other = Server("127.0.0.1", 0, tls=tls_of(certificates, server.tls_port))
    with pytest.raises(TransportError, match="is in use: choose another with --tls-port"):
        await other.start()
    # What it had opened by then is free again.
    async with Server("127.0.0.1", other.port):
        pass


async def test_a_certificate_of_no_use_opens_nothing(certificates: Path) -> None:
    server = Server("127.0.0.1", 0, tls=Tls(0, certificates / "authority.pem", certificates / "key.pem"))
    with pytest.raises(TransportError, match="is of another certificate"):
        await server.start()
    assert server._ports.listeners == []


async def test_passwords_are_said_where_nobody_can_listen(
    folder: Path, certificates: Path, trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conformance A4: Basic is for TLS, and for this machine, which the client is not here."""
    monkeypatch.setattr(guard, "_is_this_machine", lambda _: False)
    kept = Password(argon2=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("sesame"))
    server = Server("127.0.0.1", 0, tls=tls_of(certificates), guard=Guard([User("ali", kept)]))
    server.mount("/", folder)
    async with server:
        async with await enter(server, trust) as client:
            asked = await client.ask("DESCRIBE", "/short.mp4")
            assert (asked.status, asked["WWW-Authenticate"]) == (401, 'Basic realm="reelcast"')
            assert (await client.ask("DESCRIBE", "/short.mp4", basic("ali", "sesam"))).status == 401
            assert (await client.ask("DESCRIBE", "/short.mp4", basic("ali", "sesame"))).status == 200
        async with await enter(server, None) as client:
            assert (await client.ask("DESCRIBE", "/short.mp4")).status == 403
            assert (await client.ask("DESCRIBE", "/short.mp4", basic("ali", "sesame"))).status == 403
