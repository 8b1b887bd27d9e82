"""Players and publishers at our door: each says who it is in its own way, and is let in, or is not."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from scripts.movies.marks import FRAME_RATE
from tests.interop.conftest import SHORT_SECONDS
from tests.interop.peers import DEBIAN_PYTHON, Arrivals, rtspclientsink, run
from tests.interop.test_gstreamer import PLAYER

from reelcast.client.options import Transport
from reelcast.client.stream import connect
from reelcast.errors import AuthenticationError, ReelcastError
from reelcast.rtsp.authentication import Credentials
from reelcast.server.app import Server
from reelcast.server.guard import Guard, User
from reelcast.server.live import LivePolicy
from reelcast.server.passwords import Password
from reelcast.server.rights import Rights

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

PASSWORD = "p@ss:w/rd"
QUOTED = "p%40ss%3Aw%2Frd"
ALICE = User("alice", Password.of("alice", PASSWORD), Rights(("/**",), ("/cam",)))
BOB = User("bob", Password.of("bob", PASSWORD), Rights(("/other/**",)))
HASHED = User("alice", Password(argon2=PasswordHasher(2, 1024, 1).hash(PASSWORD)))
TRANSPORTS: tuple[Transport, ...] = ("udp", "tcp")


@asynccontextmanager
async def guarded(movie: Path, guard: Guard, *, timeout: int = 60) -> AsyncIterator[Server]:
    server = Server("127.0.0.1", 0, guard=guard, timeout=timeout)
    server.mount("/movie", movie)
    server.mount("/live", movie, live=True)
    async with server:
        yield server


def said(caplog: pytest.LogCaptureFixture, method: str) -> list[int]:
    """The statuses that requests of a method were answered with."""
    lines = (re.search(rf" {method} \S+ -> (\d+)", record.getMessage()) for record in caplog.records)
    return [int(line[1]) for line in lines if line]


async def ffmpeg(
    port: int,
    user: str,
    password: str,
    transport: str,
    path: str = "movie",
    *,
    seconds: float = 1,
    code: int = 0,
) -> None:
    url = f"rtsp://{user}:{password}@127.0.0.1:{port}/{path}"
    command = ("ffmpeg", "-v", "error", "-rtsp_transport", transport, "-i", url, "-t", str(seconds))
    await run(*command, "-f", "null", "-", code=code)


async def rtspsrc(
    port: int, user: str, password: str, transport: str, folder: Path, path: str = "movie", *, code: int = 0
) -> None:
    url = f"rtsp://{user}:{password}@127.0.0.1:{port}/{path}"
    seconds = 5 if path == "live" else 0.5
    await run(DEBIAN_PYTHON, PLAYER, url, transport, folder, f"run {seconds}", code=code)


async def greet(port: int, user: str, password: str, transport: Transport = "auto") -> None:
    """Our client, until something comes."""
    url, credentials = f"rtsp://127.0.0.1:{port}/movie", Credentials(user, password)
    async with connect(url, transport=transport, credentials=credentials) as stream:
        assert await anext(stream.units())


@pytest.mark.parametrize(
    ("user", "transport"), [(ALICE, "udp"), (ALICE, "tcp"), (HASHED, "tcp")], ids=["udp", "tcp", "basic"]
)
async def test_who_knows_the_password(
    short_movie: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, transport: Transport, user: User
) -> None:
    """Conformance A1, A2, A3, A4: asked once, then in; by MD5, where SHA-256 is offered beside it, or by Basic."""
    caplog.set_level(logging.DEBUG, "reelcast.server")
    async with guarded(short_movie, Guard([user])) as server:
        await asyncio.gather(
            ffmpeg(server.port, "alice", QUOTED, transport),
            rtspsrc(server.port, "alice", QUOTED, transport, tmp_path),
            greet(server.port, "alice", PASSWORD, transport),
        )
    assert sorted(said(caplog, "DESCRIBE")) == [200] * 3 + [401] * 3
    for method in ("SETUP", "PLAY", "TEARDOWN"):
        assert set(said(caplog, method)) <= {200, 454}
    assert PASSWORD not in caplog.text
    assert QUOTED not in caplog.text


@pytest.mark.parametrize(("user", "password"), [("alice", "wrong"), ("nobody", PASSWORD)])
async def test_who_does_not(
    short_movie: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, user: str, password: str
) -> None:
    """Conformance A9."""
    caplog.set_level(logging.DEBUG, "reelcast.server")
    async with guarded(short_movie, Guard([ALICE])) as server:
        quoted = password.replace(PASSWORD, QUOTED)
        await ffmpeg(server.port, user, quoted, "tcp", code=1)
        await rtspsrc(server.port, user, quoted, "tcp", tmp_path, code=1)
        with pytest.raises(AuthenticationError):
            await greet(server.port, user, password)
        # They have been many by now, from this very address.
        await ffmpeg(server.port, "alice", QUOTED, "tcp")
    assert said(caplog, "SETUP").count(200) == len(said(caplog, "SETUP"))
    assert set(said(caplog, "DESCRIBE")[:-1]) == {401}


async def test_who_may_not(short_movie: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Conformance A8."""
    caplog.set_level(logging.DEBUG, "reelcast.server")
    async with guarded(short_movie, Guard([BOB])) as server:
        await ffmpeg(server.port, "bob", QUOTED, "tcp", code=1)
        await rtspsrc(server.port, "bob", QUOTED, "tcp", tmp_path, code=1)
        with pytest.raises(ReelcastError, match="403"):
            await greet(server.port, "bob", PASSWORD)
    assert set(said(caplog, "DESCRIBE")) == {401, 403}


