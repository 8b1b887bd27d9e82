"""A stream as an application has it: opened, played, paused, lost and found again, and read.

    async with reelcast.connect("rtsp://camera/stream") as stream:
        async for frame in stream.frames():
            show(frame.to_ndarray("bgr24"))

Sessions come and go beneath: over UDP and then over TCP where UDP does not work, and a new one after each loss.
What they bring forms one timeline. First connections that fail are errors; a stream that was there once is
looked for again, as `reconnect` says.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Literal, Self

from reelcast.client import events
from reelcast.client.classroom import ClassroomSession
from reelcast.client.continuity import Continuity
from reelcast.client.frames import Frames, check_kinds
from reelcast.client.lifetime import Outlets
from reelcast.client.link import Link, Start
from reelcast.client.options import Dialect, Moment, Options, Transport, check, moment, start_of
from reelcast.client.queue import UnitQueue, Units
from reelcast.client.reconnect import Reconnect
from reelcast.client.recovery import Recovery, Steps
from reelcast.client.session import Session
from reelcast.client.statistics import TrackStatistics
from reelcast.client.timeouts import Timeouts
from reelcast.client.transcript import Utterance
from reelcast.client.trust import Trust
from reelcast.errors import DeadlineError, ReelcastError
from reelcast.given import choice
from reelcast.rtp.intake import ReceivedUnit
from reelcast.rtsp.authentication import Credentials
from reelcast.rtsp.states import State
from reelcast.rtsp.url import without_userinfo
from reelcast.track import Kind, Track

__all__ = ["Stream", "TrackStatistics", "Transport", "connect"]

log = logging.getLogger(__name__)


def connect(
    url: str,
    *,
    transport: Transport = "auto",
    timeout: float | Timeouts = 10.0,
    play: bool = True,
    at: Moment | None = None,
    scale: float | None = None,
    dialect: Dialect = "rtsp",
    credentials: Credentials | None = None,
    trust: Trust | Path | str | None = None,
    reconnect: bool | Reconnect = True,
    rtp_port: int | None = None,
    on_unit: Callable[[ReceivedUnit], None] | None = None,
    on_event: Callable[[events.Event], None] | None = None,
    on_message: Callable[[Utterance], None] | None = None,
) -> Stream:
    """A stream of all tracks of an RTSP URL whose codec is known; nothing happens until `async with`.

    transport     "udp", "tcp" (interleaved), or "auto": UDP, and TCP where that fails
    timeout       seconds for the opening as a whole and for silence later on; or each wait by itself
    play          whether opening it also plays it, from `at` (see `Stream.play`) and with `scale` where given
    dialect       "classroom" for the server of Kurose and Ross' assignment, "auto" to find out (see
                  docs/classroom.md)
    credentials   who asks, if the URL does not say
    trust         by what a server of rtsps:// is believed: the fingerprint of its certificate (SHA-256), a PEM
                  file of authorities, "anyone", or None for the authorities of this system; its media comes over
                  TCP
    reconnect     whether to look for a stream that was lost: for ever, not at all, or as told
    rtp_port      receive RTP on this port and RTCP on the next; for each further track two more
    on_unit       is given every unit at once, in the event loop; nothing is queued then, and readers get none
    on_event      is told what happens (see `reelcast.client.events`), in the event loop
    on_message    is told what is said on the connection, both ways, without passwords

    Raises ValueError for what makes no sense.
    """
    check(url=url, transport=transport, dialect=dialect, rtp_port=rtp_port)
    at, scale = start_of(at, scale)
    options = Options(
        Timeouts.of(timeout),
        transport,
        dialect,
        credentials,
        Reconnect.of(reconnect),
        rtp_port,
        on_event,
        on_message,
        Trust.of(trust),
        on_unit,
    )
    return Stream(url.strip(), options, play=play, at=at, scale=scale)


class Stream:
    """One RTSP URL, received; `connect` makes it.

    Used by `async with`, or by `open` and `close`. One reader at a time: `frames`, or `units`; a new one takes
    the place of the one before.
    """

    def __init__(
        self, url: str, options: Options, *, play: bool, at: Moment | None, scale: float | None
    ) -> None:
        self._url = url
        self._options = options
        self._start = (at, scale) if play else None
        self._sought: Moment | None = None
        self._queue = UnitQueue()
        self._link = Link(url, options, self._queue, Outlets(self._take, self._end))
        self._continuity = Continuity()
        self._watch = events.Watch(options.tell)
        self._again: Start | None = None
        self._reader: weakref.ref[Frames | Units] | None = None
        self._lock = asyncio.Lock()
        steps = Steps(self._link.drop, self._bring_back, lambda: None, self._finish)
        self._recovery = Recovery(self.url, options, self._lock, steps)
        self._limit: asyncio.Timeout | None = None
        self._over = False
        self._closed = False

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<Stream {self.url}: {self.state.value} over {self.transport}>"

    # What it is.

    @property
    def url(self) -> str:
        """What it was made for, without user and password."""
        return without_userinfo(self._url)

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Those that are received, in the order described."""
        return session.tracks if (session := self._link.session) else ()

    @property
    def duration(self) -> float | None:
        """Of the presentation in seconds; None for a live source."""
        return session.duration if (session := self._link.session) else None

    @property
    def transport(self) -> str:
        """How media comes: "udp", "tcp" or "classroom"; what is tried next while there is no session."""
        return self._link.transport

    @property
    def state(self) -> State:
        """Init before it is opened, while it is lost, and when it is closed; then Ready, Playing or Paused.

        Behind the end of a presentation it is still Playing.
        """
        return session.state if (session := self._link.session) else State.INIT

    @property
    def position(self) -> float:
        """The latest presentation time received, in seconds."""
        return self._continuity.position

    @property
    def scale(self) -> float:
        """Presentation seconds in a second, as the server chose."""
        return session.scale if (session := self._link.session) else 1.0

    @property
    def waiting(self) -> int:
        """Units that wait to be read."""
        return len(self._queue)

    def statistics(self) -> tuple[TrackStatistics, ...]:
        """What was received so far, by track."""
        return self._link.statistics()

    # What can be done with it.

    async def open(self) -> None:
        """Connect, learn what there is, set up all tracks; and play, unless `connect` was told not to.

        Nothing is done where it is open, or lost and being looked for. Raises ReelcastError or one of its kind,
        which names the URL and what was wrong: TransportError for no connection, DeadlineError for silence,
        RemoteError for a refusal, ProtocolError for nonsense.
        """
        async with self._turn():
            if self._link.session is None and not self._recovery.running:
                self._queue.reopen()
                self._over = False
                await self._link.bring_up(self._start)

    async def play(self, at: Moment | None = None, scale: float | None = None) -> None:
        """Play from a presentation time in seconds, or from where it stands; raises as `open`.

        Where a server says when it was what it has (our own says so of recordings, and of live paths that are
        recorded), `at` may be a time of day; "now" leads back to what is live. Behind a pause of such a live path,
        playing goes on where it was.
        What comes of a file begins with the keyframe before: `Frame.pts` says where.
        `scale` asks for another speed; the server may answer with its own (see `scale`). ValueError for nonsense.
        """
        at, scale = start_of(at, scale)
        async with self._turn():
            # What is over may be played again, also where its session has gone since.
            session = self._link.session if self._over else self._opened()
            at, self._sought = self._sought if at is None else at, None
            over, self._over = self._over, False
            self._queue.reopen()
            try:
                if session is None or session.state is State.READY or session.lost:
                    await self._link.bring_up((at, scale))
                else:
                    await self._play_on(session, at, scale)
            except BaseException:
                if over:
                    self._over = True
                    self._queue.end(None)
                raise

    async def _play_on(
        self, session: Session | ClassroomSession, at: Moment | None, scale: float | None
    ) -> None:
        """Play a session that was played before."""
        goes_on = at is None and session.state is State.PAUSED and session.resumable
        await session.play(at, scale, self._link.segment if goes_on else self._link.segment + 1)
        self._jump(session, at)
        if session.segment != self._link.segment:
            self._forget()
            self._queue.keep(session.segment)
        self._link.segment = session.segment

    def _jump(self, session: Session | ClassroomSession, at: Moment | None) -> None:
        """The presentation goes on from a time that is its own."""
        if isinstance(at, int | float) and not session.live:
            self._continuity.seek(at)

    async def pause(self) -> None:
        """Halt; `play` goes on from there. RemoteError where the server cannot."""
        async with self._turn():
            session = self._opened()
            if session.state is State.PLAYING:
                await session.pause()

    async def seek(self, at: Moment) -> None:
        """Go to a moment, see `play`; what is queued of the old place is forgotten.

        A stream that is paused stays so, and goes on from there with `play`, which raises where there is no such
        place; ValueError for a number that makes no sense.
        """
        at = moment(at)
        if self.state is State.PLAYING:
            await self.play(at)
            return
        async with self._turn():
            session = self._opened()
            self._queue.keep(None)
            self._forget()
            self._jump(session, at)
            self._sought = at

    async def close(self) -> None:
        """TEARDOWN, and the end of the connection; readers meet the end. Closing twice is no error.

        Who opens it, plays it or pauses it in another task meanwhile meets a ReelcastError.
        """
        self._closed = True
        limit, self._limit = self._limit, None
        if limit is not None:
            limit.reschedule(0.0)
        recovering = await self._recovery.stop()
        self._queue.end(None)
        reader = self._present_reader()
        if reader is not None and not isinstance(reader, Units):
            reader.close()  # what is queued can still be had coded, but nothing is decoded any more
        async with self._lock:
            active = self._link.session is not None or recovering
            await self._link.drop()
        if active and not self._over:
            self._over = True
            self._options.tell(events.Ended(None))

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One thing at a time; `close` ends it."""
        async with self._lock:
            if self._closed:
                raise ReelcastError("the stream is closed", url=self.url, advice="`connect` makes another")
            limit = self._limit = asyncio.timeout(None)
            try:
                async with limit:
                    yield
            except TimeoutError as error:
                if isinstance(error, DeadlineError):
                    raise
                raise ReelcastError("the stream was closed meanwhile", url=self.url) from None
            finally:
                self._limit = None

    def units(self) -> Units:
        """Every access unit of all tracks, coded, in the order of their completion.

        Ends where the presentation ends; raises ReelcastError where it is lost for good.
        """
        units = Units(self._queue)
        self._read(newest=False, reader=units)
        return units

    def frames(
        self,
        kinds: tuple[Kind, ...] = ("video",),
        *,
        every: bool = False,
        corrupt: Literal["drop", "flag"] = "drop",
    ) -> Frames:
        """Decoded frames, in the order of their presentation; decoding has a thread of its own.

        kinds     of tracks to decode
        every     all of them; else the newest, when the application is ready for the next: none is given twice
        corrupt   what becomes of pictures that refer to lost ones: left out, or marked `corrupt`

        Ends and raises as `units`; MediaError where there is no such track, or no decoder for a codec.
        """
        check_kinds(kinds, self.tracks, self.url)
        choice("corrupt", corrupt, ("drop", "flag"))
        frames = Frames(self._queue, kinds, every=every, flag=corrupt == "flag")
        self._read(newest=not every, reader=frames)
        return frames

    def _read(self, *, newest: bool, reader: Frames | Units) -> None:
        """One reader takes the place of another."""
        if (before := self._present_reader()) is not None:
            before.close()
        self._reader = weakref.ref(reader)
        self._queue.want(newest)

    def _present_reader(self) -> Frames | Units | None:
        """Who reads, if the application still has it."""
        return None if self._reader is None else self._reader()

    def _forget(self) -> None:
        """What was decoded up to now is of the past."""
        reader = self._present_reader()
        if reader is not None and not isinstance(reader, Units):
            reader.forget(self._link.segment)

    def _opened(self) -> Session | ClassroomSession:
        session = self._link.session
        if session is None or self._recovery.running:
            raise ReelcastError("the stream is not open", url=self.url, advice="open it, or wait for it")
        return session

    # What comes of it.

    def _take(self, received: ReceivedUnit) -> None:
        self._link.tell_connected()
        session = self._link.session
        live = session is not None and session.live
        backwards = session is not None and session.scale < 0
        received = self._continuity.place(received, live=live, backwards=backwards)
        self._watch.look(received.track, corrupt=received.corrupt, clock=received.clock)
        if self._options.on_unit is None:
            self._queue.put(received)
        else:
            events.notify(self._options.on_unit, received)

    def _end(self, error: ReelcastError | None) -> None:
        """A session is over: the stream too, or it is looked for again."""
        if error is None or self._closed or not self._options.reconnect.allows(1):
            self._finish(error)
            return
        if not self._recovery.running:
            # A presentation goes on where it was; what is live is where it is. Who paused it plays it again.
            at = self.position if self.duration is not None else None
            self._again = (at, None if self.scale == 1.0 else self.scale)
            if self.state is State.PAUSED:
                self._again, self._sought = None, at
        self._recovery.lose(error)

    async def _bring_back(self) -> None:
        await self._link.bring_up(self._again)

    def _finish(self, error: ReelcastError | None) -> None:
        self._over = True
        self._queue.end(error)
        self._options.tell(events.Ended(error))
