"""How live paths are, in one line each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from reelcast.archive.recording import RecordingStatistics
from reelcast.server.live import Live, LiveStatistics
from reelcast.station.relay import Relay

__all__ = ["Status"]


SPOOLED_BYTES: Final = 4 << 20
"""That wait for the disk before it is worth a word: a second or two of most streams."""


class Status:
    """Makes lines of statistics; rates are those since the last time."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, int]] = {}

    def lines(
        self, paths: Iterable[tuple[Live, Relay | None, RecordingStatistics | None]], now: float
    ) -> list[str]:
        """A line a live path, with what feeds and what records it; `now` in seconds of any one clock."""
        seen, self._seen = self._seen, {}
        lines: list[str] = []
        for live, relay, recording in paths:
            figures = live.statistics()
            since, before = seen.get(live.name, (now, figures.bytes))
            if before > figures.bytes:
                # Another path of this name: its publisher has left and come back.
                since, before = now, figures.bytes
            self._seen[live.name] = now, figures.bytes
            rate = (figures.bytes - before) * 8e-6 / (now - since) if now > since else None
            parts = [*_fed(figures, rate, relay), *_watched(figures), *_recorded(recording)]
            lines.append(f"{live.name}: {', '.join(parts)}")
        return lines


def _fed(figures: LiveStatistics, rate: float | None, relay: Relay | None) -> Iterator[str]:
    """What comes, and what of that was not as it should be."""
    if figures.by:
        yield f"from {figures.by}"
        if rate is not None:
            yield f"{rate:.2f} Mbit/s"
    elif relay is None:
        yield "no source"
    else:
        doing = relay.statistics()
        yield f"{relay} {doing.state}"
        if doing.error:
            yield doing.error
    yield from _happened(
        (max(0, figures.feedings - 1), "restart", ""),
        (figures.corrupt, "corrupt unit", ""),
        (figures.leaps, "leap", " in time"),
        (figures.refused, "unit", " that could not be sent"),
    )


def _watched(figures: LiveStatistics) -> Iterator[str]:
    yield _counted(figures.readers, "reader")
    yield from _happened((figures.shed, "reader", " too slow for a while"))


def _recorded(recording: RecordingStatistics | None) -> Iterator[str]:
    if recording is None:
        return
    yield f"{recording.bytes / 1e6:.1f} MB recorded"
    if recording.spooled > SPOOLED_BYTES:
        yield f"{recording.spooled / 1e6:.1f} MB wait for the disk"
    yield from _happened((recording.dropped, "unit", " not recorded"))
    if recording.error:
        yield recording.error


def _happened(*counts: tuple[int, str, str]) -> Iterator[str]:
    """What has happened, each with its count; what has not is not said."""
    return (f"{_counted(count, what)}{more}" for count, what, more in counts if count)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
