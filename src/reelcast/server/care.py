"""The care for what clients leave behind: sessions without a sign of life, connections that do not get on."""

from __future__ import annotations

import asyncio
import logging
import time

from reelcast.server.connection import Connection
from reelcast.server.limits import Limits
from reelcast.server.roster import Roster
from reelcast.server.session import Session, Sessions

__all__ = ["CARE_SECONDS", "Care"]

log = logging.getLogger(__name__)

CARE_SECONDS = 1.0
"""How often what has timed out is looked for."""
AT_ONCE = 256
"""Connections looked at before media gets its turn: less than a millisecond of work."""


class Care:
    """Ends what has been left."""

    def __init__(self, roster: Roster, sessions: Sessions, limits: Limits) -> None:
        self._roster = roster
        self._sessions = sessions
        self._limits = limits

    async def run(self) -> None:
        """Look again and again; to be cancelled."""
        while True:
            await asyncio.sleep(CARE_SECONDS)
            for session in self._sessions:
                # Over TCP, taking media is a sign of life: ffmpeg sends nothing for half a timeout.
                if session.interleaved and session.flowing:
                    session.touch()
            for number, connection in enumerate(self._roster, 1):
                self._look_after(connection)
                if not number % AT_ONCE:
                    await asyncio.sleep(0)
            for session in self._sessions.expired():
                self._end(session)

    def _look_after(self, connection: Connection) -> None:
        now = time.monotonic()
        limits = self._limits
        if connection.unfinished_for(now) > limits.message_seconds:
            log.info("%s began a message and did not finish it: closed", connection)
            connection.abort()
        elif connection.stalled_for(now) > limits.stalled_seconds:
            log.warning(
                "%s has taken nothing for %g s, %d bytes wait for it: disconnected",
                connection,
                limits.stalled_seconds,
                connection.writer.queued(),
            )
            connection.abort()
        elif not connection.sessions and now - connection.heard > limits.idle_seconds:
            log.info("%s is idle: closed", connection)
            connection.close()
        elif connection.classroom:
            # The classroom's programs say nothing while they play or pause: the kernel looks after them.
            for session in connection.sessions:
                session.touch()

    def _end(self, session: Session) -> None:
        log.info("%s: no sign of life for %d s: the session ends", session.host, self._sessions.timeout)
        owner, interleaved = session.owner, session.interleaved
        self._sessions.end(session)
        # Over UDP, ffmpeg may have given this one up for another on the same connection.
        if interleaved and isinstance(owner, Connection) and not owner.sessions:
            owner.abort()
