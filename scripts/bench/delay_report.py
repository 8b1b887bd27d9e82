"""The page's sections on delays: from a publisher to a crowd of readers, and to a reader's first picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scripts.bench.beginnings import INTERVALS
from scripts.bench.delays import DELAY_CASES
from scripts.bench.figures import figure, select
from scripts.bench.programme import Experiment, Result
from scripts.bench.rows import OURS, Stream
from scripts.bench.stations import WAYS
from scripts.bench.tables import MISSING, number, table

__all__ = ["DELAYED", "beginning_section", "delay_section", "told"]

DELAY_AIM: Final = 0.010
"""Seconds from the publisher to its readers at most, at the 99th percentile."""
BEGINNING_AIM: Final = 0.150
"""Seconds to the first picture, of every reader."""
DELAYED: Final[tuple[Experiment, ...]] = ("delays", "beginnings")
_MOVIES: Final[dict[Stream, str]] = {"hd": "8 Mbit/s and audio", "sd": "2 Mbit/s and audio", "vod": ""}
_POINTS: Final = ("p50", "p99", "max")

_DELAYS: Final = """\
## Delay

From what publishes to what reads, until the last byte of a picture is there, with 100 readers, in ms. What is
relayed counts from when another reader of the relay's source has it. Nothing is spread by the publisher; a
keyframe of the 8 Mbit/s stream over UDP keeps the kernel busy for 15 ms by itself, until all readers have it.

"""
_BEGINNINGS: Final = """\
## First picture

From connecting to the first decoded picture, whenever a reader comes between two keyframes, in ms: the server has
kept what came since the last one, and the reader decodes its way to the present.

"""


def told(result: Result) -> str:
    """The one figure of a run that says most: the longest delay that counts."""
    keys, point = (("video", "audio"), "p99") if result.experiment == "delays" else (("udp", "tcp"), "max")
    worst = max((figure([result], key, point) or 0.0 for key in keys), default=0.0)
    return f"{number(worst, 1e3)} ms"


def delay_section(results: Sequence[Result]) -> str:
    """From publishers to readers; nothing where that was not measured."""
    rows = []
    for way, stream, transport in DELAY_CASES:
        runs = select(results, "delays", f"{way}-{stream}-{transport}", OURS)
        if runs:
            pictures = [figure(runs, "video", point) for point in _POINTS]
            sound = figure(runs, "audio", "p99")
            late = [each for each in (pictures[1], sound) if each is not None]
            title = f"{way}, {_MOVIES[stream]}, {transport.upper()}"
            figures = (number(value, 1e3) for value in (*pictures, sound))
            rows.append((title, *figures, _reached(late, DELAY_AIM)))
    heads = ("stream", "pictures, median", "99th percentile", "worst", "sound, 99th", "within 10 ms")
    return _DELAYS + table(heads, rows) if rows else ""


def beginning_section(results: Sequence[Result]) -> str:
    """First pictures; nothing where that was not measured."""
    rows = []
    for way in WAYS:
        for interval in INTERVALS:
            runs = select(results, "beginnings", f"{way}-{interval:g}", OURS)
            if runs:
                points = [figure(runs, each, point) for each in ("udp", "tcp") for point in ("p50", "max")]
                worst = [value for value in points if value is not None]
                cells = (*(number(value, 1e3) for value in points), _reached(worst, BEGINNING_AIM))
                rows.append((way, f"{interval:g}", *cells))
    heads = ("stream", "keyframes every, s", "UDP, median", "worst", "TCP, median", "worst", "within 150 ms")
    return _BEGINNINGS + table(heads, rows) if rows else ""


def _reached(values: Sequence[float], aim: float) -> str:
    return MISSING if not values else "yes" if max(values) <= aim else "**no**"
