"""How live paths are, in one line each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
    yield from _counted(
        {
            "restarts": max(0, figures.feedings - 1),
            "corrupt units": figures.corrupt,
            "leaps in time": figures.leaps,
            "units that could not be sent": figures.refused,
        }
    )


def _watched(figures: LiveStatistics) -> Iterator[str]:
    yield f"{figures.readers} reader{'' if figures.readers == 1 else 's'}"
    yield from _counted({"readers too slow for a while": figures.shed})


def _recorded(recording: RecordingStatistics | None) -> Iterator[str]:
    if recording is None:
        return
    yield f"{recording.bytes / 1e6:.1f} MB recorded"
    if recording.spooled > SPOOLED_BYTES:
        yield f"{recording.spooled / 1e6:.1f} MB wait for the disk"
    yield from _counted({"units not recorded": recording.dropped})
    if recording.error:
        yield recording.error


def _counted(counts: Mapping[str, int]) -> Iterator[str]:
    """What has happened; what has not is not said."""
    return (f"{count} {what}" for what, count in counts.items() if count)
