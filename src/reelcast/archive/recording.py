"""The recording of a live path, in the background: the event loop hands over, a thread writes.

    recording = Recording(live, Path("recordings"), RecordingPolicy(keep_seconds=7 * 86_400))
    recording.start()
    ...
    await recording.stop()

What the disk takes its time for waits in a spool of many seconds; neither the publisher nor any reader waits for
it. A disk that is full or gone is tried again until it is back, from where the recording broke off, as long as the
spool holds.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from reelcast.archive.index import Index
from reelcast.archive.retention import Retention, sweep
from reelcast.archive.spool import Spool
from reelcast.archive.writer import Writer
from reelcast.errors import MediaError
from reelcast.media.output import FRAGMENT_SECONDS, RECORDING_SUFFIXES
from reelcast.rtp.intake import ReceivedUnit
from reelcast.track import Track

__all__ = ["Recording", "RecordingPolicy", "RecordingStatistics", "Tapped"]

DRAIN_SECONDS: Final = 0.1
"""Between two looks into the spool: a thread that woke up for each unit would take the event loop's time."""
DRAIN_UNITS: Final = 1000
"""Written before the index is told."""
IDLE_SECONDS: Final = 3.0
"""Without a unit, after which what came is brought to disk."""
SWEEP_SECONDS: Final = 10.0
"""Between two looks for what need not be kept."""
RETRY_SECONDS: Final = 1.0
MAX_RETRY_SECONDS: Final = 30.0
"""Between two attempts to write to a disk that is full or gone; each is twice as long as the one before."""

TURN_SECONDS: Final = 0.1
"""For which a recording waits until another has written: more than that is a disk that hangs, perhaps not ours."""

_turn = threading.Lock()
"""One recording writes at a time: of many threads that want the interpreter each may get it before the event loop
does, and fifty of them make it late by as many milliseconds."""

log = logging.getLogger(__name__)


