"""What to play, as it is read from a command line and a terminal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reelcast.errors import ReelcastError
from reelcast.player.launcher import USAGE, parse, prompt, source_of
from reelcast.player.source import Source


@pytest.mark.parametrize(
    ("arguments", "url", "rtp_port"),
    [
        (["127.0.0.1", "8000", "5001", "movie.Mjpeg"], "rtsp://127.0.0.1:8000/movie.Mjpeg", 5001),
        (
            ["camera.local", "554", "5002", "/live/main?profile=1"],
            "rtsp://camera.local:554/live/main?profile=1",
            5002,
        ),
        (["::1", "8554", "1", "a"], "rtsp://[::1]:8554/a", 1),
        (["[::1]", " 8554 ", "65534", "a b.mp4"], "rtsp://[::1]:8554/a b.mp4", 65534),
    ],
)
def test_four_arguments(arguments: list[str], url: str, rtp_port: int) -> None:
    assert parse(arguments) == Source(url, rtp_port=rtp_port, dialect="auto")


def test_no_arguments() -> None:
    assert parse([]) is None


@pytest.mark.parametrize("arguments", [["127.0.0.1"], ["127.0.0.1", "8000", "5001"], ["1"] * 5])
def test_another_number_of_arguments(arguments: list[str]) -> None:
    with pytest.raises(ReelcastError) as caught:
        parse(arguments)
    assert str(caught.value) == USAGE


@pytest.mark.parametrize(
    ("four", "message"),
    [
        (("", "8000", "5001", "a"), "'' is no host"),
        (("a b", "8000", "5001", "a"), "'a b' is no host"),
        (("a/b", "8000", "5001", "a"), "'a/b' is no host"),
        (("user@host", "8000", "5001", "a"), "'user@host' is no host"),
        (("host", "x", "5001", "a"), "'x' is no PORT: give a number from 1 to 65535"),
        (("host", "0", "5001", "a"), "'0' is no PORT"),
        (("host", "65536", "5001", "a"), "'65536' is no PORT"),
        (("host", "²", "5001", "a"), "'²' is no PORT"),
        (("host", "8000", "65535", "a"), "'65535' is no RTP_PORT: give a number from 1 to 65534"),
        (("host", "8000", "-1", "a"), "'-1' is no RTP_PORT"),
        (("host", "8000", "5001", ""), "the file's name is missing"),
        (("host", "8000", "5001", "/"), "the file's name is missing"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_line(four: tuple[str, str, str, str], message: str) -> None:
    with pytest.raises(ReelcastError) as caught:
        source_of(*four)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_answers_on_a_terminal_have_defaults_and_are_asked_for_again() -> None:
    answers: Iterator[str] = iter(["", "x", "", "", "camera", "554", "6000", "live"])
    asked: list[str] = []
    told: list[str] = []

    def read(question: str) -> str:
        asked.append(question)
        return next(answers)

    assert prompt(read, told.append) == Source("rtsp://camera:554/live", rtp_port=6000, dialect="auto")
    assert asked[:4] == [
        "Host [127.0.0.1]: ",
        "Port [8000]: ",
        "RTP port [5001]: ",
        "File [movie.Mjpeg]: ",
    ]
    assert told == ["'x' is no PORT: give a number from 1 to 65535"]


def test_the_end_of_the_terminal() -> None:
    def read(question: str) -> str:
        raise EOFError

    assert prompt(read, print) is None
