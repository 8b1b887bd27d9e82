"""The player without a window: orders, and what comes of them; with a stream that needs no server."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.player.conftest import PATIENCE, SOURCE
from tests.player.reel import BEGAN, Reel

from reelcast.client import events
from reelcast.client.options import Moment
from reelcast.errors import MediaError, ReelcastError
from reelcast.player.engine import Engine
from reelcast.player.sound import NullDevice, Pull
from reelcast.player.source import Source
from reelcast.player.status import Phase


class Watch:
    """Takes what is due as a window does, and waits for conditions."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.shown: list[float] = []

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"it never came true: {self.engine.status}"
            frame = self.engine.playout.due(time.monotonic())
            if frame is not None:
                self.shown.append(round(frame.pts, 2))
            time.sleep(0.002)

    def phase(self, phase: Phase) -> None:
        self.until(lambda: self.engine.status.phase is phase)

    def calls(self, *methods: str) -> None:
        self.until(lambda: tuple(_reel(self.engine).methods) == methods)


def _reel(engine: Engine) -> Reel:
    reel = getattr(engine._connect, "__self__", None)
    assert isinstance(reel, Reel)
    return reel


@pytest.fixture
def watch(engine: Engine) -> Watch:
    engine.load(SOURCE)
    return Watch(engine)


def test_set_up_play_pause_tear_down(engine: Engine, reel: Reel, watch: Watch) -> None:
    watch.until(lambda: engine.status.source == SOURCE)
    assert engine.status.phase is Phase.IDLE
    engine.set_up()
    watch.phase(Phase.READY)
    assert engine.status.duration == 10.0
    assert not engine.status.live
    assert engine.status.transport == "udp"
    assert len(engine.status.tracks) == 2
    engine.play()
    watch.phase(Phase.PLAYING)
    watch.until(lambda: len(watch.shown) >= 5)
    engine.pause()
    watch.phase(Phase.PAUSED)
    position = engine.playout.position(time.monotonic())
    engine.play()
    watch.phase(Phase.PLAYING)
    watch.until(lambda: (engine.playout.position(time.monotonic()) or 0.0) > (position or 0.0) + 0.1)
    assert watch.shown == sorted(watch.shown), "it goes on where it stood"
    engine.tear_down()
    watch.phase(Phase.IDLE)
    assert reel.calls == [("open",), ("play", None, None), ("pause",), ("play", None, None), ("close",)]


def test_play_at_once(engine: Engine, watch: Watch) -> None:
    engine.set_up(play=True)
    watch.phase(Phase.PLAYING)
    watch.calls("open", "play")


def test_orders_that_make_no_sense_do_nothing(engine: Engine, reel: Reel, watch: Watch) -> None:
    for order in (engine.play, engine.pause, lambda: engine.seek(3.0), lambda: engine.change_scale(2.0)):
        order()
    engine.set_up()
    watch.phase(Phase.READY)
    engine.pause()
    engine.change_scale(2.0)
    engine.play()
    watch.phase(Phase.PLAYING)
    engine.play()
    engine.tear_down()
    watch.phase(Phase.IDLE)
    assert reel.methods == ["open", "play", "close"]


def test_nothing_to_play(engine: Engine) -> None:
    engine.set_up()
    Watch(engine).until(lambda: engine.status.error is not None)
    assert str(engine.status.error) == "there is nothing to play: open a URL first"


def test_seek_while_playing(engine: Engine, reel: Reel, watch: Watch) -> None:
    engine.set_up(play=True)
    watch.until(lambda: len(watch.shown) >= 3)
    engine.seek(5.0)
    watch.until(lambda: watch.shown[-1] >= 5.2)
    place = watch.shown.index(5.0)
    assert watch.shown[place:] == sorted(watch.shown[place:])
    assert watch.shown[place - 1] < 4.0, "nothing of the old place is shown behind the new"
    assert reel.calls[-1] == ("play", 5.0, None)
    engine.seek(-3.0)
    watch.until(lambda: reel.calls[-1] == ("play", 0.0, None))


