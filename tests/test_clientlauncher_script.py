"""`python clientlauncher.py HOST PORT RTP_PORT FILE`, and without arguments."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from scripts.make_movies import ROOT

from reelcast import player
from reelcast.cli import play as module
from reelcast.player.source import Source

SCRIPT = ROOT / "clientlauncher.py"
FOUR = ["127.0.0.1", "8000", "5001", "movie.Mjpeg"]
SOURCE = Source("rtsp://127.0.0.1:8000/movie.Mjpeg", rtp_port=5001, dialect="auto")


def launch(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    """The script, in this process; what it leaves by."""
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    return left.value.code


@pytest.mark.parametrize(("arguments", "source"), [(FOUR, SOURCE), ([], None)])
def test_a_window_ready_for_setup(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], source: Source | None
) -> None:
    opened: list[tuple[Source | None, bool]] = []

    def run(source: Source | None, *, play: bool) -> int:
        opened.append((source, play))
        return 3

    monkeypatch.setattr(player, "available", lambda: None)
    monkeypatch.setattr(player, "run", run)
    assert launch(monkeypatch, *arguments) == 3
    assert opened == [(source, False)]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["127.0.0.1"], "clientlauncher.py: usage: python clientlauncher.py HOST PORT RTP_PORT FILE"),
        (["127.0.0.1", "x", "5001", "a"], "clientlauncher.py: 'x' is no PORT: give a number from 1 to 65535"),
    ],
)
def test_bad_arguments_are_one_line(monkeypatch: pytest.MonkeyPatch, arguments: list[str], line: str) -> None:
    assert launch(monkeypatch, *arguments) == line


class Played:
    """Stands for playing without a window."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
        self.sources: list[Source] = []
        monkeypatch.setattr(player, "available", lambda: reason)
        monkeypatch.setattr(module, "_play", self._play)

    async def _play(self, source: Source, *_: object) -> None:
        self.sources.append(source)


def test_without_a_display_it_plays_without_a_window(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    played = Played(monkeypatch, "there is no display")
    module.show(SOURCE)
    assert played.sources == [SOURCE]
    assert capsys.readouterr().err == "there is no display: playing without a window\n"


def test_without_a_display_it_asks_on_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    played = Played(monkeypatch, "there is no display")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "")
    module.show(None)
    assert played.sources == [SOURCE]


def test_without_a_display_and_a_terminal_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    Played(monkeypatch, "there is no display")
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert launch(monkeypatch) == (
        "clientlauncher.py: there is no display, and nothing to play: name it on the command line"
    )


@pytest.mark.parametrize("script", [SCRIPT, ROOT / "server.py"])
def test_an_interruption_is_no_traceback(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "show", interrupted)
    monkeypatch.setattr("reelcast.cli.serve.run", interrupted)
    monkeypatch.setattr(sys, "argv", [str(script)])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(script), run_name="__main__")
    assert left.value.code == 130


def test_without_its_environment_it_says_what_to_do(tmp_path: Path) -> None:
    for script in (SCRIPT, ROOT / "server.py"):
        shutil.copy(script, tmp_path)
    # -S leaves out the installed packages, and the copy has no .venv beside it.
    command = [sys.executable, "-S", "-E", str(tmp_path / SCRIPT.name)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd="/")
    assert result.returncode == 1
    assert result.stderr.startswith("clientlauncher.py: No module named 'reelcast'; run `make demo` first")
