"""The command itself: help, version, and errors of use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reelcast.__main__ import main as entry
from reelcast.cli import main as module
from reelcast.cli.main import VERBS, load_verb


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["reelcast", *arguments])
    with pytest.raises(SystemExit) as caught:
        module.main()
    return int(caught.value.code or 0)


def test_alone_it_shows_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch)
    output = "".join(capsys.readouterr())
    assert "An RTSP server, client and player." in output
    assert "play" in output
    assert "serve" in output


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(module, "version", {"reelcast": "1.2.3"}.__getitem__)
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == "reelcast 1.2.3\n"


@pytest.mark.parametrize("name", VERBS)
def test_the_help_page_says_of_a_verb_what_it_says_itself(name: str) -> None:
    assert load_verb(name).name == name
    assert load_verb(name).help.partition("\n\n")[0] == VERBS[name]


NEEDLESS = {
    "--version": {"av", "numpy", "asyncio", "reelcast.cli.serve"},
    "--help": {"av", "numpy", "asyncio", "reelcast.cli.serve"},
    "user --help": {"av", "numpy", "reelcast.server.app", "reelcast.cli.serve"},
    "play --help": {"av", "numpy", "reelcast.server.app", "reelcast.cli.serve"},
    "load --help": {"av", "reelcast.server.app", "reelcast.cli.serve"},
}


@pytest.mark.parametrize(("arguments", "needless"), NEEDLESS.items(), ids=NEEDLESS)
def test_what_is_not_needed_is_not_loaded(arguments: str, needless: set[str]) -> None:
    """Half a second, for PyAV and a server."""
    code = "import atexit, sys, reelcast.cli.main as cli; atexit.register(lambda: print(*sys.modules)); cli.main()"
    command = [sys.executable, "-c", code, *arguments.split()]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "reelcast.cli.main" in printed.split()
    assert needless.isdisjoint(printed.split())


def test_an_unknown_verb(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "dance") == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full, as Linux has it")
@pytest.mark.parametrize("arguments", [["--version"], ["user", "alice"]])
def test_output_that_cannot_be_written_is_one_line(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "reelcast", *arguments],
            input=b"secret\n",
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr.decode() == "reelcast: No space left on device\n"


def test_a_file_without_a_right_to_it_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refused() -> None:
        raise PermissionError(13, "Permission denied", "secret/a.mp4")

    monkeypatch.setattr(module, "app", refused)
    monkeypatch.setattr(module, "_drop_output", lambda: None)
    assert run(monkeypatch) == 1
    assert capfd.readouterr().err == "reelcast: secret/a.mp4: Permission denied\n"


def test_who_reads_no_more_is_told_nothing() -> None:
    command = [sys.executable, "-m", "reelcast", "--version"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_an_interruption_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "main", interrupted)
    with pytest.raises(SystemExit) as ended:
        entry()
    assert ended.value.code == 130
