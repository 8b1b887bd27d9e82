from __future__ import annotations

import math
import threading
import time as clock
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from reelcast.errors import MediaError, ReelcastError
from reelcast.media import studio as module
from reelcast.media.programme import Programme
from reelcast.media.studio import MAX_PICTURES, Outlets, Studio, numbered
from reelcast.track import AccessUnit, Track

SMALL = (32, 48)
PICTURE = np.full((*SMALL, 3), 90, np.uint8)
SILENCE = np.zeros((800, 1), np.int16)
PATIENCE = 20.0


class Heard:
    """What came out of a studio."""

    def __init__(self) -> None:
        self.tracks: tuple[Track, ...] = ()
        self.begun = 0
        self.units: list[tuple[int, AccessUnit]] = []
        self.ended: list[ReelcastError | None] = []
        self.on_begin: Callable[[], None] = lambda: None
        self.changed = threading.Condition()

    def begin(self, tracks: tuple[Track, ...]) -> None:
        self.begun += 1
        self.tracks = tracks
        self.on_begin()

    def unit(self, index: int, unit: AccessUnit) -> None:
        with self.changed:
            self.units.append((index, unit))
            self.changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.units) >= count, PATIENCE)

    def times(self, index: int = 0) -> list[float]:
        return [unit.pts / self.tracks[index].clock_rate for at, unit in self.units if at == index]


@contextmanager
def a_studio(heard: Heard, **options: Any) -> Iterator[Studio]:
    studio = Studio(Programme(**options), Outlets(heard.begin, heard.unit, heard.ended.append))
    try:
        yield studio
    finally:
        studio.finish()
        studio.join(PATIENCE)
        studio.fail(ReelcastError("the test is over"))
        studio.join(PATIENCE)


def finished(studio: Studio) -> None:
    studio.finish()
    studio.join(PATIENCE)


def test_pictures_and_sound() -> None:
    heard = Heard()
    with a_studio(heard, sample_rate=8_000, audio_codec="pcmu") as studio:
        # Sound alone is no beginning.
        studio.write_audio(SILENCE, pts=0.0)
        for number in range(5):
            studio.write(PICTURE, pts=number * 0.04)
            studio.write_audio(SILENCE, pts=0.1 * (number + 1))
        finished(studio)
    assert heard.ended == [None]
    assert heard.begun == 1
    assert [(track.codec, track.payload_type, track.control) for track in heard.tracks] == [
        ("h264", 96, "trackID=1"),
        ("pcmu", 0, "trackID=2"),
    ]
    start = heard.times(1)[0]
    assert abs(clock.time() - start) < 60
    assert heard.times(0) == pytest.approx([start + 0.04 * n for n in range(5)], abs=1e-4)
    assert heard.times(1) == pytest.approx([start + 0.02 * n for n in range(30)], abs=1e-4)
    assert (studio.dropped, studio.dropped_audio) == (0, 0.0)


def test_sound_alone() -> None:
    heard = Heard()
    with a_studio(heard, codec=None, sample_rate=8_000, audio_codec="pcmu") as studio:
        studio.write_audio(SILENCE)
        with pytest.raises(ValueError, match="codec=None left video out"):
            studio.write(PICTURE)
    assert len(heard.units) == 5


def test_pictures_alone() -> None:
    heard = Heard()
    with a_studio(heard, size=(64, 48)) as studio:
        studio.write(PICTURE)
        studio.write(np.zeros((100, 100), np.uint8))
        with pytest.raises(ValueError, match="say its sample_rate"):
            studio.write_audio(SILENCE)
    assert len(heard.units) == 2
    assert (heard.tracks[0].width, heard.tracks[0].height) == (64, 48)
    first, second = heard.times()
    assert 0 < second - first < 10


def test_pictures_of_one_size() -> None:
    heard = Heard()
    with a_studio(heard) as studio:
        studio.write(PICTURE)
        with pytest.raises(
            ValueError, match=r"pictures are 48x32 here, not 64x32; size=\(48, 32\) would scale"
        ):
            studio.write(np.zeros((32, 64, 3), np.uint8))
    assert len(heard.units) == 1


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf, "1", 1.7e12])
def test_what_is_no_time_ends_nothing(seconds: Any) -> None:
    heard = Heard()
    with a_studio(heard, sample_rate=8_000, audio_codec="pcmu") as studio:
        for name in ("time", "pts"):
            with pytest.raises(ValueError, match=f"{name} must be a number of seconds, not "):
                studio.write(PICTURE, **{name: seconds})
            with pytest.raises(ValueError, match=f"{name} must be a number of seconds, not "):
                studio.write_audio(SILENCE, **{name: seconds})
        studio.write(PICTURE)
        finished(studio)
    assert (len(heard.units), heard.ended) == (1, [None])


