"""What a client is told whose request is refused: the status, and the headers that say what would be taken."""

from __future__ import annotations

from collections.abc import Sequence

from reelcast.errors import ProtocolError
from reelcast.rtsp.headers import format_tokens
from reelcast.rtsp.message import Response
from reelcast.rtsp.states import State, allowed
from reelcast.server.call import Call
from reelcast.server.connection import Reply
from reelcast.server.guard import BusyError, LoginError
from reelcast.server.playback import Playback
from reelcast.server.times import Times

__all__ = ["MAX_FAILURES", "UnsupportedError", "refuse"]

MAX_FAILURES = 5
"""Logins that may fail in a row before the connection is closed: players try every way that is offered once."""


class UnsupportedError(ProtocolError):
    """A request needs features that there are not (RFC 2326 section 12.32)."""

    def __init__(self, tags: list[str]) -> None:
        super().__init__(f"unknown feature: {', '.join(tags)[:200]}", 551)
        self.tags = tags


def refuse(call: Call, error: ProtocolError, methods: Sequence[str]) -> Reply:
    """The answer to what went wrong; `methods` are those that the server has."""
    call.outcome = f"({error})"
    response = Response.to(call.request, error.status)
    if isinstance(error, LoginError):
        return _challenge(call, error, response)
    for name, value in _headers(call, error, methods):
        response.headers.add(name, value)
    return Reply(response)


def _headers(call: Call, error: ProtocolError, methods: Sequence[str]) -> list[tuple[str, str]]:
    session = call.session
    if isinstance(error, UnsupportedError):
        return [("Unsupported", format_tokens(error.tags))]
    if isinstance(error, BusyError):
        return [("Retry-After", str(error.seconds))]
    if error.status in (405, 455):
        foreign: frozenset[str] = frozenset() if session is None else session.foreign
        spoken = tuple(method for method in methods if method not in foreign)
        state = State.INIT if session is None else session.state
        return [("Allow", format_tokens(allowed(state, spoken)))]
    if error.status == 457 and isinstance(session, Playback):
        there = Times(session.source.calendar).there(call.request.headers.get("Range"))
        return [] if there is None else [("Range", str(there))]
    if error.status == 501:
        return [("Public", format_tokens(methods))]
    return []


def _challenge(call: Call, error: LoginError, response: Response) -> Reply:
    """Ask who it is; who has said it wrong too often is shown out."""
    for challenge in error.challenges:
        response.headers.add("WWW-Authenticate", str(challenge))
    call.connection.failures += error.failed
    if call.connection.failures < MAX_FAILURES:
        return Reply(response)
    response.headers.add("Connection", "close")
    return Reply(response, call.connection.close)
