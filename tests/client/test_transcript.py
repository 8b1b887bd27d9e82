"""What is said, as text: whole, and without what lets anybody in."""

from __future__ import annotations

import pytest

from reelcast.client.transcript import transcribe
from reelcast.rtsp.message import Headers, Request, Response


def test_messages() -> None:
    request = Request(
        "SET_PARAMETER", "rtsp://h/p", Headers([("CSeq", "3"), ("A", "b")]), b"x: 1\r\ny: \xff\r\n"
    )
    assert transcribe(request) == "SET_PARAMETER rtsp://h/p RTSP/1.0\nCSeq: 3\nA: b\n\nx: 1\ny: \ufffd\n"
    response = Response(200, "OK", Headers([("Server", "s"), ("CSeq", "3")]))
    assert transcribe(response) == "RTSP/1.0 200 OK\nServer: s\nCSeq: 3\n"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Authorization", 'Digest username="user", response="secret"', "Digest ***"),
        ("authorization", "Basic secret", "Basic ***"),
        ("Authorization", "secret", "***"),
        ("Proxy-Authorization", "Basic secret", "Basic ***"),
        ("Location", "rtsp://user:secret@h/p", "rtsp://h/p"),
        ("Content-Base", "RTSPS://user:sec@ret@h/p@q", "RTSPS://h/p@q"),
        ("X", "rtsp://h/a@b", "rtsp://h/a@b"),
    ],
)
def test_secrets_are_left_out(name: str, value: str, shown: str) -> None:
    message = Request("X", "*", Headers([(name, value), ("B", "c")]), b"done")
    assert transcribe(message) == f"X * RTSP/1.0\n{name}: {shown}\nB: c\n\ndone"
