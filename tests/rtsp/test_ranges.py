"""Ranges: the three units, exact, both ways round."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.errors import ProtocolError
from reelcast.rtsp.ranges import Range, Unit


@pytest.mark.parametrize(
    ("value", "parsed", "text"),
    [
        ("npt=0.000-", Range("npt", 0.0), "npt=0.000-"),
        ("npt=0-", Range("npt", 0.0), "npt=0.000-"),
        ("npt=now-", Range("npt", now=True), "npt=now-"),
        ("npt=now-20", Range("npt", end=20.0, now=True), "npt=now-20.000"),
        ("npt=12.5-", Range("npt", 12.5), "npt=12.500-"),
        ("npt=0:01:30.5-", Range("npt", 90.5), "npt=90.500-"),
        ("npt=10:07:33.123456-", Range("npt", 36453.123456), "npt=36453.123456-"),
        ("npt=-30", Range("npt", end=30.0), "npt=-30.000"),
        ("npt=-0", Range("npt", end=0.0), "npt=-0.000"),
        ("npt=10-15", Range("npt", 10.0, 15.0), "npt=10.000-15.000"),
        ("npt=10-10", Range("npt", 10.0, 10.0), "npt=10.000-10.000"),
        (" NPT = 10 - 15 ", Range("npt", 10.0, 15.0), "npt=10.000-15.000"),
        ("npt=.5-1.", Range("npt", 0.5, 1.0), "npt=0.500-1.000"),
        ("npt=0.1234567-", Range("npt", 0.123457), "npt=0.123457-"),
        ("npt=0-;time=19970123T143720Z", Range("npt", 0.0), "npt=0.000-"),
        ("smpte=0:10:20-", Range("smpte", 620.0194), "smpte=00:10:20:00-"),
        ("smpte-25=10:07:00:00-10:07:33:05.01", Range("smpte-25", 36420.0, 36453.2004), None),
        ("smpte-25=-0:00:01:24.5", Range("smpte-25", end=1.98), "smpte-25=-00:00:01:24.50"),
        ("smpte-30-drop=00:00:59:29-", Range("smpte-30-drop", 60.026633), None),
        ("smpte-30-drop=00:01:00:02-", Range("smpte-30-drop", 60.06), None),
        ("smpte-30-drop=00:10:00:00-", Range("smpte-30-drop", 599.9994), None),
        ("smpte-30-drop=01:00:00:00-", Range("smpte-30-drop", 3599.9964), None),
        ("clock=19700101T000001Z-", Range("clock", 1.0), "clock=19700101T000001Z-"),
        (
            "clock=19961108T142300Z-19961108T143520.25Z",
            Range("clock", 847462980.0, 847463720.25),
            "clock=19961108T142300Z-19961108T143520.25Z",
        ),
        ("clock=00190101T000000Z-", Range("clock", -61567603200.0), "clock=00190101T000000Z-"),
    ],
)
def test_parse(value: str, parsed: Range, text: str | None) -> None:
    result = Range.parse(value)
    assert result == parsed
    assert str(result) == (text or value)
    assert Range.parse(str(result)) == result


def test_a_dropped_code_stands_for_the_next() -> None:
    for code in ("00:01:00", "00:01:00:00", "00:01:00:01"):
        assert str(Range.parse(f"smpte={code}-")) == "smpte=00:01:00:02-"


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("", 456),
        ("bytes=0-5", 456),
        ("smpte-24=0:0:0-", 456),
        ("npt", 400),
        ("npt=", 400),
        ("npt=-", 400),
        ("npt=10", 400),
        ("npt=1e308-", 400),
        ("npt=nan-", 400),
        ("npt=inf-", 400),
        ("npt=--5", 400),
        ("npt=5--1", 400),
        ("npt=1-2-3", 400),
        ("npt=10-now", 400),
        ("npt=99:99:99-", 400),
        ("npt=0:60:00-", 400),
        ("npt=1:2-", 400),
        ("npt=" + "9" * 300 + "-", 400),
        ("npt=٣-", 400),
        ("npt=.-", 400),
        ("smpte=now-", 400),
        ("smpte=10-", 400),
        ("smpte=0:00:00:30-", 400),
        ("smpte-25=0:00:00:25-", 400),
        ("smpte=0:60:00-", 400),
        ("clock=-", 400),
        ("clock=0-", 400),
        ("clock=" + "1" * 300, 400),
        ("clock=" + "1" * 300 + "-", 400),
        ("clock=20260230T000000Z-", 400),
        ("clock=20260101T250000Z-", 400),
        ("clock=00000101T000000Z-", 400),
        ("clock=20260101T000000-", 400),
        ("npt=15-10", 457),
        ("smpte=0:0:15-0:0:10", 457),
        ("clock=20260102T000000Z-20260101T000000Z", 457),
    ],
)
def test_what_is_no_range(value: str, status: int) -> None:
    with pytest.raises(ProtocolError) as caught:
        Range.parse(value)
    assert caught.value.status == status


def test_backwards_the_end_comes_first() -> None:
    assert Range.parse("npt=15-10", backwards=True) == Range("npt", 15.0, 10.0)
    with pytest.raises(ProtocolError) as caught:
        Range.parse("npt=10-15", backwards=True)
    assert caught.value.status == 457


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        ("npt", "npt=10.000-20.500"),
        ("smpte-25", "smpte-25=00:00:10:00-00:00:20:12.50"),
        ("smpte", "smpte=00:00:09:29.70-00:00:20:14.39"),
        ("clock", "clock=20010909T014650Z-20010909T014700.5Z"),
    ],
)
def test_answers_are_in_the_unit_of_the_request(unit: Unit, text: str) -> None:
    answer = Range.of_npt(unit, 10.0, 20.5, utc_of_zero=1_000_000_000.0)
    assert str(answer) == text
    assert answer.to_npt(1_000_000_000.0) == (10.0, 20.5)
    assert str(Range.of_npt(unit, None, 10.0, utc_of_zero=0.0)).startswith(f"{unit}=-")


def test_open_ends_stay_open() -> None:
    assert Range.of_npt("npt", 3.0) == Range("npt", 3.0)
    assert Range.parse("npt=now-").to_npt() == (None, None)


def test_without_clock_time_there_is_no_clock_range() -> None:
    with pytest.raises(ProtocolError) as caught:
        Range.of_npt("clock", 1.0)
    assert caught.value.status == 456
    with pytest.raises(ProtocolError) as caught:
        Range.parse("clock=20260101T000000Z-").to_npt()
    assert caught.value.status == 456


def test_times_that_cannot_be_written() -> None:
    assert str(Range("npt", -1.0)) == "npt=0.000-"
    assert str(Range("smpte", -1.0)) == "smpte=00:00:00:00-"
    with pytest.raises(ProtocolError) as caught:
        str(Range("clock", 1e15))
    assert caught.value.status == 457


microseconds = st.integers(0, 10**14).map(lambda number: number / 1_000_000)


@settings(max_examples=200, deadline=None)
@given(microseconds, st.none() | st.integers(0, 10**9).map(lambda number: number / 1_000_000))
def test_npt_both_ways(start: float, length: float | None) -> None:
    end = None if length is None else round(start + length, 6)
    assert Range.parse(str(Range("npt", start, end))) == Range("npt", start, end)


@settings(max_examples=200, deadline=None)
@given(st.integers(-(10**9), 4 * 10**9), st.integers(0, 999_999))
def test_clock_both_ways(seconds: int, micro: int) -> None:
    start = round(seconds + micro / 1_000_000, 6)
    assert Range.parse(str(Range("clock", start))) == Range("clock", start)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["smpte", "smpte-25", "smpte-30-drop"]), st.integers(0, 10**7), st.integers(0, 99))
def test_every_frame_has_its_code(unit: Unit, frame: int, hundredths: int) -> None:
    position = frame + hundredths / 100
    seconds = position / 25 if unit == "smpte-25" else position * 1001 / 30_000
    text = str(Range(unit, seconds))
    parsed = Range.parse(text)
    assert parsed.start == pytest.approx(seconds, abs=1e-6)
    assert str(parsed) == text


def test_codes_of_frames_never_repeat() -> None:
    codes = [str(Range("smpte-30-drop", frame * 1001 / 30_000)) for frame in range(1790, 3610)]
    assert len(set(codes)) == len(codes)
    assert codes == sorted(codes)


@settings(max_examples=200, deadline=None)
@given(
    st.text() | st.text(st.sampled_from("0123456789:.-TZnow ;=")),
    st.sampled_from(["", "npt=", "smpte=", "clock="]),
)
def test_any_text_is_read_or_refused(text: str, prefix: str) -> None:
    status = 200
    try:
        parsed = Range.parse(prefix + text)
        assert Range.parse(str(parsed)) == parsed
    except ProtocolError as error:
        status = error.status
    assert status in (200, 400, 456, 457)
