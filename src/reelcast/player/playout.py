"""What is to be seen and heard when: pictures and samples in, with their presentation times; out, as they are due.

Rules kept here:

- the first picture is shown at once; time passes when a little is in store (`PREFILL`), and stands still when
  nothing is, until there is again;
- while samples are heard, they are the clock; pictures follow them, and one that comes late is left out;
- what is played from a file is played whole; a live stream is kept close to what was received last;
- memory is bounded: `room` says whether more can be taken.

Three threads meet here (who receives, who paints, who sounds), so each method holds a lock for its short life.
Time is an argument: seconds by any monotonic clock. No I/O, no Qt.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from reelcast.player.clock import Clock

__all__ = ["Counts", "Playout", "Samples"]

P = TypeVar("P")
Samples = NDArray[np.float32]
"""Samples x channels, full scale 1.0."""

PREFILL: Final = 0.2
"""Seconds in store before time passes: more than the jitter of a network and the spread of a large keyframe."""
PATIENCE: Final = 0.5
"""Seconds after which time passes even so: a camera of one frame a second never has as much in store."""
LIVE_LAG: Final = 0.25
"""Seconds that a live stream is shown behind what was received last."""
MAX_LIVE_LAG: Final = 0.75
"""Seconds behind at which a live stream is caught up with: what is between is left out."""
STARVED: Final = 0.3
"""Seconds behind the last that was received at which time stands still, if frames come no slower than that."""
SLOWEST: Final = 5.0
"""Seconds between two pictures of a stream; more are a gap."""
SNAP: Final = 0.03
"""Seconds that sound may be off the clock and is still followed; further off it is cut or waited for."""
SEAM: Final = 0.002
"""Seconds between two runs of samples that still follow on each other: timestamps are rounded."""
EARLY: Final = 0.004
"""Seconds that a picture may be shown early: half of what a 120 Hz screen takes for one."""
LATE: Final = 0.04
"""Seconds behind its time at which a picture is late: the ear notices from about here on."""
MAX_PICTURES: Final = 64
MAX_PICTURE_BYTES: Final = 192 << 20
"""Of decoded pictures: two seconds and a half of 720p, half a second of 4K."""
MAX_SOUND: Final = 8.0
"""Seconds of samples: no server sends sound so far ahead of its pictures."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Pictures so far.

    shown     handed out to be painted
    skipped   left out: a later one was due already, or a live stream was caught up with
    late      shown later than `LATE` after their time
    starved   how often time had to stand still because nothing was there
    """

    shown: int = 0
    skipped: int = 0
    late: int = 0
    starved: int = 0


class Playout(Generic[P]):
    """The queues and the clock between a decoder, a screen and an audio device.

    P is whatever stands for a picture. `volume` is a factor of the samples, `muted` silences them.
    """

    def __init__(self) -> None:
        self.volume = 1.0
        self.muted = False
        self._lock = threading.Lock()
        self._clock = Clock()
        self._live = False
        self._wanted = False
        self._pictures: deque[tuple[float, int, P]] = deque()
        self._bytes = 0
        self._sound: deque[tuple[float, Samples]] = deque()
        self._sound_rate = 0
        self._continued: float | None = None
        self._newest: float | None = None
        self._interval = 0.04
        self._last: float | None = None
        self._filling_since: float | None = None
        self._fresh = True
        self._complete = False
        self._shown = self._skipped = self._late = self._starved = 0

    def reset(self, *, live: bool = False) -> None:
        """Forget everything that is queued and counted: another stream begins."""
        with self._lock:
            self._live = live
            self._wanted = False
            self._clock = Clock()
            self._shown = self._skipped = self._late = self._starved = 0
            self._flush()

    def flush(self) -> None:
        """Forget what is queued: another place of the stream comes next."""
        with self._lock:
            self._flush()

    def run(self, wanted: bool, now: float) -> None:
        """Let time pass, as soon as there is something to show, or stand still."""
        with self._lock:
            self._wanted = wanted
            if wanted:
                self._filling_since = now if self._pictures or self._sound else None
            else:
                self._clock.stop(now)

    def change_rate(self, rate: float, now: float) -> None:
        """Presentation seconds in a second; sound is heard at 1 alone."""
        with self._lock:
            self._clock.change_rate(rate, now)

    def finish(self) -> None:
        """Nothing more comes: what is queued is played to its end."""
        with self._lock:
            self._complete = True

    def add_picture(self, pts: float, picture: P, size: int, now: float) -> None:
        """Queue a picture of `size` bytes; they come in the order they are shown."""
        with self._lock:
            if self._last is not None and 0 < (interval := pts - self._last) < SLOWEST:
                self._interval = max(interval, 0.9 * self._interval)
            self._last = pts
            self._pictures.append((pts, size, picture))
            self._bytes += size
            self._received(pts, now)

    def add_samples(self, pts: float, samples: Samples, rate: int, now: float) -> None:
        """Queue samples of `rate` Hz."""
        with self._lock:
            if rate != self._sound_rate:
                self._sound.clear()
                self._sound_rate = rate
            self._sound.append((pts, samples))
            self._received(pts + len(samples) / rate, now)

    def room(self) -> bool:
        """Whether more may be added: as much as is kept at most, or a live stream that moves on anyway."""
        with self._lock:
            first = self._sound[0][0] if self._sound else 0.0
            last = self._sound[-1][0] if self._sound else 0.0
            return (
                len(self._pictures) < MAX_PICTURES
                and self._bytes < MAX_PICTURE_BYTES
                and last - first < MAX_SOUND
            )

    def due(self, now: float) -> P | None:
        """The picture to be painted now, None where the last one stands."""
        with self._lock:
            self._keep_time(now)
            if self._fresh and self._pictures:
                return self._first_picture(now)
            clock = self._clock.at(now)
            if clock is None or not self._clock.running:
                return None
            return self._latest_until(clock)

    def upcoming(self) -> P | None:
        """The picture that is due next, most likely: it can be made ready."""
        with self._lock:
            return self._pictures[0][2] if self._pictures else None

    def next_due(self, now: float) -> float | None:
        """Seconds until `due` has something to say, at most; None where that depends on what comes."""
        with self._lock:
            if self._wanted and not self._clock.running and self._pictures:
                return 0.01
            clock = self._clock.at(now)
            if clock is None or not self._clock.running or not self._pictures:
                return None
            return max(0.0, (self._pictures[0][0] - clock - EARLY) / self._clock.rate)

    def samples(self, count: int, channels: int, when: float) -> Samples:
        """The samples to be heard from `when` on, silence where there are none: count x channels."""
        heard = np.zeros((count, channels), np.float32)
        with self._lock:
            clock = self._clock.at(when)
            if clock is not None and self._clock.running and self._clock.rate == 1.0:
                self._sound_from(clock, when, heard)
        heard *= 0.0 if self.muted else self.volume
        return heard

    def position(self, now: float) -> float | None:
        """Where in the presentation we are, in seconds; None before anything was received."""
        with self._lock:
            clock = self._clock.at(now)
            return clock if clock is None or self._newest is None else min(clock, self._newest)

    def stored(self, now: float) -> float:
        """Seconds received that are still to be played."""
        with self._lock:
            clock = self._clock.at(now)
            if self._newest is None or clock is None:
                return 0.0
            return max(0.0, self._newest - clock)

    def finished(self, now: float) -> bool:
        """Whether all that will ever come has been played."""
        with self._lock:
            clock = self._clock.at(now)
            over = self._newest is None or (clock is not None and clock >= self._newest)
            return self._complete and not self._pictures and over

    @property
    def counts(self) -> Counts:
        """What became of the pictures so far."""
        with self._lock:
            return Counts(self._shown, self._skipped, self._late, self._starved)

    # With the lock held.

    def _flush(self) -> None:
        self._clock.set(None, 0.0)
        self._pictures.clear()
        self._sound.clear()
        self._bytes = 0
        self._newest = self._filling_since = self._last = None
        self._fresh = True
        self._complete = False
        self._continued = None

    def _received(self, pts: float, now: float) -> None:
        self._newest = pts if self._newest is None else max(self._newest, pts)
        if self._filling_since is None:
            self._filling_since = now

    def _keep_time(self, now: float) -> None:
        """Start, stop or move the clock by what is in store."""
        newest, clock = self._newest, self._clock.at(now)
        if newest is None:
            return
        if not self._clock.running:
            if self._wanted and self._filled(newest, clock, now):
                self._begin(newest, clock, now)
        elif clock is not None and self._complete and clock >= newest and not self._pictures:
            self._clock.stop(now)
        elif clock is not None and clock > newest + max(STARVED, 2.5 * self._interval) and not self._complete:
            self._clock.stop(now)
            self._clock.set(newest, now)
            self._filling_since = None
            self._starved += 1
        elif clock is not None and self._live and newest - clock > MAX_LIVE_LAG:
            self._clock.set(newest - LIVE_LAG, now)

    def _filled(self, newest: float, clock: float | None, now: float) -> bool:
        """Whether enough is in store for time to pass."""
        if self._filling_since is None:
            return False
        head = self._head(newest)
        start = head if clock is None else max(head, clock)
        waited = now - self._filling_since >= PATIENCE
        return self._complete or newest - start >= PREFILL or (waited and newest > start - SNAP)

    def _begin(self, newest: float, clock: float | None, now: float) -> None:
        """Let time pass from where it stood, or from the first that is there."""
        head = self._head(newest)
        start = head if clock is None else max(clock, head - LATE)
        if self._live:
            start = max(start, newest - LIVE_LAG)
        self._clock.set(start, now)
        self._clock.start(now)

    def _head(self, newest: float) -> float:
        """The presentation time of the first that is queued: pictures first, sound waits for them."""
        if self._pictures:
            return self._pictures[0][0]
        return self._sound[0][0] if self._sound else newest

    def _first_picture(self, now: float) -> P:
        """Shown as it comes, though time may stand: whoever has sought wants to see where they are."""
        self._fresh = False
        pts, size, picture = self._pictures.popleft()
        self._bytes -= size
        self._shown += 1
        if self._clock.at(now) is None:
            self._clock.set(pts, now)
        return picture

    def _latest_until(self, clock: float) -> P | None:
        """The last picture whose time has come; those before it are left out."""
        chosen: P | None = None
        while self._pictures and self._pictures[0][0] <= clock + EARLY:
            if chosen is not None:
                self._skipped += 1
            pts, size, chosen = self._pictures.popleft()
            self._bytes -= size
            if not self._pictures or self._pictures[0][0] > clock + EARLY:
                self._shown += 1
                self._late += clock - pts > LATE * self._clock.rate
        return chosen

    def _sound_from(self, clock: float, when: float, heard: Samples) -> None:
        """Fill in what is heard from presentation time `clock` on, and keep the clock with it."""
        rate, filled = self._sound_rate, 0
        while self._sound and filled < len(heard):
            pts, samples = self._sound[0]
            off = pts - (clock + filled / rate)
            follows = self._continued is not None and abs(pts - self._continued) < SEAM
            leeway = SNAP if follows else 1 / rate
            if off < -leeway:
                self._cut(min(len(samples), round(-off * rate)))
            elif off > leeway:
                filled += min(len(heard) - filled, max(1, round(off * rate)))
            else:
                if filled == 0 and follows:
                    self._clock.correct(pts, when)
                    clock = pts
                taken = samples[: len(heard) - filled]
                heard[filled : filled + len(taken)] = _mixed(taken, heard.shape[1])
                filled += len(taken)
                self._cut(len(taken))
                self._continued = pts + len(taken) / rate

    def _cut(self, count: int) -> None:
        """Take `count` samples off the front."""
        pts, samples = self._sound.popleft()
        if count < len(samples):
            self._sound.appendleft((pts + count / self._sound_rate, samples[count:]))


def _mixed(samples: Samples, channels: int) -> Samples:
    """The same for a device of so many channels: one is heard on all, more than there are are left out."""
    if samples.shape[1] == channels or samples.shape[1] == 1:
        return samples
    if channels == 1:
        mean: Samples = samples.mean(axis=1, keepdims=True, dtype=np.float32)
        return mean
    fitted = np.zeros((len(samples), channels), np.float32)
    shared = min(channels, samples.shape[1])
    fitted[:, :shared] = samples[:, :shared]
    return fitted
