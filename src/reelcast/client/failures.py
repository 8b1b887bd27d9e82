"""What goes wrong between a client and a server, told with what a person can do about it."""

from __future__ import annotations

import os
import socket
import ssl
from typing import Final

from reelcast.errors import AuthenticationError, DeadlineError, ReelcastError, RemoteError, TransportError
from reelcast.rtsp.authentication import parse_challenges
from reelcast.rtsp.message import Response
from reelcast.rtsp.url import RtspUrl

__all__ = ["distrusted", "lost", "no_connection", "peer_of", "refusal", "unanswered"]

_ADVICE: Final = {
    403: "ask who runs the server whether this user and this address may have it",
    404: "check the path of the URL; a live one is there while somebody publishes to it",
    405: "what is served there cannot be used like this: check the path of the URL",
    415: "nothing in it can be carried, or it is broken; the server's log says more",
    453: "try again when others have stopped",
    456: "it cannot be played like that: only what is recorded has times of day",
    457: "there is nothing at that time: choose one within the stream",
    461: "try another transport",
    503: "try again later",
}


def peer_of(url: RtspUrl) -> str:
    """The server that a URL names: "host:port"."""
    return f"[{url.host}]:{url.port}" if ":" in url.host else f"{url.host}:{url.port}"


def lost(cause: Exception | None, url: RtspUrl, *, mute: bool = False) -> TransportError:
    """The connection has ended, for this cause or because the server ended it; `mute` if it never said a word."""
    message, advice = "the server closed the connection", ""
    if cause is not None:
        message = f"the connection was lost: {getattr(cause, 'strerror', None) or cause}"
    elif mute and url.scheme == "rtsp":
        advice = "it said nothing at all: if it speaks TLS on this port, the URL begins with rtsps://"
    return TransportError(message, url=str(url), peer=peer_of(url), advice=advice)


def no_connection(error: OSError | UnicodeError, url: RtspUrl, timeout: float) -> ReelcastError:
    """The connection could not be made: DeadlineError if it took too long, else TransportError."""
    if isinstance(error, TimeoutError):
        advice = "check address and port, and what may stand between, such as a firewall"
        return DeadlineError("connect", timeout, url=str(url), peer=peer_of(url), advice=advice)
    if isinstance(error, UnicodeError):
        message, advice = "cannot connect: no host has a name like this", "check the name of the host"
        return TransportError(message, url=str(url), peer=peer_of(url), advice=advice)
    advice = ""
    # asyncio words failed connections as calls and tuples; the name resolver and TLS do not.
    cause = os.strerror(error.errno) if error.errno else str(error)
    if isinstance(error, socket.gaierror):
        cause, advice = error.strerror or str(error), "check the name of the host"
    elif isinstance(error, ssl.SSLCertVerificationError):
        return distrusted(getattr(error, "verify_message", str(error)).rstrip("."), url)
    elif isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None)
        cause = f"TLS: {reason.replace('_', ' ').lower() if reason else error}"
        advice = "rtsps:// is for servers that speak TLS on this port: check the port, or try rtsp://"
    elif isinstance(error, ConnectionRefusedError):
        advice = "check the port, and that the server is running"
    return TransportError(f"cannot connect: {cause}", url=str(url), peer=peer_of(url), advice=advice)


def distrusted(objection: str, url: RtspUrl) -> TransportError:
    """The server may be another one than the URL means: nothing was said to it."""
    advice = (
        "compare its fingerprint with the one that the server shows where it runs, and trust that, or the file of "
        "its certificate (trust=, --trust)"
    )
    message = f"cannot connect: the server is not trusted: {objection}"
    return TransportError(message, url=str(url), peer=peer_of(url), advice=advice)


def unanswered(method: str, timeout: float, uri: str, url: RtspUrl) -> DeadlineError:
    """Nothing came for a request in time."""
    advice = "it may be busy, or not speak RTSP on this port; a longer timeout waits longer"
    return DeadlineError(method, timeout, url=uri, peer=peer_of(url), advice=advice)


def refusal(
    response: Response, method: str, uri: str, url: RtspUrl, *, identified: bool = False
) -> RemoteError:
    """A response that is no success; AuthenticationError for 401.

    identified    True if the request, or one before it, went with user and password
    """
    kind, advice = RemoteError, _ADVICE.get(response.status, "")
    if response.status == 401:
        kind = AuthenticationError
        if not parse_challenges(response.headers.get_all("WWW-Authenticate")):
            advice = "it asks for a kind of authentication that is not known here"
        elif identified:
            advice = "check user and password; in a URL, @ : and / in them are written %40 %3A and %2F"
        else:
            advice = "put user and password into the URL: rtsp://USER:PASSWORD@HOST/PATH"
    return kind(response.status, response.reason, method=method, url=uri, peer=peer_of(url), advice=advice)
