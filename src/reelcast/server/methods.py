"""The methods of RTSP, a handler each (RFC 2326 section 10), behind one table."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from email.utils import formatdate
from functools import lru_cache
from importlib.metadata import version
from urllib.parse import quote

from reelcast.errors import MediaError, ProtocolError, ReelcastError
from reelcast.rtp.description import describe
from reelcast.rtsp.headers import (
    RtpInfo,
    format_decimal,
    format_tokens,
    parse_parameters,
    parse_scale,
    parse_speed,
    parse_tokens,
    parse_transport,
)
from reelcast.rtsp.message import Request, Response
from reelcast.rtsp.ranges import Range, Unit
from reelcast.rtsp.states import State, after, check_method
from reelcast.rtsp.url import RtspUrl
from reelcast.server.admission import check_state, identify, join
from reelcast.server.announce import announce, publication_of, record, set_up
from reelcast.server.call import Call, Services
from reelcast.server.connection import Connection, Reply
from reelcast.server.mounts import RECORDED, Found, Mounts
from reelcast.server.negotiation import agree
from reelcast.server.playback import Playback
from reelcast.server.refusal import UnsupportedError, refuse
from reelcast.server.rights import Right
from reelcast.server.source import Pace, Playing
from reelcast.server.times import Times

__all__ = ["METHODS", "answer"]

log = logging.getLogger(__name__)

FEATURES = frozenset({"play.basic"})
"""Feature tags that a Require header may name (RFC 7826 section 11.1)."""
_ASKING = ("Range", "Scale", "Speed")
"""Headers by which a PLAY asks for another way of playing."""
_SERVER = f"reelcast/{version('reelcast')}"
_UNREAD = RtspUrl("", "", 554, "*")
"""The URL of a request that has not been looked at."""


async def answer(services: Services, connection: Connection, request: Request) -> Reply:
    """Answer a request, whatever it is; what goes wrong becomes a status, and a line in the log."""
    call = Call(services, connection, request, _UNREAD, _UNREAD)
    try:
        _check(call)
        await identify(call)
        join(call)
        reply = await _answer_in_turn(call)
        level = logging.DEBUG if request.method in _QUIET else logging.INFO
    except ProtocolError as error:
        reply, level = refuse(call, error, tuple(METHODS)), logging.INFO
    except MediaError as error:
        refused = ProtocolError(str(error), 415)
        reply, level = refuse(call, refused, tuple(METHODS)), logging.WARNING
    except Exception as error:
        log.error("%s: %s failed: %r", connection, request.method, error)
        log.debug("the traceback:", exc_info=error)
        reply, level = Reply(Response.to(request, 500)), logging.INFO
    reply.response.headers.add("Server", _SERVER)
    reply.response.headers.add("Date", _date(int(time.time())))
    status = reply.response.status
    outcome = f" {call.outcome}" if call.outcome else ""
    outcome += f", as {call.visitor.user}" if call.visitor.user else ""
    log.log(level, "%s %s %s -> %d%s", connection, request.method[:40], _path(call), status, outcome)
    return reply


async def _answer_in_turn(call: Call) -> Reply:
    """What changes a session waits for what does so already, whichever connections the two came over."""
    session, method = call.session, call.request.method
    async with contextlib.nullcontext() if session is None or method not in _IN_TURN else session.turn:
        check_state(call)
        return await METHODS[method](call)


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    """The time of day in the form of the Date header (RFC 2326 section 12.18), made once a second."""
    return formatdate(second, usegmt=True)


def _path(call: Call) -> str:
    return call.url.path[:200]


def _check(call: Call) -> None:
    """What is checked of every request before its method is looked at."""
    request, headers = call.request, call.request.headers
    call.connection.agent = headers.get("User-Agent") or call.connection.agent
    if request.cseq is None:
        raise ProtocolError("a request without CSeq")
    if request.version.startswith("RTSP/2"):
        raise ProtocolError("this server speaks RTSP/1.0", 505)
    check_method(request.method, tuple(METHODS))
    call.asked = RtspUrl.parse(request.uri)
    call.url = _plain(call.asked, call.services.mounts)
    unknown = [tag for tag in parse_tokens(*headers.get_all("Require")) if tag not in FEATURES]
    unknown += [tag for tag in parse_tokens(*headers.get_all("Proxy-Require")) if tag not in FEATURES]
    if unknown:
        raise UnsupportedError(unknown)


def _plain(url: RtspUrl, mounts: Mounts) -> RtspUrl:
    """A URL whose query asks for recordings, as the path that these are at.

    Clients join URLs with a query and tracks in ways of their own, and so are given a path instead.
    """
    if url.query is None or not mounts.recordings:
        return url
    asked = next((part for part in url.query.split("&") if part.partition("/")[0] == RECORDED), None)
    if asked is None:
        return url
    path = url.path.rstrip("/").removesuffix(f"/{RECORDED}")
    return replace(url, path=f"{path}/{asked}", query=None)


async def _find(call: Call) -> Found:
    """What the URL names, for who may read it: others are told the same whatever is there, or is not."""
    segments, guard = call.url.segments(), call.services.guard
    # Tracks stand behind their presentation, and recordings behind what is recorded: which of these a name is
    # shows only where it is looked up.
    places = {segments[: len(segments) - behind] for behind in range(3)}
    if not any(guard.allows(call.visitor, Right.READ, place) for place in places):
        raise call.refusal(call.visitor)
    try:
        found = await call.services.mounts.find(list(segments))
    except ReelcastError:
        call.demand(Right.READ, segments)
        raise
    call.demand(Right.READ, segments if found is None else found.place)
    if found is None:
        raise ProtocolError("nothing is served there", 404)
    call.prove(found.presentation)
    return found


async def _options(call: Call) -> Reply:
    return Reply(call.reply(200, ("Public", format_tokens(METHODS))))


async def _describe(call: Call) -> Reply:
    accepted = parse_tokens(*call.request.headers.get_all("Accept"))
    if accepted and not any(_accepts_sdp(kind) for kind in accepted):
        raise ProtocolError("descriptions are application/sdp only", 406)
    found = await _find(call)
    if found.control:
        _track_of(found)
    base = _base(call, found)
    source = found.source
    calendar = source.calendar
    if calendar is not None:
        await calendar.refresh()
    description = describe(
        source.tracks,
        name=quote(found.place[-1]) if found.place else "reelcast",
        duration=source.duration,
        session_id=source.origin,
        address_family=6 if ":" in call.connection.local[0] else 4,
        # Behind a query, what is relative goes astray: some append it to the query (conformance D6).
        control_base=base if call.url.query is not None else None,
        clock=Times(calendar).there("clock"),
    )
    call.outcome = ", ".join(track.codec for track in source.tracks)
    headers = ("Content-Base", base), ("Content-Type", "application/sdp")
    return Reply(call.reply(200, *headers, body=str(description).encode()))


def _accepts_sdp(kind: str) -> bool:
    return kind.partition(";")[0].strip().lower() in ("application/sdp", "application/*", "*/*")


def _base(call: Call, found: Found) -> str:
    """The presentation's URL as the client wrote its server, with the slash that ffmpeg relies on."""
    host, port = call.url.host, call.url.port
    if not host:
        host, port = call.connection.local[:2]
    scheme = call.url.scheme or ("rtsps" if call.connection.encrypted else "rtsp")
    return str(RtspUrl(scheme, host, port, found.path.rstrip("/") + "/"))


