"""The pictures of the section on clients: good streams, and bad ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from scripts.bench.client_report import STREAMS, cpu_seconds, figures_of, first_frame
from scripts.bench.clients import CLIENTS, DEAD_SECONDS, LOSS_PERCENT
from scripts.bench.programme import Result
from scripts.bench.rows import OURS
from scripts.bench.watchers import OPENCV, PYAV
from scripts.movies.scene import FRAMES

from reelcast.load.plot import BLUE, FAINT, RED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["client_sheets"]

COLOURS: Final = {OURS: BLUE, OPENCV: RED, PYAV: "#d39b2a"}
GOOD, FLAGGED, TORN = "#3d8b5f", FAINT, RED


def client_sheets(results: Sequence[Result]) -> list[tuple[Figure, str]]:
    """What there are results for, each with the name of its file."""
    from matplotlib.figure import Figure

    sheets = []
    if any(figures_of(results, case) for case in STREAMS):
        sheet = Figure(figsize=(9.0, 2.8), layout="constrained")
        left, right = sheet.subplots(1, 2, sharey=True)
        _dots(left, results, "Milliseconds to the first frame", lambda each: _times(first_frame(each), 1e3))
        _dots(right, results, "CPU seconds for 10 s of 720p25", cpu_seconds)
        right.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        sheets.append((sheet, "clients.svg"))
    dead, loss = figures_of(results, "dead"), figures_of(results, "loss")
    if dead or loss:
        sheet = Figure(figsize=(9.0, 2.8), layout="constrained")
        left, right = sheet.subplots(1, 2)
        _waits(left, dead)
        _losses(right, loss)
        sheets.append((sheet, "clients-in-trouble.svg"))
    return sheets


def _times(value: float | None, scale: float) -> float | None:
    return None if value is None else value * scale


def _dots(
    axes: Axes, results: Sequence[Result], title: str, measure: Callable[[dict[str, Any]], float | None]
) -> None:
    """A dot for each client, a line for each stream."""
    axes.set_title(title)
    cases = [case for case in STREAMS if figures_of(results, case)]
    for place, case in enumerate(cases):
        for name, figures in figures_of(results, case).items():
            value = measure(figures)
            if value is not None and name in COLOURS:
                axes.plot(value, place, "o", color=COLOURS[name], ms=7, alpha=0.9)
    for name in CLIENTS:
        axes.plot([], [], "o", color=COLOURS[name], label=name)
    axes.set_xlim(left=0)
    axes.set_yticks(range(len(cases)), [STREAMS[case] for case in cases])
    axes.set_ylim(len(cases) - 0.5, -0.5)
    axes.grid(axis="x", color=FAINT, alpha=0.25)


def _waits(axes: Axes, dead: dict[str, Any]) -> None:
    """How long each client looks at a camera that is dead; hatched where it never said so."""
    axes.set_title("Seconds until a dead camera is an error")
    places = [
        (camera, name) for camera in ("silent", "half") for name in CLIENTS if name in dead.get(camera, {})
    ]
    for place, (camera, name) in enumerate(places):
        figures = dead[camera][name]
        hung = bool(figures.get("hung"))
        seconds = DEAD_SECONDS if hung else figures.get("ended_s", 0.0)
        axes.barh(
            place,
            seconds,
            0.7,
            color="none" if hung else COLOURS[name],
            edgecolor=COLOURS[name],
            hatch="////" if hung else None,
        )
        axes.annotate(
            "none" if hung else f"{seconds:.0f}",
            (seconds, place),
            (4, 0),
            textcoords="offset points",
            va="center",
        )
    titles = {"silent": "silent", "half": "half-working"}
    axes.set_yticks(range(len(places)), [f"{titles[camera]}, {name}" for camera, name in places])
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.set_xlim(0, DEAD_SECONDS + 5)


def _losses(axes: Axes, loss: dict[str, Any]) -> None:
    """What became of the movie's frames."""
    axes.set_title(f"Frames of {FRAMES}, with {LOSS_PERCENT:g} % of the packets lost")
    names = [name for name in CLIENTS if "shown" in loss.get(name, {})]
    for place, name in enumerate(names):
        shown, flagged, torn = (loss[name][key] for key in ("shown", "flagged", "torn"))
        start = 0
        for count, colour in ((shown - flagged - torn, GOOD), (flagged, FLAGGED), (torn, TORN)):
            axes.barh(place, count, 0.6, left=start, color=colour)
            if count > FRAMES / 20:
                axes.annotate(str(count), (start + count / 2, place), ha="center", va="center", color="white")
            start += count
    for label, colour in (("intact", GOOD), ("said to be corrupt", FLAGGED), ("torn, and not said", TORN)):
        axes.barh([0], [0], color=colour, label=label)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, FRAMES)
    axes.legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.45, -0.1), columnspacing=1.0)
