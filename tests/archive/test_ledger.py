"""An index that cannot be written for a while is told later, and what counts is what was last."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.archive.tape import NOON

from reelcast.archive.index import Gap, Index, Segment
from reelcast.archive.layout import place_of
from reelcast.archive.ledger import Ledger
from reelcast.errors import MediaError


class Moody(Index):
    """An index on a disk that is full at times."""

    full = False

    def _change(self, statement: str, values: Sequence[object]) -> None:
        if self.full:
            raise MediaError("the disk is full")
        super()._change(statement, values)


def test_what_cannot_be_told_now_is_told_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    segment = Segment(tmp_path / place_of("/cam", NOON, ".mp4"), "/cam", NOON, NOON + 1, True, 10)
    with Moody(tmp_path) as index, caplog.at_level(logging.ERROR):
        ledger = Ledger(index)
        index.full = True
        ledger.note(Gap("/cam", NOON - 5, math.inf, "nothing came"))
        ledger.resume("/cam", NOON)
        ledger.put(segment)
        ledger.flush()
        ledger.put(replace(segment, end=NOON + 2))
        ledger.flush()
        assert str(ledger.failure) == "the disk is full"
        assert caplog.messages == ["the disk is full; recording goes on"]
        assert index.names() == []
        index.full = False
        ledger.flush()
        assert ledger.failure is None
        assert [each.end for each in index.segments("/cam")] == [NOON + 2]
        assert [(gap.start, gap.end) for gap in index.gaps("/cam")] == [(NOON - 5, NOON)]
        ledger.drop(segment)
        ledger.flush()
        assert index.names() == []
