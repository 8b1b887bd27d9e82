"""What is said on an RTSP connection, as text for people; nothing in it lets anybody in."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reelcast.rtsp.message import Request, Response
from reelcast.rtsp.url import without_userinfo

__all__ = ["Utterance", "transcribe"]

MASK = "***"

_AUTHORIZATION = re.compile(
    r"^((?:Proxy-)?Authorization *: *(?:\S+ +(?=\S))?).*$", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Utterance:
    """One request or response, in either direction.

    time    seconds since 1970
    sent    True if it is ours, False if it is the server's
    text    head and body, lines ended by newlines; without what Authorization says, and without users in URLs
    """

    time: float
    sent: bool
    text: str


def transcribe(message: Request | Response) -> str:
    """The text of a message, as `Utterance` has it; headers in the order that they came in."""
    if isinstance(message, Request):
        start = f"{message.method} {message.uri} {message.version}"
    else:
        start = f"{message.version} {message.status} {message.reason}"
    head = [start, *(f"{name}: {value}" for name, value in message.headers.items())]
    body = message.body.decode(errors="replace").replace("\r\n", "\n")
    text = "\n".join([*head, "", body]) if body else "\n".join([*head, ""])
    return without_userinfo(_AUTHORIZATION.sub(rf"\1{MASK}", text))
