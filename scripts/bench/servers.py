"""The contenders: servers that are started for one run, and end with it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import which
from typing import Final

from scripts.bench.rows import GSTREAMER, OURS, Stream

from reelcast.errors import ReelcastError

__all__ = [
    "MOVIE_SECONDS",
    "SERVERS",
    "UNTRIED",
    "Movies",
    "Server",
    "Serving",
    "gstreamer",
    "reelcast",
    "running",
    "stop",
]

MOVIE_SECONDS: Final = 20.0
"""The length of the movies that scripts/make_movies.py makes."""
STOP_SECONDS: Final = 10.0
HERE: Final = Path(__file__).parent
SYSTEM_PYTHON: Final = "/usr/bin/python3"
"""Debian's, which has the bindings of GStreamer."""
UNTRIED: Final = ("live555", "ZLMediaKit", "MediaMTX")
"""Servers that Debian 12 has no packages of; the report says that they were not measured."""


@dataclass(frozen=True, slots=True)
class Movies:
    """hd: 8 Mbit/s, 1080p25; sd: 2 Mbit/s, 720p25, with AAC."""

    hd: Path
    sd: Path


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that runs."""

    process: subprocess.Popen[str]
    urls: dict[Stream, str]


@dataclass(frozen=True, slots=True)
class Server:
    """A contender. `missing` says why it cannot be measured here, None where it can."""

    name: str
    start: Callable[[Movies], AbstractContextManager[Serving]]
    missing: Callable[[], str | None]


def stop(process: subprocess.Popen[str]) -> str:
    """End a process as Ctrl-C does, by force where that takes too long; what it had left to say."""
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=STOP_SECONDS)[0] or ""
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0] or ""


@contextmanager
def running(command: Sequence[str | Path], lines: int) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A process, and the lines that it prints when it is ready."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            first = [process.stdout.readline().strip() for _ in range(lines)]
            if not all(first):
                raise ReelcastError(f"{command[0]} has ended instead of serving")
            yield process, first
        finally:
            if process.poll() is None:
                stop(process)


@contextmanager
def reelcast(movies: Movies, program: Sequence[str | Path] = ("-m", "reelcast")) -> Iterator[Serving]:
    """Ours, as `reelcast serve` is."""
    live = ("--live", f"hd={movies.hd}", "--live", f"sd={movies.sd}")
    command = (sys.executable, *program, "serve", movies.sd, *live, "--host", "127.0.0.1", "--port", "0")
    with running(command, 3) as (process, urls):
        by_name = {url.rpartition("/")[2]: url for url in urls}
        yield Serving(process, {"hd": by_name["hd"], "sd": by_name["sd"], "vod": by_name[movies.sd.name]})


@contextmanager
def gstreamer(movies: Movies) -> Iterator[Serving]:
    """gst-rtsp-server: live pipelines shared, VOD a pipeline for each reader."""
    command = (SYSTEM_PYTHON, HERE / "gst_server.py", movies.hd, movies.sd)
    with running(command, 1) as (process, (port,)):
        base = f"rtsp://127.0.0.1:{port}"
        yield Serving(process, {"hd": f"{base}/hd", "sd": f"{base}/sd", "vod": f"{base}/vod"})


@cache
def _gstreamer_missing() -> str | None:
    if which(SYSTEM_PYTHON) is None:
        return f"there is no {SYSTEM_PYTHON}"
    probe = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    done = subprocess.run((SYSTEM_PYTHON, "-c", probe), capture_output=True, check=False)
    return None if done.returncode == 0 else "gir1.2-gst-rtsp-server-1.0 is not installed"


SERVERS: Final = (
    Server(OURS, reelcast, lambda: None),
    Server(GSTREAMER, gstreamer, _gstreamer_missing),
)
