"""docs/benchmarks.md: what was measured, on what, and what came out; from whatever results there are."""

from __future__ import annotations

from collections.abc import Sequence

from scripts.bench.analysis import ANALYSIS
from scripts.bench.client_report import camera_section, client_section
from scripts.bench.delay_report import beginning_section, delay_section
from scripts.bench.figures import Cost, Line, Verdict, cost_of, figure, line_of, memory_per_reader, select
from scripts.bench.programme import PACED, Result
from scripts.bench.published import PUBLISHED
from scripts.bench.receivers import RECEIVERS
from scripts.bench.rows import GSTREAMER, LIMIT, OURS, ROWS, VIDEO_LIMIT
from scripts.bench.servers import UNTRIED
from scripts.bench.tables import MISSING, number, table

__all__ = ["markdown", "table_row", "unreached"]

PACING_AIM = 0.005
"""Seconds from due within which 99 % of all media leaves."""
MEMORY_AIMS = {"VOD": 40e3, "live": 20e3}
"""Bytes for each reader."""

INTRODUCTION = """\
# Benchmarks

What a gigabyte delivered costs the server, in seconds of processor time, with ours, another server and the kernel
alone in turn on the same machine. `make bench` measures all of this anew and writes this page
(`python -m scripts.bench --render` writes it from the results in build/bench).
"""

METHOD = """\
## How

- **Movies** by scripts/make_movies.py: H.264 1080p25 at 8 Mbit/s; H.264 720p25 at 2 Mbit/s with AAC.
- **Readers** are `reelcast load` on the same machine. They receive without offload, as an ordinary player does, so
  the kernel cuts each batch into its datagrams at the sender's expense; a network card would do that for nothing.
- **Figures**: processor time of the server's process tree (/proc) in the window, divided by the RTP bytes that
  arrived in it. Contenders take turns; each figure is the median of its rounds.
- **Steady state.** A live stream goes on for hours. All live rows are measured on one server of ours, when a reader
  of each stream has watched the movie once; in its first round a movie is read and packetised as it is sent, and
  the line below the table says what that costs. For all other runs, those with a publisher and the file beside it
  included, and for all of gst-rtsp-server, servers start anew: it reads and packetises the movie each time.
- **gst-rtsp-server** as its users run it (scripts/bench/gst_server.py): one pipeline for all of a live stream, one
  for each reader of VOD. Live over TCP it gets 100 readers, 10 a second: faced with many at once it stops
  answering. Where not all readers could join a server, it is started anew and asked once more.
- **The limit** (scripts/bench/limit.c): a bare C loop that sends the same frames, and where the row has audio the
  same audio packets, in packets of the same size: GSO and `sendmmsg`, or one `send` a frame. Its receivers only
  read. No RTSP, no headers to make, no reports, no spreading of keyframes.
- **Pacing** is measured in our server (scripts/bench/paced_server.py), in runs of its own, longer ones, in which
  it has one processor and the readers have the others, for they would be elsewhere: how far from due the kernel
  began to take a player's media, or had taken all of it, whichever is further, early or late.
  The runs of a keyframe, and the parts in which what is much is sent to all readers of a live stream, have due
  times of their own. Live streams are in their first round there.
"""


def markdown(results: Sequence[Result], machine: dict[str, str], plots: Sequence[str]) -> str:
    """The whole page. `plots` are the files in docs/plots that were drawn."""
    parts = [INTRODUCTION, _machine(machine), "## The table\n", _rows(results)]
    of_clients = [name for name in plots if name.startswith("clients")]
    parts += [f"![{name.removesuffix('.svg')}](plots/{name})\n" for name in plots if name not in of_clients]
    sections = [
        section(results)
        for section in (
            _published,
            delay_section,
            beginning_section,
            _setup,
            _memory,
            _pacing,
            _curve,
            _receivers,
        )
    ]
    for text in (*sections, camera_section(results), client_section(results, of_clients)):
        if text:
            parts.append(text)
    return "\n".join([*parts, ANALYSIS, METHOD])


def unreached(results: Sequence[Result]) -> list[str]:
    """The rows that do not meet all their aims, each with what was found."""
    lines = [line_of(row, results) for row in ROWS]
    return [
        f"{line.row.title}, {line.readers:,} readers: {_missed(line)}"
        for line in lines
        if line.reached is False
    ]


