"""The RTSP conversation of a client, over one TCP connection.

Rules kept here:

- a response belongs to the request with its CSeq, and every request has a deadline;
- who is asked who it is says so, once for each way that there is, and from then on with every request;
- interleaved frames are handed on whenever they come, also while a response is awaited;
- the server may ask too: OPTIONS and parameters are answered 200, anything else 501 (RFC 2326 appendix D.1);
- the session is kept alive whether media flows or not, with a method that the server does not refuse;
- a redirection is followed on a new connection, MAX_REDIRECTIONS times; user and password stay with their host.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from reelcast.client.events import notify
from reelcast.client.failures import distrusted, lost, no_connection, peer_of, refusal, unanswered
from reelcast.client.timeouts import Timeouts
from reelcast.client.transcript import Utterance, transcribe
from reelcast.client.trust import SYSTEM, Trust
from reelcast.errors import ProtocolError, ReelcastError
from reelcast.rtsp.authentication import Answer, Authenticator, Credentials, parse_challenges
from reelcast.rtsp.headers import SessionHeader, format_tokens, parse_tokens
from reelcast.rtsp.message import Frame, Headers, Request, Response
from reelcast.rtsp.reader import Frames, Malformed, Reader, gather
from reelcast.rtsp.url import RtspUrl

__all__ = ["FAREWELL", "Dialogue", "OnMessage", "describe", "keepalive_interval", "one_by_one"]

OnMessage = Callable[[Utterance], None]

log = logging.getLogger(__name__)

USER_AGENT: Final = "reelcast"
MAX_REDIRECTIONS: Final = 5
"""Hops from one server to another before it must be a circle."""
FAREWELL: Final = 2.0
"""Seconds that a TEARDOWN is waited for: whoever closes a stream wants it closed."""
DEFAULT_SESSION_TIMEOUT: Final = 60
"""Seconds, where a session names none (RFC 2326 section 12.37)."""
REFUSALS: Final = frozenset({400, 401, 403, 404, 405, 451, 454, 455, 501, 551})
"""Answers to a keepalive that mean "not with this method": cameras give any of them, and stream on."""

_ANSWERED: Final = ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER")


def keepalive_interval(timeout: int) -> float:
    """Seconds between keepalives for a session timeout: half of it, and 5 s before its end at the latest."""
    return max(1.0, min(timeout / 2, timeout - 5))


class Dialogue(asyncio.Protocol):
    """One connection to one server.

    channels    who takes the interleaved frames of which channel, those that came at once together; frames of
                others are dropped
    on_lost     called once when the connection ends, with what to tell the user; not after `close`
    on_full     called with True when more waits to be sent than it should, with False when it has gone
    session     of the last SETUP response; sent along with every request
    public      the methods that OPTIONS named
    deadline    until when all must be answered, by the event loop's clock; None for no such bound
    """

    def __init__(
        self,
        url: RtspUrl,
        timeout: float | Timeouts,
        *,
        credentials: Credentials | None = None,
        trust: Trust = SYSTEM,
        on_message: OnMessage | None = None,
    ) -> None:
        """Where to connect to, and the seconds to wait for each answer.

        credentials    who asks; those of the URL where not given
        trust          by what a server of rtsps:// is believed
        on_message     called with every request and response, ours and the server's
        """
        if credentials is None and url.user is not None:
            credentials = Credentials(url.user, url.password or "")
        self.url = url
        self.timeouts = Timeouts.of(timeout)
        self.deadline: float | None = None
        self.session: SessionHeader | None = None
        self.public: tuple[str, ...] = ()
        self.channels: dict[int, Callable[[Sequence[bytes]], None]] = {}
        self.on_lost: Callable[[ReelcastError], None] = _ignore_loss
        self.on_full: Callable[[bool], None] = _ignore_fullness
        self._authenticator = (
            Authenticator(credentials, lambda: secrets.token_hex(8)) if credentials else None
        )
        self._trust = trust
        self._on_message = on_message
        self._reader = Reader()
        self._transport: asyncio.Transport | None = None
        self._cseq = 0
        self._awaited: dict[int, asyncio.Future[Response]] = {}
        self._error: ReelcastError | None = None
        self._closing = False
        self._mute = True
        self._keepalive: asyncio.Task[None] | None = None

    @classmethod
    async def connect(
        cls,
        url: RtspUrl,
        timeout: float | Timeouts,
        *,
        deadline: float | None = None,
        credentials: Credentials | None = None,
        trust: Trust = SYSTEM,
        on_message: OnMessage | None = None,
    ) -> Dialogue:
        """A dialogue with an open connection; raises as `open`."""
        dialogue = cls(url, timeout, credentials=credentials, trust=trust, on_message=on_message)
        dialogue.deadline = deadline
        await dialogue.open()
        return dialogue

    async def open(self) -> None:
        """Open the connection; DeadlineError where there is none in time, TransportError where there is none."""
        loop = asyncio.get_running_loop()
        patience = self._patience(self.timeouts.connect)
        encryption: dict[str, Any] = {}
        if self.url.scheme == "rtsps":
            # Reading the authorities of a system takes 70 ms, in which others are to be served.
            context = await asyncio.to_thread(self._trust.context)
            encryption = {"ssl": context, "ssl_shutdown_timeout": FAREWELL}
        try:
            async with asyncio.timeout(patience):
                transport, _ = await loop.create_connection(
                    lambda: self, self.url.host, self.url.port, **encryption
                )
        except (OSError, UnicodeError) as error:
            raise no_connection(error, self.url, patience) from None
        if encryption:
            objection = self._trust.check(transport.get_extra_info("ssl_object"))
            if objection is not None:
                transport.abort()
                raise distrusted(objection, self.url)

    @property
    def hosts(self) -> tuple[str, str]:
        """The numeric addresses of the connection: ours, and the server's."""
        assert self._transport is not None
        ours, theirs = (self._transport.get_extra_info(name) for name in ("sockname", "peername"))
        return ours[0], theirs[0]

    @property
    def lost(self) -> bool:
        """Whether the connection has ended."""
        return self._error is not None

    async def ask(
        self, method: str, uri: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> Response:
        """Send a request and wait for its response, whatever its status.

        Raises DeadlineError when the time for it has passed, TransportError when the connection has ended.
        """
        return await self._exchange(method, uri, headers, body, self._patience(self.timeouts.reply))

    async def demand(
        self, method: str, uri: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> Response:
        """The same, for a request that must succeed: RemoteError for any status but 2xx.

        AuthenticationError, which is one, for 401.
        """
        response = await self.ask(method, uri, headers, body)
        if not 200 <= response.status < 300:
            raise refusal(response, method, uri, self.url, identified=self._authenticator is not None)
        if method == "SETUP" and (value := response.headers.get("Session")):
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
            raise refusal(response, "DESCRIBE", uri, self.url, identified=self._authenticator is not None)
        return response

    def send_frame(self, channel: int, data: bytes) -> None:
        """Send one packet interleaved; without effect when the connection has ended."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(Frame(channel, data).to_bytes())

    def outlet(self, limit: int) -> asyncio.WriteTransport:
        """The connection, to write media to; `on_full` is called where more than `limit` bytes wait."""
        assert self._transport is not None
        self._transport.set_write_buffer_limits(high=limit)
        return self._transport

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
            await self._exchange("TEARDOWN", uri, (), b"", min(FAREWELL, self.timeouts.reply))
        except ReelcastError as error:
            log.debug("! %s", error)
        self.session = None

    def close(self) -> None:
        """End the connection; closing twice is no error."""
        self._closing = True
        self._stop_keepalive()
        if self._transport is None:
            return
        if self._transport.get_extra_info("sslcontext") is None:
            self._transport.close()
        else:
            # The farewell of TLS takes an exchange more, for which a program that ends has no time; what was
            # written before the TEARDOWN has arrived, for that was answered.
            self._transport.abort()

    def abort(self) -> None:
        """End the connection, and forget what waits to be sent to who takes nothing."""
        self.close()
        if self._transport is not None:
            self._transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Hand each event to who waits for it."""
        self._mute = False
        for event in gather(self._reader.receive(data)):
            if isinstance(event, Frames):
                receive = self.channels.get(event.channel)
                if receive is not None:
                    receive(event.packets)
            elif isinstance(event, Response):
                self._take_response(event)
            elif isinstance(event, Request):
                self._answer(event)
            else:
                self._take_malformed(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everyone who waits."""
        self._fail(lost(exc, self.url, mute=self._mute))

    def pause_writing(self) -> None:
        """The server takes less than is sent."""
        self.on_full(True)

    def resume_writing(self) -> None:
        """It has caught up."""
        self.on_full(False)

    # How it is done.

    def _patience(self, seconds: float) -> float:
        """Seconds to wait for one thing, within the deadline for all."""
        if self.deadline is None:
            return seconds
        left = self.deadline - asyncio.get_running_loop().time()
        return seconds if seconds <= left else max(round(left, 1), 0.0)

    async def _exchange(
        self, method: str, uri: str, headers: Sequence[tuple[str, str]], body: bytes, timeout: float
    ) -> Response:
        """Send a request, again for each challenge that there is an answer to, and wait for the response."""
        authenticator = self._authenticator
        if authenticator is None:
            return await self._send(method, uri, headers, body, timeout)
        while True:
            answer = authenticator.answer
            response = await self._send(method, uri, headers, body, timeout, answer)
            if response.status != 401:
                authenticator.accepted(answer)
                return response
            offers = response.headers.get_all("WWW-Authenticate")
            if not authenticator.challenged(answer, parse_challenges(offers)):
                return response

    async def _send(
        self,
        method: str,
        uri: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        timeout: float,
        answer: Answer | None = None,
    ) -> Response:
        if self._error is not None or self._transport is None:
            raise self._error or lost(None, self.url)
        self._cseq += 1
        cseq = self._cseq
        request = Request(method, uri, Headers([("CSeq", str(cseq)), ("User-Agent", USER_AGENT)]), body)
        if answer is not None:
            request.headers.add("Authorization", answer.authorization(method, uri))
        if self.session is not None:
            request.headers.add("Session", self.session.id)
        for name, value in headers:
            request.headers.add(name, value)
        log.debug("> %s %s", method, uri)
        self._transport.write(request.to_bytes())
        self._note(request, sent=True)
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._awaited[cseq] = future
        try:
            async with asyncio.timeout(timeout):
                return await future
        except TimeoutError:
            raise unanswered(method, timeout, uri, self.url) from None
        finally:
            del self._awaited[cseq]

    def _note(self, message: Request | Response, *, sent: bool) -> None:
        if self._on_message is not None:
            notify(self._on_message, Utterance(time.time(), sent, transcribe(message)))

    def _take_response(self, response: Response) -> None:
        log.debug("< %d %s", response.status, response.reason)
        self._note(response, sent=False)
        cseq = response.cseq
        if cseq is None and len(self._awaited) == 1:
            # Some cameras forget the CSeq in errors; with one request on its way there is no doubt.
            (cseq,) = self._awaited
        future = self._awaited.get(cseq) if cseq is not None else None
        if future is not None and not future.done() and response.status >= 200:
            future.set_result(response)

    def _answer(self, request: Request) -> None:
        log.debug("< %s %s", request.method, request.uri)
        self._note(request, sent=False)
        known = request.method in _ANSWERED
        headers = [("Public", format_tokens(_ANSWERED))] if request.method == "OPTIONS" else []
        response = Response.to(request, 200 if known else 501, headers)
        if self._transport is not None:
            self._transport.write(response.to_bytes())
            self._note(response, sent=True)

    def _take_malformed(self, event: Malformed) -> None:
        log.debug("! %s", event.message)
        if event.fatal:
            message, url = event.message, self.url
            self._fail(ProtocolError(message, event.status, url=str(url), peer=peer_of(url)))
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
            timeout = (self.session.timeout if self.session else None) or DEFAULT_SESSION_TIMEOUT
            # A little early by chance, so that many clients of one server do not all speak at once.
            await asyncio.sleep(keepalive_interval(timeout) * random.uniform(0.9, 1.0))
            method = methods[0] if methods else "OPTIONS"
            # Where one is never answered, the next must still come in time.
            patience = min(self.timeouts.reply, timeout / 4)
            try:
                response = await self._exchange(method, uri, (), b"", patience)
            except ReelcastError as error:
                log.debug("! %s", error)
                continue
            if response.status in REFUSALS and methods:
                log.debug("! keepalive by %s refused", methods.pop(0))

    def _stop_keepalive(self) -> None:
        if self._keepalive is not None:
            self._keepalive.cancel()
            self._keepalive = None


async def describe(
    url: str,
    timeout: float | Timeouts,
    *,
    deadline: float | None = None,
    credentials: Credentials | None = None,
    trust: Trust = SYSTEM,
    on_message: OnMessage | None = None,
) -> tuple[Dialogue, Response]:
    """Connect and DESCRIBE, wherever redirections lead; the open dialogue and the description.

    The options are those of Dialogue. Raises TransportError for no connection, DeadlineError for silence,
    RemoteError for a refusal, ReelcastError for too many redirections, ProtocolError for a URL or an answer
    that makes no sense.
    """
    place = RtspUrl.parse(url)
    for _ in range(MAX_REDIRECTIONS + 1):
        if not place.host:
            raise ProtocolError(f"{place}: a URL of a server begins with rtsp:// and its host")
        dialogue = await Dialogue.connect(
            place, timeout, deadline=deadline, credentials=credentials, trust=trust, on_message=on_message
        )
        try:
            response = await dialogue.describe()
        except BaseException:
            dialogue.close()
            raise
        if response.status < 300:
            return dialogue, response
        dialogue.close()
        target = _redirected(place, response)
        if target.host.lower() != place.host.lower():
            credentials = None
        elif place.user is not None:
            target = replace(target, user=place.user, password=place.password)
        place = target
    raise ReelcastError(f"redirected more than {MAX_REDIRECTIONS} times", url=str(place))


def one_by_one(take: Callable[[bytes], None]) -> Callable[[Sequence[bytes]], None]:
    """For `Dialogue.channels`: frames that come at once, taken one after the other."""

    def take_all(frames: Sequence[bytes]) -> None:
        for data in frames:
            take(data)

    return take_all


def _redirected(place: RtspUrl, response: Response) -> RtspUrl:
    """Where a 3xx response leads (RFC 2326 section 11.2); never from an encrypted to an open connection."""
    location = response.headers.get("Location")
    if location is None:
        raise refusal(response, "DESCRIBE", place.request_uri, place)
    target = RtspUrl.parse(location)
    if place.scheme == "rtsps" and target.scheme != "rtsps":
        raise ProtocolError(f"redirected to an unencrypted connection, {target}", url=str(place))
    log.debug("= redirected to %s", target)
    return target


def _ignore_loss(_: ReelcastError) -> None:
    """Nobody listens yet."""


def _ignore_fullness(_: bool) -> None:
    """Requests are few: they may wait."""
