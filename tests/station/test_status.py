"""One line for a live path."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from reelcast.archive.recording import RecordingStatistics
from reelcast.server.live import Live, LiveStatistics
from reelcast.station.relay import Relay, RelayStatistics
from reelcast.station.status import Status

QUIET = LiveStatistics(
    by="", since=None, feedings=0, leaps=0, units=0, bytes=0, corrupt=0, refused=0, readers=0, shed=0
)


class Path:
    """What of a live path is looked at."""

    def __init__(self, name: str, figures: LiveStatistics) -> None:
        self.name = name
        self.figures = figures

    def statistics(self) -> LiveStatistics:
        return self.figures


class Fetching:
    """What of a relay is looked at."""

    def __init__(self, figures: RelayStatistics) -> None:
        self.figures = figures

    def __str__(self) -> str:
        return "relay of rtsp://camera/"

    def statistics(self) -> RelayStatistics:
        return self.figures


def line(
    status: Status,
    path: Path,
    now: float,
    relay: Fetching | None = None,
    recording: RecordingStatistics | None = None,
) -> str:
    (line,) = status.lines([(cast(Live, path), cast(Relay | None, relay), recording)], now)
    return line


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        (QUIET, "/cam: no source, 0 readers"),
        (replace(QUIET, feedings=1, readers=2), "/cam: no source, 2 readers"),
        (
            replace(QUIET, by="1.2.3.4:5", feedings=3, readers=1, corrupt=4, leaps=5, refused=6, shed=7),
            "/cam: from 1.2.3.4:5, 2 restarts, 4 corrupt units, 5 leaps in time, "
            "6 units that could not be sent, 1 reader, 7 readers too slow for a while",
        ),
    ],
)
def test_lines(figures: LiveStatistics, said: str) -> None:
    assert line(Status(), Path("/cam", figures), 0.0) == said


def test_the_rate_is_that_since_the_last_line() -> None:
    status, path = Status(), Path("/cam", replace(QUIET, by="me", feedings=1, bytes=1_000_000))
    assert line(status, path, 10.0) == "/cam: from me, 0 readers"
    path.figures = replace(path.figures, bytes=3_500_000)
    assert line(status, path, 20.0) == "/cam: from me, 2.00 Mbit/s, 0 readers"
    path.figures = replace(path.figures, bytes=5)
    assert line(status, path, 30.0) == "/cam: from me, 0 readers"
    assert status.lines([], 40.0) == []
    assert line(status, path, 50.0) == "/cam: from me, 0 readers"


def test_what_a_relay_waits_for() -> None:
    figures = RelayStatistics(
        url="rtsp://camera/",
        state="waiting",
        since=0.0,
        attempts=3,
        sessions=1,
        transport="udp",
        error="no way",
    )
    path, relay = Path("/cam", replace(QUIET, feedings=1)), Fetching(figures)
    assert line(Status(), path, 0.0, relay) == "/cam: relay of rtsp://camera/ waiting, no way, 0 readers"
    relay.figures = replace(figures, error="", state="connecting")
    assert line(Status(), path, 0.0, relay) == "/cam: relay of rtsp://camera/ connecting, 0 readers"
    path.figures = replace(QUIET, by="relay of rtsp://camera/", feedings=2)
    assert line(Status(), path, 0.0, relay) == "/cam: from relay of rtsp://camera/, 1 restart, 0 readers"


def test_what_is_recorded() -> None:
    figures = RecordingStatistics(
        seconds=61.4, bytes=2_340_000, segments=2, dropped=0, left_out=0, corrupt=0, spooled=0, error=""
    )
    path = Path("/cam", replace(QUIET, by="me", feedings=1))
    assert line(Status(), path, 0.0, None, figures) == "/cam: from me, 0 readers, 2.3 MB recorded"
    figures = replace(figures, dropped=5, spooled=9_900_000, error="the disk is full")
    assert line(Status(), path, 0.0, None, figures) == (
        "/cam: from me, 0 readers, 2.3 MB recorded, "
        "9.9 MB wait for the disk, 5 units not recorded, the disk is full"
    )
