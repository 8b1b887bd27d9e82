"""What is typed behind a verb: numbers of seconds, and URLs."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from reelcast.cli.verb import seconds_of, url_of
from reelcast.errors import ReelcastError


@pytest.mark.parametrize(("text", "least", "number"), [("2", 0.1, 2.0), ("0", 0.0, 0.0), ("1.5", 1.0, 1.5)])
def test_seconds(text: str, least: float, number: float) -> None:
    assert seconds_of(text, least=least) == number


@pytest.mark.parametrize("text", ["", "x", "10s", "0", "-1", "nan", "inf", "1e999"])
def test_what_is_no_number_of_seconds(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"is no number of seconds from 0\.01 on"):
        seconds_of(text)


@pytest.mark.parametrize("text", [None, "rtsp://host/path", "rtsps://user:password@host:1/", "rtsp://h/%d"])
def test_urls(text: str | None) -> None:
    assert url_of(text) == text


@pytest.mark.parametrize(
    "text", ["movie.mp4", "/movie", "*", "http://host/", "rtsp://", "rtsp://host:99999/"]
)
def test_what_is_no_url(text: str) -> None:
    with pytest.raises(ReelcastError):
        url_of(text)


def test_a_file_is_no_url(tmp_path: Path) -> None:
    file = tmp_path / "movie.mp4"
    file.touch()
    with pytest.raises(ReelcastError, match="is a file, and no RTSP URL") as caught:
        url_of(str(file))
    assert caught.value.advice == f"`reelcast serve {file}` serves it, and prints its URL"
