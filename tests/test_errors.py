"""The tree of errors: one line for a person, and facts for a program."""

from __future__ import annotations

import pickle
from itertools import pairwise

import pytest

from reelcast.errors import (
    MAX_REASON,
    AuthenticationError,
    ConfigurationError,
    DeadlineError,
    MediaError,
    ProtocolError,
    ReelcastError,
    RemoteError,
    TransportError,
)

URL = "rtsp://h/p"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ReelcastError("odd"), "odd"),
        (ProtocolError("odd", 454, url=URL), "rtsp://h/p: odd"),
        (MediaError("movie: broken"), "movie: broken"),
        (TransportError("cannot connect", url=URL, advice="try again"), "rtsp://h/p: cannot connect"),
        (DeadlineError("connect", 5.0), "no connection within 5 s"),
        (DeadlineError("first packet", 2.5, url=URL), "rtsp://h/p: no media within 2.5 s"),
        (DeadlineError("silence", 10, url=URL), "rtsp://h/p: silent for 10 s"),
        (DeadlineError("PLAY", 0.5, url=URL), "rtsp://h/p: no answer to PLAY within 0.5 s"),
        (RemoteError(404, "Not Found"), "the server answered 404 Not Found"),
        (AuthenticationError(401, "", url=URL), "rtsp://h/p: the server answered 401"),
        (ConfigurationError("odd"), "odd"),
        (ConfigurationError("odd", key=("paths", "/cam", "x-y")), 'paths."/cam".x-y: odd'),
        (ConfigurationError("odd", key=("a",), where="b.toml:12"), "b.toml:12: a: odd"),
        (RemoteError(461, "No", method="SETUP"), "the server answered 461 No to SETUP"),
    ],
)
def test_text(error: ReelcastError, text: str) -> None:
    assert str(error) == text


def test_facts() -> None:
    error = TransportError("lost", url=URL, peer="h:554", advice="look at the cable")
    assert (error.message, error.url, error.peer) == ("lost", URL, "h:554")
    assert (error.status, error.advice) == (None, "look at the cable")
    bare = ReelcastError("odd")
    assert (bare.url, bare.peer, bare.status, bare.advice) == ("", "", None, "")
    assert (error.line, bare.line) == ("rtsp://h/p: lost; look at the cable", "odd")
    assert ProtocolError("odd").status == 400
    assert (RemoteError(461, "No").status, RemoteError(461, "No").reason) == (461, "No")
    assert (DeadlineError("connect", 3).step, DeadlineError("connect", 3).seconds) == ("connect", 3)


def test_a_deadline_is_a_timeout_of_python() -> None:
    with pytest.raises(TimeoutError):
        raise DeadlineError("connect", 1.0)


def test_a_reason_steers_no_terminal() -> None:
    assert str(RemoteError(400, "\x1b[2JBad\n" + "x" * 999)).removeprefix("the server answered ") == (
        "400 [2JBad" + "x" * (MAX_REASON - 8)
    )


@pytest.mark.parametrize(
    "error",
    [
        ProtocolError("odd", 454, url=URL),
        DeadlineError("PLAY", 0.5, url=URL, peer="h:554", advice="wait longer"),
        AuthenticationError(401, "Unauthorized", url=URL),
    ],
)
def test_errors_pass_between_processes(error: ReelcastError) -> None:
    once = pickle.loads(pickle.dumps(error))
    twice = pickle.loads(pickle.dumps(once))
    for first, second in pairwise((error, once, twice)):
        assert type(first) is type(second)
        assert str(first) == str(second)
        assert vars(first) == vars(second)
