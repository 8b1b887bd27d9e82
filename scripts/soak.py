"""What a server must bear that takes too long for the tests: `python -m scripts.soak [TRIAL ...]`, with figures.

Each trial starts `reelcast serve` with a movie (build/movies/movie.mp4) as a file and as a live stream, and is hard
on it: connections by the thousand, readers that vanish, readers that stop reading, SIGTERM amid a hundred of them,
publishers by the dozen.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.make_movies import ROOT, make
from tests.server.raw import Client, Ports, rtcp_kinds

from reelcast.load.process import usage_of
from reelcast.load.run import Measurement, Plan, Run
from reelcast.server.limits import raise_descriptors

CROWD = 1000
IDLERS = 5000
IDLE_SECONDS = 15
CYCLES = 1000
READERS = 100
STALLED = 10
WATCH_SECONDS = 10.0
PUBLISHERS = 50
SHARE = 10
"""Readers of each publisher."""
PUBLISHED_SECONDS = 20.0
SETTLE_SECONDS = 3.0
LIVE = "/live/trackID=1"
FILE = "/movie.mp4/trackID=1"


@dataclass(frozen=True)
class Figure:
    """What was measured, and the limit that it is held to."""

    what: str
    value: float
    limit: float
    unit: str = ""

    @property
    def good(self) -> bool:
        return self.value <= self.limit

    def __str__(self) -> str:
        verdict = "good" if self.good else "BAD"
        return f"  {self.what}: {self.value:g} {self.unit} (at most {self.limit:g}): {verdict}"


@dataclass(frozen=True)
class Served:
    """A server process."""

    process: asyncio.subprocess.Process
    port: int

    @property
    def memory(self) -> float:
        """Resident megabytes."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1024

    @property
    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


@asynccontextmanager
async def serving(*options: str) -> AsyncIterator[Served]:
    movie = ROOT / "build" / "movies" / "movie.mp4"
    command: list[str] = [
        "-m",
        "reelcast",
        "serve",
        str(movie),
        "--live",
        f"live={movie}",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
    ]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        first = (await process.stdout.readline()).decode()
        await process.stdout.readline()
        yield Served(process, int(first.rpartition(":")[2].partition("/")[0]))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def knock(port: int) -> socket.socket:
    """A connection that is open, as soon as the kernel says so."""
    sock = socket.socket()
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    return sock


# Trials


