"""What is settled of every request before its handler has it: who asks, in which session, and when."""

from __future__ import annotations

from reelcast.errors import ProtocolError
from reelcast.rtsp.headers import SessionHeader
from reelcast.rtsp.states import NEEDS_SESSION, after
from reelcast.server.call import Call
from reelcast.server.guard import LoginError
from reelcast.server.session import Session

__all__ = ["check_state", "identify", "join"]


async def identify(call: Call) -> None:
    """Find out who asks; ProtocolError 401, 503."""
    request, connection = call.request, call.connection
    said = request.headers.get_all("Authorization")
    # What there is to be had may be asked by anyone: players want a 200 before all else.
    if request.method == "OPTIONS" and "Session" not in request.headers:
        said = []
    host = connection.peer[0]
    call.guard = call.services.guard
    try:
        call.visitor = await call.guard.identify(
            request.method, call.asked, said, host, secure=connection.encrypted
        )
    except LoginError as error:
        named = request.headers.get("Session")
        if error.user and named is not None:
            # Few players repeat a keepalive for a new nonce; that they are alive is said all the same.
            session = call.services.sessions.find(SessionHeader.parse(named).id, host)
            if session.user == error.user:
                session.touch()
        raise
    if said:
        connection.failures = 0


def join(call: Call) -> None:
    """Find the session that is named, or see that none is needed."""
    request = call.request
    named = request.headers.get("Session")
    if named is not None:
        host = call.connection.peer[0]
        session = call.services.sessions.find(SessionHeader.parse(named).id, host)
        if session.user not in ("", call.visitor.user):
            if not call.visitor.user:
                raise call.refusal(call.visitor)
            raise ProtocolError("there is no such session", 454)
        call.prove(session.presentation)
        call.demand(session.right, session.place)
        call.session = session
        if request.method != "TEARDOWN":
            session.touch()
        _check_place(call, session)
    elif request.method != "OPTIONS" and not call.services.guard.is_known(call.visitor):
        raise call.refusal(call.visitor)
    elif request.method in NEEDS_SESSION:
        raise ProtocolError(f"{request.method} needs a Session header", 454)


def check_state(call: Call) -> None:
    """See that the session, where one is named, is there and may be asked this; ProtocolError 454, 455."""
    session = call.session
    if session is not None:
        call.services.sessions.find(session.id, session.host)
        session.refresh()
        after(session.state, call.request.method)


def _check_place(call: Call, session: Session) -> None:
    """A session's requests name its presentation, or a track of it, or nothing in particular."""
    if call.request.method in ("OPTIONS", "DESCRIBE", "GET_PARAMETER", "SET_PARAMETER"):
        return
    if call.url.path in ("*", "/"):
        return
    presentation = session.presentation
    if call.url.segments()[: len(presentation)] != presentation:
        raise ProtocolError(f"this session is for {session.path}", 459)