def test_seek_while_paused_shows_the_place(engine: Engine, reel: Reel, watch: Watch) -> None:
    engine.set_up(play=True)
    watch.until(lambda: len(watch.shown) >= 3)
    engine.pause()
    watch.phase(Phase.PAUSED)
    engine.seek(7.0)
    watch.until(lambda: watch.shown[-1] == 7.0)
    watch.calls("open", "play", "pause", "play", "pause")
    assert engine.status.phase is Phase.PAUSED
    assert engine.playout.position(time.monotonic()) == 7.0
    engine.play()
    watch.until(lambda: watch.shown[-1] >= 7.1)


def test_of_many_seeks_the_latest_counts(engine: Engine, reel: Reel, watch: Watch) -> None:
    engine.set_up(play=True)
    watch.phase(Phase.PLAYING)
    for place in range(1, 9):
        engine.seek(place)
    watch.until(lambda: watch.shown[-1:] >= [8.0])
    assert len(reel.calls) < 9


def test_the_end_and_again(engine: Engine, reel: Reel, watch: Watch) -> None:
    reel.duration = 0.4
    engine.set_up(play=True)
    watch.phase(Phase.ENDED)
    assert watch.shown[-1] == 0.36
    engine.play()
    watch.phase(Phase.PLAYING)
    watch.phase(Phase.ENDED)
    assert reel.calls[-1] == ("play", 0.0, None)
    assert watch.shown[-1] == 0.36
    assert watch.shown.count(0.0) == 2


@pytest.mark.parametrize("at", [6.0, BEGAN + timedelta(seconds=6.0)])
def test_a_part_of_it(engine: Engine, reel: Reel, watch: Watch, at: Moment) -> None:
    engine.load(replace(SOURCE, at=at, duration=0.4))
    engine.set_up(play=True)
    watch.phase(Phase.ENDED)
    assert (watch.shown[0], watch.shown[-1]) == (6.0, 6.36)
    watch.calls("open", "play", "pause")
    assert engine.playout.position(time.monotonic()) == pytest.approx(6.4)
    engine.play()
    watch.phase(Phase.PLAYING)
    watch.phase(Phase.ENDED)
    assert watch.shown.count(6.0) == 2
    assert watch.shown[-1] == 6.36
    assert [call for call in reel.calls if call[0] == "play"] == [("play", at, None)] * 2


def test_who_goes_behind_the_end_of_the_part_is_not_stopped(engine: Engine, reel: Reel, watch: Watch) -> None:
    engine.load(replace(SOURCE, duration=2.0))
    engine.set_up(play=True)
    watch.until(lambda: len(watch.shown) >= 3)
    engine.seek(1.6)
    watch.phase(Phase.ENDED)
    assert watch.shown[-1] == 1.96
    engine.seek(3.0)
    watch.until(lambda: watch.shown[-1] == 3.0)
    engine.play()
    watch.until(lambda: watch.shown[-1] >= 3.4)
    assert engine.status.phase is Phase.PLAYING


def test_a_part_of_what_is_live(engine: Engine, reel: Reel, watch: Watch) -> None:
    reel.duration = None
    reel.errors["pause"] = [ReelcastError("this camera cannot pause")]
    engine.load(replace(SOURCE, duration=0.2))
    engine.set_up(play=True)
    watch.phase(Phase.ENDED)
    watch.until(lambda: engine.status.error is not None)
    before = watch.shown[-1]
    engine.play()
    watch.phase(Phase.PLAYING)
    watch.phase(Phase.ENDED)
    assert watch.shown[-1] > before


def test_a_part_goes_on_where_it_was_lost(engine: Engine, reel: Reel, watch: Watch) -> None:
    reel.lost_at = 170
    engine.load(replace(SOURCE, at=6.0, duration=2.0))
    engine.set_up(play=True)
    watch.until(lambda: engine.status.error is not None)
    engine.retry()
    watch.phase(Phase.ENDED)
    assert watch.shown[-1] == 7.96


