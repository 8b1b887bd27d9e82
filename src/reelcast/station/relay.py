"""A relay: a stream of another server, or of a camera, received by the client and handed to a live path.

What comes is handed on coded, in the turn of the event loop that it came in. A stream that ends is looked for
again, for ever: each session is another feeding of the path, and its readers see one stream (see
`reelcast.server.live`). A relay that leads back to its own path, by whatever way, finds nothing there, as long as
nobody else publishes to it: that does no harm, and on demand it ends by itself.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import random
import socket
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import unquote

from reelcast.client import events
from reelcast.client.options import Transport, check
from reelcast.client.reconnect import Reconnect
from reelcast.client.stream import Stream, connect
from reelcast.client.timeouts import Timeouts
from reelcast.client.trust import Trust
from reelcast.errors import AuthenticationError, ProtocolError, ReelcastError
from reelcast.rtp.intake import ReceivedUnit
from reelcast.rtsp.authentication import Credentials
from reelcast.rtsp.url import RtspUrl, without_userinfo
from reelcast.server.live import Feeding, Live

__all__ = ["Relay", "RelayState", "RelayStatistics", "leads_back"]

log = logging.getLogger(__name__)

REFUSED_SECONDS: Final = 300.0
"""Until user and password are tried again that were refused: cameras lock accounts after a handful of attempts
within some minutes, and yet somebody may put them right there."""
OCCUPIED_SECONDS: Final = 1.0
"""Between looks at a path that somebody else feeds."""

RelayState = Literal["resting", "connecting", "feeding", "waiting"]
"""Nobody wants it; a session is being opened; media comes; until the next attempt, or for another publisher."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayStatistics:
    """How a relay is doing.

    url        what it fetches, without user and password
    state      what it is at
    since      when that began, in Unix seconds
    attempts   to connect, in a row without media, the present one included
    sessions   that media has come by, so far
    transport  of the last of them, "udp" or "tcp"; "" before it
    error      why it last had nothing to feed; "" where that has not happened since it was started
    """

    url: str
    state: RelayState
    since: float
    attempts: int
    sessions: int
    transport: str
    error: str


class Relay:
    """See `reelcast.server.live.Origin`: fetches one stream for one live path.

    on_demand   whether it waits for the first reader
    """

    def __init__(
        self,
        url: str,
        *,
        on_demand: bool = False,
        transport: Transport = "auto",
        timeout: float | Timeouts = 10.0,
        reconnect: Reconnect | None = None,
        credentials: Credentials | None = None,
        trust: Trust | Path | str | None = None,
    ) -> None:
        """Prepare to fetch `url`; options, and what it raises, are those of `reelcast.connect`."""
        check(url=url, transport=transport)
        self.on_demand = on_demand
        self._url = url
        self._transport = transport
        self._timeouts = Timeouts.of(timeout)
        self._reconnect = reconnect or Reconnect()
        self._credentials = credentials
        self._trust = Trust.of(trust)
        self._task: asyncio.Task[None] | None = None
        self._turn: _Turn | None = None
        # Where UDP does not get through, it is not waited for each time.
        self._way: Transport = transport
        self._refused_until = 0.0
        self._state: RelayState = "resting"
        self._since = time.time()
        self._attempts = self._sessions = 0
        self._last_way = self._error = ""

    def __str__(self) -> str:
        return f"relay of {without_userinfo(self._url)}"

    @property
    def trouble(self) -> str:
        """Why it has nothing to feed."""
        return "" if self._state == "feeding" else self._error

    def statistics(self) -> RelayStatistics:
        """How it is doing now."""
        return RelayStatistics(
            url=without_userinfo(self._url),
            state=self._state,
            since=self._since,
            attempts=self._attempts,
            sessions=self._sessions,
            transport=self._last_way,
            error=self._error,
        )

    def start(self, live: Live) -> None:
        """Begin to fetch, and to feed the path when something comes."""
        former = self._task
        if time.monotonic() >= self._refused_until:
            self._error = ""
        self._task = asyncio.get_running_loop().create_task(self._run(live, former))

    def stop(self) -> None:
        """Stop fetching, and end what it feeds; the other server is told goodbye behind that."""
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.end("the relay has stopped")
        if self._task is not None:
            self._task.cancel()
        self._become("resting")

    async def _run(self, live: Live, former: asyncio.Task[None] | None) -> None:
        """Session after session, for ever."""
        if former is not None:
            # Cameras have room for few sessions: the last one is gone before the next one comes.
            await asyncio.wait([former])
        self._attempts = 0
        while True:
            await self._until_allowed(live)
            turn = self._turn = _Turn(self, live)
            self._attempts += 1
            self._become("connecting")
            try:
                error = await turn.play(self._stream(turn))
            except Exception as fault:
                log.exception("! a fault in the %s", self)
                error = ReelcastError(f"a fault: {fault!r}")
            self._note(turn, error)
            if not self._reconnect.allows(self._attempts + 1):
                log.warning("%s: %s is given up after %d attempts", live.name, self, self._attempts)
                self._become("resting")
                return
            delay = self._reconnect.delay(max(self._attempts, 1), random.random())
            delay = max(delay, self._refused_until - time.monotonic())
            log.info("%s: %s; connecting again in %.1f s", live.name, self._error, delay)
            self._become("waiting")
            await asyncio.sleep(delay)

    async def _until_allowed(self, live: Live) -> None:
        """Wait while another feeds the path, and while an account might be locked."""
        while live.feeding is not None or time.monotonic() < self._refused_until:
            self._become("waiting")
            await asyncio.sleep(OCCUPIED_SECONDS)

    def _stream(self, turn: _Turn) -> Stream:
        return connect(
            self._url,
            transport=self._way,
            timeout=self._timeouts,
            credentials=self._credentials,
            trust=self._trust,
            reconnect=False,
            on_unit=turn.take,
            on_event=turn.hear,
        )

    def _note(self, turn: _Turn, error: ReelcastError | None) -> None:
        """Keep what a turn came to."""
        self._error = f"{self} has ended" if error is None else str(error)
        if turn.feeding is None:
            self._way = self._transport
        if isinstance(error, AuthenticationError):
            self._refused_until = time.monotonic() + REFUSED_SECONDS
            log.warning(
                "%s: user and password were refused: they are tried again in %g s", self, REFUSED_SECONDS
            )

    def _become(self, state: RelayState) -> None:
        if state != self._state:
            self._state, self._since = state, time.time()

    def _fed(self, transport: str) -> None:
        """The first unit has come by a session."""
        self._sessions += 1
        self._attempts = 0
        self._last_way = transport
        if transport == "tcp":
            self._way = "tcp"
        self._become("feeding")


