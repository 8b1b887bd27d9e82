"""The command itself: help, version, and errors of use."""

from __future__ import annotations

import pytest

from reelcast.cli import main as module


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


def test_an_unknown_verb(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "dance") == 2