async def _setup(call: Call) -> Reply:
    publication = publication_of(call)
    if publication is not None:
        return await set_up(call, publication)
    session = None if call.session is None else call.joined_to(Playback)
    found = await _find(call)
    if session is not None:
        # Meanwhile another connection may have ended the session.
        call.services.sessions.find(session.id, session.host)
        if found.path != session.path:
            raise ProtocolError(f"this session plays {session.path}", 459)
        # A file or a live path that has changed since is another presentation, under the same name.
        found = replace(found, source=session.source)
    track = _track_of(found)
    if session is not None and session.state is State.PLAYING and track in session.deliveries:
        raise ProtocolError("PAUSE before a track is set up again", 455)
    sessions = call.services.sessions
    ssrc = found.source.ssrc(track)
    offered = parse_transport(",".join(call.request.headers.get_all("Transport")))
    pair = call.services.pairs.get(call.connection.family)
    agreed, delivery = agree(
        offered,
        call.connection,
        pair,
        session,
        track,
        ssrc=sessions.unused_ssrc() if ssrc is None else ssrc,
        url=str(call.url),
    )
    for destination in delivery.ports or ():
        former = sessions.at(destination.address)
        if former is not None and former.user != call.visitor.user:
            raise ProtocolError("these ports are in use by somebody else's session", 461)
    if session is None:
        owner = call.connection
        session = sessions.add(Playback(found.path, found.source, owner, owner.peer[0]))
        session.user, session.place = call.visitor.user, found.place
        call.services.mounts.hold(found.source)
    session.udp = None if agreed.tcp else pair
    sessions.deliver(session, track, delivery)
    session.state = after(session.state, "SETUP")
    call.session = session
    call.outcome = f"{'TCP' if agreed.tcp else 'UDP'} {agreed.interleaved or agreed.client_port}"
    return Reply(call.reply(200, ("Transport", str(agreed))))