async def crowd() -> list[Figure]:
    """Connections that are opened at once, each with a request."""

    async def ask(port: int) -> float:
        begun = time.monotonic()
        loop = asyncio.get_running_loop()
        with await knock(port) as sock:
            await loop.sock_sendall(sock, b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
            assert (await loop.sock_recv(sock, 4096)).startswith(b"RTSP/1.0 200 OK")
            return time.monotonic() - begun

    async with serving() as served:
        times = await asyncio.gather(*(ask(served.port) for _ in range(CROWD)))
    return [Figure(f"the slowest answer of {CROWD}", max(times), 2.0, "s")]


async def idle() -> list[Figure]:
    """Connections that say nothing: held until the limit, and ended by it."""
    loop = asyncio.get_running_loop()
    async with serving("--idle-timeout", str(IDLE_SECONDS)) as served:
        before = served.descriptors
        socks = [await knock(served.port) for _ in range(IDLERS)]
        begun = time.monotonic()
        async with await Client.connect(served.port, local="127.0.0.2") as other:
            asked = time.monotonic()
            assert (await other.ask("OPTIONS", "*")).status == 200
            answered = time.monotonic() - asked
            held = served.descriptors - before - 1
            ends = await asyncio.gather(*(loop.sock_recv(sock, 1) for sock in socks))
            ended = time.monotonic() - begun
        assert set(ends) == {b""}
        for sock in socks:
            sock.close()
        await asyncio.sleep(SETTLE_SECONDS)
        return [
            Figure(f"of {IDLERS} idle connections, not held", IDLERS - held, 0),
            Figure("an answer amid them", answered, 1.0, "s"),
            Figure("until all were ended", ended, IDLE_SECONDS + 10, "s"),
            Figure("descriptors left over", served.descriptors - before, 0),
        ]


async def vanish() -> list[Figure]:
    """Readers that set up, play, and are gone without a word: over TCP and UDP in turns."""

    async def cycle(served: Served, number: int) -> None:
        path = FILE if number % 4 < 2 else LIVE
        client = await Client.connect(served.port)
        with Ports() as ports:
            over_udp = bool(number % 2)
            transport = ports.transport if over_udp else "Transport: RTP/AVP/TCP;unicast"
            session = f"Session: {(await client.ask('SETUP', path, transport)).session}"
            assert (await client.ask("PLAY", path, session)).status == 200
            await (ports.packets(1) if over_udp else client.packets(0, 1))
        client.reset()
        await client.close()

    async with serving() as served:
        for number in range(CYCLES // 5):
            await cycle(served, number)
        await asyncio.sleep(SETTLE_SECONDS)
        memory, descriptors = served.memory, served.descriptors
        for number in range(CYCLES):
            await cycle(served, number)
        await asyncio.sleep(SETTLE_SECONDS)
        return [
            Figure(f"memory grown in {CYCLES} cycles", round(served.memory - memory, 1), 10, "MB"),
            Figure("descriptors left over", served.descriptors - descriptors, 0),
        ]


async def stall() -> list[Figure]:
    """The largest gap of a hundred live readers, without and with ten others that stop reading."""

    async def watch(clients: list[Client]) -> float:
        """Seconds without anything new, the worst of all readers."""
        last, worst = [time.monotonic()] * len(clients), 0.0
        seen = [len(client.order) for client in clients]
        end = time.monotonic() + WATCH_SECONDS
        while (now := time.monotonic()) < end:
            for place, client in enumerate(clients):
                if len(client.order) != seen[place]:
                    seen[place], last[place] = len(client.order), now
                worst = max(worst, now - last[place])
            await asyncio.sleep(0.002)
        return worst

    async def play(port: int, stack: AsyncExitStack, receive_buffer: int = 0) -> Client:
        connecting = Client.connect(port, receive_buffer=receive_buffer)
        client = await stack.enter_async_context(await connecting)
        session = f"Session: {(await client.setup(LIVE)).session}"
        assert (await client.ask("PLAY", "/live", session)).status == 200
        return client

    async with serving("--stall-timeout", "5") as served, AsyncExitStack() as stack:
        clients = [await play(served.port, stack) for _ in range(READERS)]
        await asyncio.sleep(SETTLE_SECONDS)
        alone, memory = await watch(clients), served.memory
        stalled = [await play(served.port, stack, 4096) for _ in range(STALLED)]
        for client in stalled:
            client.stop_reading()
        beside = await watch(clients)
        grown = served.memory - memory
        open_now = served.descriptors
        await asyncio.sleep(30)
        return [
            Figure(
                f"the largest gap of {READERS} grew from {alone * 1000:.0f} by",
                (beside - alone) * 1000,
                60,
                "ms",
            ),
            Figure("memory grown", round(grown, 1), STALLED * 2.0, "MB"),
            Figure("stalled readers not disconnected", STALLED - (open_now - served.descriptors), 0),
            Figure("other readers disconnected", sum(client.closed.is_set() for client in clients), 0),
        ]


async def end() -> list[Figure]:
    """SIGTERM with a hundred readers: a goodbye to each."""
    async with serving() as served, AsyncExitStack() as stack:
        over_tcp: list[Client] = []
        over_udp: list[Ports] = []
        for number in range(READERS):
            client = await stack.enter_async_context(await Client.connect(served.port))
            ports = stack.enter_context(Ports())
            path = FILE if number % 4 < 2 else LIVE
            transport = ports.transport if number % 2 else "Transport: RTP/AVP/TCP;unicast"
            session = f"Session: {(await client.ask('SETUP', path, transport)).session}"
            await client.ask("PLAY", path, session)
            await (ports.packets(1) if number % 2 else client.packets(0, 1))
            over_udp += [ports] if number % 2 else []
            over_tcp += [] if number % 2 else [client]
        begun = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        code = await served.process.wait()
        took = time.monotonic() - begun
        await asyncio.gather(*(client.gone() for client in over_tcp))
        parted = [203 in rtcp_kinds(client.frames[1][-1]) for client in over_tcp]
        parted += [203 in rtcp_kinds(ports.reports()[-1]) for ports in over_udp]
        return [
            Figure("until it had ended", took, 2.0, "s"),
            Figure("its exit code", abs(code), 0),
            Figure(f"of {READERS} readers, without a goodbye", parted.count(False), 0),
        ]


async def publishers() -> list[Figure]:
    """Fifty publishers, and ten readers of each, all over TCP: nothing is lost on the way."""

    async def watch(port: int, number: int) -> Measurement:
        plan = Plan(f"rtsp://127.0.0.1:{port}/cam{number}", SHARE, "tcp", duration=PUBLISHED_SECONDS, ramp=10)
        return await Run(plan).measure()

    async with serving() as served, publishing(served.port) as senders:
        begun, idle = time.monotonic(), usage_of(served.process.pid)
        alone = served.memory
        await asyncio.sleep(SETTLE_SECONDS)
        taken = usage_of(served.process.pid).cpu - idle.cpu
        print(
            f"  server with {PUBLISHERS} publishers: {taken / (time.monotonic() - begun):.2f} cores, {alone:.0f} MB"
        )
        begun, before = time.monotonic(), usage_of(served.process.pid)
        found = await asyncio.gather(*(watch(served.port, number) for number in range(PUBLISHERS)))
        spent = usage_of(served.process.pid).cpu - before.cpu
        print(f"  with all readers: {spent / (time.monotonic() - begun):.2f} cores, {served.memory:.0f} MB")
        size = sum(int(each.counters.bytes.sum()) for each in found)
        print(f"  readers got {size * 8 / PUBLISHED_SECONDS / 1e6:.0f} Mbit/s")
        late = sorted((each.latency.percentile(99) or 0.0) * 1000 for each in found)
        middle = late[len(late) // 2]
        print(f"  latency, 99th percentile of a path: {middle:.1f} ms, of the slowest {late[-1]:.1f} ms")
        dropped = await ended(senders)
        wanted = PUBLISHERS * SHARE
        return [
            Figure("units that publishers dropped", dropped, 0),
            Figure(f"of {wanted} readers, without media", wanted - sum(each.served for each in found), 0),
            Figure("packets lost", sum(int(each.counters.lost.sum()) for each in found), 0),
            Figure("readers disconnected", sum(each.dropped + each.ended for each in found), 0),
        ]


@asynccontextmanager
async def publishing(port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """The publishers of /cam0, /cam1 and so on, in a process of their own."""
    movie = ROOT / "build" / "movies" / "movie.mp4"
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "scripts.publishers",
            movie,
            f"rtsp://127.0.0.1:{port}/cam%d",
            str(PUBLISHERS),
        ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ended(senders: asyncio.subprocess.Process) -> int:
    """End the publishers; how many units they had to drop."""
    output, _ = await senders.communicate(b"")
    units, dropped, late, cpu = output.decode().split()
    print(f"  published: {units} units, up to {late} s late, in {cpu} CPU s")
    return int(dropped)


TRIALS: dict[str, Callable[[], Awaitable[list[Figure]]]] = {
    trial.__name__: trial for trial in (crowd, idle, vanish, stall, end, publishers)
}


async def run(names: list[str]) -> bool:
    """The trials one after the other; whether all was good."""
    good = True
    for name in names:
        print(f"{name}: {(TRIALS[name].__doc__ or '').strip()}", flush=True)
        for figure in await TRIALS[name]():
            print(figure, flush=True)
            good &= figure.good
    return good


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.soak", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("trials", nargs="*", choices=[*TRIALS, []], help="all where none is named")
    names = parser.parse_args().trials or list(TRIALS)
    make("movie.mp4", ROOT / "build" / "movies")
    raise_descriptors(2 * IDLERS)
    return 0 if asyncio.run(run(names)) else 1


if __name__ == "__main__":
    sys.exit(main())
