"""What ties a stream to its server: one session after the other, by the ways that there are."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from typing import Final

from reelcast.client import events
from reelcast.client.classroom import ClassroomSession
from reelcast.client.lifetime import Outlets
from reelcast.client.options import Moment, Options, Way, is_encrypted
from reelcast.client.queue import UnitQueue
from reelcast.client.session import Session
from reelcast.client.statistics import Counted, Ledger, TrackStatistics
from reelcast.errors import DeadlineError, ProtocolError, ReelcastError, RemoteError, TransportError
from reelcast.rtsp.states import State
from reelcast.rtsp.url import RtspUrl, without_userinfo

__all__ = ["Link", "Start"]

log = logging.getLogger(__name__)

UDP_SILENCE: Final = 3.0
"""Seconds after PLAY in which something must come over UDP, before TCP is tried; half of the time that is left
where that is less."""
UNSUPPORTED_TRANSPORT: Final = 461

Start = tuple[Moment | None, float | None]
"""Where to begin, and with what scale."""


class Link:
    """Makes sessions, and gives them up; a session that was lost is never used again.

    session   the present one, None where there is none
    segment   number of the last PLAY
    """

    def __init__(self, url: str, options: Options, queue: UnitQueue, outlets: Outlets) -> None:
        self.session: Session | ClassroomSession | None = None
        self.segment = 0
        self._url = url
        self._options = options
        self._queue = queue
        self._outlets = outlets
        self._ways = self._all_ways = options.ways(encrypted=is_encrypted(url))
        self._ledger = Ledger()
        self._connected = False

    @property
    def transport(self) -> str:
        """How media comes: "udp", "tcp" or "classroom"; what is tried next while there is no session."""
        return self._ways[0] if self.session is None else self.session.transport

    def statistics(self) -> tuple[TrackStatistics, ...]:
        """What was received so far, by track, over all sessions."""
        return self._ledger.sums(_receptions(self.session), self._queue.dropped)

    def tell_connected(self) -> None:
        """Media has come: told once a session, and before all that is told of its media."""
        if not self._connected:
            self._connected = True
            self._options.tell(events.Connected(self.transport))

    async def bring_up(self, start: Start | None) -> None:
        """A session that is set up, and plays if wanted; by another way where one does not work."""
        opening = self._options.timeouts.opening
        deadline = None if opening is None else asyncio.get_running_loop().time() + opening
        while True:
            way, *others = self._ways
            try:
                await self._try(way, start, deadline, last=not others)
                return
            except (ProtocolError, RemoteError, DeadlineError, TransportError) as error:
                self._ways = _after(error, others)
                if not self._ways:
                    self._ways = self._all_ways
                    raise
                log.info("%s; trying %s", error, self._ways[0])
                self._options.tell(events.FellBack(error))

    async def _try(self, way: Way, start: Start | None, deadline: float | None, *, last: bool) -> None:
        """One attempt by one way, with what there is of a session, or a new one."""
        try:
            if self.session is not None and (self.session.transport != way or self.session.lost):
                await self.drop()
            if self.session is None:
                self.session = await self._new_session(way, deadline)
                await self.session.set_up(self._options.rtp_port)
            if start is not None:
                session = self.session
                self._queue.connect(session.hold_back if way == "tcp" else None)
                self.segment += 1
                self._connected = False
                await session.play(*start, self.segment, deadline)
                await session.first(self._patience(deadline, last))
                self.tell_connected()
        except BaseException as error:
            if isinstance(error, ReelcastError):
                # Who reads messages does not know whose they are.
                error.url = error.url or without_userinfo(self._url)
            await self.drop()
            raise

    async def _new_session(self, way: Way, deadline: float | None) -> Session | ClassroomSession:
        if way != "classroom":
            return await Session.open(self._url, way, self._options, self._outlets, deadline)
        url = RtspUrl.parse(self._url)
        options = self._options
        return await ClassroomSession.open(
            url.host, url.port, url.path.lstrip("/"), options.timeouts, self._outlets, options.on_message
        )

    def _patience(self, deadline: float | None, last: bool) -> float:
        """Seconds to wait for media; where there is another way, only so many that it can be tried too."""
        patience = self._options.timeouts.first_packet
        left = math.inf if deadline is None else max(deadline - asyncio.get_running_loop().time(), 0.0)
        if not last:
            patience, left = min(patience, UDP_SILENCE), left / 2
        return patience if patience <= left else round(left, 1)

    async def drop(self) -> None:
        """End what there is of a session; its figures are kept."""
        session, self.session = self.session, None
        if session is not None:
            self._ledger.close(_receptions(session), self._queue.dropped)
            await session.close()


def _receptions(session: Session | ClassroomSession | None) -> Sequence[Counted]:
    """What a session counts, once it is set up."""
    return () if session is None or session.state is State.INIT else session.receptions


def _after(error: ReelcastError, others: Sequence[Way]) -> tuple[Way, ...]:
    """The ways that may work where one has failed like this."""
    if isinstance(error, DeadlineError) and error.step != "first packet":
        # Who does not answer to OPTIONS may speak the classroom's dialect, which does not have it.
        return tuple(way for way in others if way == "classroom" and error.step == "OPTIONS")
    if isinstance(error, DeadlineError) or error.status == UNSUPPORTED_TRANSPORT:
        return tuple(way for way in others if way == "tcp")
    # The assignment's programs fall over what they do not expect.
    return tuple(way for way in others if way == "classroom" and isinstance(error, TransportError))
