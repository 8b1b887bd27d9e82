"""What keeps a session alive, with a method that the server does not refuse (RFC 2326 section 12.37)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from reelcast.errors import ReelcastError
from reelcast.rtsp.headers import SessionHeader
from reelcast.rtsp.message import Response

__all__ = ["Keepalive", "keepalive_interval"]

log = logging.getLogger(__name__)

DEFAULT_SESSION_TIMEOUT: Final = 60
"""Seconds, where a session names none (RFC 2326 section 12.37)."""
REFUSALS: Final = frozenset({400, 401, 403, 404, 405, 451, 454, 455, 501, 551})
"""Answers to a keepalive that mean "not with this method": cameras give any of them, and stream on."""


def keepalive_interval(timeout: int) -> float:
    """Seconds between keepalives for a session timeout: half of it, and 5 s before its end at the latest."""
    return max(1.0, min(timeout / 2, timeout - 5))


class Keepalive:
    """Goes on in the event loop from when it is made until it is stopped."""

    def __init__(
        self,
        ask: Callable[[str, float], Awaitable[Response]],
        session: Callable[[], SessionHeader | None],
        public: Sequence[str],
    ) -> None:
        """How it is sent, and how often.

        ask        sends a request by a method, and waits so many seconds for the response at the most
        session    as the server has named it last
        public     the methods that the server says it has
        """
        self._ask = ask
        self._session = session
        self._methods = [name for name in ("GET_PARAMETER", "SET_PARAMETER") if name in public]
        self._task = asyncio.get_running_loop().create_task(self._go_on())

    def stop(self) -> None:
        """Send no more."""
        self._task.cancel()

    async def _go_on(self) -> None:
        while True:
            session = self._session()
            timeout = (session.timeout if session else None) or DEFAULT_SESSION_TIMEOUT
            # A little early by chance, so that many clients of one server do not all speak at once.
            await asyncio.sleep(keepalive_interval(timeout) * random.uniform(0.9, 1.0))
            method = self._methods[0] if self._methods else "OPTIONS"
            try:
                # Where one is never answered, the next must still come in time.
                response = await self._ask(method, timeout / 4)
            except ReelcastError as error:
                log.debug("! %s", error)
                continue
            if response.status in REFUSALS and self._methods:
                log.debug("! keepalive by %s refused", self._methods.pop(0))