def _missed(line: Line) -> str:
    missed = [f"{number(v.found)} (to be {v.aim})" for v in line.verdicts if v.met is False]
    return ", ".join([*missed, *([line.ours.trouble] if line.ours.trouble else [])])


def _machine(machine: dict[str, str]) -> str:
    return "".join(f"- {name}: {value}\n" for name, value in machine.items())


def table_row(line: Line) -> tuple[str, ...]:
    """Of the table: title, readers, the contenders' figures, the ratios, and whether it is reached."""
    ratios = {verdict.aim[-5:]: verdict for verdict in line.verdicts[1:]}
    return (
        line.row.title,
        f"{line.readers:,}",
        _cost(line.ours),
        f"{line.row.to_reach:g}",
        _cost(line.gstreamer),
        _verdict(ratios.get("below")),
        _cost(line.limit),
        _verdict(ratios.get("limit")),
        {True: "yes", False: "**no**", None: MISSING}[line.reached],
    )


def _rows(results: Sequence[Result]) -> str:
    lines = [line_of(row, results) for row in ROWS]
    heads = ("row", "readers", OURS, "to reach", GSTREAMER, "times less", LIMIT, "times the limit", "reached")
    text = "CPU seconds of the server for each GB delivered; in brackets what a ratio has to be.\n\n"
    text += table(heads, map(table_row, lines))
    troubles = [
        f"- {line.row.title}, {name}: {cost.trouble}.\n"
        for line in lines
        for name, cost in ((OURS, line.ours), (GSTREAMER, line.gstreamer), (LIMIT, line.limit))
        if cost.trouble
    ]
    lost = (
        "".join(["\nNot all went well:\n\n", *troubles])
        if troubles
        else "\nNothing was lost in any of them.\n"
    )
    text += lost + f"\nNot measured, for Debian 12 has no packages of them: {', '.join(UNTRIED)}.\n"
    text += _first_round(results)
    for row in ROWS:
        alone = figure(select(results, "rows", row.key, VIDEO_LIMIT), "cpu_s_per_gb")
        if alone is not None:
            text += f"\nThe limit of {row.title}, without the audio's packets: {number(alone)}.\n"
    missed = unreached(results)
    if missed:
        text += "\nNot reached:\n\n" + "".join(f"- {each}.\n" for each in missed)
    return text


def _first_round(results: Sequence[Result]) -> str:
    """What live rows cost before the movie is in memory: those that a publisher's are compared with."""
    costs = [(row.title, cost_of(select(results, "published", row.key, OURS)).cpu) for row in ROWS]
    told = [f"{number(cost)} ({title.removeprefix('live, ')})" for title, cost in costs if cost is not None]
    if not told:
        return ""
    return f"\nLive in the first round of the movie, for who has just started a server: {'; '.join(told)}.\n"


def _cost(cost: Cost) -> str:
    if cost.cpu is None:
        return "failed" if cost.trouble else MISSING
    return number(cost.cpu) + (" (!)" if cost.trouble else "")


def _verdict(verdict: Verdict | None) -> str:
    if verdict is None or verdict.found is None:
        return MISSING
    return f"{number(verdict.found)} ({verdict.aim.partition('×')[0]})"


def _published(results: Sequence[Result]) -> str:
    rows = []
    for row in ROWS:
        runs = [select(results, "published", row.key, name) for name in (OURS, PUBLISHED)]
        if any(runs):
            costs = [cost_of(each) for each in runs]
            more = [cost.cpu for cost in costs if cost.cpu is not None]
            ratio = number(more[1] / more[0]) if len(more) == len(costs) and more[0] else MISSING
            readers = next(run.readers for each in runs for run in each)
            rows.append((row.title, f"{readers:,}", *map(_cost, costs), ratio))
    if not rows:
        return ""
    text = (
        "## With a publisher\n\nThe live rows with ffmpeg sending the movie, over the transport of the readers, in "
        "place of a file\nthat the server reads itself, in the first round of it, for what is published is always "
        "new; in turn, CPU\nseconds of the server for each GB delivered.\n\n"
    )
    return text + table(("row", "readers", "from a file, first round", PUBLISHED, "times"), rows)


