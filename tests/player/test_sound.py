"""The outputs: a device that nobody hears, and miniaudio on its own device of that kind."""

from __future__ import annotations

import sys
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from reelcast.errors import MediaError
from reelcast.player import sound as module
from reelcast.player.playout import Samples
from reelcast.player.sound import Device, NullDevice

PATIENCE = 20.0


class Source:
    """Gives samples, and remembers for when they were asked."""

    def __init__(self, wanted: int) -> None:
        self.asked: list[tuple[int, float]] = []
        self.enough = threading.Event()
        self._wanted = wanted

    def pull(self, count: int, when: float) -> Samples:
        self.asked.append((count, when))
        if len(self.asked) >= self._wanted:
            self.enough.set()
        return np.zeros((count, 2), np.float32)


def test_the_null_device_takes_samples_one_block_behind_the_other() -> None:
    source, heard = Source(5), list[tuple[float, int]]()
    device = NullDevice(lambda when, samples: heard.append((when, len(samples))))
    device.open(48_000, 2, source.pull)
    assert source.enough.wait(PATIENCE)
    device.close()
    device.close()
    assert {count for count, _ in source.asked} == {960}
    times = [when for _, when in source.asked]
    assert all(later - earlier >= 0.0199 for earlier, later in pairwise(times))
    assert [when for when, _ in heard] == times


def test_miniaudio_asks_for_samples_ahead_of_time() -> None:
    source = Source(5)
    device = Device("NULL")
    device.open(48_000, 2, source.pull)
    assert source.enough.wait(PATIENCE)
    device.close()
    device.close()
    assert sum(count for count, _ in source.asked) >= 5


def test_a_device_that_cannot_be_had() -> None:
    with pytest.raises(MediaError, match="no audio device: the stream is played without sound"):
        Device("WASAPI" if sys.platform != "win32" else "ALSA").open(48_000, 2, Source(1).pull)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for Linux's devices")
def test_a_machine_that_shows_no_device_is_not_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PULSE_SERVER", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(module, "DEVICES", tmp_path / "snd")
    with pytest.raises(MediaError, match="no audio device"):
        Device().open(48_000, 2, Source(1).pull)
    assert not module._may_sound()
    (tmp_path / "pulse").mkdir()
    assert module._may_sound()
