"""The verb `user`: what is printed is a configuration, and logs in who knows the password."""

from __future__ import annotations

import io
import tomllib

import pytest
from tests.cli.test_main import run

from reelcast.server.passwords import Password


class Terminal(io.StringIO):
    """Input that a person types."""

    def isatty(self) -> bool:
        return True


def printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, *arguments: str
) -> tuple[dict[str, dict[str, dict[str, object]]], str]:
    """What the command says where this is its input, as TOML, and as it is."""
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert run(monkeypatch, "user", *arguments) == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    return tomllib.loads(output), output


def test_a_user(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    said, output = printed(monkeypatch, capsys, "wonder:land\n", "alice")
    kept = Password.of("alice", "wonder:land")
    assert said == {
        "users": {"alice": {"ha1": kept.md5, "ha1_sha256": kept.sha256, "read": ["/**"], "publish": []}}
    }
    assert "wonder" not in output
    # The other way is there too, as a comment.
    other = tomllib.loads(output.replace("# password", "password"))["users"]["alice"]["password"]
    assert Password(argon2=other)


def test_a_user_of_some_paths(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("Jö Doe 🎞", "--read", "/a/*", "--read", "/b", "--publish", "/c/**", "--realm", "home")
    said, _ = printed(monkeypatch, capsys, "ñ\r\n", *arguments)
    user = said["users"]["Jö Doe 🎞"]
    assert (user["read"], user["publish"]) == (["/a/*", "/b"], ["/c/**"])
    assert user["ha1"] == Password.of("Jö Doe 🎞", "ñ", "home").md5


def test_a_password_that_is_typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def prompt(text: str, **_: object) -> str:
        asked.append(text)
        return "typed"

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("typer.prompt", prompt)
    assert run(monkeypatch, "user", "alice") == 0
    assert asked == ["Password"]
    assert str(Password.of("alice", "typed").md5) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        ("secret", ("a:b",), "is no user"),
        ("secret", ("alice", "--read", "cam"), "is no pattern"),
        ("secret", ("alice", "--publish", "/[x"), "is no pattern"),
        ("secret", ("alice", "--realm", 'a"b'), "is no realm"),
        ("\n", ("alice",), "is not empty"),
        ("", ("alice",), "is not empty"),
    ],
)
def test_what_is_none(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert run(monkeypatch, "user", *arguments) == 2
    assert words in " ".join(capsys.readouterr().err.split())
