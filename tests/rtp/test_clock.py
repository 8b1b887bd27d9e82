"""Clocks: NTP both ways, timestamps over the wrap, wall-clock time before and after sender reports."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.rtp.clock import RtpClock, TimestampUnwrapper, compact_ntp, ntp_to_unix, unix_to_ntp
from reelcast.rtp.rtcp import SenderReport

NOW = 1_750_000_000.0


@pytest.mark.parametrize(
    ("unix", "ntp"),
    [
        (0.0, 2_208_988_800 << 32),
        (0.5, (2_208_988_800 << 32) + (1 << 31)),
        (-1.0, 2_208_988_799 << 32),
        (2_085_978_496.0, 0),
        (2_085_978_497.0, 1 << 32),
    ],
    ids=["1970", "half a second", "1969", "2036", "after 2036"],
)
def test_ntp(unix: float, ntp: int) -> None:
    assert unix_to_ntp(unix) == ntp
    assert ntp_to_unix(ntp) == unix


@given(st.floats(0, 4e9, allow_subnormal=False).filter(lambda seconds: seconds >= 2**20))
@settings(max_examples=200)
def test_unix_times_survive(unix: float) -> None:
    assert ntp_to_unix(unix_to_ntp(unix)) == unix


def test_compact_ntp() -> None:
    assert compact_ntp(0x0102_0304_0506_0708) == 0x0304_0506


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(-(2**31) + 1, 2**31 - 1), max_size=20))
@settings(max_examples=100)
def test_unwrapper_follows_any_steps(first: int, steps: list[int]) -> None:
    unwrapper = TimestampUnwrapper()
    place = first
    assert unwrapper.unwrap(first) == first
    for step in steps:
        place += step
        assert unwrapper.nearest(place % 2**32) == place
        assert unwrapper.unwrap(place % 2**32) == place


def test_clock_before_anything() -> None:
    clock = RtpClock(90_000)
    assert clock.ntp(0) is None
    assert clock.unix(0) is None
    assert not clock.synchronized


def test_estimate_then_report() -> None:
    clock = RtpClock(90_000)
    clock.estimate(2**32 - 90_000, NOW)
    clock.estimate(0, NOW + 9)
    assert clock.unix(0) == NOW + 1
    assert not clock.synchronized
    clock.sender_report(SenderReport(1, unix_to_ntp(NOW - 5), 90_000, 0, 0))
    assert clock.synchronized
    assert clock.unix(2**32 - 90_000) == NOW - 7
    clock.estimate(180_000, NOW + 60)
    assert clock.unix(180_000) == NOW - 4
    clock.sender_report(SenderReport(1, unix_to_ntp(NOW - 3.75), 180_000, 0, 0))
    assert clock.unix(180_000) == NOW - 3.75


def test_report_before_the_first_packet() -> None:
    clock = RtpClock(8_000)
    clock.sender_report(SenderReport(1, unix_to_ntp(NOW), 2**32 - 8_000, 0, 0))
    clock.estimate(2**32 - 16_000, NOW + 60)
    assert clock.unix(2**32 - 16_000) == NOW - 1


def test_report_long_after_the_wrap_of_an_unsynchronized_clock() -> None:
    clock = RtpClock(90_000)
    clock.estimate(0, NOW)
    for hours in range(1, 30):
        assert clock.unix(hours * 3600 * 90_000 % 2**32) == NOW + hours * 3600


def test_report_without_wall_clock_changes_nothing() -> None:
    clock = RtpClock(90_000)
    clock.estimate(0, NOW)
    clock.sender_report(SenderReport(1, 0, 90_000, 0, 0))
    assert not clock.synchronized
    assert clock.unix(90_000) == NOW + 1


def test_reset() -> None:
    clock = RtpClock(90_000)
    clock.sender_report(SenderReport(1, unix_to_ntp(NOW), 0, 0, 0))
    clock.reset()
    assert not clock.synchronized
    assert clock.ntp(0) is None
    clock.estimate(7, NOW + 5)
    assert clock.unix(7) == NOW + 5


def test_ntp_is_exact() -> None:
    clock = RtpClock(48_000)
    clock.sender_report(SenderReport(1, 1 << 63, 0, 0, 0))
    assert clock.ntp(1) == (1 << 63) + 2**32 // 48_000
    assert clock.ntp(48_000) == (1 << 63) + 2**32
