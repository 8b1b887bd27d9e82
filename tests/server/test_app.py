"""The server as a whole: who may use which session, how sessions live and end, and what is left of them."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.free_port import free_pair, free_port
from tests.server.raw import PATIENCE, Client, Ports, gaps, receiver_report, rtcp_kinds, until

from reelcast.errors import MediaError, TransportError
from reelcast.net.messages import Batching
from reelcast.server import app, care
from reelcast.server import connection as connection_module
from reelcast.server import session as session_module
from reelcast.server.app import Server
from reelcast.server.limits import Limits
from reelcast.server.session import Session, Sessions

LIFETIME = 0.3
"""Seconds that a session of `mortal` lives without a sign of life, unless a test has something to do before."""


@pytest_asyncio.fixture
async def mortal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """A server whose sessions end soon."""
    monkeypatch.setattr(care, "CARE_SECONDS", 0.05)
    monkeypatch.setattr(session_module, "GRACE", LIFETIME)
    server = Server("127.0.0.1", 0, timeout=0)
    server.mount("/", folder)
    async with server:
        yield server


async def set_up(client: Client, ports: Ports, path: str = "/short.mp4/trackID=1") -> str:
    """Set a track up over UDP: the Session header."""
    return f"Session: {(await client.ask('SETUP', path, ports.transport)).session}"


# Whose session it is


async def test_two_sessions_on_one_connection(server: Server, sessions: Sessions) -> None:
    """Conformance T6."""
    async with await Client.connect(server.port) as client:
        first = f"Session: {(await client.setup('/short.mp4/trackID=1')).session}"
        second = f"Session: {(await client.setup('/video.mp4/trackID=1')).session}"
        assert first != second
        await client.ask("PLAY", "/short.mp4", first)
        await client.ask("PLAY", "/video.mp4", second)
        assert gaps(await client.packets(0, 8)) == gaps(await client.packets(2, 8)) == []
        await client.ask("TEARDOWN", "/short.mp4", first)
        seen = len(client.frames[0])
        assert gaps(await client.packets(2, len(client.frames[2]) + 4)) == []
        assert len(client.frames[0]) == seen
        assert len(sessions) == 1


async def test_two_sessions_of_what_is_live_on_one_connection(server: Server, folder: Path) -> None:
    """Conformance T6: the same stream twice, and each goes on without the other."""
    server.mount("/live", folder / "short.mp4", live=True)
    async with await Client.connect(server.port) as client:
        names = [f"Session: {(await client.setup('/live/trackID=1')).session}" for _ in range(2)]
        for session in names:
            assert (await client.ask("PLAY", "/live", session)).status == 200
        for channel in (0, 2):
            assert gaps(await client.packets(channel, 8)) == []
        assert (await client.ask("TEARDOWN", "/live", names[0])).status == 200
        seen = len(client.frames[0])
        assert gaps(await client.packets(2, len(client.frames[2]) + 40)) == []
        assert len(client.frames[0]) == seen
        assert (await client.ask("TEARDOWN", "/live", names[1])).status == 200


async def test_a_session_is_used_over_another_connection_of_its_host(server: Server, ports: Ports) -> None:
    """Conformance T19."""
    first = await Client.connect(server.port)
    async with await Client.connect(server.port) as second:
        session = await set_up(first, ports)
        assert (await second.ask("PLAY", "/short.mp4", session)).status == 200
        await ports.packets(3)
        # A session over UDP outlives the connection that it was made over.
        await first.close()
        assert gaps(await ports.packets(8)) == []
        assert (await second.ask("PAUSE", "/short.mp4", session)).status == 200
        assert (await second.ask("TEARDOWN", "/short.mp4", session)).status == 200


async def test_a_session_is_nobody_elses(server: Server, sessions: Sessions, ports: Ports) -> None:
    """Conformance H19."""
    async with (
        await Client.connect(server.port) as owner,
        await Client.connect(server.port, local="127.0.0.2") as thief,
    ):
        session = await set_up(owner, ports)
        await owner.ask("PLAY", "/short.mp4", session)
        await ports.packets(3)
        for method in ("OPTIONS", "SETUP", "PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER", "SET_PARAMETER"):
            assert (await thief.ask(method, "/short.mp4/trackID=1", session)).status == 454
        assert gaps(await ports.packets(5)) == []
        assert len(sessions) == 1


async def test_media_goes_to_who_asked_for_it(server: Server, ports: Ports) -> None:
    """Conformance T9."""
    async with await Client.connect(server.port, local="127.0.0.2") as client:
        with Ports("127.0.0.2", ports.pair[0]) as there:
            transport = ports.transport + ";destination=127.0.0.1"
            answer = await client.ask("SETUP", "/short.mp4/trackID=1", transport)
            assert "destination" not in answer["Transport"]
            await client.ask("PLAY", "/short.mp4", f"Session: {answer.session}")
            await there.packets(3)
            assert ports.waiting() == []


async def test_readers_of_all_kinds_at_once(server: Server, ports: Ports, more_ports: Ports) -> None:
    async with await Client.connect(server.port) as a, await Client.connect(server.port) as b:
        tcp = f"Session: {(await a.setup('/short.mp4/trackID=1', 6)).session}"
        await a.ask("PLAY", "/short.mp4", tcp)
        late = await set_up(b, ports)
        other = await set_up(b, more_ports, "/video.mp4/trackID=1")
        await b.ask("PLAY", "/short.mp4", late, "Range: npt=1-")
        await b.ask("PLAY", "/video.mp4", other)
        results = await asyncio.gather(a.packets(6, 15), ports.packets(15), more_ports.packets(15))
        assert [gaps(packets) for packets in results] == [[], [], []]
        assert len({packets[0].ssrc for packets in results}) == 3


async def test_an_odd_first_port(server: Server) -> None:
    """Conformance T10."""
    first = next(number for number in range(15_001, 65_000, 2) if _free(number) and _free(number + 1))
    with Ports(first=first) as ports:
        async with await Client.connect(server.port) as client:
            session = await set_up(client, ports)
            await client.ask("PLAY", "/short.mp4", session)
            assert gaps(await ports.packets(5)) == []
            assert rtcp_kinds(await ports.report()) == [200, 202]


def _free(number: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True


async def test_ipv6(folder: Path) -> None:
    server = Server("::1", 0)
    server.mount("/", folder)
    async with server, await Client.connect(server.port, "::1") as client:
        with Ports("::1") as ports:
            assert server.urls()[0].startswith(f"rtsp://[::1]:{server.port}/")
            described = await client.ask("DESCRIBE", "/short.mp4")
            assert described["Content-Base"] == f"rtsp://[::1]:{server.port}/short.mp4/"
            assert b"c=IN IP6 ::" in described.body
            session = await set_up(client, ports)
            await client.ask("PLAY", "/short.mp4", session)
            assert gaps(await ports.packets(8)) == []
            await client.ask("TEARDOWN", "/short.mp4", session)
            # One at the beginning; another where the machine was so slow that the timeline was moved.
            reports = [rtcp_kinds(await ports.report())]
            while 203 not in reports[-1]:
                reports.append(rtcp_kinds(await ports.report()))
            assert {*map(tuple, reports[:-1])} == {(200, 202)}
            assert reports[-1] == [200, 202, 203]


async def test_all_addresses_without_a_host(folder: Path, ports: Ports) -> None:
    server = Server(None, free_port())
    server.mount("/one", folder / "video.mp4")
    async with server:
        assert server.urls() == [f"rtsp://127.0.0.1:{server.port}/one"]
        assert server.urls("box") == [f"rtsp://box:{server.port}/one"]
        async with await Client.connect(server.port) as four, await Client.connect(server.port, "::1") as six:
            with Ports("::1") as six_ports:
                await four.ask("PLAY", "/one", await set_up(four, ports, "/one"))
                await six.ask("PLAY", "/one", await set_up(six, six_ports, "/one"))
                await asyncio.gather(ports.packets(5), six_ports.packets(5))


@pytest.mark.parametrize("batching", Batching)
async def test_every_way_to_send(folder: Path, ports: Ports, batching: Batching) -> None:
    server = Server("127.0.0.1", 0, batching=batching)
    server.mount("/", folder)
    async with server, await Client.connect(server.port) as client:
        await client.ask("PLAY", "/short.mp4", await set_up(client, ports))
        tcp = f"Session: {(await client.setup('/short.mp4/trackID=1')).session}"
        await client.ask("PLAY", "/short.mp4", tcp)
        over_udp, over_tcp = await asyncio.gather(ports.packets(12), client.packets(0, 12))
        assert gaps(over_udp) == gaps(over_tcp) == []
        assert [packet.payload for packet in over_udp] == [packet.payload for packet in over_tcp[:12]]


# Signs of life


async def touched(session: Session, since: float) -> None:
    """Wait until it has shown a sign of life."""
    await until(lambda: session.last_seen > since)


async def test_without_a_sign_of_life_a_session_ends(
    mortal: Server, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conformance K10."""
    monkeypatch.setattr(session_module, "GRACE", PATIENCE)
    async with await Client.connect(mortal.port) as client:
        session = await set_up(client, ports)
        await client.ask("PLAY", "/short.mp4", session)
        monkeypatch.setattr(session_module, "GRACE", LIFETIME)
        await until(lambda: len(mortal._sessions) == 0)
        assert rtcp_kinds(ports.reports()[-1]) == [200, 202, 203]
        assert (await client.ask("PLAY", "/short.mp4", session)).status == 454


