"""What docs/benchmarks.md says of clients: ours, OpenCV and PyAV side by side, and many cameras in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any, Final

from scripts.bench.clients import AWAY, CLIENTS, DEAD_SECONDS, EVERYBODY, LOSS_PERCENT
from scripts.bench.figures import figure, select
from scripts.bench.programme import Result
from scripts.bench.rows import OURS
from scripts.bench.tables import MISSING, number, table
from scripts.bench.watchers import INTACT, TIMED_PYAV
from scripts.movies.marks import FRAME_RATE
from scripts.movies.scene import FRAMES

__all__ = [
    "STREAMS",
    "camera_section",
    "client_section",
    "cpu_seconds",
    "figures_of",
    "first_frame",
    "headline",
]

STREAMS: Final = {
    "ours-udp": "our server, UDP",
    "ours-tcp": "our server, TCP",
    "gst-tcp": "gst-rtsp-server, TCP",
}
DEAD: Final = {"silent": "a silent camera", "half": "a half-working one"}
MEDIA_SECONDS: Final = 10.0
INTRODUCTION: Final = f"""\
## Clients

reelcast, OpenCV and PyAV watch the same streams, each as its users write it, with the settings that it comes with
and in a process of its own: `python -m scripts.bench --only clients`.

- **Good streams**: live 720p25 at 2 Mbit/s, decoded to BGR arrays. The first frame is the median of three, from the
  call to the array, with all modules loaded; the CPU seconds are those of the client's process.
- **Dead cameras**: a silent one accepts the connection and says nothing, a half-working one answers everything and
  sends no media. Who has not said anything after {DEAD_SECONDS:g} s is cut off.
- **Loss**: of a movie of {FRAMES} frames over UDP, {LOSS_PERCENT:g} % of the packets are lost, the same ones for
  everybody. Each frame that comes is compared with the movie's: the number in it is read, and a PSNR below
  {INTACT:g} dB is torn. reelcast leaves out what it says is corrupt, unless it is asked for, as here.
