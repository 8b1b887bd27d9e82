"""The TCP connection under a conversation, whatever its dialect: opened, watched and lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from reelcast.client.events import notify
from reelcast.client.failures import lost, no_connection
from reelcast.client.transcript import Utterance, transcribe
from reelcast.errors import ReelcastError
from reelcast.rtsp.message import Request, Response
from reelcast.rtsp.url import RtspUrl

__all__ = ["FAREWELL", "OnMessage", "Wire"]

OnMessage = Callable[[Utterance], None]

FAREWELL: Final = 2.0
"""Seconds that a TEARDOWN is waited for: whoever closes a stream wants it closed."""


class Wire(asyncio.Protocol):
    """One connection to one server, and who is told what is said over it.

    on_lost     called once when the connection ends, with what to tell the user; not after `close`
    """

    def __init__(
        self,
        url: RtspUrl,
        on_message: OnMessage | None,
        wording: Callable[[Request | Response], str] = transcribe,
    ) -> None:
        """Where to connect to, and who is shown each message, in which words."""
        self.url = url
        self.on_lost: Callable[[ReelcastError], None] = _ignore_loss
        self._on_message = on_message
        self._wording = wording
        self._transport: asyncio.Transport | None = None
        self._error: ReelcastError | None = None
        self._closing = False

    async def _connect(self, patience: float, **encryption: Any) -> asyncio.Transport:
        """Connect; DeadlineError where there is no connection in so many seconds, TransportError where none."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(patience):
                transport, _ = await loop.create_connection(
                    lambda: self, self.url.host, self.url.port, **encryption
                )
        except (OSError, UnicodeError) as error:
            raise no_connection(error, self.url, patience) from None
        return transport

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

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def _open_transport(self) -> asyncio.Transport:
        """What to write to; why not, where the connection has ended."""
        if self._error is not None or self._transport is None:
            raise self._error or lost(None, self.url)
        return self._transport

    def _note(self, message: Request | Response, *, sent: bool) -> None:
        """Show a message to who wants to see them all."""
        if self._on_message is not None:
            notify(self._on_message, Utterance(time.time(), sent, self._wording(message)))

    def _fail(self, error: ReelcastError) -> None:
        """The connection has ended, for this reason; only the first counts."""
        if self._error is not None:
            return
        self._error = error
        self._release(error)
        if not self._closing:
            self.on_lost(error)

    def _release(self, error: ReelcastError) -> None:
        """Tell whoever waits for a response that none comes."""


def _ignore_loss(_: ReelcastError) -> None:
    """Nobody listens yet."""
