"""The RTSP conversation of a client, over one TCP connection.

Rules kept here:

- a response belongs to the request with its CSeq, and every request has a deadline;
- interleaved frames are handed on whenever they come, also while a response is awaited;
- the server may ask too: OPTIONS and parameters are answered 200, anything else 501 (RFC 2326 appendix D.1);
- the session is kept alive whether media flows or not, with a method that the server does not refuse;
- a redirection is followed on a new connection, MAX_REDIRECTIONS times.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
from collections.abc import Callable, Sequence
from typing import Final

from reelcast.errors import ProtocolError, ReelcastError, RemoteError, TransportError
from reelcast.rtsp.headers import SessionHeader, format_tokens, parse_tokens
from reelcast.rtsp.message import Frame, Headers, Request, Response
from reelcast.rtsp.reader import Malformed, Reader
from reelcast.rtsp.url import RtspUrl

__all__ = ["Dialogue", "describe", "keepalive_interval"]

log = logging.getLogger(__name__)

USER_AGENT: Final = "reelcast"
MAX_REDIRECTIONS: Final = 5
"""Hops from one server to another before it must be a circle."""
FAREWELL: Final = 2.0
"""Seconds that a TEARDOWN is waited for: whoever closes a stream wants it closed."""
DEFAULT_SESSION_TIMEOUT: Final = 60
"""Seconds, where a session names none (RFC 2326 section 12.37)."""
REFUSALS: Final = frozenset({400, 405, 451, 454, 455, 501, 551})
"""Answers to a keepalive that mean "not with this method": cameras give any of them, and stream on."""

_ANSWERED: Final = ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER")


def keepalive_interval(timeout: int) -> float:
    """Seconds between keepalives for a session timeout: half of it, and 5 s before its end at the latest."""
    return max(1.0, min(timeout / 2, timeout - 5))


class Dialogue(asyncio.Protocol):
    """One connection to one server.

    channels    who takes the interleaved frames of which channel; frames of others are dropped
    on_lost     called once when the connection ends, with what to tell the user; not after `close`
    session     of the last SETUP response; sent along with every request
    public      the methods that OPTIONS named
    """

    def __init__(self, url: RtspUrl, timeout: float) -> None:
        self.url = url
        self.timeout = timeout
        self.session: SessionHeader | None = None
        self.public: tuple[str, ...] = ()
        self.channels: dict[int, Callable[[bytes], None]] = {}
        self.on_lost: Callable[[ReelcastError], None] = _ignore_loss
        self._reader = Reader()
        self._transport: asyncio.Transport | None = None
        self._cseq = 0
        self._awaited: dict[int, asyncio.Future[Response]] = {}
        self._error: ReelcastError | None = None
        self._closing = False
        self._keepalive: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, url: RtspUrl, timeout: float) -> Dialogue:
        """A dialogue with an open connection; raises as `open`."""
        dialogue = cls(url, timeout)
        await dialogue.open()
        return dialogue

    async def open(self) -> None:
        """Open the connection; TransportError where there is none within `timeout` seconds."""
        url, timeout = self.url, self.timeout
        encrypted = True if url.scheme == "rtsps" else None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                await loop.create_connection(lambda: self, url.host, url.port, ssl=encrypted)
        except TimeoutError:
            raise TransportError(f"{url.request_uri}: no connection within {timeout:g} s") from None
        except OSError as error:
            raise TransportError(f"{url.request_uri}: cannot connect: {_cause(error)}") from error

    @property
    def hosts(self) -> tuple[str, str]:
        """The numeric addresses of the connection: ours, and the server's."""
        assert self._transport is not None
        ours, theirs = (self._transport.get_extra_info(name) for name in ("sockname", "peername"))
        return ours[0], theirs[0]

    async def ask(
        self, method: str, uri: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> Response:
        """Send a request and wait for its response, whatever its status.

        Raises ReelcastError when `timeout` has passed, TransportError when the connection has ended.
        """
        return await self._exchange(method, uri, headers, body, self.timeout)

    async def demand(
        self, method: str, uri: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> Response:
        """The same, for a request that must succeed: RemoteError for any status but 2xx."""
        response = await self.ask(method, uri, headers, body)
        if not 200 <= response.status < 300:
            raise refusal(response, method, uri)
        if method == "SETUP" and (value := response.headers.get("Session")) is not None:
            # Not once for all: Reolink changes it from one SETUP to the next.
            self.session = SessionHeader.parse(value)
        return response

    async def options(self, uri: str) -> None:
        """Learn what the server can do; that it refuses to say (Foscam: 501) is no error."""
        response = await self.ask("OPTIONS", uri)
        self.public = parse_tokens(*response.headers.get_all("Public"))

    async def describe(self) -> Response:
        """OPTIONS and DESCRIBE; a response of 2xx or 3xx, RemoteError for any other."""
        uri = self.url.request_uri
        await self.options(uri)
        response = await self.ask("DESCRIBE", uri, [("Accept", "application/sdp")])
        if not 200 <= response.status < 400:
            raise refusal(response, "DESCRIBE", uri)
        return response

    def send_frame(self, channel: int, data: bytes) -> None:
        """Send one packet interleaved; without effect when the connection has ended."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(Frame(channel, data).to_bytes())

    def hold_back(self, held: bool) -> None:
        """Let the server wait, as TCP does with what is not read; or read on."""
        if self._transport is None or self._transport.is_closing():
            return
        if held:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def keep_alive(self, uri: str) -> None:
        """From now on, send what keeps the session alive (RFC 2326 section 12.37)."""
        if self._keepalive is None:
            self._keepalive = asyncio.get_running_loop().create_task(self._keep_alive(uri))

    async def teardown(self, uri: str) -> None:
        """End the session, not the connection; whatever the server says to it."""
        self._stop_keepalive()
        if self.session is None or self._error is not None:
            return
        try:
            await self._exchange("TEARDOWN", uri, (), b"", min(FAREWELL, self.timeout))
        except ReelcastError as error:
            log.debug("! %s", error)
        self.session = None

    def close(self) -> None:
        """End the connection; closing twice is no error."""
        self._closing = True
        self._stop_keepalive()
        if self._transport is not None:
            self._transport.close()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Hand each event to who waits for it."""
        for event in self._reader.receive(data):
            if isinstance(event, Frame):
                receive = self.channels.get(event.channel)
                if receive is not None:
                    receive(event.data)
            elif isinstance(event, Response):
                self._take_response(event)
            elif isinstance(event, Request):
                self._answer(event)
            else:
                self._take_malformed(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everyone who waits."""
        cause = str(exc) if exc else "the server closed the connection"
        self._fail(TransportError(f"{self.url}: {cause}"))

    # How it is done.

    async def _exchange(
        self, method: str, uri: str, headers: Sequence[tuple[str, str]], body: bytes, timeout: float
    ) -> Response:
        if self._error is not None or self._transport is None:
            raise self._error or TransportError(f"{self.url}: not connected")
        self._cseq += 1
        cseq = self._cseq
        request = Request(method, uri, Headers([("CSeq", str(cseq)), ("User-Agent", USER_AGENT)]), body)
        if self.session is not None:
            request.headers.add("Session", self.session.id)
        for name, value in headers:
            request.headers.add(name, value)
        log.debug("> %s %s", method, uri)
        self._transport.write(request.to_bytes())
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._awaited[cseq] = future
        try:
            async with asyncio.timeout(timeout):
                return await future
        except TimeoutError:
            raise ReelcastError(f"{uri}: no answer to {method} within {timeout:g} s") from None
        finally:
            del self._awaited[cseq]

    def _take_response(self, response: Response) -> None:
        log.debug("< %d %s", response.status, response.reason)
        cseq = response.cseq
        if cseq is None and len(self._awaited) == 1:
            # Some cameras forget the CSeq in errors; with one request on its way there is no doubt.
            (cseq,) = self._awaited
        future = self._awaited.get(cseq) if cseq is not None else None
        if future is not None and not future.done() and response.status >= 200:
            future.set_result(response)

    def _answer(self, request: Request) -> None:
        log.debug("< %s %s", request.method, request.uri)
        known = request.method in _ANSWERED
        headers = [("Public", format_tokens(_ANSWERED))] if request.method == "OPTIONS" else []
        if self._transport is not None:
            self._transport.write(Response.to(request, 200 if known else 501, headers).to_bytes())

    def _take_malformed(self, event: Malformed) -> None:
        log.debug("! %s", event.message)
        if event.fatal:
            self._fail(ProtocolError(f"{self.url}: {event.message}"))
            self.close()

    def _fail(self, error: ReelcastError) -> None:
        if self._error is not None:
            return
        self._error = error
        self._stop_keepalive()
        for future in self._awaited.values():
            if not future.done():
                future.set_exception(error)
        if not self._closing:
            self.on_lost(error)

    async def _keep_alive(self, uri: str) -> None:
        methods = [name for name in ("GET_PARAMETER", "SET_PARAMETER") if name in self.public]
        while True:
            timeout = self.session.timeout if self.session else None
            # A little early by chance, so that many clients of one server do not all speak at once.
            pause = keepalive_interval(timeout or DEFAULT_SESSION_TIMEOUT) * random.uniform(0.9, 1.0)
            await asyncio.sleep(pause)
            try:
                response = await self.ask(methods[0] if methods else "OPTIONS", uri)
            except ReelcastError as error:
                log.debug("! %s", error)
                continue
            if response.status in REFUSALS and methods:
                log.debug("! keepalive by %s refused", methods.pop(0))

    def _stop_keepalive(self) -> None:
        if self._keepalive is not None:
            self._keepalive.cancel()
            self._keepalive = None


def refusal(response: Response, method: str, uri: str) -> RemoteError:
    """The error for a response that is no success; a note names the request."""
    error = RemoteError(response.status, response.reason)
    error.add_note(f"{method} {uri}")
    return error


async def describe(url: str, timeout: float) -> tuple[Dialogue, Response]:
    """Connect and DESCRIBE, wherever redirections lead; the open dialogue and the description.

    Raises TransportError for no connection, RemoteError for a refusal, ReelcastError for silence or too many
    redirections, ProtocolError for a URL or an answer that makes no sense.
    """
    place = RtspUrl.parse(url)
    for _ in range(MAX_REDIRECTIONS + 1):
        if not place.host:
            raise ProtocolError(f"{place}: a URL of a server begins with rtsp:// and its host")
        dialogue = await Dialogue.connect(place, timeout)
        try:
            response = await dialogue.describe()
        except BaseException:
            dialogue.close()
            raise
        if response.status < 300:
            return dialogue, response
        dialogue.close()
        place = _redirected(place, response)
    raise ReelcastError(f"{place}: redirected more than {MAX_REDIRECTIONS} times")


def _redirected(place: RtspUrl, response: Response) -> RtspUrl:
    """Where a 3xx response leads (RFC 2326 section 11.2); never from an encrypted to an open connection."""
    location = response.headers.get("Location")
    if location is None:
        raise refusal(response, "DESCRIBE", place.request_uri)
    target = RtspUrl.parse(location)
    if place.scheme == "rtsps" and target.scheme != "rtsps":
        raise ProtocolError(f"{place}: redirected to an unencrypted connection, {target}")
    log.debug("= redirected to %s", target)
    return target


def _cause(error: OSError) -> str:
    """One phrase: asyncio words failed connections as calls and tuples, the name resolver does not."""
    if error.errno is None or isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    return os.strerror(error.errno)


def _ignore_loss(_: ReelcastError) -> None:
    """Nobody listens yet."""
