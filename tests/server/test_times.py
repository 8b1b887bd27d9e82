"""Ranges in NPT and in clock time, by what a presentation says of when it was."""

from __future__ import annotations

import math

import pytest

from reelcast.errors import ProtocolError
from reelcast.rtsp.ranges import Range
from reelcast.server.times import Times

NOON = 1_700_000_000.0
CLOCK = "20231114T221320Z"


class Diary:
    """What was recorded from noon on; an hour is missing behind the first minute."""

    def __init__(self, span: tuple[float, float | None] | None) -> None:
        self.span = span
        self.refreshed = 0

    async def refresh(self) -> None:
        self.refreshed += 1

    def clock(self, npt: float) -> float:
        return NOON + npt + (3600 if npt >= 60 else 0)

    def npt(self, clock: float) -> float:
        passed = clock - NOON
        return passed if passed < 60 else max(60.0, passed - 3600)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("npt=10-20", (10.0, 20.0)),
        ("npt=now-", (None, None)),
        ("npt=-20", (None, 20.0)),
        (f"clock={CLOCK}-", (0.0, None)),
        ("clock=20231114T221330Z-20231114T231430Z", (10.0, 70.0)),
        ("clock=20231114T224000Z-", (60.0, None)),
        ("smpte=0:00:10-", (pytest.approx(10.0, abs=0.1), None)),
    ],
)
async def test_what_is_wanted(wanted: str, expected: tuple[float | None, float | None]) -> None:
    diary = Diary((0.0, 100.0))
    assert await Times(diary).wanted(Range.parse(wanted)) == expected
    assert diary.refreshed == 1


async def test_of_what_is_live_now_is_told_from_nothing() -> None:
    times = Times(Diary((0.0, None)))
    assert await times.wanted(Range.parse("npt=now-")) == (math.inf, None)
    assert await times.wanted(Range()) == (None, None)


@pytest.mark.parametrize("calendar", [None, Diary(None)])
async def test_without_a_calendar_there_is_npt_alone(calendar: Diary | None) -> None:
    times = Times(calendar)
    assert await times.wanted(Range.parse("npt=10-20")) == (10.0, 20.0)
    with pytest.raises(ProtocolError) as caught:
        await times.wanted(Range.parse(f"clock={CLOCK}-"))
    assert caught.value.status == 456
    assert str(times.range("npt", 1.0, 2.0)) == "npt=1.000-2.000"
    assert times.there("clock") is None


@pytest.mark.parametrize("wanted", ["npt=10-20", "clock=20231114T221330Z-20231114T221340Z"])
async def test_what_is_no_longer_there(wanted: str) -> None:
    times = Times(Diary((50.0, 100.0)))
    with pytest.raises(ProtocolError, match="before the beginning") as caught:
        await times.wanted(Range.parse(wanted))
    assert caught.value.status == 457
    # What begins too early is played from the beginning.
    assert await times.wanted(Range.parse("npt=10-")) == (10.0, None)
    assert await times.wanted(Range.parse("npt=10-60")) == (10.0, 60.0)


def test_what_is_answered() -> None:
    times = Times(Diary((0.0, 100.0)))
    assert str(times.range("npt", 70.0, 80.0)) == "npt=70.000-80.000"
    assert str(times.range("clock", 70.0, 80.0)) == "clock=20231114T231430Z-20231114T231440Z"
    assert str(times.range("clock", 10.0, None)) == "clock=20231114T221330Z-"
    assert str(times.range("clock", None, 10.0)) == "clock=-20231114T221330Z"


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        ("clock", f"clock={CLOCK}-20231114T231500Z"),
        (" CLOCK = 20231114T221320Z-", f"clock={CLOCK}-20231114T231500Z"),
        ("npt=500-", "npt=0.000-100.000"),
        (None, "npt=0.000-100.000"),
    ],
)
def test_what_there_is(unit: str | None, text: str) -> None:
    assert str(Times(Diary((0.0, 100.0))).there(unit)) == text