def test_a_seek_while_the_end_is_being_played(engine: Engine, reel: Reel, watch: Watch) -> None:
    reel.duration = 1.0
    engine.set_up(play=True)
    watch.until(lambda: watch.shown[-1:] >= [0.2])
    engine.seek(0.6)
    watch.until(lambda: watch.shown[-1] >= 0.6)
    engine.seek(0.0)
    watch.until(lambda: watch.shown[-1] <= 0.4)
    watch.phase(Phase.ENDED)
    assert watch.shown[-1] == 0.96


def test_a_seek_that_is_refused_leaves_it_where_it_is(engine: Engine, reel: Reel, watch: Watch) -> None:
    engine.set_up(play=True)
    watch.until(lambda: len(watch.shown) >= 3)
    reel.errors["play"] = [ReelcastError("this camera cannot seek")]
    engine.seek(9.0)
    watch.until(lambda: engine.status.error is not None)
    place = watch.shown[-1]
    watch.until(lambda: watch.shown[-1] >= place + 0.2)
    assert engine.status.phase is Phase.PLAYING
    assert max(watch.shown) < 9.0


def test_a_device_is_opened_anew_for_samples_of_another_kind(
    engine: Engine, reel: Reel, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.set_up(play=True)
    watch.until(lambda: engine._sounding.device == (8000, 1))
    monkeypatch.setattr("tests.player.reel.CHANNELS", 2)
    watch.until(lambda: engine._sounding.device == (8000, 2))
    count = len(watch.shown)
    watch.until(lambda: len(watch.shown) > count)


def test_speed(engine: Engine, reel: Reel, watch: Watch) -> None:
    engine.set_up(play=True)
    watch.phase(Phase.PLAYING)
    engine.change_scale(2.0)
    watch.until(lambda: engine.status.scale == 2.0)
    assert reel.calls[-1] == ("play", None, 2.0)
    reel.scales = False
    engine.change_scale(4.0)
    watch.until(lambda: "plays at 2× only" in engine.status.notice)


def test_a_live_stream(engine: Engine, reel: Reel, watch: Watch) -> None:
    reel.duration = None
    engine.set_up(play=True)
    watch.until(lambda: len(watch.shown) >= 10)
    assert engine.status.live
    assert engine.status.duration is None


@pytest.mark.parametrize("method", ["open", "play"])
def test_what_fails_is_said_and_can_be_tried_again(
    engine: Engine, reel: Reel, watch: Watch, method: str
) -> None:
    error = ReelcastError("no such stream", advice="look for it")
    reel.errors[method] = [error]
    engine.set_up(play=True)
    watch.until(lambda: engine.status.error is error)
    engine.retry()
    watch.phase(Phase.PLAYING)
    assert engine.status.error is None
    watch.until(lambda: len(watch.shown) >= 2)


def test_a_pause_that_is_refused_leaves_it_playing(engine: Engine, reel: Reel, watch: Watch) -> None:
    reel.errors["pause"] = [ReelcastError("this camera cannot pause")]
    engine.set_up(play=True)
    watch.until(lambda: len(watch.shown) >= 2)
    engine.pause()
    watch.until(lambda: engine.status.error is not None)
    assert engine.status.phase is Phase.PLAYING
    count = len(watch.shown)
    watch.until(lambda: len(watch.shown) > count)


def test_a_stream_that_is_lost_for_good(engine: Engine, reel: Reel, watch: Watch) -> None:
    reel.lost_at = 75
    engine.set_up(play=True)
    watch.until(lambda: engine.status.error is not None)
    assert engine.status.phase is Phase.IDLE
    assert str(engine.status.error) == "rtsp://reel/: the server closed the connection"
    position = engine.playout.position(time.monotonic())
    engine.retry()
    watch.phase(Phase.PLAYING)
    assert reel.methods == ["open", "play", "close", "open", "play"]
    assert reel.calls[-1] == ("play", position, None), "it goes on where it was lost"


def test_an_error_that_nobody_foresaw_is_no_dead_window(
    engine: Engine, reel: Reel, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.player.reel.ReelStream.open", None)
    engine.set_up()
    watch.until(lambda: engine.status.error is not None)
    assert "a fault in the player: TypeError" in str(engine.status.error)
    monkeypatch.undo()
    first = engine.status.error
    monkeypatch.setattr("tests.player.reel.picture", None)
    engine.retry()
    watch.until(lambda: engine.status.error not in (None, first))
    assert engine.status.phase is Phase.IDLE
    monkeypatch.undo()
    engine.retry()
    watch.phase(Phase.PLAYING)


def test_a_tear_down_does_not_wait_for_a_silent_server(engine: Engine, reel: Reel, watch: Watch) -> None:
    reel.opening = asyncio.Event
    engine.set_up()
    watch.phase(Phase.CONNECTING)
    watch.until(lambda: reel.methods == ["open"])
    engine.tear_down()
    watch.phase(Phase.IDLE)
    assert engine.status.error is None
    assert reel.methods == ["open", "close"]


def test_another_source(engine: Engine, reel: Reel, watch: Watch) -> None:
    engine.set_up(play=True)
    watch.phase(Phase.PLAYING)
    other = Source("rtsp://reel/other")
    engine.load(other)
    watch.until(lambda: engine.status.source == other)
    assert engine.status.phase is Phase.IDLE
    assert reel.methods == ["open", "play", "close"]


def test_events_are_said(engine: Engine, reel: Reel, watch: Watch) -> None:
    engine.set_up(play=True)
    watch.phase(Phase.PLAYING)
    stream = reel.streams[0]
    error = ReelcastError("silent for 10 s")
    stream.on_event(events.FellBack(error))
    assert "TCP" in engine.status.notice
    stream.on_event(events.Disconnected(error))
    stream.on_event(events.Waiting(3.0, 2, error))
    waiting = engine.status.waiting
    assert waiting is not None
    assert waiting.error is error
    assert waiting.attempt == 2
    assert waiting.until > time.monotonic()
    stream.on_event(events.Connected("tcp"))
    assert engine.status.waiting is None
    assert engine.status.transport == "tcp"


def test_the_dialogue_is_kept(engine: Engine, watch: Watch) -> None:
    engine.set_up()
    watch.phase(Phase.READY)
    assert [(line.sent, line.text.split("\n")[0]) for line in engine.lines] == [
        (True, "open request"),
        (False, "open response"),
    ]
    assert engine.spoken == 2


def test_figures_are_taken(engine: Engine, watch: Watch) -> None:
    engine.set_up(play=True)
    watch.until(lambda: len(engine.figures.samples) >= 2)
    sample = engine.figures.samples[-1]
    assert sample.jitter == pytest.approx(1.2)
    assert sample.latency == pytest.approx(20.0)
    assert sample.stored > 0.0


class NoDevice:
    """A machine without one."""

    def __init__(self) -> None:
        self.asked = 0

    def open(self, rate: int, channels: int, pull: Pull) -> None:
        self.asked += 1
        raise MediaError("no audio device: the stream is played without sound")

    def close(self) -> None:
        """Nothing was opened."""


def test_without_an_audio_device_the_pictures_are_played(reel: Reel) -> None:
    device = NoDevice()
    engine = Engine(reel.connect, device, lambda: None)
    engine.start()
    try:
        watch = Watch(engine)
        engine.load(SOURCE)
        engine.set_up(play=True)
        watch.until(lambda: len(watch.shown) >= 10)
        assert "without sound" in engine.status.notice
        assert device.asked == 1
    finally:
        engine.stop()


def test_sound_is_heard(reel: Reel) -> None:
    loud = threading.Event()
    device = NullDevice(lambda when, samples: loud.set() if samples.any() else None)
    engine = Engine(reel.connect, device, lambda: None)
    engine.start()
    try:
        watch = Watch(engine)
        engine.load(SOURCE)
        engine.set_up(play=True)
        watch.until(loud.is_set)
    finally:
        engine.stop()


def test_stopping_ends_the_session_and_twice_is_no_error(reel: Reel) -> None:
    engine = Engine(reel.connect, NullDevice(), lambda: None)
    engine.start()
    engine.load(SOURCE)
    engine.set_up(play=True)
    Watch(engine).phase(Phase.PLAYING)
    engine.stop()
    engine.stop()
    engine.play()
    assert reel.methods == ["open", "play", "close"]
