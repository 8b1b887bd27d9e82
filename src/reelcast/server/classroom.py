"""Clients of the classroom, on the same port as all others: the programs of Kurose and Ross' assignment.

A connection that begins in their dialect (`reelcast.rtsp.classroom`) is answered here. It has one session at
most, which ends with it: these clients send neither keepalives nor RTCP. Frames go out whole, one in a
datagram, at the movie's own rate, to the host that asked and to no other.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from reelcast.errors import MediaError, ProtocolError
from reelcast.media.frames import JpegFrames
from reelcast.net.carrier import Carrier
from reelcast.net.messages import Destination
from reelcast.net.udp import UdpPair
from reelcast.rtp.classroom import MAX_JPEG_BYTES, frame_packet
from reelcast.rtsp.classroom import parse_port
from reelcast.rtsp.message import Request, Response
from reelcast.rtsp.states import after, check_method
from reelcast.rtsp.url import RtspUrl
from reelcast.server.call import Services
from reelcast.server.connection import Connection, Reply
from reelcast.server.disk import Disk
from reelcast.server.guard import Visitor
from reelcast.server.negotiation import LOWEST_PORT
from reelcast.server.pacer import Pacer
from reelcast.server.playback import Playback
from reelcast.server.rights import Right
from reelcast.server.session import Delivery
from reelcast.server.source import Calendar, Pace, Playing
from reelcast.track import Track

__all__ = ["Film", "Projector", "answer"]

log = logging.getLogger(__name__)

READ_FRAMES = 16
"""Frames read at a time, two thirds of a second of them: a disk's bad moment must not be seen."""
READ_BYTES = 1 << 18
"""Bytes read at a time, but for the last frame: a session holds half as much again at most."""
MAX_LAG = 0.1
"""Seconds by which late frames may be caught up on; what is later moves the whole timeline, as over RTSP."""
HIGHEST_PORT = 65_535
FIRST_NUMBER, LAST_NUMBER = 100_000, 999_999
"""The clients take the session for an integer, whatever it was in RFC 2326."""
PROBE_SECONDS = 30
"""Silence after which the kernel asks whether a client is still there: it has no other way to tell."""


async def answer(services: Services, connection: Connection, request: Request) -> Reply:
    """Answer a request, whatever it is; these clients want CSeq and Session in every answer, in this order."""
    before = _session_of(connection)
    try:
        check_method(request.method, tuple(_METHODS))
        if request.cseq is None:
            raise ProtocolError("a request without CSeq")
        status, outcome = 200, await _METHODS[request.method](services, connection, request)
    except ProtocolError as error:
        status, outcome = error.status, str(error)
    except MediaError as error:
        status, outcome = 415, str(error)
    except Exception as error:
        log.error("%s: %s failed: %r", connection, request.method, error)
        log.debug("the traceback:", exc_info=error)
        status, outcome = 500, "our fault"
    where = connection, request.method, request.uri[:200]
    log.info("%s %s %s -> %d (classroom dialect, %s)", *where, status, outcome)
    session = _session_of(connection) or before
    response = Response(status)
    response.headers.add("CSeq", str(request.cseq or 0))
    response.headers.add("Session", str(_number(session) if session is not None else 0))
    player = session.player if session is not None and request.method == "PLAY" and status == 200 else None
    return Reply(response, player.begin if player is not None else None)


