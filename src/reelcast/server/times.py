"""Times of a presentation as requests and responses have them: NPT, or when it was (RFC 2326 section 12.29)."""

from __future__ import annotations

import math

from reelcast.errors import ProtocolError
from reelcast.rtsp.ranges import Range, Unit
from reelcast.server.source import Calendar

__all__ = ["Times"]


class Times:
    """Leads between NPT and the units of ranges, by the calendar of a source, where it has one."""

    def __init__(self, calendar: Calendar | None) -> None:
        self._calendar = calendar

    async def wanted(self, wanted: Range) -> tuple[float | None, float | None]:
        """Start and end of a range as NPT.

        Raises ProtocolError 456 for clock times where there is no calendar, 457 where all that is wanted is no
        longer there.
        """
        calendar = self._calendar
        if calendar is not None:
            await calendar.refresh()
        if calendar is None or calendar.span is None:
            return wanted.to_npt()
        if wanted.unit == "clock":
            start = None if wanted.start is None else calendar.npt(wanted.start)
            end = None if wanted.end is None else calendar.npt(wanted.end)
        else:
            start, end = wanted.to_npt()
        if wanted.now and calendar.span[1] is None:
            start = math.inf
        if end is not None and max(end, start or 0.0) < calendar.span[0]:
            raise ProtocolError("all of that is before the beginning", 457)
        return start, end

    def range(self, unit: Unit, start: float | None, end: float | None) -> Range:
        """The range between two NPTs in a unit; the inverse of `wanted`."""
        calendar = self._calendar
        if unit != "clock" or calendar is None or calendar.span is None:
            return Range.of_npt(unit, start, end)
        began = None if start is None else calendar.clock(start)
        return Range(unit, began, None if end is None else calendar.clock(end))

    def there(self, unit: str | None) -> Range | None:
        """All that there is, in clock time where a header, or the name of a unit, says so; else in NPT."""
        if self._calendar is None or self._calendar.span is None:
            return None
        clock = unit is not None and unit.strip().lower().startswith("clock")
        return self.range("clock" if clock else "npt", *self._calendar.span)
