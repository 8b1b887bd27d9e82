"""What a live path remembers: one footage for all who rewind it, as long as its tracks are the same."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.archive.takes import NOON, Takes

from reelcast.archive.shelf import Shelf


class Clerk:
    """Records the path's time 0 as noon."""

    def clock(self, media: float) -> float | None:
        return NOON + media


async def test_what_is_remembered(takes: Takes) -> None:
    memory = Shelf(takes.index).memory("/cam", Clerk())
    assert await memory.past(takes.tracks) is None
    memory.close()
    takes.take(NOON, 0.0, 1.6)
    past = await memory.past(takes.tracks)
    assert past is not None
    assert past.tracks == takes.tracks
    takes.take(NOON + 1.6, 1.6, 3.2)
    # Parameter sets go in-band: they change nothing.
    changed = (replace(takes.tracks[0], parameter_sets=(b"other",)), *takes.tracks[1:])
    assert await memory.past(changed) is past
    assert past.duration == pytest.approx(3.2, abs=0.1)
    other = (replace(takes.tracks[0], payload_type=120), *takes.tracks[1:])
    again, meanwhile = await asyncio.gather(memory.past(other), memory.past(other))
    assert again is not past
    assert meanwhile is again
    # Who watches what was before goes on with that, and who comes now with the other: neither is made twice.
    assert await memory.past(takes.tracks) is past
    assert await memory.past(other) is again
    assert not past.closed
    assert memory.clock(2.0) == NOON + 2.0
    memory.close()
    assert again is not None
    assert past.closed
    assert again.closed