def test_no_samples_are_nothing() -> None:
    heard = Heard()
    with a_studio(heard, codec=None, sample_rate=48_000) as studio:
        studio.write_audio(np.zeros((0, 1), np.float32))
        studio.write_audio(np.zeros((4_800, 1), np.float32))
        studio.write_audio(np.zeros((0, 1), np.int16))
        finished(studio)
    assert heard.units
    assert heard.ended == [None]


def test_while_it_is_held_the_oldest_is_left_out() -> None:
    heard = Heard()
    with a_studio(heard, sample_rate=8_000, audio_codec="pcmu") as studio:
        studio.hold(True)
        for number in range(MAX_PICTURES + 3):
            studio.write(PICTURE, time=1000 + number)
        for number in range(25):
            studio.write_audio(SILENCE, time=1000 + number / 10)
        assert heard.units == []
        assert studio.dropped == 3
        assert studio.dropped_audio == pytest.approx(0.5)
        studio.hold(False)
        finished(studio)
    assert heard.times() == [1003.0 + number for number in range(MAX_PICTURES)]
    assert heard.times(1)[0] == pytest.approx(1000.5)


def test_who_waits_loses_nothing() -> None:
    heard = Heard()
    with a_studio(heard) as studio:
        studio.hold(True)
        for number in range(MAX_PICTURES):
            studio.write(PICTURE, time=1000 + number / 25, wait=True)
        waits = threading.Thread(target=lambda: studio.write(PICTURE, time=1001.0, wait=True))
        waits.start()
        waits.join(0.05)
        assert waits.is_alive()
        studio.hold(False)
        waits.join(PATIENCE)
        finished(studio)
    assert len(heard.units) == MAX_PICTURES + 1
    assert studio.dropped == 0


def test_who_waits_for_what_is_over_hears_it() -> None:
    heard = Heard()
    failures: list[ReelcastError] = []

    def wait(studio: Studio) -> None:
        try:
            studio.write_audio(np.zeros((80_000, 1), np.int16), wait=True)
            studio.write_audio(SILENCE, wait=True)
        except ReelcastError as error:
            failures.append(error)

    with a_studio(heard, codec=None, sample_rate=8_000) as studio:
        studio.hold(True)
        waits = threading.Thread(target=wait, args=(studio,))
        waits.start()
        lost = ReelcastError("the server is gone")
        studio.fail(lost)
        studio.fail(ReelcastError("that comes later"))
        waits.join(PATIENCE)
    assert failures == [lost]
    # Whoever let it fail knows why.
    assert heard.ended == [None]
    assert heard.units == []


def test_nothing_is_written_behind_the_end() -> None:
    heard = Heard()
    with a_studio(heard) as studio:
        finished(studio)
        with pytest.raises(MediaError, match="nothing more can be written"):
            studio.write(PICTURE)
    assert heard.ended == [None]
    assert heard.begun == 0


def test_a_keyframe_when_it_is_wanted() -> None:
    heard = Heard()
    with a_studio(heard) as studio:
        for number in range(6):
            if number == 3:
                heard.wait_for(3)
                studio.want_keyframe()
            studio.write(PICTURE, pts=number / 25, wait=True)
    assert [unit.keyframe for _, unit in heard.units] == [n in (0, 3) for n in range(6)]


def test_times_turn_back_and_the_stream_goes_on() -> None:
    heard = Heard()
    with a_studio(heard, fps=10) as studio:
        for pts in (50.0, 50.1, 0.0, 0.1, 0.05, 0.2):
            studio.write(PICTURE, pts=pts, wait=True)
    start = heard.times()[0]
    # A new beginning comes one picture behind the last; what is a little out of order is moved by a tick.
    expected = [0.0, 0.1, 0.2, 0.3, 0.3, 0.4]
    assert [time - start for time in heard.times()] == pytest.approx(expected, abs=1e-4)
    assert heard.times() == sorted(set(heard.times()))


def test_an_encoder_that_fails_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard()
    broken = MediaError("no encoder")

    def refuse(*_: object, **__: object) -> None:
        raise broken

    monkeypatch.setattr(module, "VideoEncoder", refuse)
    with a_studio(heard) as studio:
        studio.write(PICTURE)
        studio.join(PATIENCE)
        assert heard.ended == [broken]
        with pytest.raises(MediaError, match="no encoder"):
            studio.write(PICTURE)


def test_a_fault_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    heard = Heard()

    def stumble() -> None:
        raise KeyError("lost")

    heard.on_begin = stumble
    with a_studio(heard) as studio:
        studio.write(PICTURE)
        studio.join(PATIENCE)
    assert str(heard.ended[0]) == "a fault while encoding: KeyError('lost')"
    assert "a fault while encoding" in caplog.text


def test_tracks_are_numbered_and_static_types_stay() -> None:
    tracks = [
        Track("video", "jpeg", 90_000, 26),
        Track("audio", "aac", 48_000, 96),
        Track("video", "h264", 90_000, 96),
    ]
    assert [(track.payload_type, track.control) for track in numbered(tracks)] == [
        (26, "trackID=1"),
        (96, "trackID=2"),
        (97, "trackID=3"),
    ]
