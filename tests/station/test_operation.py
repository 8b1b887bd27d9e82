"""A station in operation: its file saved, saved broken, taken away; and its signals."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.media.conftest import RECIPES, make_movie
from tests.server.raw import Client, gaps
from tests.server.raw import until as eventually

from reelcast.errors import ConfigurationError
from reelcast.station import operation as module
from reelcast.station.operation import Operation
from reelcast.station.toml_file import Flags

LOCAL = Flags({"listen": {"host": "127.0.0.1", "port": 0}})
LOOP = "[paths.loop]\nlive_file = 'film.mp4'\n"
MORE = "[paths.more]\nfile = 'film.mp4'\n"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    make_movie(path, RECIPES["movie.mp4"])
    return path


@pytest.fixture
def file(tmp_path: Path, film: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with one path, beside the film; it is looked at often."""
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    (tmp_path / "film.mp4").symlink_to(film)
    file = tmp_path / "station.toml"
    file.write_text(LOOP)
    return file


async def until(true: Callable[[], bool]) -> None:
    """Patiently: the file is read in a thread, on a machine that may be busy."""
    await eventually(true, 20.0)


def save(file: Path, text: str | None) -> None:
    """As careful editors save; without text, the file is gone."""
    if text is None:
        file.unlink()
        return
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


@asynccontextmanager
async def running(
    file: Path | None, flags: Flags = LOCAL, status_seconds: float | None = None
) -> AsyncIterator[Operation]:
    operation = Operation(file, flags, status_seconds=status_seconds)
    stop, begun = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(operation.serve_until_signal(begun.set, stop))
    begin = asyncio.create_task(begun.wait())
    await asyncio.wait([task, begin], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield operation
    finally:
        stop.set()
        await task


def served(operation: Operation) -> list[str]:
    return [url.rsplit("/", 1)[1] for url in operation.station.server.urls()]


async def test_a_file_that_is_saved_is_read_again(file: Path) -> None:
    """Who plays what stays sees no gap."""
    async with running(file) as operation, await Client.connect(operation.station.server.port) as client:
        session = (await client.setup("/loop/trackID=1", 0)).session
        await client.ask("PLAY", "/loop", f"Session: {session}")
        await client.packets(0, 3)
        save(file, LOOP + MORE)
        await until(lambda: served(operation) == ["loop", "more"])
        save(file, "[listen]\nport = 9\n" + LOOP)
        await until(lambda: served(operation) == ["loop"])
        packets = await client.packets(0, len(client.frames[0]) + 20)
        assert gaps(packets) == []


async def test_a_broken_file_changes_nothing(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running(file) as operation:
        save(file, f"{LOOP}[paths.more]\nfile = 3\n")
        await until(
            lambda: any("station.toml:4: paths.more.file: must be a path" in line for line in caplog.messages)
        )
        assert served(operation) == ["loop"]
        save(file, f"{LOOP}[paths.more]\nfile = 'none.mp4'\n")
        await until(
            lambda: any("none.mp4: no such file or folder; what is" in line for line in caplog.messages)
        )
        assert served(operation) == ["loop"]
        save(file, None)
        await until(lambda: any("cannot be read" in line for line in caplog.messages))
        save(file, LOOP + MORE)
        await until(lambda: served(operation) == ["loop", "more"])
    assert len([line for line in caplog.messages if "stays as it was" in line]) == 3


async def test_a_failure_does_not_end_it(
    file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(file) as operation:
        with monkeypatch.context() as patch:
            patch.setattr(operation.station, "apply", None)
            save(file, LOOP + MORE)
            await until(lambda: any("could not be applied" in line for line in caplog.messages))
        save(file, LOOP + MORE + "# again\n")
        await until(lambda: served(operation) == ["loop", "more"])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
async def test_signals(file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level("INFO")
    save(file, "[paths.studio]\npublish = true")
    monkeypatch.setattr(module, "LOOK_SECONDS", 60)
    async with running(file) as operation:
        save(file, "[paths.studio]\npublish = true\n" + MORE)
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: served(operation) == ["studio", "more"])
        os.kill(os.getpid(), signal.SIGUSR1)
        await until(lambda: "/studio: no source, 0 readers" in caplog.messages)


async def test_how_live_paths_are_is_said_so_often(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    flags = Flags({**LOCAL.document, "paths": {"studio": {"publish": True}}})
    async with running(None, flags, status_seconds=0.01):
        await until(lambda: caplog.messages.count("/studio: no source, 0 readers") > 1)


def test_a_file_that_is_wrong_from_the_start(tmp_path: Path) -> None:
    file = tmp_path / "station.toml"
    file.write_text("[lsten]")
    with pytest.raises(
        ConfigurationError, match=r"station\.toml:1: lsten: there is no such key; did you mean listen\?"
    ):
        Operation(file, LOCAL)