async def _setup(services: Services, connection: Connection, request: Request) -> str:
    port = parse_port(request.headers.get("Transport") or "")
    pair = services.pairs.get(connection.family)
    if pair is None or port is None or not LOWEST_PORT <= port <= HIGHEST_PORT:
        raise ProtocolError(f"client_port must be from {LOWEST_PORT} to {HIGHEST_PORT}", 461)
    segments = _segments(request.uri)
    # Its clients have no way to log in.
    if not services.guard.allows(Visitor(host=connection.peer[0]), Right.READ, segments):
        raise ProtocolError("a login is needed, which this dialect does not have", 401)
    found = await services.mounts.find_file(segments)
    if found is None:
        raise ProtocolError("no such file is served", 404)
    path, disk = found
    frames = await _open(path, disk)
    # Media goes to the host that asked for it and nowhere else (RFC 2326 section 16).
    destination = Destination(connection.family, (connection.peer[0], port, *connection.peer[2:]))
    film = Film(frames, pair, destination, disk)
    former = _session_of(connection)
    if former is not None:
        services.sessions.end(former)
    try:
        shown = "/" + "/".join(map(quote, segments))
        session = services.sessions.add(Playback(shown, film, connection, connection.peer[0]))
    except ProtocolError:
        film.close()
        raise
    services.mounts.hold(film)
    services.sessions.deliver(session, 0, Delivery(0, request.uri, ports=(destination, destination)))
    session.ready(services.pacer)
    session.state = after(session.state, "SETUP")
    connection.probe(PROBE_SECONDS)
    return f"UDP {port}"


async def _play(services: Services, connection: Connection, request: Request) -> str:
    session = _joined(connection, request)
    player = session.ready(services.pacer)
    await player.play(None, None)
    # Meanwhile its port may have been found closed.
    session = _joined(connection, request)
    session.state = after(session.state, "PLAY")
    return f"from {player.position:.3f}"


async def _pause(services: Services, connection: Connection, request: Request) -> str:
    session = _joined(connection, request)
    place = session.ready(services.pacer).pause()
    session.state = after(session.state, "PAUSE")
    return f"at {place:.3f}"


async def _teardown(services: Services, connection: Connection, request: Request) -> str:
    session = _joined(connection, request)
    place = session.ready(services.pacer).position
    services.sessions.end(session)
    return f"at {place:.3f}"


_METHODS: dict[str, Callable[[Services, Connection, Request], Awaitable[str]]] = {
    "SETUP": _setup,
    "PLAY": _play,
    "PAUSE": _pause,
    "TEARDOWN": _teardown,
}
"""What the dialect has; each says what the log is to say."""


def _session_of(connection: Connection) -> Playback | None:
    return next((one for one in connection.sessions if isinstance(one, Playback)), None)


def _number(session: Playback) -> int:
    assert isinstance(session.source, Film)
    return session.source.number


def _joined(connection: Connection, request: Request) -> Playback:
    """The connection's session, where the request is for it and comes in its turn; ProtocolError 454, 455."""
    session = _session_of(connection)
    named = request.headers.get("Session")
    if session is None or (named is not None and named != str(_number(session))):
        raise ProtocolError("there is no such session", 454)
    after(session.state, request.method)
    return session


def _segments(uri: str) -> list[str]:
    """Of a file's name, which may stand in a folder, and may have come as a URL after all."""
    if "://" in uri:
        return list(RtspUrl.parse(uri).segments())
    return [segment for segment in uri.split("/") if segment]


async def _open(path: Path, disk: Disk) -> JpegFrames:
    opening = asyncio.ensure_future(disk.run(JpegFrames, path))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        # The client has gone; what the thread has opened must not stay open.
        opening.add_done_callback(_close)
        raise


