"""Workers, as processes: they share a port and the time of live streams, and are kept running."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.server.raw import Client, until

from reelcast.errors import TransportError
from reelcast.server.workers import reserved_port

WORKERS = 2
PATIENCE = 40
TRIES = 40


@contextlib.asynccontextmanager
async def serving(folder: Path, *more: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """A supervisor with its workers, and their port."""
    film = folder / "short.mp4"
    command = [
        "-m",
        "reelcast",
        "serve",
        f"--live=live={film}",
        str(film),
        f"--workers={WORKERS}",
        "--port=0",
    ]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, "--host=127.0.0.1", *more, stdout=pipe, stderr=pipe
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            first, second = [(await process.stdout.readline()).decode() for _ in range(2)]
        assert first.endswith("/short.mp4\n")
        assert second.endswith("/live\n")
        yield process, int(first.split(":")[2].split("/")[0])
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def children(process: asyncio.subprocess.Process) -> set[int]:
    """The processes of the workers (the interpreter has a helper of its own, which serves nobody)."""
    found: set[int] = set()
    for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        # One that is killed may be gone by now.
        with contextlib.suppress(OSError):
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(int(pid))
    return found


async def server_ports(port: int) -> set[tuple[int, int]]:
    """The UDP ports that many connections are told of: each worker has its own."""
    ports: set[tuple[int, int]] = set()
    for _ in range(TRIES):
        async with await Client.connect(port) as client:
            transport = "Transport: RTP/AVP;unicast;client_port=5000-5001"
            answer = await client.ask("SETUP", "/short.mp4/trackID=1", transport)
            ports.add(answer.pair("server_port"))
    return ports


async def test_they_share_a_port(folder: Path) -> None:
    async with serving(folder) as (process, port):
        assert len(await server_ports(port)) == WORKERS
        process.send_signal(signal.SIGTERM)
        _, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode == 0
        assert b"Traceback" not in errors


async def test_they_share_the_identity_of_live_streams(folder: Path) -> None:
    async with serving(folder) as (_, port):
        ssrcs: set[str] = set()
        for _ in range(TRIES // 2):
            async with await Client.connect(port) as client:
                ssrcs.add((await client.setup("/live/trackID=1")).transport("ssrc"))
        assert len(ssrcs) == 1


async def test_one_that_ends_is_started_again(folder: Path) -> None:
    async with serving(folder) as (process, port):
        before = children(process)
        assert len(before) == WORKERS
        await asyncio.sleep(1.1)  # what dies in its first second is not started again
        os.kill(min(before), signal.SIGKILL)
        dead = min(before)
        await until(lambda: len(after := children(process)) == WORKERS and dead not in after)
        async with await Client.connect(port) as client:
            assert (await client.ask("OPTIONS", "*")).status == 200


async def test_none_is_left_when_the_supervisor_is_killed(folder: Path) -> None:
    """Conformance H40."""
    async with serving(folder) as (process, _):
        workers = children(process)
        process.kill()
        await process.wait()
        await until(lambda: not any(os.path.exists(f"/proc/{worker}/cmdline") for worker in workers))


async def test_ctrl_c_while_they_are_loaded_is_no_traceback(folder: Path) -> None:
    """A terminal sends it to all of them."""
    command = [sys.executable, "-m", "reelcast", "serve", str(folder), "--workers=3", "--port=0"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stderr=pipe, start_new_session=True)
    try:
        await until(lambda: bool(children(process)), PATIENCE)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    assert process.returncode == 0
    assert b"Traceback" not in errors


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(TransportError, match=f"port {port} cannot be had"),
            reserved_port("127.0.0.1", port),
        ):
            pass


def test_a_system_that_cannot_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "SO_REUSEPORT")
    with pytest.raises(TransportError, match="serve without --workers"), reserved_port(None, 0):
        pass