def _track_of(found: Found) -> int:
    tracks = found.source.tracks
    if not found.control and len(tracks) == 1:
        return 0
    if not found.control:
        raise ProtocolError("this presentation has several tracks: set up one after the other", 459)
    for index, track in enumerate(tracks):
        if track.control == found.control:
            return index
    raise ProtocolError("there is no such track", 404)


async def _play(call: Call) -> Reply:
    session = call.joined_to(Playback)
    header, pace = call.request.headers.get("Range"), _pace(call.request)
    wanted = Range.parse(header, backwards=pace.scale < 0) if header is not None else Range()
    times = Times(session.source.calendar)
    sessions = call.services.sessions
    start, end = await times.wanted(wanted)
    # Whenever something is waited for, another connection may end the session, or change its tracks.
    sessions.find(session.id, session.host)
    player = session.ready(call.services.pacer)
    # While it plays, a PLAY that asks for nothing asks whether the session is still there.
    asks = session.state is not State.PLAYING or any(name in call.request.headers for name in _ASKING)
    playing = await player.play(start, end, pace if asks else None)
    try:
        sessions.find(session.id, session.host)
    except ProtocolError:
        # It was stopped before it had got so far.
        player.stop()
        raise
    session.state = after(session.state, "PLAY")
    headers = [("Range", str(answered)) for answered in _answered(times, wanted.unit, playing)]
    headers.append(("RTP-Info", _rtp_info(session, playing)))
    headers += _rates(call.request, playing.pace)
    place = "now" if playing.start is None else f"{playing.start:.3f}"
    call.outcome = f"from {place}" + ("" if header is None else f" for {header[:60]}")
    return Reply(call.reply(200, *headers), player.begin)


def _answered(times: Times, unit: Unit, playing: Playing) -> list[Range]:
    """What is played, in the unit of the request; behind a clock time, where in the presentation that is.

    The header takes a list (RFC 2326 section 12.29): who knows one unit alone finds the one it asked for first.
    """
    if playing.start is None:
        return [Range(now=True)]
    units: tuple[Unit, ...] = ("clock", "npt") if unit == "clock" else (unit,)
    return [times.range(each, playing.start, playing.end) for each in units]


