"""The Range header in its three units (RFC 2326 sections 3.5 to 3.7 and 12.29): npt, smpte and clock.

Whatever the unit, times are seconds: of npt and smpte from the start of the presentation, of clock since
1970-01-01 UTC. Text is read exactly and rounded once, to the microsecond: what is written reads the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Literal

from reelcast.errors import ProtocolError
from reelcast.rtsp.headers import format_decimal

__all__ = ["Range", "Unit"]

Unit = Literal["npt", "smpte", "smpte-30-drop", "smpte-25", "clock"]
"""Plain "smpte" is 30 drop (RFC 2326 section 3.5)."""

_UNITS: tuple[Unit, ...] = ("npt", "smpte", "smpte-30-drop", "smpte-25", "clock")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Nine digits of seconds are thirty years, and still exact to the microsecond as a float.
_NPT_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}")
_NPT_CLOCK = re.compile(r"([0-9]{1,5}):([0-5]?[0-9]):([0-5]?[0-9](?:\.[0-9]{0,9})?)")
_SMPTE = re.compile(r"([0-9]{1,5}):([0-5]?[0-9]):([0-5]?[0-9])(?::([0-9]{1,2})(?:\.([0-9]{1,2}))?)?")
_UTC = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})(?:\.([0-9]{1,9}))?Z")


@dataclass(frozen=True, slots=True)
class Range:
    """A range of time.

    start    seconds, or None where it is left open: "where the playhead is"
    end      seconds, or None where it is left open: "to the end"
    now      True where the range begins at the live edge (`npt=now-`); `start` is None then
    """

    unit: Unit = "npt"
    start: float | None = None
    end: float | None = None
    now: bool = False

    @classmethod
    def parse(cls, value: str, *, backwards: bool = False) -> Range:
        """Read a Range header, or the range attribute of SDP; a trailing `;time=` is passed over.

        backwards    the Scale is negative: the end comes before the start (RFC 2326 section 12.34)

        ProtocolError: 456 for an unknown unit, 457 where the ends are the wrong way round, 400 for no range.
        """
        name, equals, text = value.partition(";")[0].partition("=")
        unit = _unit(name.strip().lower())
        first, dash, last = (piece.strip() for piece in text.strip().partition("-"))
        now = unit == "npt" and first == "now"
        if not equals or not dash or not (first or last):
            raise ProtocolError(f"{value[:80]!r} is no range")
        start = None if now or not first else _seconds(unit, first)
        end = None if not last else _seconds(unit, last)
        if start is not None and end is not None and (start < end if backwards else end < start):
            raise ProtocolError("a range with its ends the wrong way round", 457)
        return cls(unit, start, end, now)

    @classmethod
    def of_npt(
        cls, unit: Unit, start: float | None, end: float | None = None, *, utc_of_zero: float | None = None
    ) -> Range:
        """The range between two NPTs in the unit that a request was made in (RFC 2326 section 10.5).

        utc_of_zero    seconds since 1970 at NPT 0, for "clock"; ProtocolError(456) where it is not known
        """
        offset = _offset(unit, utc_of_zero)
        return cls(unit, None if start is None else start + offset, None if end is None else end + offset)

    def to_npt(self, utc_of_zero: float | None = None) -> tuple[float | None, float | None]:
        """Start and end as NPT in seconds: the inverse of `of_npt`, with the same error."""
        offset = _offset(self.unit, utc_of_zero)
        start = None if self.start is None else self.start - offset
        return start, None if self.end is None else self.end - offset

    def __str__(self) -> str:
        start = "now" if self.now else _text(self.unit, self.start)
        return f"{self.unit}={start}-{_text(self.unit, self.end)}"


def _unit(name: str) -> Unit:
    for unit in _UNITS:
        if unit == name:
            return unit
    raise ProtocolError(f"{name[:40]!r} is no unit of ranges", 456)


def _offset(unit: Unit, utc_of_zero: float | None) -> float:
    if unit != "clock":
        return 0.0
    if utc_of_zero is None:
        raise ProtocolError("this presentation has no clock time", 456)
    return utc_of_zero


def _seconds(unit: Unit, text: str) -> float:
    exact = _npt(text) if unit == "npt" else _utc(text) if unit == "clock" else _smpte(unit, text)
    return float(round(exact, 6))


def _text(unit: Unit, seconds: float | None) -> str:
    if seconds is None:
        return ""
    if unit == "npt":
        return format_decimal(max(seconds, 0.0), places=3)
    return _utc_text(seconds) if unit == "clock" else _smpte_text(unit, max(seconds, 0.0))


def _npt(text: str) -> Fraction:
    """Seconds, or hours, minutes and seconds (RFC 2326 section 3.6)."""
    if _NPT_SECONDS.fullmatch(text):
        return Fraction(text)
    clock = _NPT_CLOCK.fullmatch(text)
    if clock is None:
        raise ProtocolError(f"{text[:40]!r} is no normal play time")
    return int(clock[1]) * 3600 + int(clock[2]) * 60 + Fraction(clock[3])


def _utc(text: str) -> Fraction:
    """An ISO 8601 timestamp (RFC 2326 section 3.7)."""
    match = _UTC.fullmatch(text)
    if match is None:
        raise ProtocolError(f"{text[:40]!r} is no UTC time")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise ProtocolError(f"{text[:40]!r} is no UTC time") from None
    whole = (moment - _EPOCH) // timedelta(seconds=1)
    return whole + Fraction(f"0.{match[7] or 0}")


def _utc_text(seconds: float) -> str:
    try:
        moment = _EPOCH + timedelta(microseconds=round(Fraction(seconds) * 1_000_000))
    except OverflowError:
        raise ProtocolError("a time outside the calendar", 457) from None
    fraction = f".{moment.microsecond:06}".rstrip("0").rstrip(".")
    return f"{moment.year:04}{moment:%m%dT%H%M%S}{fraction}Z"


def _smpte(unit: Unit, text: str) -> Fraction:
    """Hours, minutes, seconds, frames and hundredths of frames (RFC 2326 section 3.5)."""
    match = _SMPTE.fullmatch(text)
    if match is None:
        raise ProtocolError(f"{text[:40]!r} is no SMPTE time")
    hours, minutes, seconds, frame = (int(part or 0) for part in match.groups()[:4])
    frames = frame + Fraction(int((match[5] or "0").ljust(2, "0")), 100)
    if unit == "smpte-25":
        rate, length = 25, Fraction(1, 25)
    else:
        rate, length = 30, Fraction(1001, 30_000)
    if frame >= rate:
        raise ProtocolError(f"{text[:40]!r} counts more than {rate} frames a second")
    total_minutes = hours * 60 + minutes
    if rate == 30:
        if seconds == 0 and minutes % 10 and frame < 2:
            frames += 2 - frame  # a code that is dropped stands for the first that is not
        frames -= 2 * (total_minutes - total_minutes // 10)
    return ((total_minutes * 60 + seconds) * rate + frames) * length


def _smpte_text(unit: Unit, seconds: float) -> str:
    drop = unit != "smpte-25"
    rate = 30 if drop else 25
    per_second = Fraction(30_000, 1001) if drop else Fraction(25)
    frame, hundredths = divmod(round(Fraction(seconds) * per_second * 100), 100)
    if drop:
        # Of 17,982 frames in ten minutes the first minute has 1,800, the others 1,798.
        tens, rest = divmod(frame, 17_982)
        frame += 18 * tens + (2 * ((rest - 2) // 1798) if rest >= 2 else 0)
    whole, frame = divmod(frame, rate)
    text = f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}:{frame:02}"
    return f"{text}.{hundredths:02}" if hundredths else text
