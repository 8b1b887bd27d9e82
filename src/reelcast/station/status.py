"""How live paths are, in one line each."""

from __future__ import annotations

from collections.abc import Iterable

from reelcast.server.live import Live, LiveStatistics

__all__ = ["Status"]


class Status:
    """Makes lines of statistics; rates are those since the last time."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, int]] = {}

    def lines(self, lives: Iterable[Live], now: float) -> list[str]:
        """A line a path; `now` in seconds of any clock, the same each time."""
        seen, self._seen = self._seen, {}
        lines: list[str] = []
        for live in lives:
            figures = live.statistics()
            since, before = seen.get(live.name, (now, figures.bytes))
            if before > figures.bytes:
                # Another path of this name: its publisher has left and come back.
                since, before = now, figures.bytes
            self._seen[live.name] = now, figures.bytes
            rate = (figures.bytes - before) * 8e-6 / (now - since) if now > since else None
            lines.append(f"{live.name}: {_line(figures, rate)}")
        return lines


def _line(figures: LiveStatistics, rate: float | None) -> str:
    """What there is to say, from what matters most; what did not happen is not said."""
    parts = [f"from {figures.by}" if figures.by else "no source"]
    if rate is not None and figures.by:
        parts.append(f"{rate:.2f} Mbit/s")
    parts.append(f"{figures.readers} reader{'' if figures.readers == 1 else 's'}")
    counted = {
        "restarts": max(0, figures.feedings - 1),
        "corrupt units": figures.corrupt,
        "leaps in time": figures.leaps,
        "units that could not be sent": figures.refused,
        "readers too slow for a while": figures.shed,
    }
    parts += [f"{count} {what}" for what, count in counted.items() if count]
    return ", ".join(parts)
