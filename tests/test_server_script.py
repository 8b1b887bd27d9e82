"""`python server.py PORT` in a folder of its own."""

from __future__ import annotations

import asyncio
import re
import runpy
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from scripts.make_movies import ROOT
from tests.free_port import free_port
from tests.media.conftest import RECIPES, make_movie
from tests.server.raw import Client

PATIENCE = 40


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the script, and a movie beside it."""
    place = tmp_path_factory.mktemp("place")
    shutil.copy(ROOT / "server.py", place)
    make_movie(place / "movie.mp4", RECIPES["movie.mp4"])
    return place


def run(place: Path, *arguments: str, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *python, str(place / "server.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd="/")


async def test_it_prints_the_url_of_each_movie_and_serves_it(place: Path) -> None:
    free = free_port()
    command = [sys.executable, str(place / "server.py"), str(free)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, cwd="/")
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
        assert line.decode().strip() == f"rtsp://127.0.0.1:{free}/movie.mp4"
        async with await Client.connect(free) as client:
            answer = await client.ask("DESCRIBE", "/movie.mp4")
            assert re.search(rb"^m=video", answer.body, re.MULTILINE)
            assert (await client.ask("DESCRIBE", "/server.py")).status == 404
    finally:
        process.terminate()
        await process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize("arguments", [["x"], ["-1"], ["8554", "8555"], ["8554.5"], ["²"], [""], ["65536"]])
def test_usage(place: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["server.py", *arguments])
    with pytest.raises(SystemExit, match=r"usage: python server.py \[PORT\]"):
        runpy.run_path(str(place / "server.py"), run_name="__main__")


def test_a_port_in_use(place: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        number = taken.getsockname()[1]
        result = run(place, str(number))
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"server.py: port {number} of all addresses is in use")
    assert "Traceback" not in result.stderr


def test_without_its_environment_it_says_what_to_do(place: Path) -> None:
    # -S leaves out the installed packages, and the copy has no .venv beside it.
    result = run(place, python=("-S", "-I"))
    assert result.returncode == 1
    assert "run `make demo` first" in result.stderr
    assert len(result.stderr.splitlines()) == 1
