"""Where samples are heard: the computer's audio device, or a device of no sound that keeps time like one.

An output calls `pull(count, when)` for the samples to be heard from the monotonic time `when` on.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Final, Protocol

from reelcast.errors import MediaError
from reelcast.player.playout import Samples

__all__ = ["Device", "NullDevice", "Output", "Pull"]

Pull = Callable[[int, float], Samples]

DEVICES: Final = Path("/dev/snd")
PERIOD_MS: Final = 20
PERIODS: Final = 3
"""A device holds so many periods: what it is given now is heard when those before have been."""


class Output(Protocol):
    """Something that sounds."""

    def open(self, rate: int, channels: int, pull: Pull) -> None:
        """Begin to call `pull`, in a thread of its own; MediaError where there is no device."""

    def close(self) -> None:
        """End it; closing twice is no error."""


class Device:
    """The audio device that the system prefers, through miniaudio; it resamples where it must.

    `backends` are names of miniaudio's, its own order where none are given.
    """

    def __init__(self, *backends: str) -> None:
        self._backends = backends
        self._device: Any = None

    def open(self, rate: int, channels: int, pull: Pull) -> None:
        """Open the device for samples of `rate` Hz."""
        if not self._backends and not _may_sound():
            raise MediaError("no audio device: the stream is played without sound")
        import miniaudio

        try:
            self._device = miniaudio.PlaybackDevice(
                miniaudio.SampleFormat.FLOAT32,
                channels,
                rate,
                buffersize_msec=PERIOD_MS,
                callback_periods=PERIODS,
                backends=[miniaudio.Backend[name] for name in self._backends],
                app_name="reelcast",
            )
            feed = _feed(pull)
            next(feed)
            self._device.start(feed)
        except miniaudio.MiniaudioError as error:
            self.close()
            raise MediaError("no audio device: the stream is played without sound") from error

    def close(self) -> None:
        """Stop the device."""
        if self._device is not None:
            self._device.close()
            self._device = None


def _feed(pull: Pull) -> Generator[Samples | bytes, int, None]:
    """What miniaudio asks: a number of samples in, samples out."""
    latency = PERIODS * PERIOD_MS / 1000
    count = yield b""
    while True:
        count = yield pull(count, time.monotonic() + latency)


def _may_sound() -> bool:
    """Whether this machine may have an audio device: where it has none, ALSA complains on stderr at length."""
    if not sys.platform.startswith("linux") or "PULSE_SERVER" in os.environ or DEVICES.exists():
        return True
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", "/nonexistent"))
    return (runtime / "pulse").exists() or (runtime / "pipewire-0").exists()


class NullDevice:
    """A device that nobody hears: it takes samples as fast as they would sound.

    `heard` is called with each block and the monotonic time at which its first sample would be heard.
    """

    PERIOD: Final = 0.02
    AHEAD: Final = 0.04
    """Seconds before its time at which a block is taken."""

    def __init__(self, heard: Callable[[float, Samples], None] | None = None) -> None:
        self._heard = heard
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self, rate: int, channels: int, pull: Pull) -> None:
        """Begin to take samples."""
        self._over.clear()
        self._thread = threading.Thread(target=self._take, args=(rate, pull), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _take(self, rate: int, pull: Pull) -> None:
        count = round(rate * self.PERIOD)
        when = time.monotonic() + self.AHEAD
        while not self._over.wait(max(0.0, when - self.AHEAD - time.monotonic())):
            when = max(when, time.monotonic())
            samples = pull(count, when)
            if self._heard is not None:
                self._heard(when, samples)
            when += count / rate