def _close(opening: asyncio.Future[JpegFrames]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


class Film:
    """See `reelcast.server.source.Source`; one for each session, since each is somewhere else in the file.

    number    of the session, as its client knows it
    """

    def __init__(self, frames: JpegFrames, pair: UdpPair, destination: Destination, disk: Disk) -> None:
        self.tracks: tuple[Track, ...] = (frames.track,)
        self.duration: float | None = None
        self.calendar: Calendar | None = None
        self.origin = 0
        self.number = FIRST_NUMBER + secrets.randbelow(LAST_NUMBER - FIRST_NUMBER + 1)
        self.frames = frames
        self._pair = pair
        self._destination = destination
        self._disk = disk

    def ssrc(self, track: int) -> int | None:
        """The dialect's one SSRC."""
        return 0

    def player(self, ssrcs: Mapping[int, int], carrier: Carrier, pacer: Pacer) -> Projector:
        """The one player; what it sends goes neither by a carrier nor under an SSRC of its own."""
        return Projector(self.frames, self.send, pacer, self._disk)

    def send(self, number: int, jpeg: bytes) -> None:
        """Send a frame, now."""
        self._pair.rtp.send(frame_packet(number, jpeg, int(time.time())), self._destination)

    def close(self) -> None:
        """Close the file."""
        self.frames.close()


class Projector:
    """See `reelcast.server.source.Player`: sends the frames of a file, each when it is due."""

    lead = None

    def __init__(
        self, frames: JpegFrames, send: Callable[[int, bytes], None], pacer: Pacer, disk: Disk
    ) -> None:
        """`send` is given a frame's number, from 1, and its image; `disk` is where the frames are read from."""
        self.ended = False
        self._frames = frames
        self._send = send
        self._pacer = pacer
        self._disk = disk
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[float, int, bytes]] = deque()
        self._reading: asyncio.Task[None] | None = None
        self._read = 0
        self._left_out = False
        self._exhausted = False
        self._running = False
        self._called = False
        self._origin = 0.0
        self._position = 0.0

    @property
    def position(self) -> float:
        """The time of the frame that is sent next, in seconds."""
        return self._queue[0][0] if self._queue else self._position

    async def play(self, start: float | None, end: float | None, pace: Pace | None = None) -> Playing:
        """Have the next frames read; there is no other place to play from than where it stands."""
        while not self._queue and (reading := self._read_on()) is not None:
            # Shielded: a client that goes away must not leave a file open that is being read.
            await asyncio.shield(reading)
        return Playing(self.position, None, {})

    def begin(self) -> None:
        """Go on with the next frame."""
        if self._running:
            return
        self._running = True
        self._origin = self._pacer.good_moment() - self.position
        self._call()

    def pause(self) -> float:
        """Stop sending, keep the place."""
        self._running = self._called = False
        self._pacer.discard(self)
        return self.position

    def rewire(self, ssrcs: Mapping[int, int], carrier: Carrier) -> None:
        """There is one track, and one way."""

    def stop(self) -> None:
        """Stop for good; the dialect has no goodbye."""
        self.pause()
        self._exhausted = True
        self._queue.clear()
        self._frames.close()

    def advance(self, now: float) -> float | None:
        """Called by the pacer: send what is due."""
        late = now - self._origin - self.position
        if late > MAX_LAG:
            self._origin += late
        while self._queue and self._origin + self._queue[0][0] <= now:
            self._position, number, jpeg = self._queue.popleft()
            self._send(number, jpeg)
        self._read_on()
        self._called = bool(self._queue)
        self.ended = self._exhausted and not self._queue
        return self._origin + self._queue[0][0] if self._queue else None

    def _call(self) -> None:
        """Have the pacer call when the next frame is due, where one is there."""
        if self._running and self._queue and not self._called:
            self._called = True
            self._pacer.add(self, self._origin + self._queue[0][0])

    def _read_on(self) -> asyncio.Task[None] | None:
        """Read more frames where few are left; the task that does, None where there is nothing to be done."""
        if self._reading is None and not self._exhausted and len(self._queue) <= READ_FRAMES // 2:
            self._reading = self._loop.create_task(self._read_frames())
        return self._reading

    async def _read_frames(self) -> None:
        try:
            frames = await self._disk.run(self._frames.read, READ_FRAMES, READ_BYTES)
        except MediaError as error:
            log.warning("%s", error)
            frames = []
        finally:
            self._reading = None
        if self._exhausted:
            return
        self._exhausted = not frames
        for due, jpeg in frames:
            self._read += 1
            if len(jpeg) <= MAX_JPEG_BYTES:
                self._queue.append((due, self._read, jpeg))
            elif not self._left_out:
                self._left_out = True
                log.warning(
                    "%s: frame %d has %d bytes, more than the %d of a datagram: it is left out, as are others",
                    *(self._frames.path, self._read, len(jpeg), MAX_JPEG_BYTES),
                )
        self._call()
