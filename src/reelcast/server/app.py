"""The server: what listens, what is mounted, and the care for what clients leave behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from reelcast.errors import MediaError, TransportError
from reelcast.media.cache import DEFAULT_CACHE_BYTES
from reelcast.media.library import Library
from reelcast.net import event_loop
from reelcast.net.messages import Batching
from reelcast.net.tls import Tls
from reelcast.net.udp import Address, UdpPair
from reelcast.rtp.rtcp import ReceiverReport, SenderReport, parse
from reelcast.rtsp.message import Request
from reelcast.server import classroom
from reelcast.server.broadcast import Broadcast
from reelcast.server.call import Services
from reelcast.server.care import Care
from reelcast.server.connection import Connection, Reply
from reelcast.server.feed import Era
from reelcast.server.guard import Guard, Visitor
from reelcast.server.limits import Limits
from reelcast.server.live import Live, LivePolicy
from reelcast.server.methods import answer
from reelcast.server.mounts import Mounts
from reelcast.server.pacer import Pacer
from reelcast.server.playback import Playback
from reelcast.server.ports import Ports, port_number
from reelcast.server.roster import Roster
from reelcast.server.session import DEFAULT_TIMEOUT, Session, Sessions
from reelcast.server.source import Recordings, Source
from reelcast.server.turns import Turns
from reelcast.server.writers import Writers

if TYPE_CHECKING:
    from reelcast.media.programme import ProgrammeOptions
    from reelcast.server.live_writer import LiveWriter

__all__ = ["DEFAULT_PORT", "Server"]

log = logging.getLogger(__name__)

DEFAULT_PORT = 8554
"""Where RTSP servers listen that have no rights to port 554."""
CROWD = 32
"""Connections from which on their reports wait until the event loop is awake: before, what that spares is little,
and who seeks is answered sooner."""
CLOSE_SECONDS = 1.0
"""How long connections may take to drain when the server stops."""
NO_SIGNALS: Mapping[int, Callable[[], None]] = MappingProxyType({})


class Server:
    """An RTSP server.

    server = Server(port=8554)
    server.mount("/movie", "movie.mp4")
    server.run()                    # until SIGINT or SIGTERM; or:

    async with server:              # in a running event loop
        ...
    """

    def __init__(
        self,
        host: str | None = None,
        port: int = DEFAULT_PORT,
        *,
        rtp_port: int = 0,
        timeout: int = DEFAULT_TIMEOUT,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        batching: Batching | None = None,
        reuse_port: bool = False,
        era: Era | None = None,
        limits: Limits | None = None,
        tls: Tls | None = None,
        guard: Guard | None = None,
    ) -> None:
        """Prepare a server; nothing is opened before `start`.

        host          a numeric address to listen on, None for all, of IPv4 and IPv6
        port          of RTSP, 0 for any free one
        rtp_port      UDP port that media is sent from, reports go to the one above; 0 for any free pair
        timeout       seconds after which a session without a sign of life ends
        cache_bytes   memory for packetised media, shared by all sessions
        batching      how datagrams are sent, None for the best this system has
        reuse_port    whether other processes may listen on the same port (Linux, BSD, macOS)
        era           what processes that serve the same live streams agree on; None for one alone
        limits        what clients may take, None for what suits a server of ten thousand connections
        tls           RTSPS on a port of its own, beside; media of such connections goes inside them
        guard         who may do what, None for a server without users
        """
        self._ports = Ports(host, port, tls, reuse_port=reuse_port)
        self._rtp_port = port_number("rtp_port", rtp_port, 65534)
        self._batching = batching
        self._era = era or Era.now()
        self._mounts = Mounts(cache_bytes)
        limits = limits or Limits()
        self._sessions = Sessions(timeout, limits, on_end=self._over)
        self._connections = Roster(limits)
        self._care = Care(self._connections, self._sessions, limits)
        self._guard = guard or Guard()
        self._caring: asyncio.Task[None] | None = None
        self._services: Services | None = None
        self._drained: asyncio.Event | None = None
        self._writers = Writers()
        self._turns = Turns()

    def mount(
        self,
        path: str,
        what: Source | Live | Library | Path | str,
        *,
        live: bool = False,
        whole_ts: bool = False,
    ) -> None:
        """Serve a file, a folder (recursively) or a source at `path` ("/movie"; "/" for the root).

        With `live`, a file is an endless live stream, one timeline for all its readers. With `whole_ts`, a file
        that is an MPEG transport stream is sent as it is (RFC 2250 section 2), not the tracks in it; not both,
        since the clock in it would leap where the file begins again. Raises MediaError where a file is missing or
        cannot be served, or a folder holds no media. May be called while serving.
        """
        if isinstance(what, str):
            what = Path(what)
        if live and whole_ts:
            raise MediaError(f"{what}: a whole transport stream cannot be live; leave out live or whole_ts")
        if isinstance(what, Live) and self._services is not None:
            what.start()
        if live and isinstance(what, Path):
            self._mounts.add(path, self.looped(path, what))
        else:
            self._mounts.add(path, what, whole_ts=whole_ts)

    def live(self, path: str, **options: Unpack[ProgrammeOptions]) -> LiveWriter:
        """A live path that this program feeds: with the pictures and the sound that it writes, from any thread.

        The options are those of `reelcast.publishing` that say what is made of them: fps, codec, size, bit_rate,
        keyframe_seconds, pixel_format, sample_rate, channels, audio_codec and audio_bit_rate. May be called before
        the server runs and while it does, from any thread. Raises ValueError for options that make no sense,
        MediaError where there is no such encoder here, ProtocolError where something else is served at `path`.
        """
        from reelcast.server.live_writer import LiveWriter

        return self._writers.add(lambda: LiveWriter(self._mounts.publish_to(path), options))

    def play_back(self, recordings: Recordings) -> None:
        """Serve what was recorded of live paths: that of /cam at /cam?recorded, also while /cam is not there.

        Where several have something of a path, the first counts.
        """
        self._mounts.recordings.append(recordings)

    def unmount(self, path: str, *, evict: bool = False) -> None:
        """No longer serve `path`; who plays it plays on, or, with `evict`, is told goodbye.

        Raises KeyError where nothing is mounted.
        """
        mounted = self._mounts.mount_of(path)
        theirs = [each for each in self._sessions if self._mounts.mount_of(each.path) == mounted]
        self._mounts.remove(path)
        if evict:
            for session in theirs:
                self._sessions.dismiss(session)

    def mounted(self, path: str) -> Source | Live | Path | Library | None:
        """What is served at exactly this path: a file or a folder, a source or a live path."""
        return self._mounts.at(path)

    def live_paths(self) -> list[Live]:
        """All live paths, those too that publishers have made."""
        return self._mounts.live_paths()

    def looped(self, path: str, file: Path) -> Broadcast:
        """A file as an endless live stream, to be mounted at `path`; MediaError where it cannot be served.

        May be called in any thread, and takes a while.
        """
        return self._mounts.looped(path, file, self._era)

    def allow_publishing(
        self, policy: LivePolicy | None, on_made: Callable[[Live], None] = lambda _: None
    ) -> None:
        """Let publishers make live paths where nothing is mounted, each for as long as it is fed.

        They may from the start, with a `LivePolicy()`; with None they may not. `on_made` is called with each.
        """
        self._mounts.publishing, self._mounts.on_made = policy, on_made

    @property
    def guard(self) -> Guard:
        """Who may do what. Another may be set while serving: sessions end that it does not allow, and no others."""
        return self._guard

    @guard.setter
    def guard(self, guard: Guard) -> None:
        former, self._guard = self._guard, guard
        guard.succeed(former)
        if self._services is not None:
            self._services.guard = guard
        for session in self._sessions:
            visitor = Visitor(session.user, session.host)
            if guard.excludes(former, visitor, session.right, session.place):
                log.info(
                    "%s may no longer %s %s: its session ends", session.host, session.right, session.path
                )
                self._sessions.dismiss(session)

    def urls(self, host: str | None = None) -> list[str]:
        """The URLs of everything that is served, as seen from `host` (127.0.0.1 where not said)."""
        origins = self._ports.origins(host)
        return [f"{origin}{path}" for path in self._mounts.paths() for origin in origins]

    @property
    def port(self) -> int:
        """Of RTSP; 0 before the server has started where any free one is to do."""
        return self._ports.port

    @port.setter
    def port(self, port: int) -> None:
        self._ports.port = port

    @property
    def tls_port(self) -> int | None:
        """Of RTSPS, likewise; None where there is none."""
        return self._ports.tls_port

    @tls_port.setter
    def tls_port(self, port: int | None) -> None:
        self._ports.tls_port = port

    def reload_certificate(self) -> None:
        """Read certificate and key again, for the connections that come; those that are there go on.

        Raises TransportError where the files are of no use; then it stays as it was.
        """
        self._ports.reload_certificate()

    async def start(self) -> None:
        """Open the ports and serve. Raises TransportError where a port cannot be had, or it serves already."""
        if self._services is not None:
            raise TransportError("the server runs already", advice="`stop` it first")
        batching = self._batching or Batching.detect()
        log.info("datagrams are sent by %s", batching.value)
        pairs: dict[int, UdpPair] = {}

        def flush() -> None:
            for pair in pairs.values():
                pair.batch.flush()

        try:
            for host in self._ports.hosts():
                pair = await UdpPair.open(host, self._rtp_port, batching, self._heard, self._unreachable)
                pairs[pair.family] = pair
            self._connections.fit()
            self._services = Services(self._mounts, self._sessions, Pacer(flush), pairs, self._guard)
            await self._ports.open(lambda: Connection(self, direct=batching is not Batching.PLAIN))
        except BaseException:
            self._services = None
            for pair in pairs.values():
                pair.close()
            raise
        self._mounts.start()
        self._writers.start()
        self._caring = asyncio.get_running_loop().create_task(self._care.run())

    async def stop(self) -> None:
        """Say goodbye to every reader, close every connection and free every port."""
        if self._services is None or self._caring is None:
            return
        self._caring.cancel()
        self._writers.stop()
        self._ports.close()
        for session in self._sessions:
            self._sessions.end(session)
        for connection in self._connections:
            connection.close()
        if self._connections:
            self._drained = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), CLOSE_SECONDS)
        for connection in self._connections:
            connection.abort()
        self._services.pacer.close()
        for pair in self._services.pairs.values():
            pair.close()
        self._mounts.close()
        self._services = self._caring = None

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM; in any thread but the main one, for good. Raises what `start` raises."""
        event_loop.run(self.serve_until_signal())

    async def serve_until_signal(
        self,
        on_start: Callable[[], None] = lambda: None,
        stop: asyncio.Event | None = None,
        signals: Mapping[int, Callable[[], None]] = NO_SIGNALS,
    ) -> None:
        """Start, call `on_start`, wait for SIGINT, SIGTERM or `stop`, and stop.

        `signals` says what else is to be done when one comes; of those it names, none ends the server.
        """
        stop = stop or asyncio.Event()
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as handlers:
            for number, action in {**dict.fromkeys(_ending_signals(), stop.set), **signals}.items():
                # Windows' loops have no signal handlers: there KeyboardInterrupt ends `run`. No more have threads.
                with contextlib.suppress(NotImplementedError, RuntimeError):
                    loop.add_signal_handler(number, action)
                    handlers.callback(loop.remove_signal_handler, number)
            async with self:
                on_start()
                await stop.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # What a connection asks for (see `connection.Handler`)

    async def answer(self, connection: Connection, request: Request) -> Reply:
        """Answer one request, when it is its turn."""
        services = self._services
        assert services is not None
        await self._turns.take()
        speak = classroom.answer if connection.classroom else answer
        return await speak(services, connection, request)

    def opened(self, connection: Connection) -> bool:
        """Note a connection, if there is room for it."""
        if not self._connections.add(connection):
            return False
        log.info("%s connected", connection)
        return True

    def alive(self, connection: Connection) -> None:
        """Its sessions are alive."""
        for session in connection.sessions:
            session.touch()
        if len(self._connections) >= CROWD:
            connection.be_patient()

    def closed(self, connection: Connection) -> None:
        """Interleaved sessions end with their connection; those over UDP outlive it (RFC 2326 1.1)."""
        if not self._connections.remove(connection):
            return
        if self._drained is not None and not self._connections:
            self._drained.set()
        log.info("%s disconnected%s", connection, f" ({connection.agent[:80]})" if connection.agent else "")
        for session in list(connection.sessions):
            if not session.on_connection_lost():
                self._sessions.end(session)

    def _over(self, session: Session) -> None:
        if isinstance(session, Playback):
            self._mounts.release(session.source)

    # What comes over UDP

    def _heard(self, data: bytes, address: Address) -> None:
        """A report, or a packet that opens a way through a NAT: its sender is alive."""
        session = self._sessions.at(address)
        if session is None and len(data) >= 8:
            ssrcs = [
                block.ssrc
                for report in parse(data)
                if isinstance(report, ReceiverReport | SenderReport)
                for block in report.blocks
            ]
            session = self._sessions.sending(ssrcs, address[0])
        if session is not None:
            session.touch()

    def _unreachable(self, address: Address) -> None:
        session = self._sessions.at(address)
        if session is not None and session.receives_media_at(address):
            log.info("%s:%d no longer listens: its session ends", *address[:2])
            self._sessions.end(session)


def _ending_signals() -> list[int]:
    """SIGINT, SIGTERM, and SIGHUP of a terminal that closes, unless that was not to end us (nohup)."""
    hang_up = [getattr(signal, name) for name in ("SIGHUP",) if hasattr(signal, name)]
    heard = [number for number in hang_up if signal.getsignal(number) is not signal.SIG_IGN]
    return [signal.SIGINT, signal.SIGTERM, *heard]
