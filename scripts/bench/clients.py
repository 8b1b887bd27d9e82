"""Clients side by side: reelcast, OpenCV and PyAV on the same streams, good ones and bad ones.

Each watches in a process of its own (see `watchers`), and all are given the same time. Where a run is mostly
waiting they run beside each other, else in turn.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from scripts.bench import cameras, lossy_server, watchers
from scripts.bench.dead_cameras import half_working, silent
from scripts.bench.measure import Figures
from scripts.bench.rows import OURS, Transport
from scripts.bench.servers import Movies, Serving, gstreamer, reelcast, running
from scripts.bench.watchers import DEFAULT, OPENCV, PYAV, TIMED_PYAV
from scripts.make_movies import ROOT, make

from reelcast.errors import ReelcastError

__all__ = [
    "AWAY",
    "CAMERAS",
    "CLIENTS",
    "CLIENT_CASES",
    "DEAD_SECONDS",
    "EVERYBODY",
    "LOSS_PERCENT",
    "WAITING_CASES",
    "install_opencv",
    "measure_cameras",
    "measure_clients",
    "opencv_version",
]

OPENCV_FOLDER: Final = ROOT / "build" / "bench" / "opencv"
CLIENTS: Final = (OURS, OPENCV, PYAV)
EVERYBODY: Final = "everybody"
"""The contender of a run that all clients take part in; its figures are by their names."""
WAITING_CASES: Final = ("dead", "loss", "restart")
"""In these, what clients compute is not measured."""
CLIENT_CASES: Final = ("ours-udp", "ours-tcp", "gst-tcp", *WAITING_CASES)
CAMERAS: Final = 64
DEAD_SECONDS: Final = 35.0
"""That a client may look at a dead camera: OpenCV gives up after 30."""
LOSS_PERCENT: Final = 2.0
LOSS_SECONDS: Final = 26.0
"""The movie of 20 s, and the time to see that it is over."""
BEFORE, AWAY, AFTER = 3.0, 2.0, 10.0
"""Seconds of a server's restart: until it is killed, without it, and with it again."""
SPARE: Final = 20.0
"""Seconds that a process may take beyond its task: starting, and looking at what it has collected."""

Process = subprocess.Popen[str]
_Measure = Callable[[Movies, float], Figures]
"""Takes the seconds of a window."""


def install_opencv() -> str | None:
    """OpenCV in a folder of its own, for it is no dependency of ours; why it is missing, None where it is there."""
    if (OPENCV_FOLDER / "cv2").is_dir():
        return None
    command = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", OPENCV_FOLDER)
    done = subprocess.run(
        (*command, "opencv-python-headless"), capture_output=True, text=True, check=False, timeout=300
    )
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["pip has failed"])[-1]


def opencv_version() -> str:
    """Of the one in that folder."""
    found = OPENCV_FOLDER.glob("opencv_python_headless-*.dist-info")
    return next((path.stem.partition("-")[2] for path in found), "missing")


def measure_clients(case: str, movies: Movies, seconds: float) -> Figures:
    """What each client does in a case; {"failure": why} where there is nothing."""
    try:
        return _MEASURES[case](movies, seconds)
    except ReelcastError as error:
        return {"failure": str(error)}


def measure_cameras(movies: Movies, transport: Transport, count: int, seconds: float) -> Figures:
    """One process of ours with so many readers of a live stream."""
    try:
        with reelcast(movies) as serving:
            command = (
                sys.executable,
                cameras.__file__,
                serving.urls["sd"],
                transport,
                str(count),
                str(seconds),
            )
            return _result(_start(command), seconds + 3 * SPARE)
    except ReelcastError as error:
        return {"failure": str(error)}


def _speed(start: Callable[[Movies], AbstractContextManager[Serving]], transport: Transport) -> _Measure:
    def measure(movies: Movies, seconds: float) -> Figures:
        with start(movies) as serving:
            return {
                name: _watch([name], "speed", serving.urls["sd"], transport, 3 * seconds)[name]
                for name in _present()
            }

    return measure


