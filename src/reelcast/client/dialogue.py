"""The RTSP conversation of a client, over one TCP connection.

Rules kept here:

- a response belongs to the request with its CSeq, and every request has a deadline;
- who is asked who it is says so, once for each way that there is, and from then on with every request;
- interleaved frames are handed on whenever they come, also while a response is awaited;
- the server may ask too: OPTIONS and parameters are answered 200, anything else 501 (RFC 2326 appendix D.1);
- the session is kept alive whether media flows or not.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

from reelcast.client.failures import distrusted, lost, peer_of, refusal, unanswered
from reelcast.client.keepalive import Keepalive
from reelcast.client.timeouts import Timeouts
from reelcast.client.trust import SYSTEM, Trust
from reelcast.client.wire import FAREWELL, OnMessage, Wire
from reelcast.errors import ProtocolError, ReelcastError
from reelcast.rtsp.authentication import Answer, Authenticator, Credentials, parse_challenges
from reelcast.rtsp.headers import SessionHeader, format_tokens, parse_tokens
from reelcast.rtsp.message import Frame, Headers, Request, Response
from reelcast.rtsp.reader import Frames, Malformed, Reader, gather
from reelcast.rtsp.url import RtspUrl

__all__ = ["Dialogue"]

log = logging.getLogger(__name__)

USER_AGENT: Final = "reelcast"
MAX_UNSENT: Final = 1 << 20
"""Bytes waiting to be sent behind which the server's own requests go unanswered: it would not read that either."""
_ANSWERED: Final = ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER")


class Dialogue(Wire):
    """One connection to one server; beside what a Wire has:

    channels    who takes the interleaved frames of which channel, those that came at once together; frames of
                others are dropped
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
        super().__init__(url, on_message)
        self.timeouts = Timeouts.of(timeout)
        self.deadline: float | None = None
        self.session: SessionHeader | None = None
        self.public: tuple[str, ...] = ()
        self.channels: dict[int, Callable[[Sequence[bytes]], None]] = {}
        self.on_full: Callable[[bool], None] = _ignore_fullness
        self._authenticator = (
            Authenticator(credentials, lambda: secrets.token_hex(8)) if credentials else None
        )
        self._trust = trust
        self._reader = Reader()
        self._cseq = 0
        self._awaited: dict[int, asyncio.Future[Response]] = {}
        self._mute = True
        self._keepalive: Keepalive | None = None

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
        patience = self._patience(self.timeouts.connect)
        encryption: dict[str, Any] = {}
        if self.url.scheme == "rtsps":
            # Reading the authorities of a system takes 70 ms, in which others are to be served.
            context = await asyncio.to_thread(self._trust.context)
            encryption = {"ssl": context, "ssl_shutdown_timeout": FAREWELL}
        transport = await self._connect(patience, **encryption)
        if encryption:
            objection = self._trust.check(transport.get_extra_info("ssl_object"))
            if objection is not None:
                transport.abort()
                raise distrusted(objection, self.url)

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
            try:
                self.session = SessionHeader.parse(value)
            except ProtocolError:
                message = f"the server names a session that can be none: {value[:80]!r}"
                raise ProtocolError(message, url=uri, peer=peer_of(self.url)) from None
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
            self._keepalive = Keepalive(partial(self._send_keepalive, uri), lambda: self.session, self.public)

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
        transport = self._open_transport()
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
        transport.write(request.to_bytes())
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
        if self._transport is not None and self._transport.get_write_buffer_size() < MAX_UNSENT:
            self._transport.write(response.to_bytes())
            self._note(response, sent=True)

    def _take_malformed(self, event: Malformed) -> None:
        log.debug("! %s", event.message)
        if event.fatal:
            message, url = event.message, self.url
            self._fail(ProtocolError(message, event.status, url=str(url), peer=peer_of(url)))
            self.close()

    def _release(self, error: ReelcastError) -> None:
        self._stop_keepalive()
        for future in self._awaited.values():
            if not future.done():
                future.set_exception(error)

    def _send_keepalive(self, uri: str, method: str, patience: float) -> Awaitable[Response]:
        return self._exchange(method, uri, (), b"", min(self.timeouts.reply, patience))

    def _stop_keepalive(self) -> None:
        if self._keepalive is not None:
            self._keepalive.stop()
            self._keepalive = None


def _ignore_fullness(_: bool) -> None:
    """Requests are few: they may wait."""
