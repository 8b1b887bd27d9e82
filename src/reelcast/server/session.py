"""An RTSP session (RFC 2326 section 3.4): what those that play and those that are published have in common."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

from reelcast.errors import ProtocolError
from reelcast.net.interleaved import InterleavedWriter
from reelcast.net.messages import Destination
from reelcast.net.udp import Address
from reelcast.rtsp.ranges import Range
from reelcast.rtsp.states import State
from reelcast.rtsp.url import RtspUrl
from reelcast.server.limits import Limits
from reelcast.server.pacer import Pacer
from reelcast.server.rights import Right

__all__ = ["DEFAULT_TIMEOUT", "GRACE", "Delivery", "Inlet", "Owner", "Session", "Sessions"]

log = logging.getLogger(__name__)

DEFAULT_TIMEOUT = 60
"""Seconds without a sign of life after which a session ends (RFC 2326 section 12.37)."""
GRACE = 10
"""Seconds more than announced: clients send their keepalive at the last moment, or at half of it on time."""


Inlet = Callable[[Sequence[bytes]], None]
"""Takes the packets that come on one channel, those at once that came at once."""


class Owner(Protocol):
    """The connection that a session was made over, and that its interleaved media uses.

    encrypted  whether it is by TLS: then no media goes beside it
    channels   its interleaved channels in use
    inlets     who takes what comes on a channel
    sessions   the sessions made over it
    """

    encrypted: bool
    writer: InterleavedWriter
    channels: set[int]
    inlets: dict[int, Inlet]
    sessions: set[Session]

    def close(self) -> None:
        """End the connection."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How one track of a session is carried.

    ssrc       our synchronisation source: of the track, or of the reports on one that is published
    url        the track's URL, as it stood in SETUP
    ports      a reader's RTP and RTCP addresses
    channels   the interleaved channels of RTP and RTCP
    """

    ssrc: int
    url: str
    ports: tuple[Destination, Destination] | None = None
    channels: tuple[int, int] | None = None


class Session(ABC):
    """One client's session; see `Playback` for a reader's and `Publication` for a publisher's.

    path         of its presentation, percent-encoded
    presentation the same, decoded
    place        the path that its user needs the right to, decoded
    host         that it was made from
    user         who made it, by login; "" for anyone
    state        where it stands
    deliveries   how each track is carried that is set up
    last_seen    when the client last showed that it is alive (monotonic seconds)
    turn         held by the request that changes it: others may come over other connections meanwhile
    """

    foreign: ClassVar[frozenset[str]]
    """Methods that are valid in its state, but not in a session of its kind."""
    right: ClassVar[Right] = Right.READ
    """What its user must have at its path."""

    def __init__(self, path: str, owner: Owner, host: str) -> None:
        self.id = secrets.token_hex(8)
        self.path = path
        self.presentation = self.place = RtspUrl.parse(path).segments()
        self.owner = owner
        self.host = host
        self.user = ""
        self.state = State.INIT
        self.deliveries: dict[int, Delivery] = {}
        self.turn = asyncio.Lock()
        self.touch()

    @property
    @abstractmethod
    def interleaved(self) -> bool:
        """Whether its media goes over the connection that it was made over, and it ends with that."""

    @property
    def flowing(self) -> bool:
        """Whether media is being sent, and the connection takes it."""
        return False

    @property
    def parameters(self) -> dict[str, str]:
        """What GET_PARAMETER can ask for."""
        return {}

    @abstractmethod
    def track_at(self, url: RtspUrl) -> int | None:
        """Which of its tracks a URL names that begins with its path, None for all; ProtocolError 404."""

    def receives_media_at(self, address: Address) -> bool:
        """Whether one of its tracks is sent to this address (its reports may be elsewhere)."""
        return any(
            item.ports and item.ports[0].address[:2] == address[:2] for item in self.deliveries.values()
        )

    def touch(self) -> None:
        """The client is alive."""
        self.last_seen = time.monotonic()

    @abstractmethod
    def refresh(self) -> None:
        """Bring the state up to date: what has ended by itself is as after a PAUSE."""

    @abstractmethod
    def pause(self) -> Range | None:
        """Let no more media flow; the place where it stops, None where there is none."""

    @abstractmethod
    def adapt(self, pacer: Pacer) -> None:
        """A track has been taken out: go on without it."""

    def on_connection_lost(self) -> bool:
        """The connection that it was made over has gone: whether it goes on without (RFC 2326 section 1.1)."""
        return not self.interleaved

    @abstractmethod
    def stop(self) -> None:
        """It is over: say goodbye."""


_AnySession = TypeVar("_AnySession", bound=Session)


class Sessions:
    """All sessions of a server: by id, by the addresses and the SSRCs of their tracks."""

    def __init__(
        self,
        timeout: int = DEFAULT_TIMEOUT,
        limits: Limits | None = None,
        *,
        on_end: Callable[[Session], None] = lambda _: None,
    ) -> None:
        """`on_end` is called with each session that has ended."""
        self.timeout = timeout
        self.limits = limits or Limits()
        self._on_end = on_end
        self._sessions: dict[str, Session] = {}
        self._hosts: Counter[str] = Counter()
        self._addresses: dict[Address, Session] = {}
        self._ssrcs: dict[int, Session] = {}

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions.values()))

    def __len__(self) -> int:
        return len(self._sessions)

    def add(self, session: _AnySession) -> _AnySession:
        """Take in a new session; ProtocolError 453 where there are too many."""
        host, limits = session.host, self.limits
        if len(self._sessions) >= limits.sessions:
            raise ProtocolError(f"there are {limits.sessions} sessions already", 453)
        if self._hosts[host] >= limits.sessions_per_address:
            raise ProtocolError(f"{host} has {limits.sessions_per_address} sessions already", 453)
        self._sessions[session.id] = session
        self._hosts[host] += 1
        session.owner.sessions.add(session)
        return session

    def find(self, identifier: str, host: str) -> Session:
        """The session with this id, from the same host as it was made from; ProtocolError 454."""
        session = self._sessions.get(identifier)
        if session is None or session.host != host:
            raise ProtocolError("there is no such session", 454)
        return session

    def unused_ssrc(self) -> int:
        """An SSRC that no track here has (RFC 3550 section 8.1)."""
        while True:
            ssrc = secrets.randbits(32)
            if ssrc and ssrc not in self._ssrcs:
                return ssrc

    def deliver(self, session: Session, track: int, delivery: Delivery) -> None:
        """Add a track to a session, or change how it is carried."""
        self.withdraw(session, track)
        session.deliveries[track] = delivery
        session.owner.channels.update(delivery.channels or ())
        self._ssrcs[delivery.ssrc] = session
        for destination in delivery.ports or ():
            former = self._addresses.get(destination.address[:2])
            if former is not None and former is not session:
                # A reader that came back before its former session had timed out.
                self.end(former)
            self._addresses[destination.address[:2]] = session

    def withdraw(self, session: Session, track: int) -> None:
        """Take a track out of a session."""
        delivery = session.deliveries.pop(track, None)
        if delivery is None:
            return
        if self._ssrcs.get(delivery.ssrc) is session:
            del self._ssrcs[delivery.ssrc]
        session.owner.channels.difference_update(delivery.channels or ())
        for destination in delivery.ports or ():
            self._addresses.pop(destination.address[:2], None)

    def at(self, address: Address) -> Session | None:
        """The session that has this address, host and port, among its destinations."""
        return self._addresses.get(address[:2])

    def sending(self, ssrcs: Iterable[int], host: str) -> Session | None:
        """The session of this host with one of these SSRCs: a reader whose ports are rewritten on the way."""
        for ssrc in ssrcs:
            session = self._ssrcs.get(ssrc)
            if session is not None and session.host == host:
                return session
        return None

    def end(self, session: Session) -> None:
        """End a session: say goodbye, free all it has. Ending it again does nothing."""
        if self._sessions.pop(session.id, None) is None:
            return
        self._hosts[session.host] -= 1
        if not self._hosts[session.host]:
            del self._hosts[session.host]
        try:
            session.stop()
        except Exception:
            # A fault in one must not keep what it has, nor stop who looks after all the others.
            log.exception("a session of %s ended with a fault", session.host)
        for track in list(session.deliveries):
            self.withdraw(session, track)
        session.owner.sessions.discard(session)
        self._on_end(session)

    def dismiss(self, session: Session) -> None:
        """End a session that its client has not ended: publishers have only their connection to tell by."""
        self.end(session)
        if session.right is Right.PUBLISH and not session.owner.sessions:
            session.owner.close()

    def expired(self) -> list[Session]:
        """The sessions whose clients have shown no sign of life for too long."""
        limit = time.monotonic() - self.timeout - GRACE
        return [session for session in self._sessions.values() if session.last_seen < limit]
