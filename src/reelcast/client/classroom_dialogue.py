"""The conversation with a classroom's server: requests as the assignment's client words them, one at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from reelcast.client.failures import lost, refusal, unanswered
from reelcast.client.wire import FAREWELL, OnMessage, Wire
from reelcast.errors import ProtocolError, ReelcastError
from reelcast.rtsp.classroom import SETTLE_SECONDS, ClassroomReader, to_bytes
from reelcast.rtsp.message import Headers, Request, Response
from reelcast.rtsp.reader import Event, Malformed
from reelcast.rtsp.url import RtspUrl

__all__ = ["ClassroomDialogue"]

log = logging.getLogger(__name__)


class ClassroomDialogue(Wire):
    """One connection to one server; one request at a time, since that server takes each read for one.

    Beside what a Wire has:

    session    the number that the server gave, as it stood in its answer
    """

    def __init__(self, url: RtspUrl, file: str, timeout: float, on_message: OnMessage | None) -> None:
        super().__init__(url, on_message, _as_sent)
        self.session = "0"
        self._file = file
        self._timeout = timeout
        self._reader = ClassroomReader()
        self._cseq = 0
        self._awaited: asyncio.Future[Response] | None = None
        self._settling: asyncio.TimerHandle | None = None

    async def open(self, timeout: float) -> None:
        """Connect; raises TransportError, and DeadlineError for "connect"."""
        await self._connect(timeout)

    async def demand(self, method: str, header: str, value: str, timeout: float | None = None) -> None:
        """Ask, and wait for 200; raises TransportError, DeadlineError, RemoteError."""
        timeout = self._timeout if timeout is None else timeout
        transport = self._open_transport()
        self._cseq += 1
        request = Request(method, self._file, Headers([("CSeq", str(self._cseq)), (header, value)]))
        data = to_bytes(request)
        self._awaited = asyncio.get_running_loop().create_future()
        transport.write(data)
        log.debug("> %s", request)
        self._note(request, sent=True)
        try:
            async with asyncio.timeout(timeout):
                response = await self._awaited
        except TimeoutError:
            raise unanswered(method, timeout, str(self.url), self.url) from None
        finally:
            self._awaited = None
        if response.status != 200:
            raise refusal(response, method, str(self.url), self.url)
        self.session = response.headers.get("Session") or self.session

    async def teardown(self) -> None:
        """End the session, whatever the server says to it."""
        with contextlib.suppress(ReelcastError):
            await self.demand("TEARDOWN", "Session", self.session, min(FAREWELL, self._timeout))

    def close(self) -> None:
        """End the connection; closing twice is no error."""
        self._closing = True
        self._stop_settling()
        if self._transport is not None:
            self._transport.close()

    # What asyncio calls.

    def data_received(self, data: bytes) -> None:
        """Hand the answer to who waits for it."""
        self._stop_settling()
        self._hear(self._reader.receive(data))
        if self._reader.pending:
            self._settling = asyncio.get_running_loop().call_later(SETTLE_SECONDS, self._settle)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits, and the session."""
        self._settle()
        self._fail(lost(exc, self.url))

    # How it is done.

    def _settle(self) -> None:
        self._stop_settling()
        self._hear(self._reader.settle())

    def _stop_settling(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None

    def _hear(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Malformed):
                self._fail(ProtocolError(event.message, event.status, url=str(self.url)))
                self.close()
            elif isinstance(event, Response):
                log.debug("< %s", event)
                self._note(event, sent=False)
                # Like its own client: an answer to something else is passed over.
                if event.cseq == self._cseq and self._awaited is not None and not self._awaited.done():
                    self._awaited.set_result(event)

    def _release(self, error: ReelcastError) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_exception(error)


def _as_sent(message: Request | Response) -> str:
    """The dialect holds nothing that is to be hidden."""
    return to_bytes(message).decode()