async def test_long_sessions(short_movie: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Conformance A7: over nonces that grow old again and again, no reader is disturbed."""
    caplog.set_level(logging.DEBUG, "reelcast.server")
    async with guarded(short_movie, Guard([ALICE], nonce_seconds=0.4), timeout=2) as server:
        players = [
            ffmpeg(server.port, "alice", QUOTED, transport, "live", seconds=5) for transport in TRANSPORTS
        ]
        players += [
            rtspsrc(server.port, "alice", QUOTED, transport, tmp_path / transport, "live")
            for transport in TRANSPORTS
        ]
        await asyncio.gather(*players)
    assert 401 in said(caplog, "GET_PARAMETER") + said(caplog, "OPTIONS") + said(caplog, "SET_PARAMETER")
    assert not [record for record in caplog.records if "no sign of life" in record.getMessage()]
    assert said(caplog, "PLAY").count(200) == len(players)


async def test_publishers(short_movie: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Conformance A8, K12: those that may, and may there."""
    caplog.set_level(logging.DEBUG, "reelcast.server")
    async with guarded(short_movie, Guard([ALICE])) as server:
        arrivals = Arrivals(server, LivePolicy())
        place = f"127.0.0.1:{server.port}"
        command = ("ffmpeg", "-v", "error", "-re", "-t", "1", "-i", short_movie, "-c", "copy", "-an")
        out = ("-f", "rtsp", "-rtsp_transport", "tcp")
        await run(*command, *out, f"rtsp://alice:{QUOTED}@{place}/else", code=1)
        await run(*command, *out, f"rtsp://alice:wrong@{place}/cam", code=1)
        await run(*command, *out, f"rtsp://alice:{QUOTED}@{place}/cam")
        assert said(caplog, "ANNOUNCE") == [401, 403, 401, 401, 401, 200]
        source = ("filesrc", f"location={short_movie}", "!", "qtdemux", "!", "h264parse", "!")
        sink = ("rtspclientsink", f"location=rtsp://{place}/cam", "user-id=alice", f"user-pw={PASSWORD}")
        pictures = len(arrivals.units["/cam"]) + SHORT_SECONDS * FRAME_RATE
        await rtspclientsink(arrivals.pictures("/cam", pictures), *source, *sink)
    assert said(caplog, "ANNOUNCE")[6:] == [401, 200]
    assert said(caplog, "RECORD") == [200, 200]