def leads_back(url: str, path: str, ports: Collection[int]) -> bool:
    """Whether a URL plainly is of `path`, not percent-encoded, at this machine and one of these ports.

    A relay of it would wait for itself.
    """
    place = RtspUrl.parse(url)
    here = place.host.lower() in ("localhost", socket.gethostname().lower()) or _is_loopback(place.host)
    return here and place.port in ports and unquote(place.path).strip("/") == path.strip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Turn:
    """One session: what comes of it, and how it ends.

    feeding   of the path, from the first unit on
    """

    def __init__(self, relay: Relay, live: Live) -> None:
        self.feeding: Feeding | None = None
        self._relay = relay
        self._live = live
        self._stream: Stream
        self._error: ReelcastError | None = None
        self._over = asyncio.Event()

    async def play(self, stream: Stream) -> ReelcastError | None:
        """Receive until it is over; why it is, None where the presentation has come to its end."""
        self._stream = stream
        try:
            await stream.open()
            await self._over.wait()
        except ReelcastError as error:
            self._error = self._error or error
        finally:
            self.end("" if self._error is None else str(self._error))
            await stream.close()
        return self._error

    def take(self, received: ReceivedUnit) -> None:
        """Hand a unit to the path; the first one begins the feeding."""
        if self._over.is_set():
            return
        if self.feeding is None:
            try:
                self.feeding = self._live.feed(self._stream.tracks, str(self._relay), self._displaced)
            except ProtocolError as error:
                self._finish(error)
                return
            self._relay._fed(self._stream.transport)
        self.feeding.put(received)

    def hear(self, event: events.Event) -> None:
        """The session tells of its end."""
        if isinstance(event, events.Ended):
            self._finish(event.error)

    def end(self, reason: str) -> None:
        """Feed no longer; ending twice does nothing."""
        self._over.set()
        if self.feeding is not None:
            self.feeding.end(reason)

    def _displaced(self) -> None:
        self._finish(ReelcastError(f"{self._live.name} is fed by another publisher now"))

    def _finish(self, error: ReelcastError | None) -> None:
        if not self._over.is_set():
            self._error = error
            self.end("" if error is None else str(error))