- **Restart**: the server of a live stream over TCP is killed, and started again {AWAY:g} s later.
"""

Figures = dict[str, Any]


def figures_of(results: Iterable[Result], case: str) -> Figures:
    """What each client did in a case; empty where that was not measured."""
    runs = select(results, "clients", case, EVERYBODY)
    return runs[-1].figures if runs and runs[-1].failure is None else {}


def first_frame(figures: Figures) -> float | None:
    """Seconds from the call to the first frame, the median of all tries."""
    times = figures.get("first_s")
    return median(times) if times else None


def cpu_seconds(figures: Figures) -> float | None:
    """For ten seconds of video: a live stream begins with what was on the air since its last keyframe."""
    frames, cpu = figures.get("frames"), figures.get("cpu_s")
    return cpu / frames * MEDIA_SECONDS * FRAME_RATE if frames and cpu is not None else None


def client_section(results: Sequence[Result], plots: Sequence[str]) -> str:
    """The section, with its plots; empty where there are no results."""
    rows = [*_good_rows(results), *_bad_rows(results)]
    if not rows:
        return ""
    pictures = "".join(f"\n![{name.removesuffix('.svg')}](plots/{name})\n" for name in plots)
    return f"{INTRODUCTION}\n{table(['', *CLIENTS], rows)}{_comparison(results)}{_words(results)}{pictures}"


def _row(title: str, figures: Figures, cell: Callable[[Figures], str]) -> list[str]:
    return [title, *(cell(figures[name]) if name in figures else MISSING for name in CLIENTS)]


def _good_rows(results: Sequence[Result]) -> list[list[str]]:
    rows = []
    for what, measure, scale in (("first frame, ms", first_frame, 1e3), ("CPU s for 10 s", cpu_seconds, 1.0)):
        for case, title in STREAMS.items():

            def cell(each: Figures, measure: _Measure = measure, scale: float = scale) -> str:
                return number(measure(each), scale)

            if figures := figures_of(results, case):
                rows.append(_row(f"{what}: {title}", figures, cell))
    return rows


_Measure = Callable[[Figures], float | None]


def _bad_rows(results: Sequence[Result]) -> list[list[str]]:
    rows = []
    dead = figures_of(results, "dead")
    rows += [
        _row(f"{title}: error after, s", dead[camera], _patience) for camera, title in DEAD.items() if dead
    ]
    if loss := figures_of(results, "loss"):
        titles = {
            "shown": "frames shown",
            "flagged": "of them said to be corrupt",
            "torn": "torn, and not said",
        }
        for key, title in titles.items():

            def cell(each: Figures, key: str = key) -> str:
                return str(each.get(key, MISSING))

            rows.append(_row(f"{LOSS_PERCENT:g} % loss: {title}", loss, cell))
    if restart := figures_of(results, "restart"):
        rows.append(_row("server restarted: next frame after, s", restart, _back))
    return rows


def _patience(figures: Figures) -> str:
    if figures.get("hung"):
        return f"none in {DEAD_SECONDS:g}"
    return number(figures.get("ended_s"))


def _back(figures: Figures) -> str:
    seconds = figures.get("back_s")
    return "never" if seconds is None else number(seconds)


def _comparison(results: Sequence[Result]) -> str:
    """How much more or less decoding costs with ours, over all streams."""
    costs: dict[str, float] = {}
    for name in CLIENTS:
        found = [cpu_seconds(figures_of(results, case).get(name, {})) for case in STREAMS]
        costs[name] = sum(value for value in found if value is not None)
    ratios = [
        f"{costs[OURS] / costs[name]:.2f} times what {name} does" for name in CLIENTS[1:] if costs[name]
    ]
    return f"\nOf CPU time, reelcast takes {' and '.join(ratios)}.\n" if costs[OURS] and ratios else ""


def _words(results: Sequence[Result]) -> str:
    """What the clients said in the end, where something was wrong."""
    dead, restart = figures_of(results, "dead"), figures_of(results, "restart")
    lines = []
    for camera, title in DEAD.items():
        for name, figures in dead.get(camera, {}).items():
            said = figures.get("said")
            if said and (name in CLIENTS or name == TIMED_PYAV):
                lines.append(f"- {title}, {name}, after {_patience(figures)} s: `{_spoken(said)}`\n")
    for name, figures in restart.items():
        if figures.get("back_s") is None and "said" in figures:
            lines.append(f"- the server's restart, {name}: `{_spoken(figures['said'])}`\n")
    return "\nWhat they say:\n\n" + "".join(lines) if lines else ""


def _spoken(said: str) -> str:
    """Without what is of this run alone."""
    return said.replace("`", "'")


def camera_section(results: Sequence[Result]) -> str:
    """Many cameras in one process of ours."""
    rows = []
    for transport in ("udp", "tcp"):
        for run in select(results, "cameras", transport, OURS):
            values = [
                figure([run], name) for name in ("cpu_s", "seconds", "open_s", "bytes", "lost", "dropped")
            ]
            cpu, seconds, opened, octets, lost, dropped = values
            if cpu is None or not seconds or octets is None:
                continue
            cells = (f"{octets * 8e-6 / seconds:,.0f}", f"{cpu / seconds:.2f}", f"{opened or 0:.2g}")
            rows.append(
                [transport.upper(), f"{run.readers}", *cells, f"{lost or 0:,.0f}", f"{dropped or 0:,.0f}"]
            )
    if not rows:
        return ""
    heads = ["", "cameras", "Mbit/s", "cores", "all playing after, s", "packets lost", "units not taken"]
    text = "## Many cameras\n\nOne process reads them all, live 720p25 at 2 Mbit/s with audio, undecoded.\n\n"
    return text + table(heads, rows)


def headline(result: Result) -> str:
    """The figures of a run that say most."""
    if result.experiment == "cameras":
        cores = (figure([result], "cpu_s") or 0) / (figure([result], "seconds") or 1)
        return f"{cores:.2f} cores, {figure([result], 'lost') or 0:.0f} packets lost"
    if result.case == "dead":
        sides = [f"{name} {_patience(each)} s" for name, each in result.figures.get("half", {}).items()]
        return "half-working: " + ", ".join(sides)
    cells: dict[str, Callable[[Figures], str]] = {
        "loss": lambda each: f"{each.get('torn', MISSING)} torn frames unsaid",
        "restart": lambda each: f"back after {_back(each)}",
    }
    cell = cells.get(result.case, _cost)
    return ", ".join(f"{name} {cell(each)}" for name, each in result.figures.items())


def _cost(figures: Figures) -> str:
    return f"{number(cpu_seconds(figures))} CPU s for 10 s"
