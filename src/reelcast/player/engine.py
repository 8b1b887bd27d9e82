"""The player without its window: a thread with an event loop of its own that owns the stream.

Commands go in from any thread and are obeyed in order; what is to be seen and heard comes out of `playout`, how
things stand out of `status`. Nothing here knows Qt.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from reelcast.client import events
from reelcast.client.frame import Frame
from reelcast.client.options import Moment
from reelcast.client.transcript import Utterance
from reelcast.errors import ReelcastError
from reelcast.media.decode import Samples
from reelcast.player.extent import Extent
from reelcast.player.figures import Figures
from reelcast.player.orders import Action, Orders
from reelcast.player.playout import Playout
from reelcast.player.sound import Output
from reelcast.player.sounding import Sounding
from reelcast.player.source import Connect, Source, Stream
from reelcast.player.status import Phase, Status, Waiting

__all__ = ["Engine"]

log = logging.getLogger(__name__)

LOOK_INTERVAL: Final = 0.5
"""Seconds between looks at how the stream arrives."""
FULL_WAIT: Final = 0.01
"""Seconds between looks at a full playout: a picture is played every 40 ms or so."""
JUMP: Final = 1.0
"""Seconds between two frames that are no mere gap: what is queued is not waited for any more."""
MAX_LINES: Final = 2000
"""Messages of the dialogue that are kept: hours of keepalives."""


class Engine:
    """Plays one source at a time.

    playout    what is to be seen and heard
    figures    how it arrives
    lines      the RTSP dialogue, the latest `MAX_LINES` messages; `spoken` counts all there were
    notify     called in the engine's thread when `status` has changed or a picture has come
    """

    def __init__(self, connect: Connect, output: Output, notify: Callable[[], None]) -> None:
        self.playout: Playout[Frame] = Playout()
        self.figures = Figures()
        self.lines: deque[Utterance] = deque(maxlen=MAX_LINES)
        self.spoken = 0
        self.status = Status()
        self._connect = connect
        self._notify = notify
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._work, name="reelcast player", daemon=True)
        self._orders = Orders("load", self._failed)
        self._stream: Stream | None = None
        self._pump: asyncio.Task[None] | None = None
        self._sounding = Sounding(output, self.playout)
        self._segment: int | None = None
        self._extent = Extent(None)
        self._latest = 0.0
        self._plays = 0
        self._jumping = False
        self._peeking = False

    def start(self) -> None:
        """Begin to obey."""
        self._thread.start()

    def stop(self) -> None:
        """TEARDOWN, and the end of the thread; stopping twice is no error."""
        if self._thread.is_alive():
            self._order("stop", self._stop, urgent=True)
            self._thread.join()

    def load(self, source: Source) -> None:
        """Have another source in mind; what was played is torn down."""

        async def load() -> None:
            await self._end_stream()
            self.status = Status(source)
            self._notify()

        self._order("load", load, urgent=True)

    def set_up(self, *, play: bool = False) -> None:
        """Connect to the source, and play it if told so."""

        async def set_up() -> None:
            await self._end_stream()
            await self._open()
            if play:
                await self._play()

        self._order("set up", set_up, urgent=True)

    def retry(self) -> None:
        """Connect anew and play, from where we were."""

        async def retry() -> None:
            position = self.playout.position(time.monotonic())
            await self._end_stream()
            extent = self._extent
            await self._open()
            if position is None or self.status.duration is None:
                await self._play()
            else:
                self._extent = extent
                await self._jump(position, None, playing=True)

        self._order("retry", retry, urgent=True)

    def play(self) -> None:
        """Play, from where we are; from where it began, where we are at the end."""
        self._order("play", self._play)

    def pause(self) -> None:
        """Stand still."""
        self._order("pause", self._pause)

    def seek(self, seconds: float) -> None:
        """Go to a place of the presentation; the latest of several counts."""

        async def seek() -> None:
            if self.status.phase in (Phase.PLAYING, Phase.PAUSED, Phase.ENDED, Phase.READY):
                self._extent.seek(seconds)
                await self._jump(max(0.0, seconds), None)

        self._order("seek", seek)

    def change_scale(self, scale: float) -> None:
        """Play faster or slower, as far as the server can."""

        async def change_scale() -> None:
            if self.status.phase is Phase.PLAYING:
                await self._jump(None, scale)
                if self.status.scale != scale:
                    self._tell(notice=f"The server plays at {self.status.scale:g}× only")

        self._order("scale", change_scale)

    def tear_down(self) -> None:
        """End the session."""

        async def tear_down() -> None:
            await self._end_stream()
            self._tell(phase=Phase.IDLE, error=None, waiting=None, notice="")

        self._order("tear down", tear_down, urgent=True)

    # Orders.

    def _order(self, name: str, action: Action, *, urgent: bool = False) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody obeys any more
            self._loop.call_soon_threadsafe(self._orders.take, name, action, urgent)

    def _work(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._obey())

    async def _obey(self) -> None:
        looking = asyncio.create_task(self._look())
        await self._orders.obey()
        looking.cancel()
        self._sounding.end()

    def _failed(self, error: Exception) -> None:
        phase = self.status.phase if self._stream is not None else Phase.IDLE
        self._tell(phase=phase, error=_known(error))

    async def _stop(self) -> None:
        self._orders.end()
        await self._end_stream()

    # What orders do.

    async def _open(self) -> None:
        source = self.status.source
        if source is None:
            raise ReelcastError("there is nothing to play: open a URL first")
        self.playout.reset()
        self.figures.clear()
        self.status = Status(source, Phase.CONNECTING)
        self._notify()
        self._sounding.begin()
        self._segment, self._extent = None, Extent(source.duration)
        stream = self._connect(source, self._event, self._line)
        try:
            await stream.open()
        except BaseException:
            self._tell(phase=Phase.IDLE)
            await stream.close()
            raise
        self._stream = stream
        live = stream.duration is None
        self.playout.reset(live=live)
        self._tell(
            phase=Phase.READY,
            duration=stream.duration,
            live=live,
            transport=stream.transport,
            tracks=tuple(stream.statistics()),
        )

    async def _play(self) -> None:
        phase, source = self.status.phase, self.status.source
        if phase is Phase.PAUSED:
            await self._jump(None, None, playing=True)
        elif phase in (Phase.READY, Phase.ENDED) and source is not None:
            at = source.at
            if at is None and phase is Phase.ENDED and self.status.duration is not None:
                at = 0.0
            self._extent.restart()
            await self._jump(at, None, playing=True)

    async def _pause(self) -> None:
        if self.status.phase is not Phase.PLAYING or self._stream is None:
            return
        self.playout.run(False, time.monotonic())
        try:
            await self._stream.pause()
        except ReelcastError:
            self.playout.run(True, time.monotonic())
            raise
        self.figures.pause()
        self._tell(phase=Phase.PAUSED, error=None)

    async def _jump(self, at: Moment | None, scale: float | None, *, playing: bool = False) -> None:
        """PLAY; a jump unless it goes on where it stood. A stream that does not play shows where it is."""
        assert self._stream is not None
        playing = playing or self.status.phase is Phase.PLAYING
        self._jumping = at is not None or scale is not None
        self._peeking = not playing
        if self._jumping:
            self.playout.run(False, time.monotonic())
        try:
            await self._stream.play(at, scale)
        except BaseException:
            self._jumping = self._peeking = False
            self.playout.run(self.status.phase is Phase.PLAYING, time.monotonic())
            raise
        self._plays += 1
        if self._jumping or self.status.phase is Phase.ENDED:
            self.playout.flush()
        self.playout.change_rate(self._stream.scale, time.monotonic())
        self.playout.run(playing, time.monotonic())
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._receive(self._stream))
        self._tell(
            phase=Phase.PLAYING if playing else Phase.PAUSED,
            error=None,
            notice="",
            scale=self._stream.scale,
            transport=self._stream.transport,
        )

    async def _halt(self) -> None:
        """What stands here need not be sent either."""
        if self.status.phase in (Phase.PAUSED, Phase.ENDED) and self._stream is not None:
            await self._stream.pause()

    async def _end_stream(self) -> None:
        self._jumping = self._peeking = False
        self.playout.run(False, time.monotonic())
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait((self._pump,))
            self._pump = None
        await self._sounding.stop()
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(ReelcastError):
                await stream.close()

    # What comes.

    async def _receive(self, stream: Stream) -> None:
        try:
            plays, more = 0, True
            while plays < self._plays:
                # Once more where a PLAY has come while the end was still being played.
                plays = self._plays
                async for frame in stream.frames(("video", "audio"), every=True, corrupt="flag"):
                    more = await self._take(frame)
                    if not more:
                        break
                self.playout.finish()
                await self._until(partial(self._is_played, plays))
        except Exception as error:
            self._order("fail", partial(self._fail, _known(error)))
            return
        self.playout.run(False, time.monotonic())
        self._tell(phase=Phase.ENDED, waiting=None)
        if not more:
            self._order("halt", self._halt)

    def _is_played(self, plays: int) -> bool:
        """Whether all that will come was played, or another PLAY has come."""
        return self._plays > plays or self.playout.finished(time.monotonic())

    async def _fail(self, error: ReelcastError) -> None:
        """The stream is lost for good; its last picture stays."""
        await self._end_stream()
        self._tell(phase=Phase.IDLE, error=error, waiting=None)

    async def _take(self, frame: Frame) -> bool:
        """Queue a frame; whether more is wanted. Sound may come before pictures that are seen before it."""
        now = time.monotonic()
        if frame.segment != self._segment:
            if self._jumping or abs(frame.pts - self._latest) > JUMP:
                self.playout.flush()
            self._segment, self._jumping = frame.segment, False
        elif self._jumping:
            return True
        behind = self._extent.behind(frame.pts)
        if behind >= 0.0:
            return behind < JUMP and isinstance(frame.picture, Samples)
        self._latest = frame.pts
        picture = frame.picture
        if isinstance(picture, Samples):
            try:
                await self._sounding.take(frame.pts, picture)
            except ReelcastError as error:
                self._tell(notice=str(error))
        else:
            self.figures.picture(now)
            self.playout.add_picture(frame.pts, frame, picture.width * picture.height * 3 // 2, now)
            self._notify()
        if self._peeking:
            self._peeking = False
            self._order("halt", self._halt)
        await self._until(lambda: self._jumping or self.playout.room())
        return True

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait for what other threads bring about: they take a picture or some samples every few milliseconds."""
        while True:
            if condition():
                return
            await asyncio.sleep(FULL_WAIT)

    def _event(self, event: events.Event) -> None:
        if isinstance(event, events.FellBack):
            self._tell(notice="UDP did not come through: TCP is used")
        elif isinstance(event, events.Waiting):
            until = time.monotonic() + event.delay
            self._tell(waiting=Waiting(until, event.attempt, event.error))
        elif isinstance(event, events.Connected):
            self._tell(waiting=None, error=None, transport=event.transport)

    def _line(self, line: Utterance) -> None:
        self.lines.append(line)
        self.spoken += 1
        self._notify()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_INTERVAL)
            if self._stream is not None:
                now = time.monotonic()
                tracks = tuple(self._stream.statistics())
                if self.status.phase is Phase.PLAYING:
                    self.figures.look(tracks, self.playout.stored(now), now)
                self._tell(tracks=tracks)

    def _tell(self, **changes: Any) -> None:
        self.status = replace(self.status, **changes)
        self._notify()


def _known(error: Exception) -> ReelcastError:
    """The error as it is shown; one that nobody foresaw is no reason for a dead window."""
    if isinstance(error, ReelcastError):
        return error
    log.error("! a fault in the player", exc_info=error)
    return ReelcastError(f"a fault in the player: {error!r}")
