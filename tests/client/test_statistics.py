"""Figures over many sessions, and the turns that are told of."""

from __future__ import annotations

from dataclasses import dataclass

from reelcast.client import events
from reelcast.client.events import Damaged, Synchronized, Watch
from reelcast.client.statistics import Ledger
from reelcast.rtp.intake import Clock
from reelcast.rtp.receiver import Statistics
from reelcast.track import Track

VIDEO = Track("video", "h264", 90_000, 96)
AUDIO = Track("audio", "pcmu", 8_000, 0)


@dataclass
class Count:
    track: Track
    units: int
    packets: Statistics
    corrupt: int = 1
    latency: float | None = None
    clock: Clock = "estimated"


def test_sessions_add_up() -> None:
    ledger = Ledger()
    assert ledger.sums((), {}) == ()
    first = Count(VIDEO, 10, Statistics(received=100, lost=3, jitter=0.5))
    second = Count(VIDEO, 5, Statistics(received=50, lost=1, jitter=0.1), latency=0.02, clock="sender")
    ledger.close([first], {VIDEO: 2})
    (kept,) = ledger.sums((), {})
    assert (kept.units, kept.dropped) == (10, 2)
    (both,) = ledger.sums([second], {VIDEO: 4})
    assert (both.units, both.corrupt, both.dropped) == (15, 2, 4)
    assert both.packets == Statistics(received=150, lost=4, jitter=0.1)
    assert (both.latency, both.clock) == (0.02, "sender")


def test_a_camera_with_other_tracks_begins_anew() -> None:
    ledger = Ledger()
    ledger.close([Count(VIDEO, 10, Statistics())], {})
    now = ledger.sums([Count(VIDEO, 1, Statistics()), Count(AUDIO, 2, Statistics())], {})
    assert [each.units for each in now] == [1, 2]


def test_turns_are_told_once() -> None:
    told: list[events.Event] = []
    watch = Watch(told.append)
    watch.look(VIDEO, corrupt=True, clock="estimated")
    assert told == [], "before the first keyframe nothing was whole"
    watch.look(VIDEO, corrupt=False, clock="sender")
    watch.look(VIDEO, corrupt=True, clock="sender")
    watch.look(VIDEO, corrupt=True, clock="estimated")
    watch.look(AUDIO, corrupt=False, clock="camera")
    watch.look(VIDEO, corrupt=False, clock="sender")
    assert told == [Synchronized(VIDEO, "sender"), Damaged(VIDEO), Synchronized(AUDIO, "camera")]
