"""From samples to the device: opened as they ask for, once, and closed."""

from __future__ import annotations

import pytest
from tests.player.reel import samples

from reelcast.client.frame import Frame
from reelcast.errors import MediaError
from reelcast.player.playout import Playout
from reelcast.player.sound import Pull
from reelcast.player.sounding import Sounding


class Loudspeaker:
    """Keeps what it was opened for; `broken` refuses."""

    def __init__(self) -> None:
        self.broken = False
        self.opened: list[tuple[int, int]] = []
        self.closed = 0
        self.pull: Pull | None = None

    def open(self, rate: int, channels: int, pull: Pull) -> None:
        self.opened.append((rate, channels))
        if self.broken:
            raise MediaError("no audio device")
        self.pull = pull

    def close(self) -> None:
        self.closed += 1


async def test_a_device_for_each_kind_of_samples() -> None:
    loudspeaker, playout = Loudspeaker(), Playout[Frame]()
    sounding = Sounding(loudspeaker, playout)
    await sounding.stop()
    for number, channels in enumerate((1, 1, 2)):
        await sounding.take(number * 0.04, samples(number, channels))
    assert loudspeaker.opened == [(8000, 1), (8000, 2)]
    assert loudspeaker.closed == 1
    assert loudspeaker.pull is not None
    assert loudspeaker.pull(160, 0.0).shape == (160, 2)
    assert playout.stored(0.0) == 0.0
    await sounding.stop()
    await sounding.stop()
    assert loudspeaker.closed == 2
    assert loudspeaker.pull(160, 0.0).shape == (160, 1)
    sounding.end()


async def test_without_a_device_it_is_said_once_a_stream() -> None:
    loudspeaker, playout = Loudspeaker(), Playout[Frame]()
    sounding = Sounding(loudspeaker, playout)
    loudspeaker.broken = True
    with pytest.raises(MediaError, match="no audio device"):
        await sounding.take(0.0, samples(0))
    await sounding.take(0.04, samples(1))
    sounding.begin()
    with pytest.raises(MediaError, match="no audio device"):
        await sounding.take(0.08, samples(2))
    assert len(loudspeaker.opened) == 2
    sounding.end()
