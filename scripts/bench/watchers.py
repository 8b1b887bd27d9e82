"""One program that watches a stream, as the users of its library write it; a process of its own.

usage: watchers.py LIBRARY TASK URL TRANSPORT SECONDS [MOVIE]

LIBRARY is a name in LIBRARIES, TASK one in TASKS; TRANSPORT is udp, tcp, or default for what the library does by
itself. Prints "ready" with the first frame, and its figures as JSON in the last line. SECONDS bound the task from
outside of the library: what hangs is cut off then, and said to have hung.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Generator
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np
from numpy.typing import NDArray
from scripts.movies.marks import read_mark

if TYPE_CHECKING:
    from reelcast.client.stream import Transport

__all__ = [
    "DEFAULT",
    "INTACT",
    "LIBRARIES",
    "OPENCV",
    "PYAV",
    "TASKS",
    "TIMED_PYAV",
    "Image",
    "Watch",
    "judge",
    "main",
]

OPENCV: Final = "OpenCV"
PYAV: Final = "PyAV"
TIMED_PYAV: Final = "PyAV, timeout=5"
DEFAULT: Final = "default"
TRIES: Final = 3
"""Times that a stream is opened for the time to its first frame."""
INTACT: Final = 32.0
"""Decibels of PSNR below which a picture is not that of the movie; intact ones have far more."""
MAX_SAID: Final = 160

Image = NDArray[Any]
"""Height x width x 3, BGR."""
Frames = Generator[tuple[Image, bool], None, None]
"""Every frame, and whether the library says that it is corrupt."""


def _ours(url: str, transport: str) -> Frames:
    import reelcast

    way: Transport = "udp" if transport == "udp" else "tcp" if transport == "tcp" else "auto"
    with reelcast.open(url, transport=way) as stream:
        for frame in stream.frames(every=True, corrupt="flag"):
            yield frame.to_ndarray("bgr24"), frame.corrupt


def _opencv(url: str, transport: str) -> Frames:
    if transport != DEFAULT:
        os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = f"rtsp_transport;{transport}"
    cv2: Any = import_module("cv2")
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise EOFError("isOpened() is False")
    try:
        while True:
            success, image = capture.read()
            if not success:
                raise EOFError("read() returns False")
            yield image, False
    finally:
        capture.release()


def _pyav(url: str, transport: str, timeout: float | None = None) -> Frames:
    options = {} if transport == DEFAULT else {"rtsp_transport": transport}
    with av.open(url, options=options, timeout=timeout) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="bgr24"), frame.is_corrupt


def _timed_pyav(url: str, transport: str) -> Frames:
    return _pyav(url, transport, 5.0)


LIBRARIES: Final[dict[str, Callable[[str, str], Frames]]] = {
    "reelcast": _ours,
    OPENCV: _opencv,
    PYAV: _pyav,
    TIMED_PYAV: _timed_pyav,
}


class Watch:
    """One task. What it has found so far is read from outside where it hangs.

    open      opens the stream anew
    seconds   that the task may take
    figures   what it has found
    shots     the green of pictures, and whether they were said to be corrupt
    """

    def __init__(self, open: Callable[[], Frames], seconds: float) -> None:
        self.open = open
        self.seconds = seconds
        self.figures: dict[str, Any] = {}
        self.shots: list[tuple[Image, bool]] = []

    def run(self, task: Callable[[Watch], None]) -> dict[str, Any]:
        """Do it in a thread, for no longer than it may take; `said` is the library's last word."""
        begun = time.monotonic()

        def work() -> None:
            try:
                task(self)
                said = "the end"
            except EOFError as end:
                said = str(end)
            except Exception as error:
                said = f"{type(error).__name__}: {error}"[:MAX_SAID]
            self.figures |= {"said": said, "ended_s": time.monotonic() - begun}

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(self.seconds)
        return {**self.figures, "hung": thread.is_alive()}

    def first(self) -> Frames:
        """The stream, when its first frame has come; how long that took is noted."""
        begun = time.monotonic()
        frames = self.open()
        next(frames)
        self.figures.setdefault("first_s", []).append(time.monotonic() - begun)
        print("ready", flush=True)
        return frames


def speed(watch: Watch) -> None:
    """Open it some times; of the last one, count frames and CPU seconds in a third of the time that there is."""
    for _ in range(TRIES - 1):
        watch.first().close()
    frames = watch.first()
    cpu, begun, count = time.process_time(), time.monotonic(), 0
    while time.monotonic() - begun < watch.seconds / 3:
        next(frames)
        count += 1
    watch.figures |= {"frames": count, "cpu_s": time.process_time() - cpu}
    frames.close()


def wait(watch: Watch) -> None:
    """Watch a camera that sends nothing."""
    watch.first()


def collect(watch: Watch) -> None:
    """Keep what every frame shows, to be looked at when all have come."""
    watch.shots.extend((image[:, :, 1].copy(), corrupt) for image, corrupt in watch.open())


def survive(watch: Watch) -> None:
    """When each frame came, on the clock that all processes of the machine share."""
    moments: list[float] = []
    watch.figures["moments"] = moments
    moments.extend(time.monotonic() for _ in watch.first())


TASKS: Final[dict[str, Callable[[Watch], None]]] = {
    "speed": speed,
    "wait": wait,
    "collect": collect,
    "survive": survive,
}


def judge(shots: list[tuple[Image, bool]], originals: list[Image]) -> dict[str, int]:
    """How many pictures came, how many were said to be corrupt, and how many torn ones were not."""
    torn = sum(not corrupt and not _is_intact(image, originals) for image, corrupt in shots)
    return {"shown": len(shots), "flagged": sum(corrupt for _, corrupt in shots), "torn": torn}


def _is_intact(image: Image, originals: list[Image]) -> bool:
    """Whether a picture is that of the movie whose number is in it."""
    number = read_mark(image)
    if number is None or number >= len(originals):
        return False
    error = float(np.square(image.astype(np.float64) - originals[number]).mean())
    return error == 0 or 10 * np.log10(255**2 / error) >= INTACT


def main(library: str, task: str, url: str, transport: str, seconds: str, movie: str = "") -> None:
    # What a library loads when it is first used is no part of any time.
    import_module("cv2" if library == OPENCV else "reelcast.client.sync")
    import_module("reelcast.client.decoding")
    watch = Watch(lambda: LIBRARIES[library](url, transport), float(seconds))
    figures = watch.run(TASKS[task])
    if movie:
        originals = [image[:, :, 1] for image, _ in _pyav(movie, DEFAULT)]
        figures |= judge(list(watch.shots), originals)
    print(json.dumps(figures), flush=True)
    # A thread that hangs in a library would keep the process from ending.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
