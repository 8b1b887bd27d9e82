"""The benchmark's pure parts: medians and verdicts, the page, the order of runs, the limit's frames."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np
import pytest
from scripts.bench import measure
from scripts.bench.__main__ import main
from scripts.bench.delay_report import beginning_section, delay_section, told
from scripts.bench.delays import TAIL, Delays
from scripts.bench.figures import cost_of, figure, line_of, memory_per_reader, select
from scripts.bench.limit import wire_sizes
from scripts.bench.measure import Figures, Load, lateness, pacing_error
from scripts.bench.programme import (
    EXPERIMENTS,
    Effort,
    Experiment,
    Result,
    Step,
    Store,
    batches_of,
    results_of,
    rows_named,
    steps,
)
from scripts.bench.published import PUBLISHED
from scripts.bench.report import markdown, table_row, unreached
from scripts.bench.rows import GSTREAMER, LIMIT, OURS, ROWS, VIDEO_LIMIT
from scripts.bench.servers import MOVIE_SECONDS, Movies, Server, Serving
from scripts.bench.steady import Steady

from reelcast.errors import ReelcastError

FIRST = ROWS[0]
MACHINE = {"Machine": "one processor"}


def result(
    contender: str,
    cpu: float,
    *,
    case: str = FIRST.key,
    experiment: Experiment = "rows",
    readers: int = 100,
    number: int = 0,
    **more: Any,
) -> Result:
    figures: dict[str, Any] = (
        {"cpu_s_per_gb": cpu} if contender in (LIMIT, VIDEO_LIMIT) else {"server": {"cpu_s_per_gb": cpu}}
    )
    return Result(experiment, case, contender, readers, number, {**figures, **more})


def rows_of(ours: float, gstreamer: float = 4.0, limit: float = 0.8) -> list[Result]:
    return [result(OURS, ours), result(GSTREAMER, gstreamer), result(LIMIT, limit)]


def test_a_figure_is_the_median_of_those_that_have_it() -> None:
    results = [result(OURS, cpu, number=number) for number, cpu in enumerate((3.0, 1.0, 2.0))]
    failed = Result("rows", FIRST.key, OURS, 100, 3, {"failure": "no"})
    assert figure([*results, failed], "server", "cpu_s_per_gb") == 2.0
    assert figure([failed], "server", "cpu_s_per_gb") is None
    assert figure(results, "server") is None
    assert figure(results, "server", "cpu_s_per_gb", "deeper") is None


def test_results_are_selected_by_readers_and_round() -> None:
    results = [result(OURS, 1.0, readers=readers, number=number) for number in (1, 0) for readers in (9, 8)]
    found = select([*results, result(LIMIT, 1.0)], "rows", FIRST.key, OURS)
    assert [(each.readers, each.round) for each in found] == [(8, 0), (8, 1), (9, 0), (9, 1)]


@pytest.mark.parametrize(
    ("figures", "trouble"),
    [
        ({}, ""),
        ({"lost": 0, "silent": 0}, ""),
        ({"lost": 1200, "silent": 2}, "1,200 lost, 2 silent"),
        ({"lost_bytes": 9}, "9 lost bytes"),
        ({"failure": "gone"}, "gone"),
        ({"failed": 3, "failures": {"no answer": 3}}, "3 of 100 readers could not join: no answer"),
    ],
)
def test_what_went_wrong_is_told(figures: dict[str, Any], trouble: str) -> None:
    cost = cost_of([result(OURS, 2.0, **figures)])
    assert (cost.cpu, cost.trouble) == (2.0, trouble)


@pytest.mark.parametrize(
    ("results", "reached", "found"),
    [
        (rows_of(1.0), True, [1.0, 4.0, 1.25]),
        (rows_of(1.01), False, [1.01, 4.0 / 1.01, 1.01 / 0.8]),
        (rows_of(1.0, gstreamer=3.9), False, [1.0, 3.9, 1.25]),
        (rows_of(1.0, limit=0.7), False, [1.0, 4.0, 1.0 / 0.7]),
        (rows_of(1.0)[:2], None, [1.0, 4.0, None]),
        (rows_of(2.0)[:1], False, [2.0, None, None]),
        ([], None, [None, None, None]),
        ([result(OURS, 0.9, lost=1), *rows_of(1.0)[1:]], False, [0.9, 4.0 / 0.9, 0.9 / 0.8]),
    ],
)
def test_a_row_is_reached_where_all_its_aims_are(
    results: list[Result], reached: bool | None, found: list[float | None]
) -> None:
    line = line_of(FIRST, results)
    assert line.reached is reached
    assert [verdict.found for verdict in line.verdicts] == [pytest.approx(value) for value in found]


def test_a_row_may_have_the_limit_of_another() -> None:
    vod = next(row for row in ROWS if row.limit_row)
    line = line_of(vod, [result(LIMIT, 1.5, case=str(vod.limit_row))])
    assert line.limit.cpu == 1.5


def test_each_limit_row_has_a_limit_of_its_own() -> None:
    keys = {row.key: row for row in ROWS}
    assert len(keys) == len(ROWS)
    for row in ROWS:
        assert row.limit_row is None or keys[row.limit_row].limit_row is None


def test_memory_is_the_slope_between_few_and_many() -> None:
    def run(readers: int, resident: int) -> list[Result]:
        return [result(OURS, 1.0, joined=readers) for _ in range(2)] and [
            Result(
                "curve", "tcp", OURS, readers, 0, {"joined": readers, "server": {"rss_after_bytes": resident}}
            )
        ]

    assert memory_per_reader(run(100, 50_000_000), run(1100, 70_000_000)) == 20_000
    assert memory_per_reader(run(100, 50_000_000), run(100, 70_000_000)) is None
    assert memory_per_reader([], run(100, 1)) is None


def test_lateness() -> None:
    assert lateness(np.zeros(0)) is None
    found = lateness(np.arange(101) / 1000)
    assert found == pytest.approx({"sends": 101, "p50": 0.05, "p99": 0.099, "max": 0.1})


def test_early_is_as_wrong_as_late() -> None:
    assert pacing_error(np.zeros(0)) is None
    found = pacing_error(np.arange(-100, 1) / 1000)
    assert found == pytest.approx({"sends": 101, "p50": 0.05, "p99": 0.099, "max": 0.1, "early": 0.1})
    assert pacing_error(np.array([0.001])) == {
        "sends": 1,
        "p50": 0.001,
        "p99": 0.001,
        "max": 0.001,
        "early": 0.0,
    }


def test_a_delay_is_that_from_the_nearest_sending() -> None:
    """Units come again in each round; of two readers of one source, either may have a unit first."""
    delays = Delays([b"one", b"two", b"alike", b"alike"])
    delays.receive("video", b"one", 0.5)  # before the window
    delays.counting = True
    delays.send("video", b"one", 1.0)
    delays.receive("video", b"one", 1.25)
    delays.receive("video", b"one", 20.75)
    delays.send("video", b"one", 21.0)
    delays.receive("audio", b"two", 3.0)  # never sent
    delays.send("video", b"alike", 4.0)
    delays.receive("video", b"alike", 4.5)
    assert delays.found("video").tolist() == [0.25, -0.25]
    assert delays.found("audio").tolist() == []


def test_a_unit_is_known_by_its_end() -> None:
    end = bytes(TAIL)
    delays = Delays([b"as it was" + end])
    delays.counting = True
    delays.send("video", b"as it was" + end, 1.0)
    delays.receive("video", b"parameters, and as it was" + end, 1.5)
    assert delays.found("video").tolist() == [0.5]


def test_delays_are_reached_where_all_of_them_are() -> None:
    def found(late: float) -> dict[str, float]:
        return {"p50": 0.001, "p99": late, "max": 0.02}

    results = [
        Result("delays", "published-sd-udp", OURS, 100, 0, {"video": found(0.009), "audio": found(0.01)}),
        Result("delays", "published-sd-tcp", OURS, 100, 0, {"video": found(0.009), "audio": found(0.011)}),
        Result("delays", "relayed-sd-tcp", OURS, 100, 0, {"failure": "gone"}),
        Result("beginnings", "relayed-0.5", OURS, 1, 0, {"udp": found(0.1), "tcp": {"max": 0.2}}),
        Result("beginnings", "relayed-10", OURS, 1, 0, {"udp": found(0.1)}),
    ]
    page = delay_section(results)
    assert "| published, 2 Mbit/s and audio, UDP | 1 | 9 | 20 | 10 | yes |" in page
    assert "| published, 2 Mbit/s and audio, TCP | 1 | 9 | 20 | 11 | **no** |" in page
    assert "| relayed, 2 Mbit/s and audio, TCP | – | – | – | – | – |" in page
    page = beginning_section(results)
    assert "| relayed | 0.5 | 1 | 20 | – | 200 | **no** |" in page
    assert "| relayed | 10 | 1 | 20 | – | – | yes |" in page
    assert [told(each) for each in results] == ["10 ms", "11 ms", "0 ms", "200 ms", "20 ms"]
    assert delay_section([]) == beginning_section([]) == ""


@pytest.mark.parametrize(
    ("tcp", "sizes"),
    [
        (False, [1438 + 14, 300 + 16]),
        (True, [1438 + 18, 300 + 20]),
    ],
)
def test_a_full_packet_on_the_wire(tcp: bool, sizes: list[int]) -> None:
    assert wire_sizes(1438, [300], tcp=tcp) == sizes
    assert wire_sizes(1439, [], tcp=False) == [1439 + 2 * 14]


def test_the_table_shows_aims_and_troubles() -> None:
    results = [
        result(OURS, 1.234),
        result(GSTREAMER, 12.3, failed=1, failures={"slow": 1}),
        result(LIMIT, 0.8),
    ]
    cells = table_row(line_of(FIRST, results))
    assert cells == (
        "live, 8 Mbit/s, UDP",
        "100",
        "1.23",
        "1",
        "12.3 (!)",
        "9.97 (≥ 4)",
        "0.8",
        "1.54 (≤ 1.3)",
        "**no**",
    )
    assert unreached(results) == [
        "live, 8 Mbit/s, UDP, 100 readers: 1.23 (to be ≤ 1), 1.54 (to be ≤ 1.3× limit)"
    ]


def test_a_page_of_nothing() -> None:
    page = markdown([], MACHINE, [])
    assert "- Machine: one processor\n" in page
    assert "## Pacing" not in page
    assert "Not reached" not in page


def test_a_page_of_everything() -> None:
    join = {"p50": 0.004, "p99": 0.02}
    loaded: dict[str, Any] = {"join_s": join, "first_packet_s": join, "joined": 100, "lost": 0}
    pacing = {"p50": 0.001, "p99": 0.006, "max": 0.01, "early": 0.004}
    results = [
        result(OURS, 1.0, **loaded),
        result(VIDEO_LIMIT, 0.7, case="live-sd-udp"),
        result(OURS, 3.0, case="tcp", experiment="curve", readers=10, **loaded),
        result(OURS, 1.0, case="live-hd-udp", experiment="pacing", settled=pacing, pacing=pacing),
        result(OURS, 2.0, case="live-sd-tcp", experiment="published"),
        result(PUBLISHED, 2.5, case="live-sd-tcp", experiment="published"),
        result(PUBLISHED, 1.0, case="live-hd-tcp", experiment="published", lost=1),
        Result("receivers", "udp", "ffmpeg", 1, 0, {"gb_per_cpu_s": 0.2, "memory": 5e7}),
    ]
    page = markdown(results, MACHINE, ["cost-by-row.svg"])
    assert "| reelcast | live, 8 Mbit/s, UDP | 100 | 4 | 20 | 4 |" in page
    assert "| live-hd-udp | 100 | 1 | 6 | 10 | 4 | 6 | **no** |" in page
    assert "| 10 | – | – | – | 3 | – | 0 |" in page
    assert "| live, 2 Mbit/s and audio, TCP | 100 | 2 | 2.5 | 1.25 |" in page
    assert "| live, 8 Mbit/s, TCP | 100 | – | 1 (!) | – |" in page
    assert "| ffmpeg | 0.2 | – | 50 |" in page
    assert "](plots/cost-by-row.svg)" in page
    assert "without the audio's packets: 0.7." in page
    assert "for who has just started a server: 2 (2 Mbit/s and audio, TCP).\n" in page
    assert "Nothing was lost" in page


def test_results_come_back_from_their_files(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    ours, limit = result(OURS, 1.0), result(LIMIT, 0.8, case="live-sd-udp")
    store.save(ours)
    store.save(limit)
    assert store.load() == [ours, limit]
    store.clear("rows", FIRST.key)
    assert store.load() == [limit]
    store.clear("rows")
    assert store.load() == []


def test_contenders_take_turns_within_a_round(tmp_path: Path) -> None:
    movies = Movies(tmp_path / "hd.mp4", tmp_path / "sd.mp4")
    found = [
        (step.contender, step.round)
        for step in steps(
            "rows", rows_named([FIRST.key]), movies, tmp_path / "limit", Effort(rounds=2), ExitStack()
        )
        if step.contender != GSTREAMER  # which may be missing here
    ]
    assert found == [(OURS, 0), (LIMIT, 0), (OURS, 1), (LIMIT, 1)]


def test_a_publisher_is_measured_beside_the_file(tmp_path: Path) -> None:
    """In all live rows."""
    movies = Movies(tmp_path / "hd.mp4", tmp_path / "sd.mp4")
    found = [
        (step.case, step.contender)
        for step in steps("published", list(ROWS), movies, None, Effort(rounds=2), ExitStack())
        if step.contender != PUBLISHED  # which may be missing here
    ]
    assert found == [(row.key, OURS) for row in ROWS if row.stream != "vod"]


def test_a_peer_may_be_asked_gently(tmp_path: Path) -> None:
    movies = Movies(tmp_path / "hd.mp4", tmp_path / "sd.mp4")
    readers = {
        (step.case, step.contender): step.readers
        for step in steps("rows", list(ROWS), movies, tmp_path / "limit", Effort(rounds=1), ExitStack())
    }
    assert readers["live-sd-tcp", OURS] == readers["live-sd-tcp", LIMIT] == 500
    assert readers.get(("live-sd-tcp", GSTREAMER), 100) == 100


def test_a_quick_run_has_fewer_readers(tmp_path: Path) -> None:
    movies = Movies(tmp_path / "hd.mp4", tmp_path / "sd.mp4")
    effort = Effort(rounds=1, seconds=1.0, fraction=10)
    everything = [
        step for each in EXPERIMENTS for step in steps(each, list(ROWS), movies, None, effort, ExitStack())
    ]
    assert max(step.readers for step in everything) == 200
    assert {step.experiment for step in everything} == set(EXPERIMENTS)
    assert all(step.contender not in (LIMIT, VIDEO_LIMIT) for step in everything)


def test_there_is_nothing_to_write_about(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no results"):
        main(["--render", "--results", str(tmp_path / "results"), "--docs", str(tmp_path / "docs")])
    assert not (tmp_path / "docs").exists()


def test_the_page_is_made_anew_from_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results, docs = tmp_path / "results", tmp_path / "docs"
    store = Store(results)
    for each in rows_of(1.0):
        store.save(each)
    store.save(result(OURS, 2.0, case="udp", experiment="curve", readers=10))
    (results / "machine.txt").write_text("Machine: one: and only\n")
    main(["--render", "--results", str(results), "--docs", str(docs)])
    first = (docs / "plots" / "cost-by-row.svg").read_bytes()
    main(["--render", "--results", str(results), "--docs", str(docs)])
    assert (docs / "plots" / "cost-by-row.svg").read_bytes() == first
    assert (docs / "plots" / "cost-curve.svg").exists()
    page = (docs / "benchmarks.md").read_text()
    assert "- Machine: one: and only\n" in page
    assert "| live, 8 Mbit/s, UDP | 100 | 1 | 1 | 4 | 4 (≥ 4) | 0.8 | 1.25 (≤ 1.3) | yes |" in page
    assert "written" in capsys.readouterr().out


def test_a_server_that_not_all_can_join_is_asked_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Figures] = [{"failed": 1}, {"failed": 0}, {"failed": 2}, {"failed": 3}]
    monkeypatch.setattr(measure, "run_load", lambda *_: asked.pop(0))
    serving = Serving(cast("subprocess.Popen[str]", None), {})
    server = Server("idle", lambda _: nullcontext(serving), lambda: None)
    movies, load = Movies(tmp_path, tmp_path), Load("hd", "udp", 1, 1, 1.0)
    found = [measure.measure_server(server, movies, load) for _ in range(2)]
    assert found == [{"failed": 0}, {"failed": 3}]
    assert not asked


def test_steps_that_mostly_wait_run_beside_each_other() -> None:
    together = threading.Barrier(2)

    def alone() -> Figures:
        return {"thread": threading.get_ident()}

    def waiting() -> Figures:
        together.wait(10)
        return alone()

    made = [
        Step("clients", case, OURS, 1, 0, waiting if waits else alone, waits)
        for case, waits in (("a", False), ("b", False), ("c", True), ("d", True))
    ]
    batches = list(batches_of(made))
    assert [[step.case for step in batch] for batch in batches] == [["a"], ["b"], ["c", "d"]]
    results = [result for batch in batches for result in results_of(batch)]
    assert [result.case for result in results] == ["a", "b", "c", "d"]
    assert results[0].figures == alone()


def test_a_steady_server_has_played_its_movies_before_it_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[Load] = []
    ended: list[bool] = []

    @contextmanager
    def serve(_: Movies) -> Iterator[Serving]:
        yield Serving(cast("subprocess.Popen[str]", None), {})
        ended.append(True)

    def note(_: Serving, load: Load) -> Figures:
        loads.append(load)
        return {}

    monkeypatch.setattr("scripts.bench.steady.reelcast", serve)
    monkeypatch.setattr("scripts.bench.steady.run_load", note)
    asked = Load("sd", "tcp", 500, 2, 5.0)
    with ExitStack() as stack:
        server = Steady(Movies(tmp_path, tmp_path), stack)
        assert [server.measure(asked), server.measure(asked)] == [{}, {}]
        assert not ended
    assert ended == [True]
    assert sorted((each.stream, each.readers, each.duration) for each in loads[:2]) == [
        ("hd", 1, MOVIE_SECONDS),
        ("sd", 1, MOVIE_SECONDS),
    ]
    assert loads[2:] == [asked, asked]


def test_a_steady_server_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(_: Movies) -> NoReturn:
        raise ReelcastError("no room")

    monkeypatch.setattr("scripts.bench.steady.reelcast", serve)
    with ExitStack() as stack:
        server = Steady(Movies(tmp_path, tmp_path), stack)
        assert server.measure(Load("hd", "udp", 1, 1, 1.0)) == {"failure": "no room"}
