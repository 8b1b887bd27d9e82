"""Publishing to this server: ANNOUNCE, SETUP of what was announced, RECORD (RFC 2326 10.3, 10.4 and 10.11)."""

from __future__ import annotations

import logging
from dataclasses import replace
from urllib.parse import quote

from reelcast.errors import ProtocolError, TransportError
from reelcast.net.receive import MediaPorts
from reelcast.rtsp.headers import TransportSpec, parse_transport
from reelcast.rtsp.states import State, after
from reelcast.server.announcement import Announcement
from reelcast.server.call import Call
from reelcast.server.connection import Connection, Reply
from reelcast.server.negotiation import agree_to_receive
from reelcast.server.publication import Channels, Publication
from reelcast.server.rights import Right
from reelcast.server.session import GRACE, Delivery

__all__ = ["announce", "publication_of", "record", "set_up"]

log = logging.getLogger(__name__)


async def announce(call: Call) -> Reply:
    """ANNOUNCE: begin a session to publish; nothing is served of it before its RECORD."""
    if call.session is not None:
        raise ProtocolError("a session publishes what it was announced with", 455)
    segments = call.url.segments()
    call.prove(segments)
    call.demand(Right.PUBLISH, segments)
    announcement = _announcement(call)
    path = "/" + "/".join(map(quote, segments))
    await call.services.mounts.check_publishing(path)
    sessions, connection = call.services.sessions, call.connection
    for former in list(connection.sessions):
        if isinstance(former, Publication) and former.path == path and former.state is State.INIT:
            sessions.end(former)
    publications = sum(isinstance(session, Publication) for session in sessions)
    if publications >= sessions.limits.publications:
        raise ProtocolError(f"there are {publications} publishers already", 453)

    def over(publication: Publication, reason: str) -> None:
        log.info("%s: %s: its session ends", connection, reason)
        sessions.dismiss(publication)

    patience = float(sessions.timeout + GRACE)
    host = connection.peer[0]
    session = Publication(path, announcement, connection, host, patience=patience, on_over=over)
    session.user = call.visitor.user
    call.session = sessions.add(session)
    tracks = zip(announcement.tracks, announcement.encodings, strict=True)
    passed_over = [encoding for track, encoding in tracks if track is None]
    if passed_over:
        log.warning(
            "%s: of %s, what is published as %s cannot be received", connection, path, ", ".join(passed_over)
        )
    call.outcome = ", ".join(track.codec for track in announcement.tracks if track is not None)
    return Reply(call.reply())


def _announcement(call: Call) -> Announcement:
    kind = (call.request.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    if not call.request.body or not kind:
        raise ProtocolError("ANNOUNCE needs a body, and a Content-Type")
    if kind != "application/sdp":
        raise ProtocolError(f"{kind[:40]} is not application/sdp", 415)
    return Announcement.parse(call.url, call.request.body)


def publication_of(call: Call) -> Publication | None:
    """The publisher's session that a SETUP is for, None where it is for a reader's.

    RFC 2326 has no session before SETUP: a publisher may name none there that ANNOUNCE was answered with.
    """
    if call.session is not None:
        return call.session if isinstance(call.session, Publication) else None
    if not any(spec.mode == "RECORD" for spec in _offered(call)):
        return None
    for session in call.connection.sessions:
        if (
            isinstance(session, Publication)
            and session.state is State.INIT
            and session.user == call.visitor.user
            and call.url.segments()[: len(session.place)] == session.place
        ):
            call.prove(session.place)
            call.demand(session.right, session.place)
            return session
    raise ProtocolError("what is to be recorded is announced first (ANNOUNCE)", 455)


def _offered(call: Call) -> list[TransportSpec]:
    return parse_transport(",".join(call.request.headers.get_all("Transport")))


async def set_up(call: Call, session: Publication) -> Reply:
    """SETUP of a track that was announced."""
    call.session = session
    _check_not_recording(session)
    number = session.announcement.track_at(call.url)
    connection, sessions = call.connection, call.services.sessions
    agreed = agree_to_receive(_offered(call), connection, session, number)
    ssrc = sessions.unused_ssrc()
    incoming = session.incoming(number, ordered=agreed.tcp, ssrc=ssrc)
    ports: MediaPorts | None = None
    if agreed.client_port is not None:
        ports = MediaPorts(incoming.media, incoming.control)
        agreed = replace(agreed, server_port=await _open(ports, connection))
        ports.listen_to([connection.peer[0]], agreed.client_port)
        try:
            # Meanwhile another connection may have ended the session, or begun to record.
            sessions.find(session.id, session.host)
            _check_not_recording(session)
        except ProtocolError:
            ports.close()
            raise
    sessions.withdraw(session, number)
    session.adapt(call.services.pacer)
    sessions.deliver(session, number, Delivery(ssrc, str(call.url), channels=agreed.interleaved))
    if ports is None:
        assert agreed.interleaved is not None
        session.carry(number, incoming, Channels(connection, agreed.interleaved, incoming))
    else:
        session.carry(number, incoming, ports)
    session.state = after(session.state, "SETUP")
    call.outcome = f"{'TCP' if agreed.tcp else 'UDP'} {agreed.interleaved or agreed.server_port}"
    return Reply(call.reply(200, ("Transport", str(agreed))))


def _check_not_recording(session: Publication) -> None:
    if session.state is State.RECORDING:
        raise ProtocolError("PAUSE before a track is set up", 455)


async def _open(ports: MediaPorts, connection: Connection) -> tuple[int, int]:
    try:
        return await ports.open(connection.local[0])
    except TransportError as error:
        # A publisher may go on over TCP.
        raise ProtocolError(f"no ports to receive on: {error}", 461) from error


async def record(call: Call) -> Reply:
    """RECORD: what comes from now on is live. The Range that some send says nothing of that."""
    session = call.joined_to(Publication)
    if session.state is not State.RECORDING:
        session.check_ready()
        agent = call.connection.agent
        by = f"{call.connection} ({agent[:80]})" if agent else str(call.connection)
        session.record(call.services.mounts.publish_to(session.path), by)
    session.state = after(session.state, "RECORD")
    return Reply(call.reply())
