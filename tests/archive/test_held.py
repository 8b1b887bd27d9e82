"""What is held for the case that the disk fails: whole groups of pictures, and not too many."""

from __future__ import annotations

from reelcast.archive.held import Entry, Held
from reelcast.archive.spool import OVERHEAD_BYTES, Taken
from reelcast.rtp.intake import ReceivedUnit
from reelcast.track import AccessUnit, Track

VIDEO = Track("video", "h264", 90_000, 96)


def entry(wall: float, *, opens: bool = False, size: int = 0) -> Entry:
    received = ReceivedUnit(VIDEO, AccessUnit(bytes(size), 0, 0, opens), wall, wall, "sender", 0.0)
    return Entry(Taken(received, (VIDEO,), wall), wall, opens)


def test_groups_are_held_from_their_keyframe_on() -> None:
    held = Held()
    assert not held.add(entry(0.0))
    assert not held
    kept = [entry(1.0, opens=True), entry(1.5), entry(2.0, opens=True), entry(2.5), entry(3.0, opens=True)]
    assert all(held.add(each) for each in kept)
    assert list(held) == kept
    # The group that this is in begins before it.
    held.release(1.9)
    assert list(held) == kept
    held.release(2.0)
    assert list(held) == kept[2:]
    # Nothing is on disk of what would follow the last.
    held.release(99.0)
    assert list(held) == kept[4:]
    held.clear()
    assert not held


def test_what_is_too_much_is_not_held() -> None:
    held = Held(4 * OVERHEAD_BYTES)
    assert held.add(entry(0.0, opens=True, size=OVERHEAD_BYTES))
    assert held.add(entry(0.1, size=OVERHEAD_BYTES))
    assert not held.add(entry(0.2))
    assert not held.add(entry(0.3))
    assert held.add(entry(1.0, opens=True))
    assert len(list(held)) == 1
