"""Sight and sound together: the sample movie's flashes and beeps, played in virtual time."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from scripts.movies.marks import FRAME_RATE, beep_starts, flash_on, read_mark

from reelcast.player.playout import Playout, Samples

RATE = 48_000
SECONDS = 6.0
TICK = 0.008
"""Seconds between looks of a window that is not quick."""
PERIOD = 0.02
TOLERANCE = 0.04
"""Seconds between flash and beep at most."""

Arrival = tuple[float, float, VideoFrame | Samples]


def arrivals(movie: Path, shift: float) -> list[Arrival]:
    """The movie's frames, as they come from a network: in order of their times, each as its time has come.

    `shift` lets the sound come later than the pictures, as servers do that send it in larger portions.
    """
    found: list[Arrival] = []
    with av.open(str(movie)) as container:
        for frame in container.decode(video=0, audio=0):
            assert isinstance(frame, VideoFrame | AudioFrame)
            if frame.time is None or frame.time > SECONDS:
                break
            if isinstance(frame, VideoFrame):
                found.append((frame.time, frame.time, frame))
            else:
                samples = frame.to_ndarray().T.astype(np.float32)
                found.append((frame.time + shift, frame.time, samples))
    return sorted(found, key=lambda each: each[0])


@pytest.mark.parametrize("shift", [0.0, 0.15])
@pytest.mark.parametrize("drift", [0.999, 1.0, 1.001], ids=["slow device", "device", "fast device"])
def test_beeps_are_heard_when_flashes_are_seen(movies: Path, shift: float, drift: float) -> None:
    playout: Playout[VideoFrame] = Playout()
    playout.run(True, 0.0)
    coming = deque(arrivals(movies / "movie.mp4", shift))
    random = np.random.default_rng(1)
    flashes: list[float] = []
    heard: list[Samples] = []
    sounding = 0.0
    for tick in range(round((SECONDS + 0.5) / TICK)):
        now = tick * TICK
        while coming and coming[0][0] <= now:
            _, pts, what = coming.popleft()
            if isinstance(what, VideoFrame):
                playout.add_picture(pts, what, 1, now)
            else:
                playout.add_samples(pts, what, RATE, now)
        while sounding <= now:
            # The device asks at times that jitter, and by a crystal of its own.
            jitter = float(random.uniform(-0.004, 0.004))
            heard.append(playout.samples(round(RATE * PERIOD), 2, sounding / drift + jitter))
            sounding += PERIOD
        picture = playout.due(now)
        if picture is not None and begins_flash(picture):
            flashes.append(now)
    beeps = [start / drift for start in beep_starts(np.concatenate(heard).T, RATE)]
    # The first of each stands at 0, where the clock is still finding its pace.
    assert len(flashes) >= 6
    assert len(beeps) >= 5
    for beep in beeps[1:]:
        assert min(abs(beep - flash) for flash in flashes) <= TOLERANCE
    assert playout.counts.skipped == 0
    assert playout.counts.late == 0


def begins_flash(picture: VideoFrame) -> bool:
    pixels = picture.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    number = read_mark(pixels)
    return flash_on(pixels) and number is not None and number % FRAME_RATE == 0