def _pace(request: Request) -> Pace:
    """What the request asks for; without headers, the natural rate (gst's rtspsrc goes back to it so)."""
    scale, speed = request.headers.get("Scale"), request.headers.get("Speed")
    return Pace(1.0 if scale is None else parse_scale(scale), 1.0 if speed is None else parse_speed(speed))


def _rates(request: Request, pace: Pace) -> list[tuple[str, str]]:
    """The values chosen, which may be others than were asked for (RFC 2326 sections 12.34 and 12.35)."""
    rates: list[tuple[str, str]] = []
    if pace.scale != 1.0 or "Scale" in request.headers:
        rates.append(("Scale", format_decimal(pace.scale)))
    # Some read a Speed that they did not ask for as the answer to their Scale.
    if "Speed" in request.headers:
        rates.append(("Speed", format_decimal(pace.speed)))
    return rates


def _rtp_info(session: Playback, playing: Playing) -> str:
    entries = (
        RtpInfo(session.deliveries[track].url, seq, rtptime)
        for track, (seq, rtptime) in sorted(playing.first.items())
    )
    return ",".join(str(entry) for entry in entries)


async def _pause(call: Call) -> Reply:
    session = call.joined()
    place = session.pause()
    session.state = after(session.state, "PAUSE")
    if place is None:
        return Reply(call.reply(200))
    call.outcome = f"at {place.start:.3f}"
    return Reply(call.reply(200, ("Range", str(place))))


async def _teardown(call: Call) -> Reply:
    session = call.joined()
    track = session.track_at(call.url)
    if track is not None and len(session.deliveries) > 1:
        call.services.sessions.withdraw(session, track)
        session.adapt(call.services.pacer)
        return Reply(call.reply(200))
    call.services.sessions.end(session)
    call.session = None
    return Reply(call.reply(200))


async def _get_parameter(call: Call) -> Reply:
    names = _parameters(call)
    known = {} if call.session is None else call.session.parameters
    unknown = [name for name in names if name not in known]
    if unknown:
        return _not_understood(call, unknown)
    if not names:
        return Reply(call.reply(200))
    body = "".join(f"{name}: {known[name]}\r\n" for name in names)
    return Reply(call.reply(200, ("Content-Type", "text/parameters"), body=body.encode()))


async def _set_parameter(call: Call) -> Reply:
    names = _parameters(call)
    # Nothing can be set: all that is named is refused together (RFC 2326 section 10.9).
    return _not_understood(call, list(names)) if names else Reply(call.reply(200))


def _parameters(call: Call) -> dict[str, str]:
    if not call.request.body.strip():
        return {}
    kind = (call.request.headers.get("Content-Type") or "text/parameters").partition(";")[0].strip()
    if kind.lower() != "text/parameters":
        raise ProtocolError(f"{kind[:40]} is not text/parameters", 415)
    return parse_parameters(call.request.body)


def _not_understood(call: Call, names: list[str]) -> Reply:
    body = "".join(f"{name}\r\n" for name in names)
    return Reply(call.reply(451, ("Content-Type", "text/parameters"), body=body.encode()))


METHODS: dict[str, Callable[[Call], Awaitable[Reply]]] = {
    "OPTIONS": _options,
    "DESCRIBE": _describe,
    "ANNOUNCE": announce,
    "SETUP": _setup,
    "PLAY": _play,
    "PAUSE": _pause,
    "RECORD": record,
    "TEARDOWN": _teardown,
    "GET_PARAMETER": _get_parameter,
    "SET_PARAMETER": _set_parameter,
}
"""What this server does, in the order in which it is told to clients."""
_QUIET = frozenset({"OPTIONS", "GET_PARAMETER", "SET_PARAMETER"})
"""Clients send these to stay alive: not worth a line each."""
_IN_TURN = frozenset({"SETUP", "PLAY", "PAUSE"})
"""What is for a reader one after the other. TEARDOWN is not: it must not wait for a file that cannot be read."""