async def test_an_interleaved_session_that_expires_takes_its_connection_along(mortal: Server) -> None:
    """Conformance K10."""
    async with await Client.connect(mortal.port) as client:
        await client.setup("/short.mp4/trackID=1")
        await client.gone()
        assert len(mortal._sessions) == 0


@pytest.mark.parametrize(
    "kind", ["options", "get_parameter", "report", "rewritten report", "nothing but bytes"]
)
async def test_signs_of_life_over_udp(
    mortal: Server, ports: Ports, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conformance D3, K4, K5."""
    monkeypatch.setattr(session_module, "GRACE", PATIENCE)
    async with await Client.connect(mortal.port) as client:
        answer = await client.ask("SETUP", "/short.mp4/trackID=1", ports.transport)
        header, server = f"Session: {answer.session}", ("127.0.0.1", answer.pair("server_port")[1])
        (session,) = mortal._sessions
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
            for _ in range(3):
                seen = session.last_seen
                if kind == "options":
                    assert (await client.ask("OPTIONS", "*", header)).status == 200
                elif kind == "get_parameter":
                    assert (await client.ask("GET_PARAMETER", "/short.mp4", header)).status == 200
                elif kind == "report":
                    ports.rtcp.sendto(receiver_report(0), server)
                elif kind == "rewritten report":
                    elsewhere.sendto(receiver_report(int(answer.transport("ssrc"), 16)), server)
                else:
                    # A reader opens the way through its router with a packet from its media port.
                    ports.rtp.sendto(b"\xce\xfa\xed\xfe", ("127.0.0.1", server[1] - 1))
                await touched(session, seen)
        monkeypatch.setattr(session_module, "GRACE", LIFETIME)
        await until(lambda: len(mortal._sessions) == 0)


async def test_reports_of_strangers_are_no_sign_of_life(mortal: Server, ports: Ports) -> None:
    """Conformance H32, K4, K5."""
    async with await Client.connect(mortal.port) as client:
        answer = await client.ask("SETUP", "/short.mp4/trackID=1", ports.transport)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.2", 0))
            ssrc = int(answer.transport("ssrc"), 16)
            for _ in range(200):
                stranger.sendto(receiver_report(ssrc), ("127.0.0.1", answer.pair("server_port")[1]))
                # Nor are requests that name no session.
                assert (await client.ask("OPTIONS", "*")).status == 200
                if not len(mortal._sessions):
                    return
                await asyncio.sleep(0.02)
        raise AssertionError("the session lives")


async def test_frames_are_signs_of_life_over_tcp(mortal: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Conformance K4."""
    monkeypatch.setattr(session_module, "GRACE", PATIENCE)
    async with await Client.connect(mortal.port) as client:
        await client.setup("/short.mp4/trackID=1")
        (session,) = mortal._sessions
        for _ in range(3):
            seen = session.last_seen
            client.send(b"$\1\0\x20" + receiver_report(0))
            await touched(session, seen)
        monkeypatch.setattr(session_module, "GRACE", LIFETIME)
        await client.gone()


async def test_who_takes_media_over_tcp_is_alive(mortal: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Conformance K4."""
    monkeypatch.setattr(session_module, "GRACE", PATIENCE)
    async with await Client.connect(mortal.port) as client:
        session = f"Session: {(await client.setup('/short.mp4/trackID=1')).session}"
        await client.ask("PLAY", "/short.mp4", session)
        monkeypatch.setattr(session_module, "GRACE", LIFETIME)
        await asyncio.sleep(LIFETIME * 2)
        assert gaps(await client.packets(0, 20)) == []
        monkeypatch.setattr(session_module, "GRACE", PATIENCE)
        assert (await client.ask("PAUSE", "/short.mp4", session)).status == 200
        monkeypatch.setattr(session_module, "GRACE", LIFETIME)
        await client.gone()


async def test_a_session_given_up_leaves_its_successor_alone(
    mortal: Server, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conformance T19."""
    monkeypatch.setattr(session_module, "GRACE", PATIENCE)
    async with await Client.connect(mortal.port) as client:
        # What ffmpeg does when no datagrams arrive: nothing, and a new session over TCP.
        udp = await set_up(client, ports, "/video.mp4/trackID=1")
        await client.ask("PLAY", "/video.mp4", udp)
        tcp = f"Session: {(await client.setup('/short.mp4/trackID=1')).session}"
        await client.ask("PLAY", "/short.mp4", tcp)
        monkeypatch.setattr(session_module, "GRACE", LIFETIME)
        await until(lambda: len(mortal._sessions) == 1)
        assert gaps(await client.packets(0, len(client.frames[0]) + 5)) == []
        assert not client.closed.is_set()


async def test_idle_connections_are_closed(
    mortal: Server, monkeypatch: pytest.MonkeyPatch, ports: Ports
) -> None:
    """Conformance H39."""
    monkeypatch.setattr(session_module, "GRACE", PATIENCE)
    async with await Client.connect(mortal.port) as idle, await Client.connect(mortal.port) as busy:
        session = await set_up(busy, ports)
        monkeypatch.setattr(mortal._care, "_limits", Limits(idle_seconds=0.2))
        await idle.gone()
        assert not busy.closed.is_set()
        await busy.ask("TEARDOWN", "/short.mp4", session)
        await busy.gone()


async def test_messages_are_to_be_finished(mortal: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Conformance H1."""
    monkeypatch.setattr(mortal._care, "_limits", Limits(message_seconds=0.15))
    async with await Client.connect(mortal.port) as slow:
        for byte in b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n":
            slow.send(bytes([byte]))
            await asyncio.sleep(0.01)
        await slow.gone()
    assert slow.order == []


async def test_the_time_of_day_may_jump(
    server: Server, sessions: Sessions, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conformance H37: an hour ahead, an hour back; neither sessions nor media go by it."""
    monkeypatch.setattr(care, "CARE_SECONDS", 0.02)
    true_time = time.time
    async with await Client.connect(server.port) as client:
        session = await set_up(client, ports)
        await client.ask("PLAY", "/short.mp4", session)
        packets = await ports.packets(3)
        for jump in (3600, -3600):
            monkeypatch.setattr(time, "time", lambda jump=jump: true_time() + jump)
            packets += await ports.packets(10)
            assert (await client.ask("OPTIONS", "*", session)).status == 200
        assert gaps(packets) == []
        assert len(sessions) == 1


@pytest.mark.parametrize("crowd", [1, 2])
async def test_in_a_crowd_reports_wait(server: Server, monkeypatch: pytest.MonkeyPatch, crowd: int) -> None:
    deferred: list[int] = []
    monkeypatch.setattr(connection_module, "defer", deferred.append)
    monkeypatch.setattr(app, "CROWD", crowd)
    async with await Client.connect(server.port) as client:
        client.send(b"$\1\0\4abcd")
        assert (await client.ask("OPTIONS", "*")).status == 200
    assert len(deferred) == (crowd == 1)


# How readers leave


@pytest.mark.parametrize("way", ["close", "reset", "half"])
@pytest.mark.parametrize("state", ["connected", "set up", "playing", "paused"])
async def test_interleaved_sessions_end_with_their_connection(
    server: Server, sessions: Sessions, way: str, state: str
) -> None:
    """Conformance H21, K2, T19."""
    async with await Client.connect(server.port) as client:
        if state != "connected":
            session = f"Session: {(await client.setup('/short.mp4/trackID=1')).session}"
        if state in ("playing", "paused"):
            await client.ask("PLAY", "/short.mp4", session)
            await client.packets(0, 3)
        if state == "paused":
            await client.ask("PAUSE", "/short.mp4", session)
        if way == "close":
            await client.close()
        elif way == "reset":
            client.reset()
        else:
            client.finish_writing()
        await until(lambda: not server._connections)
        assert len(sessions) == 0


async def test_a_reader_that_no_longer_listens_is_sent_nothing(server: Server, sessions: Sessions) -> None:
    """Conformance H38, K2."""
    async with await Client.connect(server.port) as client:
        with Ports() as ports:
            session = await set_up(client, ports)
            await client.ask("PLAY", "/short.mp4", session)
            await ports.packets(3)
            # That reports are not heard is no reason.
            ports.rtcp.close()
            await ports.packets(20)
            assert len(sessions) == 1
        await until(lambda: len(sessions) == 0)
        assert (await client.ask("PLAY", "/short.mp4", session)).status == 454


async def test_teardown_and_gone(server: Server, sessions: Sessions, ports: Ports) -> None:
    for _ in range(5):
        client = await Client.connect(server.port)
        session = await set_up(client, ports)
        await client.ask("PLAY", "/short.mp4", session)
        client.say("TEARDOWN", "/short.mp4", session)
        await client.close()
    await until(lambda: not server._connections and not len(sessions))


async def test_a_reader_that_comes_back_before_it_was_missed(
    server: Server, sessions: Sessions, ports: Ports
) -> None:
    """Conformance K2."""
    for _ in range(3):
        async with await Client.connect(server.port) as client:
            session = await set_up(client, ports)
            await client.ask("PLAY", "/short.mp4", session)
            await ports.packets(3)
            assert len(sessions) == 1


# The server's own life


async def test_the_end_is_said_to_everybody(folder: Path, ports: Ports) -> None:
    """Conformance H40."""
    server = Server("127.0.0.1", 0)
    server.mount("/", folder)
    await server.start()
    async with await Client.connect(server.port) as client, await Client.connect(server.port) as idle:
        await client.ask("PLAY", "/short.mp4", await set_up(client, ports))
        tcp = f"Session: {(await client.setup('/short.mp4/trackID=1')).session}"
        await client.ask("PLAY", "/short.mp4", tcp)
        await asyncio.gather(ports.packets(3), client.packets(0, 3))
        await server.stop()
        await asyncio.gather(client.gone(), idle.gone())
        assert rtcp_kinds(client.frames[1][-1]) == [200, 202, 203]
        assert rtcp_kinds(ports.reports()[-1]) == [200, 202, 203]
    await server.stop()
    # The ports are free again, and the server can be started once more.
    async with server, await Client.connect(server.port) as client:
        assert (await client.ask("DESCRIBE", "/short.mp4")).status == 200


async def test_a_reader_that_takes_nothing_does_not_hold_up_the_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conformance H40."""
    monkeypatch.setattr(app, "CLOSE_SECONDS", 0.1)
    server = Server("127.0.0.1", 0)
    server.mount("/", folder)
    async with server, await Client.connect(server.port, receive_buffer=4096) as client:
        client.stop_reading()
        await until(lambda: bool(server._connections))
        for connection in server._connections:
            connection._transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDBUF, 4096
            )
        for _ in range(500):
            client.say("DESCRIBE", "/short.mp4")
        await until(lambda: any(connection._full for connection in server._connections))
        await asyncio.wait_for(server.stop(), 10)


async def test_stopping_what_never_began() -> None:
    await Server("127.0.0.1", 0).stop()


def test_a_terminal_that_closes_ends_it_unless_that_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    ending = [signal.SIGINT, signal.SIGTERM]
    monkeypatch.setattr(signal, "getsignal", lambda _: signal.SIG_DFL)
    assert app._ending_signals() == [*ending, signal.SIGHUP]
    # nohup
    monkeypatch.setattr(signal, "getsignal", lambda _: signal.SIG_IGN)
    assert app._ending_signals() == ending
    # Windows
    monkeypatch.delattr(signal, "SIGHUP")
    assert app._ending_signals() == ending


async def test_what_is_mounted_may_change(server: Server, folder: Path, tmp_path: Path, ports: Ports) -> None:
    shutil.copy(folder / "short.mp4", tmp_path / "new.mp4")
    async with await Client.connect(server.port) as client:
        assert (await client.ask("DESCRIBE", "/later")).status == 404
        server.mount("/later", str(tmp_path / "new.mp4"))
        assert (await client.ask("DESCRIBE", "/later")).status == 200
        await client.ask("PLAY", "/later", await set_up(client, ports, "/later/trackID=1"))
        await ports.packets(3)
        server.unmount("/later")
        assert (await client.ask("DESCRIBE", "/later")).status == 404
        # Who plays it plays on, though it is gone from the disk as well.
        os.unlink(tmp_path / "new.mp4")
        assert gaps(await ports.packets(10)) == []
        with pytest.raises(MediaError):
            server.mount("/later", tmp_path / "new.mp4")


async def test_ports_in_use(folder: Path) -> None:
    """Conformance H15."""
    async with Server("127.0.0.1", 0) as server:
        with pytest.raises(TransportError, match=rf"port {server.port} of 127.0.0.1 is in use: .* --port"):
            await Server("127.0.0.1", server.port).start()
    with Ports() as taken:
        for number in taken.pair:
            with pytest.raises(TransportError, match=f"UDP port {number}"):
                await Server("127.0.0.1", 0, rtp_port=number).start()


async def test_a_port_that_is_not_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(TransportError, match=r"port 554 of .* is not allowed"):
        await Server("127.0.0.1", 554).start()


async def test_an_address_that_is_not_ours() -> None:
    with pytest.raises(TransportError, match=r"192\.0\.2\.1"):
        await Server("192.0.2.1", 0).start()


async def test_media_leaves_from_the_port_that_was_asked_for(folder: Path) -> None:
    port = free_pair()
    server = Server("127.0.0.1", 0, rtp_port=port)
    server.mount("/", folder)
    async with server, await Client.connect(server.port) as client:
        answer = await client.ask(
            "SETUP", "/short.mp4/trackID=1", "Transport: RTP/AVP;client_port=50000-50001"
        )
        assert answer.pair("server_port") == (port, port + 1)


def test_a_whole_transport_stream_cannot_be_live(tmp_path: Path) -> None:
    server = Server("127.0.0.1", 0)
    with pytest.raises(MediaError, match=r"film\.ts: a whole transport stream cannot be live"):
        server.mount("/film", tmp_path / "film.ts", live=True, whole_ts=True)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"port": "8554"}, "port must be a number from 0 to 65535, not '8554'"),
        ({"port": -1}, "port must be a number from 0 to 65535, not -1"),
        ({"port": 65536}, "port must be a number from 0 to 65535, not 65536"),
        ({"rtp_port": 65535}, "rtp_port must be a number from 0 to 65534, not 65535"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Server(**options)


async def test_what_runs_is_not_started_again() -> None:
    server = Server(host="127.0.0.1", port=0)
    async with server:
        with pytest.raises(TransportError, match="the server runs already"):
            await server.start()
        async with await Client.connect(server.port) as client:
            assert (await client.ask("OPTIONS", "*")).status == 200
    async with server:
        assert server.port


def test_in_another_thread_it_runs_without_signals() -> None:
    ended = threading.Event()

    async def serve(server: Server) -> None:
        stop = asyncio.Event()
        await server.serve_until_signal(stop.set, stop)
        ended.set()

    thread = threading.Thread(target=lambda: asyncio.run(serve(Server(host="127.0.0.1", port=0))))
    thread.start()
    thread.join()
    assert ended.is_set()
