"""How the tests run their peers: programs of Debian's packages, each a subprocess with a deadline."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from scripts.make_movies import ROOT

__all__ = ["DEBIAN_PYTHON", "ROOT", "find_program", "run", "serving", "waiting_lines"]

DEBIAN_PYTHON = "/usr/bin/python3"
"""The Python that Debian's GStreamer bindings are for."""
HINT = "if something of it is missing: make peers installs what scripts/debian-packages.txt lists"
PATIENCE = 50.0
"""Seconds for a program that plays a movie of 20 s."""
SHUTDOWN = 10.0


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