class Tapped(Protocol):
    """What is recorded: a `Live`."""

    name: str

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Its tracks as they are now."""

    def tap(self, take: Callable[[ReceivedUnit], None]) -> Callable[[], None]:
        """See `Live.tap`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingPolicy(Retention):
    """How a live path is recorded, and what is kept of it.

    segment_seconds    a file begins with the first keyframe of each so many seconds of the clock (UTC)
    fragment_seconds   of media that go to disk at once: so much a crash may cost
    suffix             of the files: what they are
    spool_bytes        of media that wait for a slow disk, in memory

    Raises ValueError where these make no sense.
    """

    segment_seconds: float = 60.0
    fragment_seconds: float = FRAGMENT_SECONDS
    suffix: str = ".mp4"
    spool_bytes: int = 64 << 20

    def __post_init__(self) -> None:
        if self.segment_seconds <= 0 or self.fragment_seconds <= 0 or self.spool_bytes <= 0:
            raise ValueError("segment_seconds, fragment_seconds and spool_bytes are more than 0")
        if self.suffix not in RECORDING_SUFFIXES:
            raise ValueError(f"suffix is one of {', '.join(RECORDING_SUFFIXES)}, not {self.suffix!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStatistics:
    """What a recording has come to, since it was started.

    seconds     recorded
    bytes       written
    segments    begun
    dropped     units lost since the spool was full
    left_out    units from before a keyframe, or that no container takes
    corrupt     units recorded that came behind a loss
    spooled     bytes that wait for the disk
    error       what went wrong last, "" where nothing did, or where all is well again
    """

    seconds: float
    bytes: int
    segments: int
    dropped: int
    left_out: int
    corrupt: int
    spooled: int
    error: str


class Recording:
    """One live path being recorded into a folder; started and stopped in the event loop of its server.

    `clock` gives our own time in Unix seconds.
    """

    def __init__(
        self,
        live: Tapped,
        folder: Path,
        policy: RecordingPolicy | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.policy = policy or RecordingPolicy()
        self._live = live
        self._folder = folder
        self._clock = clock
        self._spool = Spool(self.policy.spool_bytes)
        self._stopping = threading.Event()
        self._finished: asyncio.Future[None] | None = None
        self._untap: Callable[[], None] | None = None
        self._writer: Writer | None = None
        self._error = ""
        self._swept = -math.inf

    def start(self) -> None:
        """Begin to record. What goes wrong is told by the log and by `statistics`, and tried again."""
        self._untap = self._live.tap(self._take)
        loop = asyncio.get_running_loop()
        finished = self._finished = loop.create_future()

        def run() -> None:
            try:
                self._run()
            finally:
                with suppress(RuntimeError):  # the loop may be gone
                    loop.call_soon_threadsafe(finished.set_result, None)

        threading.Thread(target=run, name=f"reelcast-record {self._live.name}", daemon=True).start()

    async def stop(self) -> None:
        """Record what has come, and finish the file; returns when that is done, or cannot be."""
        if self._untap is None or self._finished is None:
            return
        self._untap()
        self._untap = None
        self._stopping.set()
        # Not joined in the loop's executor: a disk that hangs would take its threads from all who read files.
        await asyncio.shield(self._finished)

    def statistics(self) -> RecordingStatistics:
        """What it has come to so far; may be asked from any thread."""
        writer = self._writer
        error = self._error or ("" if writer is None or writer.failure is None else str(writer.failure))
        return RecordingStatistics(
            seconds=0.0 if writer is None else writer.seconds,
            bytes=0 if writer is None else writer.bytes,
            segments=0 if writer is None else writer.segments,
            dropped=self._spool.dropped,
            left_out=0 if writer is None else writer.left_out,
            corrupt=0 if writer is None else writer.corrupt,
            spooled=self._spool.size,
            error=error,
        )

    def clock(self, media: float) -> float | None:
        """Under which clock time a time of the path's own axis is recorded now, in Unix seconds; None before."""
        return None if self._writer is None else self._writer.clock(media)

    def _take(self, received: ReceivedUnit) -> None:
        """In the event loop."""
        if self._spool.put(received, self._live.tracks, self._clock()):
            log.warning(
                "%s: %s: %d bytes wait for it; recording goes on at a keyframe",
                self._live.name,
                "the disk takes nothing" if self._error else "the disk is too slow",
                self._spool.size,
            )

    # In the thread

    def _run(self) -> None:
        patience = RETRY_SECONDS
        while True:
            stopping = self._stopping.is_set()
            try:
                with Index(self._folder) as index:
                    index.recover(self._live.name)
                    with self._new_writer(index) as self._writer:
                        self._error = ""
                        self._work(self._writer, index)
                return
            except MediaError as error:
                if not self._error:
                    log.error("%s: not recorded: %s; it is tried again", self._live.name, error)
                self._error = str(error)
            except Exception as error:
                log.exception("%s: recording has failed; it is begun anew", self._live.name)
                self._error = repr(error)
            if stopping:
                return
            self._stopping.wait(patience)
            patience = min(2 * patience, MAX_RETRY_SECONDS)

    def _new_writer(self, index: Index) -> Writer:
        return Writer(
            self._live.name,
            index,
            suffix=self.policy.suffix,
            segment_seconds=self.policy.segment_seconds,
            fragment_seconds=self.policy.fragment_seconds,
        )

    def _work(self, writer: Writer, index: Index) -> None:
        """Write what comes, until nothing comes any more."""
        last = time.monotonic()
        settled = True
        while True:
            stopping = self._stopping.is_set()
            if self._drain(writer, index):
                last, settled = time.monotonic(), False
            elif not settled and time.monotonic() - last > IDLE_SECONDS:
                settled = True
                self._attempt(writer, index, writer.settle)
            writer.tell()
            self._sweep(index, SWEEP_SECONDS)
            if stopping and not len(self._spool):
                self._attempt(writer, index, writer.stop)
                return
            if not len(self._spool):
                self._stopping.wait(DRAIN_SECONDS)

    def _drain(self, writer: Writer, index: Index) -> bool:
        """Write a part of what waits; whether there was anything."""
        if not len(self._spool):
            return False
        alone = _turn.acquire(timeout=TURN_SECONDS)
        try:
            for _ in range(DRAIN_UNITS):
                taken = self._spool.take()
                if taken is None:
                    break
                self._attempt(writer, index, partial(writer.write, taken))
        finally:
            if alone:
                _turn.release()
        return True

    def _attempt(self, writer: Writer, index: Index, act: Callable[[], None]) -> None:
        """Do what needs the disk; behind a failure go on when it is back. What comes meanwhile waits."""
        patience = RETRY_SECONDS
        while True:
            try:
                act()
            except MediaError as error:
                self._error = str(error)
            else:
                if patience > RETRY_SECONDS:
                    log.info("%s: recording goes on", self._live.name)
                self._error = ""
                return
            self._sweep(index, 0.0)
            if self._stopping.is_set() and patience > RETRY_SECONDS:
                log.error("%s: what was not yet on disk is lost: %s", self._live.name, self._error)
                self._spool.clear()
                return
            self._stopping.wait(patience)
            patience = min(2 * patience, MAX_RETRY_SECONDS)
            act = writer.retry

    def _sweep(self, index: Index, after: float) -> None:
        """Remove what need not be kept, if the last time was so many seconds ago."""
        now = time.monotonic()
        if now - self._swept < after:
            return
        self._swept = now
        with suppress(MediaError):
            sweep(index, self._live.name, self.policy, self._clock())
