"""What can go wrong, as a tree.

ReelcastError
├── ProtocolError             a peer said something malformed or forbidden; `status` is the RTSP answer
├── PayloadError              a coded frame cannot be carried in the payload format, or a track has none
├── MediaError                a file cannot be served: missing, broken, or nothing in it can be carried
├── TransportError            a socket cannot be had: port in use, no rights, unreachable; or it was lost
├── ConfigurationError        a configuration is wrong: `where` and `key` say what
├── DeadlineError             a peer did not do its part in time; also a TimeoutError; `step`, `seconds`
└── RemoteError               the other side refused: `status` and `reason` of its RTSP response
    └── AuthenticationError   it wants to know who asks, or does not take the user and password it was given

Any of them may say what it is about: `url`, `peer`, `status` and `advice` are there always.
"""

from __future__ import annotations

import json
import re
from typing import Final

__all__ = [
    "AuthenticationError",
    "ConfigurationError",
    "DeadlineError",
    "MediaError",
    "PayloadError",
    "ProtocolError",
    "ReelcastError",
    "RemoteError",
    "TransportError",
]

MAX_REASON: Final = 80
"""Characters of a reason phrase that are shown: longer ones come from no honest server."""

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
"""What TOML takes without quotes."""

_DEADLINES: Final = {
    "connect": "no connection within {} s",
    "first packet": "no media within {} s",
    "silence": "silent for {} s",
    "sending": "nothing of what is sent was taken for {} s",
    "frame": "no frame within {} s",
}


class ReelcastError(Exception):
    """The root of every error that reelcast raises on purpose; its text is one line for a person.

    message   what was wrong, without the URL, which `str()` puts in front where there is one
    url       what it happened to, without user and password; "" where it is about no URL
    peer      the other side's "host:port"; "" where it is not known
    status    the RTSP status code, where there is one
    advice    one phrase: what to do about it; "" where there is nothing better than the message
    """

    status: int | None = None

    def __init__(self, message: str, *, url: str = "", peer: str = "", advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.url = url
        self.peer = peer
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.url}: {self.message}" if self.url else self.message

    @property
    def line(self) -> str:
        """What was wrong, and what to do about it, as a command says it on a terminal."""
        return f"{self}; {self.advice}" if self.advice else str(self)


class ProtocolError(ReelcastError):
    """A peer broke the protocol, or asked for what it may not have.

    `status` is the RTSP status code (RFC 2326 section 11) that answers it best.
    """

    status: int

    def __init__(
        self, message: str, status: int = 400, *, url: str = "", peer: str = "", advice: str = ""
    ) -> None:
        super().__init__(message, url=url, peer=peer, advice=advice)
        self.status = status


class PayloadError(ReelcastError):
    """A coded frame does not fit its RTP payload format, or no format is known for the codec."""


class MediaError(ReelcastError):
    """A media file is missing, broken, or holds nothing that can be served."""


class TransportError(ReelcastError):
    """A socket could not be opened or bound, or was lost; the text says which and what to do."""


class ConfigurationError(ReelcastError):
    """A configuration is wrong.

    where   what to look at: "station.toml:12", a flag, or "" where that is not known
    key     the names that lead to the setting, () where it is about none
    """

    def __init__(self, message: str, *, key: tuple[str, ...] = (), where: str = "", advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.key = key
        self.where = where

    def __str__(self) -> str:
        shown = ".".join(name if _BARE_KEY.fullmatch(name) else json.dumps(name) for name in self.key)
        return ": ".join(part for part in (self.where, shown, self.message) if part)


class DeadlineError(ReelcastError, TimeoutError):
    """A peer did not do its part in time.

    step      what was waited for: "connect", "first packet", "silence" (media that stopped), "sending" (media that
              is not taken), or the method of the request that nobody answered
    seconds   how long
    """

    def __init__(self, step: str, seconds: float, *, url: str = "", peer: str = "", advice: str = "") -> None:
        text = _DEADLINES.get(step, f"no answer to {step} within {{}} s")
        super().__init__(text.format(f"{seconds:g}"), url=url, peer=peer, advice=advice)
        self.args = (step, seconds)  # what it is pickled by
        self.step = step
        self.seconds = seconds


class RemoteError(ReelcastError):
    """The peer answered a request with an error status; `method` is the request's, `url` its URI."""

    status: int

    def __init__(
        self,
        status: int,
        reason: str,
        *,
        method: str = "",
        url: str = "",
        peer: str = "",
        advice: str = "",
    ) -> None:
        # The phrase is the peer's: a terminal is not to be steered by it.
        shown = "".join(character for character in reason[:MAX_REASON] if character.isprintable())
        text = f"the server answered {status} {shown}".rstrip() + (f" to {method}" if method else "")
        super().__init__(text, url=url, peer=peer, advice=advice)
        self.args = (status, reason)  # what it is pickled by
        self.status = status
        self.reason = reason
        self.method = method


class AuthenticationError(RemoteError):
    """The peer wants to know who asks, or does not take the user and password that it was given."""
