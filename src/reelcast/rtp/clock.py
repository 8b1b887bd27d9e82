"""Time: NTP timestamps, RTP timestamps that wrap, the line between them (RFC 3550 sections 4 and 6.4.1)."""

from __future__ import annotations

from typing import Final

from reelcast.rtp.rtcp import SenderReport

__all__ = ["RtpClock", "TimestampUnwrapper", "compact_ntp", "ntp_to_unix", "unix_to_ntp"]

UNIX_EPOCH: Final = 2_208_988_800
"""Seconds from the NTP epoch, 1900, to the Unix epoch, 1970."""
_WRAP: Final = 1 << 32
_HALF: Final = _WRAP >> 1
_ERA: Final = 1 << 64


def unix_to_ntp(seconds: float) -> int:
    """Seconds since the Unix epoch as a 64-bit NTP timestamp, rounded to 2**-32 s; wraps in 2036."""
    numerator, denominator = seconds.as_integer_ratio()
    fixed = (2 * numerator * _WRAP + denominator) // (2 * denominator)
    return (fixed + UNIX_EPOCH * _WRAP) % _ERA


def ntp_to_unix(ntp: int) -> float:
    """A 64-bit NTP timestamp as seconds since the Unix epoch, the nearest float.

    The upper bit tells the era: clear means after 2036 (RFC 4330 section 3).
    """
    if ntp < _ERA >> 1:
        ntp += _ERA
    return (ntp - UNIX_EPOCH * _WRAP) / _WRAP


def compact_ntp(ntp: int) -> int:
    """The middle 32 bits, in 1/65536 s: how report blocks name a sender report (RFC 3550 section 6.4.1)."""
    return ntp >> 16 & 0xFFFFFFFF


class TimestampUnwrapper:
    """32-bit RTP timestamps on an axis that goes on where they wrap.

    Each is taken to be within half a cycle (6.6 hours at 90 kHz) of the last: earlier ones, of reordered
    pictures, stand before it.
    """

    def __init__(self) -> None:
        self._last: int | None = None

    def nearest(self, timestamp: int) -> int:
        """Where this timestamp stands, without moving on to it; the first one stands at its own value."""
        if self._last is None:
            return timestamp
        return self._last + (timestamp - self._last + _HALF) % _WRAP - _HALF

    def unwrap(self, timestamp: int) -> int:
        """Where this timestamp stands; the next is measured from it."""
        last = self._last
        self._last = place = timestamp if last is None else last + (timestamp - last + _HALF) % _WRAP - _HALF
        return place


class RtpClock:
    """The wall-clock time of one source's RTP timestamps.

    Before the first sender report it is an estimate, by the packet that was on its way for the shortest time:
    what a server has kept of a live stream comes all at once, and only its end is of now. Behind the report it is
    the sender's own clock, corrected with each one. `synchronized` says which.
    """

    def __init__(self, clock_rate: int) -> None:
        self.clock_rate = clock_rate
        self.synchronized = False
        self._unwrapper = TimestampUnwrapper()
        self._anchor: tuple[int, int] | None = None

    def estimate(self, timestamp: int, arrival: float) -> None:
        """A packet arrived at `arrival`, in Unix seconds; counts only while nothing better is known."""
        if self.synchronized:
            return
        place = self._unwrapper.unwrap(timestamp)
        ntp = unix_to_ntp(arrival)
        if self._anchor is None or ntp < self._ntp_at(place, *self._anchor):
            self._anchor = place, ntp

    def sender_report(self, report: SenderReport) -> None:
        """Take the sender's word; a report without wall clock (NTP time 0) changes nothing."""
        if report.ntp:
            self._anchor = self._unwrapper.nearest(report.rtp), report.ntp
            self.synchronized = True

    def reset(self) -> None:
        """Forget everything: the source has started again, with other timestamps."""
        self.synchronized = False
        self._unwrapper = TimestampUnwrapper()
        self._anchor = None

    def ntp(self, timestamp: int) -> int | None:
        """The 64-bit NTP time of an RTP timestamp, None before the first packet and report."""
        place = self._unwrapper.unwrap(timestamp)
        if self._anchor is None:
            return None
        return self._ntp_at(place, *self._anchor)

    def unix(self, timestamp: int) -> float | None:
        """The same in seconds since the Unix epoch."""
        ntp = self.ntp(timestamp)
        return None if ntp is None else ntp_to_unix(ntp)

    def _ntp_at(self, place: int, start: int, ntp: int) -> int:
        return (ntp + ((place - start) * _WRAP) // self.clock_rate) % _ERA
