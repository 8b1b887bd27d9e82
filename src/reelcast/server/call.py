"""A request on its way through its handler, and what handlers work with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from reelcast.errors import ProtocolError
from reelcast.net.udp import UdpPair
from reelcast.rtsp.headers import SessionHeader
from reelcast.rtsp.message import Request, Response
from reelcast.rtsp.url import RtspUrl
from reelcast.server.connection import Connection
from reelcast.server.guard import NOBODY, Guard, Visitor
from reelcast.server.mounts import Mounts
from reelcast.server.pacer import Pacer
from reelcast.server.rights import Right
from reelcast.server.session import Session, Sessions

__all__ = ["Call", "Services"]

_AnySession = TypeVar("_AnySession", bound=Session)


@dataclass(slots=True)
class Services:
    """What handlers work with: one of each for a server; `pairs` has the UDP ports by address family."""

    mounts: Mounts
    sessions: Sessions
    pacer: Pacer
    pairs: dict[int, UdpPair]
    guard: Guard


@dataclass(slots=True)
class Call:
    """One request on its way through its handler.

    asked     the URL as the client wrote it
    url       what it means here
    visitor   who it comes from
    guard     that found it out
    session   the session it names, or has made
    outcome   what the log says of it, beside the status
    """

    services: Services
    connection: Connection
    request: Request
    asked: RtspUrl
    url: RtspUrl
    visitor: Visitor = NOBODY
    guard: Guard | None = None
    session: Session | None = None
    outcome: str = ""

    def reply(self, status: int = 200, *headers: tuple[str, str], body: bytes = b"") -> Response:
        """A response with the session's header."""
        response = Response.to(self.request, status, headers, body)
        if self.session is not None:
            header = SessionHeader(self.session.id, self.services.sessions.timeout)
            response.headers.add("Session", str(header))
        return response

    def demand(self, right: Right, place: Sequence[str]) -> None:
        """Refuse what the visitor may not do at a path of these decoded segments; ProtocolError 401, 403."""
        guard = self.services.guard
        if not guard.allows(self.visitor, right, place):
            raise self.refusal(self.visitor)
        # Another may have come while something was waited for: with it, who this was may be nobody any more.
        if self.guard is not None and guard.excludes(self.guard, self.visitor, right, place):
            raise self.refusal(replace(self.visitor, user=""))

    def prove(self, presentation: tuple[str, ...]) -> None:
        """Refuse a Digest that was made for something else than this presentation, or what is asked for; 401."""
        proof = self.visitor.proof
        if proof is not None and proof != presentation and proof != self.asked.segments():
            raise self.refusal(replace(self.visitor, user=""))

    def refusal(self, visitor: Visitor) -> ProtocolError:
        """What a visitor is told who may not do this."""
        return self.services.guard.refusal(visitor, secure=self.connection.encrypted)

    def joined(self) -> Session:
        """The session of a method that needs one; ProtocolError 454."""
        if self.session is None:
            raise ProtocolError(f"{self.request.method} needs a Session header", 454)
        return self.session

    def joined_to(self, kind: type[_AnySession]) -> _AnySession:
        """The same, of a method that needs one of this kind; ProtocolError 454, 455."""
        session = self.joined()
        if not isinstance(session, kind):
            raise ProtocolError(f"{self.request.method} is not valid in this session", 455)
        return session
