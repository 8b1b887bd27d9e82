"""The sound of a stream, from decoded samples to the device: opened as they ask for, in a thread that may wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from reelcast.client.frame import Frame
from reelcast.errors import ReelcastError
from reelcast.media.decode import Samples
from reelcast.player.playout import Playout
from reelcast.player.playout import Samples as Heard
from reelcast.player.sound import Output

__all__ = ["Sounding"]

MAX_CHANNELS: Final = 2
"""Channels of the audio device: more are mixed by nobody, so the front ones are heard."""


class Sounding:
    """Of one stream at a time.

    device    what the output was opened for: Hz, and channels; None while it is closed
    """

    def __init__(self, output: Output, playout: Playout[Frame]) -> None:
        self.device: tuple[int, int] | None = None
        self._output = output
        self._playout = playout
        # Opening a device takes its time. One thread does it all, in order, also where nobody waits any more.
        self._thread = ThreadPoolExecutor(1, "reelcast-device")
        self._mute = False

    def begin(self) -> None:
        """Another stream: it may have a device where the one before had none."""
        self._mute = False

    async def take(self, pts: float, samples: Samples) -> None:
        """Queue samples; ReelcastError, once a stream, where there is no device for them."""
        if self._mute:
            return
        heard = samples.to_ndarray()
        device = samples.rate, min(MAX_CHANNELS, heard.shape[1])
        if device != self.device:
            await self.stop()
            self.device = device
            try:
                await self._do(partial(self._output.open, *device, self._pull))
            except ReelcastError:
                self.device, self._mute = None, True
                raise
        self._playout.add_samples(pts, heard, samples.rate, time.monotonic())

    async def stop(self) -> None:
        """Close the device, if it is open."""
        if self.device is not None:
            self.device = None
            await self._do(self._output.close)

    def end(self) -> None:
        """No stream comes any more."""
        self._thread.shutdown(wait=False)

    async def _do(self, work: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _pull(self, count: int, when: float) -> Heard:
        return self._playout.samples(count, 1 if self.device is None else self.device[1], when)
