"""The verb `load`: what it prints and saves, and how it ends."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
import typer
from rich.console import Console

from reelcast.cli import load as module
from reelcast.cli.load import load
from reelcast.errors import ReelcastError
from reelcast.load.run import Plan, Run, Sample

LOAD = [sys.executable, "-m", "reelcast", "load"]


@pytest.fixture(scope="module")
def serving(movies: Path) -> Iterator[tuple[str, IO[str]]]:
    """A movie, served by another process: its URL, and the server's log."""
    command = [sys.executable, "-m", "reelcast", "serve", str(movies / "movie.mp4")]
    options = ["--host", "127.0.0.1", "--port", "0"]
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, *options], stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        yield process.stdout.readline().strip(), process.stderr
        process.terminate()


def test_json_and_nothing_else(serving: tuple[str, IO[str]], tmp_path: Path) -> None:
    url, log = serving
    plot = tmp_path / "load.svg"
    options = ["-n", "3", "--transport", "both", "--duration", "0.5", "--json", "--plot", str(plot)]
    done = subprocess.run([*LOAD, url, *options], capture_output=True, text=True, timeout=100, check=True)
    data = json.loads(done.stdout)
    assert (data["joined"], data["served"], data["lost"]) == (3, 3, 0)
    assert done.stderr == ""
    assert "3 readers over udp and tcp" in plot.read_text()
    _read_until(log, " TEARDOWN ", 3)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_an_interruption_leaves_in_good_order(
    serving: tuple[str, IO[str]], number: signal.Signals, code: int
) -> None:
    url, log = serving
    command = [*LOAD, url, "-n", "2", "--duration", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        _read_until(log, " PLAY ", 2)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(number)
        output, _ = process.communicate(timeout=20)
    assert process.returncode == code
    assert "2 joined, 2 served" in output
    assert "interrupted" in output
    _read_until(log, " TEARDOWN ", 2)


def _read_until(log: IO[str], words: str, times: int) -> None:
    while times:
        times -= words in log.readline()


def test_nobody_joins_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as end:
        load("rtsp://127.0.0.1:1/x", readers=2, timeout=1.0)
    assert end.value.exit_code == 1
    shown = capsys.readouterr().out
    assert (
        "2 could not join: URL: cannot connect: Connection refused; check the port, and that the server"
        in shown
    )


def test_a_plot_that_cannot_be_saved_is_told_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(ReelcastError, match="load"):
        load("rtsp://127.0.0.1:1/x", plot=tmp_path / "load.pdf")


def test_too_few_files_are_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [(256, 1024)]
    monkeypatch.setattr("resource.getrlimit", lambda _: limits[-1])
    monkeypatch.setattr("resource.setrlimit", lambda _, raised: limits.append(raised))
    notices = Console(file=io.StringIO(), width=60)
    for plan in (Plan("rtsp://h/", 500), Plan("rtsp://h/", 500, "tcp"), Plan("rtsp://h/", 10)):
        del limits[1:]
        module._warn_of_files(plan, notices)
    # Few readers need no more than there are.
    assert limits[1:] == []
    assert isinstance(notices.file, io.StringIO)
    assert notices.file.getvalue() == (
        "500 readers need 1,564 files or more, 1,024 are allowed: raise `ulimit -Hn`\n"
    )


async def test_the_progress_line() -> None:
    run = Run(Plan("rtsp://h/", 3))
    progress = module._Progress(run)
    assert str(progress.__rich__()) == "joining    0/3 joined"
    run.crowd.readers[0].join_time = 0.1
    run.crowd.readers[1].failure = "why"
    run.samples += [Sample(1.0, 0, 0), Sample(1.5, 1_000_000, 7)]
    assert str(progress.__rich__()) == "joining    1/3 joined, 1 failed        16.0 Mbit/s  7 lost"
    await run.crowd.leave()