def _dead(movies: Movies, seconds: float) -> Figures:
    """A silent camera and one that half works, by their names."""
    names = [*_present(), TIMED_PYAV]
    with silent() as quiet, half_working() as half:
        watching = {
            camera: _begin(names, "wait", url, DEFAULT, DEAD_SECONDS)
            for camera, url in (("silent", quiet), ("half", half))
        }
        return {camera: _results(processes, DEAD_SECONDS) for camera, processes in watching.items()}


def _loss(movies: Movies, seconds: float) -> Figures:
    movie = make("movie.mp4", movies.sd.parent)
    with _serve(movie, program=(lossy_server.__file__, str(LOSS_PERCENT))) as (_, url):
        return _watch(_present(), "collect", url, "udp", LOSS_SECONDS, movie)


def _restart(movies: Movies, seconds: float) -> Figures:
    """A live stream whose server is killed; how long after its return the next frame comes."""
    live = ("--live", f"live={movies.sd}")
    with _serve(*live) as (process, url):
        limit = BEFORE + AWAY + AFTER
        watching = _begin(_present(), "survive", url, "tcp", limit)
        for each in watching.values():
            assert each.stdout is not None
            each.stdout.readline()
        time.sleep(BEFORE)
        process.kill()
        process.wait()
        killed = time.monotonic()
        time.sleep(AWAY)
    with _serve(*live, port=url.rpartition(":")[2].partition("/")[0]):
        back = time.monotonic()
        found = _results(watching, limit)
    for figures in found.values():
        moments = figures.pop("moments", [])
        figures["before"] = sum(moment < killed for moment in moments)
        figures["back_s"] = min((moment - back for moment in moments if moment >= back), default=None)
    return found


_MEASURES: Final[dict[str, _Measure]] = {
    "ours-udp": _speed(reelcast, "udp"),
    "ours-tcp": _speed(reelcast, "tcp"),
    "gst-tcp": _speed(gstreamer, "tcp"),
    "dead": _dead,
    "loss": _loss,
    "restart": _restart,
}


def _present() -> list[str]:
    return [name for name in CLIENTS if name != OPENCV or (OPENCV_FOLDER / "cv2").is_dir()]


@contextmanager
def _serve(
    *what: str | Path, program: Iterable[str] = ("-m", "reelcast"), port: str = "0"
) -> Iterator[tuple[Process, str]]:
    command = (sys.executable, *program, "serve", *what, "--host", "127.0.0.1", "--port", port)
    with running(command, 1) as (process, (url,)):
        yield process, url


def _watch(
    names: Iterable[str], task: str, url: str, transport: str, seconds: float, movie: Path | None = None
) -> Figures:
    """What some clients find, all at once."""
    return _results(_begin(names, task, url, transport, seconds, movie), seconds)


def _begin(
    names: Iterable[str], task: str, url: str, transport: str, seconds: float, movie: Path | None = None
) -> dict[str, Process]:
    more = () if movie is None else (str(movie),)
    words = (task, url, transport, str(seconds), *more)
    return {name: _start((sys.executable, watchers.__file__, name, *words)) for name in names}


def _results(processes: dict[str, Process], seconds: float) -> Figures:
    return {name: _result(process, seconds + SPARE) for name, process in processes.items()}


def _start(command: Iterable[str]) -> Process:
    paths = (str(ROOT), str(OPENCV_FOLDER), os.environ.get("PYTHONPATH", ""))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OPENCV_LOG_LEVEL": "SILENT"}
    return subprocess.Popen(
        tuple(command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )


def _result(process: Process, seconds: float) -> Figures:
    """What it printed last; it is killed where even that does not come."""
    try:
        output = process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return {"hung": True, "failure": "it kept its process from ending"}
    try:
        figures: Figures = json.loads(output.splitlines()[-1])
    except (IndexError, ValueError):
        return {"failure": "it ended without a word"}
    return figures
