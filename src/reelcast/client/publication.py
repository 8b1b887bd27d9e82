"""One RTSP session that publishes, from ANNOUNCE to TEARDOWN, over one transport (RFC 2326 sections 10.3, 10.11).

A session does not survive its connection, and does not change its transport: the broadcaster makes another.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Final, Literal

from reelcast.client.departure import Departure
from reelcast.client.dialogue import Dialogue
from reelcast.client.failures import peer_of
from reelcast.client.options import Options
from reelcast.client.outgoing import Exit, InterleavedExit, UdpExit
from reelcast.errors import DeadlineError, ReelcastError, TransportError
from reelcast.net.interleaved import InterleavedWriter
from reelcast.rtp.description import describe
from reelcast.rtsp.states import State, after
from reelcast.rtsp.url import RtspUrl
from reelcast.track import AccessUnit, Track

__all__ = ["Publication"]

log = logging.getLogger(__name__)

BACKLOG_SECONDS: Final = 0.5
"""Of media, that may wait on a connection before the encoder is held: what is older is not live."""
MIN_BACKLOG: Final = 128 << 10
"""Bytes, whatever the bit rate: a keyframe at least."""
TICK: Final = 0.25
"""Seconds between looks at what is due by time alone."""
LINGER: Final = 0.05
"""Seconds between the last datagram and TEARDOWN, which must not overtake it."""


class Publication:
    """The tracks of one presentation, sent over one transport.

    transport    "udp" or "tcp"
    state        Ready behind SETUP, Recording; Init when it is over
    departures   of each track, what was sent
    full         True while the connection takes less than is sent
    reported     whether the server has said how it receives
    on_full      told when that changes
    on_lost      called once when it ends, with the reason; not after `close`
    """

    def __init__(self, dialogue: Dialogue, transport: Literal["udp", "tcp"], options: Options) -> None:
        self.transport = transport
        self.state = State.INIT
        self.departures: tuple[Departure, ...] = ()
        self.full = False
        self.reported = False
        self.on_full: Callable[[bool], None] = lambda _: None
        self.on_lost: Callable[[ReelcastError], None] = lambda _: None
        self._dialogue = dialogue
        self._timeouts = options.timeouts
        self._uri = dialogue.url.request_uri
        self._exits: list[Exit] = []
        self._loop = asyncio.get_running_loop()
        self._tick: asyncio.TimerHandle | None = None
        self._probe: asyncio.Task[None] | None = None
        self._heard = self._loop.time()
        self._stuck: float | None = None
        self._over = False
        # Whether nothing said to the server is answered any more.
        self._dead = False
        dialogue.on_lost = self._lose
        dialogue.on_full = self._fill

    @classmethod
    async def open(
        cls, url: str, transport: Literal["udp", "tcp"], options: Options, deadline: float | None = None
    ) -> Publication:
        """Connect, and ask what the server can do: TransportError for no connection, DeadlineError for silence.

        `deadline` bounds, by the event loop's clock, all that is said until media may be sent.
        """
        place = RtspUrl.of_server(url)
        dialogue = await Dialogue.connect(
            place,
            options.timeouts,
            deadline=deadline,
            credentials=options.credentials,
            trust=options.trust,
            on_message=options.on_message,
        )
        try:
            await dialogue.options(place.request_uri)
        except BaseException:
            dialogue.close()
            raise
        return cls(dialogue, transport, options)

    @property
    def lost(self) -> bool:
        """Whether its connection has ended."""
        return self._dialogue.lost

    async def begin(self, tracks: Sequence[Track], deadline: float | None = None) -> None:
        """ANNOUNCE, SETUP of every track, RECORD.

        Raises RemoteError for a refusal, ProtocolError(461) where the server wants another transport.
        """
        self._dialogue.deadline = deadline
        family = 6 if ":" in self._dialogue.hosts[0] else 4
        description = describe(
            tracks,
            name="reelcast",
            duration=None,
            session_id=secrets.randbits(62),
            address_family=family,
        )
        headers = [("Content-Type", "application/sdp")]
        await self._dialogue.demand("ANNOUNCE", self._uri, headers, str(description).encode())
        cname = secrets.token_hex(8)
        backlog = max(MIN_BACKLOG, round(sum(track.bit_rate for track in tracks) / 8 * BACKLOG_SECONDS))
        writer = InterleavedWriter(self._dialogue.outlet(backlog), direct=False)
        for number, track in enumerate(tracks):
            self.departures += (await self._set_up(number, track, writer, cname),)
        self.state = after(self.state, "SETUP")
        self._dialogue.keep_alive(self._uri)
        await self._dialogue.demand("RECORD", self._uri, [("Range", "npt=0.000-")])
        self.state = after(self.state, "RECORD")
        self._dialogue.deadline = None
        for departure in self.departures:
            departure.begin()
        self._heard = self._loop.time()
        self._tick = self._loop.call_later(TICK, self._look)

    async def _set_up(self, number: int, track: Track, writer: InterleavedWriter, cname: str) -> Departure:
        """SETUP of one track."""

        def control(data: bytes) -> None:
            self._heard, self.reported = self._loop.time(), True
            if number < len(self.departures):
                self.departures[number].control(data)

        leave: Exit
        if self.transport == "tcp":
            leave = InterleavedExit(self._dialogue, writer, 2 * number, control)
        else:
            leave = UdpExit(self._dialogue, control, self._gone)
        self._exits.append(leave)
        spec = await leave.open()
        uri = self._dialogue.url.join(track.control).request_uri
        # In lower case and bare: FFmpeg as a server compares it so.
        response = await self._dialogue.demand("SETUP", uri, [("Transport", f"{spec};mode=record")])
        return Departure(track, leave, leave.agree(response.headers.get("Transport")), cname)

    def send(self, index: int, unit: AccessUnit) -> None:
        """Send a unit of a track; its times count from the Unix epoch. Without effect when it is over."""
        if self.state is not State.RECORDING or self._over or self._dialogue.lost:
            return
        departure = self.departures[index]
        if departure.track.kind == "video":
            # Sound waits for no more than a picture.
            for other in self.departures:
                if other.track.kind == "audio":
                    other.flush()
        departure.send(unit)

    async def close(self) -> None:
        """Say goodbye and end the connection; closing twice is no error."""
        self._over = True
        self._stop()
        try:
            if self._dead:
                self._dialogue.abort()
            elif self.state is State.RECORDING and not self._dialogue.lost:
                for departure in self.departures:
                    departure.goodbye()
                if self.transport == "udp":
                    await asyncio.sleep(LINGER)
            await self._dialogue.teardown(self._uri)
        finally:
            self.state = State.INIT
            self._dialogue.close()
            for departure in self.departures:
                departure.close()
            for leave in self._exits:
                leave.close()

    # What happens meanwhile.

    def _look(self) -> None:
        for departure in self.departures:
            departure.report_if_due()
        now, silence = self._loop.time(), self._timeouts.silence
        if self._stuck is not None and now - self._stuck >= silence:
            self._end(DeadlineError("sending", silence, url=self._uri, peer=peer_of(self._dialogue.url)))
            return
        if now - self._heard >= silence and self._probe is None:
            self._probe = self._loop.create_task(self._ask_whether_alive())
        self._tick = self._loop.call_later(TICK, self._look)

    async def _ask_whether_alive(self) -> None:
        """Datagrams into nothing are not missed by anybody: a server that sends no reports is asked."""
        try:
            await self._dialogue.ask("OPTIONS", self._uri)
        except ReelcastError as error:
            self._end(error)
        self._heard = self._loop.time()
        self._probe = None

    def _fill(self, full: bool) -> None:
        self.full = full
        self._stuck = self._loop.time() if full else None
        self.on_full(full)

    def _gone(self) -> None:
        url = self._dialogue.url
        message = "nobody listens for datagrams there any more"
        self._end(TransportError(message, url=str(url), peer=peer_of(url), advice="try transport tcp"))

    def _lose(self, error: ReelcastError) -> None:
        self._end(error)

    def _end(self, error: ReelcastError) -> None:
        if not self._over:
            self._over = True
            self._dead = isinstance(error, DeadlineError)
            self._stop()
            self.on_lost(error)

    def _stop(self) -> None:
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        if self._probe is not None and self._probe is not asyncio.current_task():
            self._probe.cancel()
            self._probe = None
