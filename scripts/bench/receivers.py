"""What receiving costs: a handful of receivers of a live stream, without decoding, each a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from shutil import which
from typing import Final

from scripts.bench.measure import Figures
from scripts.bench.rows import OURS, Transport
from scripts.bench.servers import MOVIE_SECONDS, Movies, reelcast, stop

from reelcast.errors import ReelcastError
from reelcast.load.process import usage_of

__all__ = ["RECEIVERS", "measure_receiver"]

PROCESSES: Final = 8
WARM_UP: Final = 9.0
"""Seconds in which all of them start and find their stream: eight interpreters load their libraries at once."""


def _ours(url: str, transport: Transport) -> list[str]:
    return [sys.executable, "-m", "reelcast", "play", "--headless", url, "--transport", transport, "--quiet"]


def _ffmpeg(url: str, transport: Transport) -> list[str]:
    head = ["ffmpeg", "-nostdin", "-loglevel", "quiet", "-rtsp_transport", transport]
    return [*head, "-i", url, "-map", "0", "-c", "copy", "-f", "null", "-"]


def _gstreamer(url: str, transport: Transport) -> list[str]:
    video = ["s.", "!", "application/x-rtp,media=video", "!", "rtph264depay", "!", "fakesink"]
    audio = ["s.", "!", "application/x-rtp,media=audio", "!", "rtpmp4gdepay", "!", "fakesink"]
    return [
        "gst-launch-1.0",
        "-q",
        "rtspsrc",
        f"location={url}",
        f"protocols={transport}",
        "name=s",
        *video,
        *audio,
    ]


RECEIVERS: Final[dict[str, Callable[[str, Transport], list[str]]]] = {
    OURS: _ours,
    "ffmpeg": _ffmpeg,
    "GStreamer": _gstreamer,
}
"""Each assembles access units and throws them away."""


def measure_receiver(name: str, movies: Movies, transport: Transport, seconds: float) -> Figures:
    """CPU seconds of all its processes together over the window, and GB of media received for each.

    The bytes are those of the movie, which come at its own pace: a receiver that ends or stalls is a failure.
    """
    size = movies.hd.stat().st_size
    try:
        with reelcast(movies) as serving, ExitStack() as stack:
            command = RECEIVERS[name](serving.urls["hd"], transport)
            if which(command[0]) is None:
                return {"failure": f"{command[0]} is not installed"}
            processes = [_start(command, stack) for _ in range(PROCESSES)]
            time.sleep(WARM_UP)
            before, begun = [usage_of(process.pid) for process in processes], time.monotonic()
            time.sleep(seconds)
            after, elapsed = [usage_of(process.pid) for process in processes], time.monotonic() - begun
            ended = sum(process.poll() is not None for process in processes)
    except ReelcastError as error:
        return {"failure": str(error)}
    if ended:
        return {"failure": f"{ended} of {PROCESSES} processes ended"}
    cpu = sum(usage.cpu for usage in after) - sum(usage.cpu for usage in before)
    received = PROCESSES * size * elapsed / MOVIE_SECONDS
    return {
        "cpu_s": cpu,
        "bytes": received,
        "gb_per_cpu_s": received / 1e9 / cpu if cpu else None,
        "memory": sum(usage.memory for usage in after) / PROCESSES,
    }


def _start(command: list[str], stack: ExitStack) -> subprocess.Popen[str]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
    stack.callback(stop, process)
    return process
