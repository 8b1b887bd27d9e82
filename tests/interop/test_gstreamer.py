"""GStreamer's rtspsrc as a reader: to the end, paused, and sent elsewhere."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scripts.movies.marks import FRAME_RATE, read_mark
from scripts.movies.scene import FRAMES, SECONDS
from tests.interop.peers import DEBIAN_PYTHON, run

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

PLAYER = Path(__file__).with_name("gst_player.py")
TRANSPORTS = ("udp", "tcp")
PICTURE_SHAPE = (108, 192)
SAMPLE_BYTES = 2
RATE = 48_000
KEYFRAME_DISTANCE = 50
CUT = 3
"""Seconds that may be missing in the end: rtspsrc ends by its own clock, whenever that which is held up comes."""
FASTER = 0.75
"""Of the time from picture to picture, where it is to be half: on a busy machine some are held up."""
PLACE_TOLERANCE = 1 / FRAME_RATE
"""Seconds; rtspsrc follows the arrival of packets, and so its times wander by less than a frame."""
LATE = 0.3
"""Seconds by which the first picture behind a seek may be late, from when rtspsrc counts; what is asked for is
further behind its keyframe. On a busy machine some are later."""


@dataclass(frozen=True)
class Buffer:
    """A picture or a piece of sound, and when it was shown; epoch counts the seeks before it, pts is its place."""

    epoch: int
    name: str
    pts: float
    size: int
    at: float


@dataclass(frozen=True)
class Played:
    """What one player showed: of each picture, its epoch, place and mark, and when; seconds of sound by epoch."""

    pictures: list[tuple[int, float, int | None]]
    times: list[float]
    sound: dict[int, float]

    def marks(self, epoch: int = 0) -> list[int | None]:
        return [mark for number, _, mark in self.pictures if number == epoch]

    def steps(self, epoch: int) -> list[float]:
        """Seconds from each picture to the next, in our time."""
        shown = [
            time for time, (number, _, _) in zip(self.times, self.pictures, strict=True) if number == epoch
        ]
        return [after - before for before, after in pairwise(shown)]


async def play(url: str, transport: str, folder: Path, *steps: str) -> Played:
    """Play with rtspsrc; see `gst_player.py` for the steps."""
    await run(DEBIAN_PYTHON, PLAYER, url, transport, folder, *steps)
    buffers = [Buffer(**json.loads(line)) for line in (folder / "buffers").read_text().splitlines()]
    shown = [buffer for buffer in buffers if buffer.name == "pictures"]
    images = np.fromfile(folder / "pictures", np.uint8).reshape(-1, *PICTURE_SHAPE)
    pictures = [
        (buffer.epoch, buffer.pts, read_mark(image)) for buffer, image in zip(shown, images, strict=True)
    ]
    sound: dict[int, float] = {}
    for buffer in buffers:
        if buffer.name == "sound":
            sound[buffer.epoch] = sound.get(buffer.epoch, 0.0) + buffer.size / SAMPLE_BYTES / RATE
    return Played(pictures, [buffer.at for buffer in shown], sound)


def assert_in_order(marks: list[int | None], first: int) -> None:
    assert marks == list(range(first, first + len(marks)))


@pytest.mark.timeout(300)
async def test_plays_to_the_end_and_goes_back(rtsp: str, tmp_path: Path) -> None:
    """All frames of all movies over both transports, then the end; and from there back to the middle."""
    names = ("movie.mp4", "movie-bframes.mp4", "movie.Mjpeg")
    calls = [(name, transport) for name in names for transport in TRANSPORTS]
    together = asyncio.Semaphore(3)

    async def play_whole(name: str, transport: str) -> Played:
        async with together:
            folder = tmp_path / f"{name}-{transport}"
            return await play(f"{rtsp}/{name}", transport, folder, "end", "seek 8.5", "run 2")

    plays = await asyncio.gather(*(play_whole(*call) for call in calls))
    for (name, _), played in zip(calls, plays, strict=True):
        assert len(played.marks()) >= FRAMES - CUT * FRAME_RATE
        assert_in_order(played.marks(), 0)
        # How far it then goes is up to rtspsrc, whose timer for the end may ring once more.
        again = played.marks(1)
        assert again
        assert_in_order(again, 212 if name == "movie.Mjpeg" else 200)
        if name != "movie.Mjpeg":
            assert SECONDS - CUT < played.sound[0] < SECONDS + 0.5


async def test_goes_on_after_a_pause(rtsp: str, tmp_path: Path) -> None:
    """Not one frame is missing at the seam."""
    calls = [("movie.mp4", "udp"), ("movie-bframes.mp4", "udp"), ("movie-bframes.mp4", "tcp")]
    plays = await asyncio.gather(
        *(
            play(
                f"{rtsp}/{name}", transport, tmp_path / f"{name}-{transport}", "show 50", "pause 1", "show 75"
            )
            for name, transport in calls
        )
    )
    for played in plays:
        assert len(played.marks()) >= 5 * FRAME_RATE
        assert_in_order(played.marks(), 0)


async def test_seeks_forward_and_back(rtsp: str, tmp_path: Path) -> None:
    """The first picture behind a seek is the keyframe before the place, and says so by its time."""
    calls = [(name, transport) for name in ("movie.mp4", "movie-bframes.mp4") for transport in TRANSPORTS]
    steps = ("show 50", "seek 13.3", "show 50", "seek 4.5", "show 50", "seek 8", "show 50")
    plays = await asyncio.gather(
        *(
            play(f"{rtsp}/{name}", transport, tmp_path / f"{name}-{transport}", *steps)
            for name, transport in calls
        )
    )
    late: list[float] = []
    for played in plays:
        for epoch, keyframe in enumerate((0, 300, 100, 200)):
            marks = played.marks(epoch)
            assert len(marks) >= 2 * FRAME_RATE
            # A busy rtspsrc shows behind its flush what it had of an old picture; the keyframe is whole.
            rests = int(epoch > 0 and marks[0] is None)
            assert_in_order(marks[rests:], keyframe)
            assert played.sound[epoch] > 1.0
            places = [pts for number, pts, _ in played.pictures if number == epoch][rests:]
            late.append(places[0] - keyframe / FRAME_RATE)
            if epoch == 1:
                steps_taken = [later - earlier for earlier, later in pairwise(places)]
                assert np.median(steps_taken) < 1.5 * PLACE_TOLERANCE
    assert min(late) > -PLACE_TOLERANCE
    # Behind each of the seeks, one of them is in time.
    assert all(min(late[epoch::4]) < LATE for epoch in range(4))


async def test_plays_faster(rtsp: str, tmp_path: Path) -> None:
    """By Speed, all pictures and the sound come sooner; by Scale, fewer pictures, and none of the sound."""
    calls = [
        (transport, *steps)
        for transport in TRANSPORTS
        for steps in (("run 1", "speed 2", "show 100"), ("run 1", "seek 12", "run 1", "skip 8", "run 1"))
    ]
    together = asyncio.Semaphore(2)

    async def play_faster(number: int, transport: str, *steps: str) -> Played:
        async with together:
            return await play(f"{rtsp}/movie.mp4", transport, tmp_path / f"{number}", *steps)

    plays = await asyncio.gather(*(play_faster(number, *call) for number, call in enumerate(calls)))
    for (_, *steps), played in zip(calls, plays, strict=True):
        marks = played.marks(2 if "skip 8" in steps else 1)
        first = marks[0]
        assert first is not None
        assert first % KEYFRAME_DISTANCE == 0
        if "speed 2" in steps:
            assert_in_order(marks, first)
            assert len(marks) >= 4 * FRAME_RATE
            assert np.median(played.steps(1)) < FASTER / FRAME_RATE
            assert played.sound[1] > 2.4
        else:
            # As above, the last may not be shown.
            assert marks == list(range(first, FRAMES, KEYFRAME_DISTANCE))[: len(marks)]
            assert 2 not in played.sound
