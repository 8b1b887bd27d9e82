"""How the tests run their peers: programs of Debian's packages, each a subprocess with a deadline."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from scripts.make_movies import ROOT
from tests.server.raw import until

from reelcast.rtp.intake import ReceivedUnit
from reelcast.server.app import Server
from reelcast.server.live import Live, LivePolicy

__all__ = [
    "ARRIVAL",
    "DEBIAN_PYTHON",
    "ROOT",
    "Arrivals",
    "find_program",
    "rtspclientsink",
    "run",
    "serving",
    "waiting_lines",
]

DEBIAN_PYTHON = "/usr/bin/python3"
"""The Python that Debian's GStreamer bindings are for."""
HINT = "if something of it is missing: make peers installs what scripts/debian-packages.txt lists"
PATIENCE = 100.0
"""Seconds for a program that plays a movie of 20 s."""
SHUTDOWN = 30.0
ARRIVAL = 30.0
"""Seconds for what is published to arrive."""
GST_END = 3.0
"""Seconds for GStreamer to end by itself once its pictures have arrived, and to send what sound there still is."""


def find_program(name: str) -> str:
    """The path of a program; the test fails where it is missing: what is not tested is not known to work."""
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"{name}: not found; {HINT}")
    return path


async def run(*command: str | Path, code: int = 0, timeout: float = PATIENCE) -> str:
    """Run a program to its end; what it printed. Any other exit code than `code` fails the test."""
    program, *arguments = map(str, command)
    process = await asyncio.create_subprocess_exec(
        find_program(program),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(timeout):
            output, errors = await process.communicate()
    except TimeoutError:
        pytest.fail(f"{program} {' '.join(arguments)} was still running after {timeout:g} s")
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    if process.returncode != code:
        tail = errors.decode(errors="replace")[-2000:]
        pytest.fail(f"{program} {' '.join(arguments)} ended with {process.returncode} ({HINT}):\n{tail}")
    return output.decode(errors="replace")


class Arrivals:
    """What publishers bring to a server: `units` by the name of the path."""

    def __init__(self, server: Server, policy: LivePolicy) -> None:
        self.units: dict[str, list[ReceivedUnit]] = defaultdict(list)
        server.allow_publishing(policy, self._made)

    def _made(self, live: Live) -> None:
        live.tap(self.units[live.name].append)

    async def pictures(self, name: str, count: int) -> None:
        """Wait until so many were published."""
        await until(lambda: sum(each.track.kind == "video" for each in self.units[name]) >= count, ARRIVAL)


async def rtspclientsink(whole: Awaitable[None], *pipeline: str | Path) -> None:
    """Run a pipeline that publishes until `whole` has come; the test fails where it ends before that.

    How it ends behind that says nothing: version 1.22 takes the connection from the thread that reads it. Then it
    may wait for itself for ever, cut a frame in two, or close before an answer and complain that there was none.
    """
    process = asyncio.create_task(run("gst-launch-1.0", "-q", *pipeline))
    try:
        await whole
    except AssertionError:
        if process.done():
            process.result()
        raise
    finally:
        await asyncio.wait([process], timeout=GST_END)
        process.cancel()
        await asyncio.gather(process, return_exceptions=True)


@contextmanager
def waiting_lines(
    count: int, *command: str | Path, end: signal.Signals = signal.SIGINT
) -> Iterator[list[str]]:
    """A program that prints `count` lines when it is ready; it is sent `end` in the end."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    arguments = [str(part) for part in command]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
    with process:
        assert process.stdout is not None
        try:
            lines = [process.stdout.readline().strip() for _ in range(count)]
            if not all(lines):
                pytest.fail(f"{' '.join(arguments)} did not start; {HINT}")
            yield lines
        finally:
            process.send_signal(end)
            try:
                process.wait(SHUTDOWN)
            finally:
                process.kill()


@contextmanager
def serving(*movies: Path) -> Iterator[str]:
    """`reelcast serve` of some files; the URL that their names are put behind."""
    command = (sys.executable, "-m", "reelcast", "serve", "--host", "127.0.0.1", "--port", "0")
    with waiting_lines(len(movies), *command, *movies) as urls:
        yield urls[0].rpartition("/")[0]