def _setup(results: Sequence[Result]) -> str:
    def row(contender: str, key: str, title: str) -> tuple[str, ...] | None:
        runs = select(results, "rows", key, contender)
        p50, p99 = figure(runs, "join_s", "p50"), figure(runs, "join_s", "p99")
        first = figure(runs, "first_packet_s", "p50")
        if p50 is None:
            return None
        return contender, title, f"{runs[0].readers:,}", *(number(value, 1e3) for value in (p50, p99, first))

    asked = [(name, each) for each in ROWS for name in (OURS, GSTREAMER) if name == OURS or not each.gentle]
    rows = [row(name, each.key, each.title) for name, each in asked]
    found = [each for each in rows if each is not None]
    if not found:
        return ""
    heads = ("server", "row", "readers", "median, ms", "99th percentile, ms", "first packet, median, ms")
    return "## Setup latency\n\nConnect to PLAY response, 200 joins a second.\n\n" + table(heads, found)


def _memory(results: Sequence[Result]) -> str:
    """The slope between runs with few and with many readers."""
    rows = []
    for transport in ("udp", "tcp"):
        curve = select(results, "curve", transport, OURS)
        vod = [select(results, "rows", f"vod-{transport}{more}", OURS) for more in ("", "-1000")]
        few = [each for each in curve if each.readers * 10 <= max(run.readers for run in curve)][-1:]
        for kind, pair in (("live", (few, curve[-1:])), ("VOD", (vod[0], vod[1]))):
            slope = memory_per_reader(*pair)
            if slope is not None:
                reached = "yes" if slope <= MEMORY_AIMS[kind] else "**no**"
                between = " to ".join(f"{runs[0].readers:,}" for runs in pair)
                cells = (number(slope, 1e-3), number(MEMORY_AIMS[kind], 1e-3), reached)
                rows.append((f"{kind}, {transport.upper()}", between, *cells))
    if not rows:
        return ""
    heads = ("2 Mbit/s and audio", "readers", "kB a reader", "at most", "reached")
    return "## Memory\n\nResident memory that each reader more takes.\n\n" + table(heads, rows)


def _pacing(results: Sequence[Result]) -> str:
    rows = []
    for case, _, _, _, _ in PACED:
        runs = select(results, "pacing", case, OURS)
        if not runs:
            continue
        settled = [figure(runs, "settled", name) for name in ("p50", "p99", "max", "early")]
        error = settled[1]
        reached = MISSING if error is None else "yes" if error <= PACING_AIM else "**no**"
        figures = [*settled, figure(runs, "pacing", "p99")]
        rows.append((case, f"{runs[0].readers:,}", *(number(value, 1e3) for value in figures), reached))
    if not rows:
        return ""
    points = ("median", "99th percentile", "worst", "early, at most", "99th, with all joining")
    text = "## Pacing\n\nHow far from its time media leaves, late or early, in ms; the medians of three runs.\n\n"
    return text + table(("row", "readers", *points, "within 5 ms"), rows)


def _curve(results: Sequence[Result]) -> str:
    counts = sorted({result.readers for result in results if result.experiment == "curve"})
    if not counts:
        return ""
    rows = []
    for count in counts:
        cells: list[str] = []
        for transport in ("udp", "tcp"):
            runs = [run for run in select(results, "curve", transport, OURS) if run.readers == count]
            lost = figure(runs, "lost")
            cells += [number(figure(runs, "server", name)) for name in ("cpu_s_per_gb", "cores")]
            cells.append(MISSING if lost is None else f"{lost:,.0f}")
        rows.append((f"{count:,}", *cells))
    heads = (
        "readers",
        *(f"{way}, {what}" for way in ("UDP", "TCP") for what in ("CPU s a GB", "cores", "lost")),
    )
    return "## The cost curve\n\nLive, 2 Mbit/s and audio.\n\n" + table(heads, rows)


def _receivers(results: Sequence[Result]) -> str:
    rows = []
    for name in RECEIVERS:
        found = [select(results, "receivers", transport, name) for transport in ("udp", "tcp")]
        if any(found):
            rates = (number(figure(runs, "gb_per_cpu_s")) for runs in found)
            rows.append((name, *rates, number(figure(found[0], "memory"), 1e-6)))
    if not rows:
        return ""
    heads = ("receiver", "UDP, GB a CPU s", "TCP, GB a CPU s", "memory, MB")
    text = "## Receiving\n\nThe 8 Mbit/s stream to access units, not decoded; eight processes of each.\n\n"
    return text + table(heads, rows)
