"""One client's RTSP connection: bytes in, requests answered one after the other, in the order they came."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from reelcast.errors import ProtocolError
from reelcast.net.event_loop import defer
from reelcast.net.interleaved import InterleavedWriter
from reelcast.rtsp import classroom
from reelcast.rtsp.message import Request, Response
from reelcast.rtsp.reader import MAX_BODY_BYTES, Event, Frames, Malformed, gather
from reelcast.server.session import Inlet, Session

Pair = tuple[int, int]

__all__ = ["Connection", "Handler", "Pair", "Reply"]

log = logging.getLogger(__name__)
dialogue = logging.getLogger("reelcast.dialogue")

MAX_WAITING = 64
"""Requests read ahead of the one that is being answered; then nothing more is read."""
MAX_WAITING_BYTES = MAX_BODY_BYTES
"""Bodies that wait with them: no more than one that is as large as it may be, and a small one or many."""
READ_AT_ONCE = 16
"""Messages taken apart before the event loop gets its turn: half a millisecond of work. A reading of the socket
can hold thousands."""
MAX_CHANNELS = 256
"""Interleaved channels of one connection: they are one byte."""


class Reply:
    """A response, and what to do once it is on its way."""

    __slots__ = ("after", "response")

    def __init__(self, response: Response, after: Callable[[], None] | None = None) -> None:
        self.response = response
        self.after = after


class Handler(Protocol):
    """What a connection needs of its server."""

    async def answer(self, connection: Connection, request: Request) -> Reply:
        """Answer one request; never raises but CancelledError."""

    def alive(self, connection: Connection) -> None:
        """Interleaved data came: whose sessions these are, those are alive."""

    def opened(self, connection: Connection) -> bool:
        """Whether there is room for one more."""

    def closed(self, connection: Connection) -> None:
        """It is gone."""


class Connection(asyncio.Protocol):
    """The server's end of a connection.

    peer       the client's address: host, port and what else its family has
    local      ours
    encrypted  whether it is by TLS (RTSPS)
    agent      what the client calls itself, "" until it has said
    failures   logins that failed in a row
    channels   the interleaved channels in use
    inlets     who takes what comes on a channel: the tracks of publishers
    sessions   the sessions made over it
    heard      when the last bytes came (monotonic seconds)
    """

    def __init__(self, handler: Handler, *, direct: bool) -> None:
        self.peer: tuple[Any, ...] = ("", 0)
        self.local: tuple[Any, ...] = ("", 0)
        self.family = 0
        self.encrypted = False
        self.agent = ""
        self.failures = 0
        self.channels: set[int] = set()
        self.inlets: dict[int, Inlet] = {}
        self.sessions: set[Session] = set()
        self.heard = time.monotonic()
        self.writer: InterleavedWriter
        self._direct = direct
        self._handler = handler
        self._reader = classroom.EitherReader()
        self._settling: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self._begun = 0.0
        self._waiting: deque[Request | Malformed] = deque()
        self._waiting_bytes = 0
        self._catching_up: asyncio.Handle | None = None
        self._task: asyncio.Task[None] | None = None
        self._ended = False
        self._full = False
        self._patient = False
        self._queued = 0
        self._taken = self.heard

    def __str__(self) -> str:
        host = f"[{self.peer[0]}]" if ":" in self.peer[0] else self.peer[0]
        return f"{host}:{self.peer[1]}"

    @property
    def classroom(self) -> bool:
        """Whether the client speaks the classroom's dialect, which then is what it is answered in."""
        return self._reader.classroom

    def unfinished_for(self, now: float) -> float:
        """Seconds since a message was begun that is not complete; 0 where there is none, or we do not read."""
        reading = self._reader.pending and self._transport.is_reading()
        return now - self._begun if reading else 0.0

    def stalled_for(self, now: float) -> float:
        """Seconds for which nothing was taken of what waits to be written, as seen from one look to the next."""
        queued = self.writer.queued()
        if not queued or queued < self._queued:
            self._taken = now
        self._queued = queued
        return now - self._taken

    def close(self) -> None:
        """Close behind what is still to be written."""
        self._ended = True
        # asyncio's transport of TLS cannot be asked for anything once it was told twice.
        if not self._transport.is_closing():
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._ended = True
        self._transport.abort()

    def be_patient(self) -> None:
        """What comes may wait until the event loop is awake anyway; not so where it is media."""
        if not self._patient and not self.inlets:
            self._patient = True
            defer(self._transport.get_extra_info("socket").fileno())

    def probe(self, seconds: int) -> None:
        """Have the kernel ask after a client that is silent for so long, and close where it is gone."""
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)

    def choose_channels(self, wanted: Pair | None, own: Pair | None) -> Pair:
        """Two interleaved channels: those wanted where they are free, else others; ProtocolError 461.

        `own` are those that the track has already, which count as free.
        """
        used = self.channels.difference(own or ())
        if wanted is not None and not used.intersection(wanted):
            return wanted
        for channel in range(0, MAX_CHANNELS, 2):
            if not used.intersection((channel, channel + 1)):
                return channel, channel + 1
        raise ProtocolError("all interleaved channels of this connection are in use", 461)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.writer = InterleavedWriter(transport, direct=self._direct)
        self.peer = transport.get_extra_info("peername") or ("", 0)
        self.local = transport.get_extra_info("sockname") or ("", 0)
        self.family = transport.get_extra_info("socket").family
        self.encrypted = transport.get_extra_info("sslcontext") is not None
        if not self._handler.opened(self):
            self._write(Response(503))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._ended = True
        if self._task is not None:
            self._task.cancel()
        self._stop_settling()
        if self._catching_up is not None:
            self._catching_up.cancel()
        self._waiting.clear()
        self._handler.closed(self)
        self.writer.release()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self.heard = time.monotonic()
        if not self._reader.pending:
            self._begun = self.heard
        self._read(data)

    def _read(self, data: bytes) -> None:
        """Take apart what has come, but not all of it at once where that is much."""
        self._stop_settling()
        self._take(self._reader.receive(data, READ_AT_ONCE))
        if self._reader.hesitates:
            loop = asyncio.get_running_loop()
            self._settling = loop.call_later(classroom.SETTLE_SECONDS, self._settle)

    def _catch_up(self) -> None:
        self._catching_up = None
        if self._has_room and not self._ended:
            self._read(b"")

    def _take(self, events: Iterable[Event]) -> None:
        framed = False
        for event in gather(events):
            self._begun = self.heard
            if isinstance(event, Frames):
                framed = True
                inlet = self.inlets.get(event.channel)
                if inlet is not None:
                    inlet(event.packets)
            elif not isinstance(event, Response):
                # A response would answer a request of ours; this server makes none.
                self._waiting.append(event)
                self._waiting_bytes += _weight(event)
        if framed:
            self._handler.alive(self)
        self._read_on()
        self._go_on()

    def eof_received(self) -> bool:
        """Called by the event loop: the client says no more, but may still wait for answers; not so with TLS."""
        self._settle()
        if self._task is None or self.encrypted:
            return False
        self._waiting.append(Malformed(400, "", fatal=True))
        return True

    def pause_writing(self) -> None:
        """Called by the event loop: what does not read its answers is asked nothing more."""
        self._full = True
        self._read_on()

    def resume_writing(self) -> None:
        """Called by the event loop."""
        self._full = False
        self._read_on()
        self._go_on()

    # Requests

    def _settle(self) -> None:
        """Take what has come for whole, where only silence can tell that it is."""
        self._stop_settling()
        self._take(self._reader.settle())

    def _stop_settling(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None

    @property
    def _answering(self) -> bool:
        return bool(self._waiting) and not self._full and not self._ended

    @property
    def _has_room(self) -> bool:
        """For requests, and for answers."""
        few = len(self._waiting) <= MAX_WAITING and self._waiting_bytes <= MAX_WAITING_BYTES
        return few and not self._full

    def _read_on(self) -> None:
        """Read while there is room: first what has come already, then from the socket."""
        if self._ended:
            return
        room = self._has_room
        if not room or self._reader.behind:
            self._transport.pause_reading()
            if room and self._catching_up is None:
                self._catching_up = asyncio.get_running_loop().call_soon(self._catch_up)
        elif not self._transport.is_reading():
            self._begun = time.monotonic()
            self._transport.resume_reading()

    def _go_on(self) -> None:
        if self._answering and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._answer_all())
            self._task.add_done_callback(self._answered_all)

    async def _answer_all(self) -> None:
        while self._answering:
            request = self._waiting.popleft()
            self._waiting_bytes -= _weight(request)
            if isinstance(request, Malformed):
                self._refuse(request)
                continue
            if dialogue.isEnabledFor(logging.DEBUG):
                dialogue.debug("%s < %s", self, _shown(request))
            reply = await self._handler.answer(self, request)
            if not self._ended:
                self._write(reply.response)
                if reply.after is not None:
                    reply.after()

    def _answered_all(self, task: asyncio.Task[None]) -> None:
        self._task = None
        self._read_on()
        self._go_on()

    def _refuse(self, malformed: Malformed) -> None:
        if malformed.message:
            log.info("%s sent what is not RTSP: %s -> %d", self, malformed.message, malformed.status)
            self._write(malformed.response())
        if malformed.fatal:
            self.close()

    def _write(self, response: Response) -> None:
        if dialogue.isEnabledFor(logging.DEBUG):
            dialogue.debug("%s > %s", self, _shown(response))
        self.writer.write(classroom.to_bytes(response) if self.classroom else response.to_bytes())


def _weight(request: Request | Malformed) -> int:
    return len(request.body) if isinstance(request, Request) else 0


def _shown(message: Request | Response) -> str:
    """A message for the log: each header on the same line, secrets left out."""
    if isinstance(message, Request):
        start = f"{message.method} {message.uri.rpartition('@')[2] if '@' in message.uri else message.uri}"
    else:
        start = f"{message.status} {message.reason}"
    hidden = ("authorization", "proxy-authorization")
    headers = (
        f"{name}: {'…' if name.lower() in hidden else value}" for name, value in message.headers.items()
    )
    body = [f"({len(message.body)} bytes)"] if message.body else []
    return " | ".join([start, *headers, *body])
