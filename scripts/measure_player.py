"""Measure the player without a screen: `python scripts/measure_player.py [SECONDS]`.

Sight and sound: when the flash of the sample movie was painted, and when its beep was to be heard. Cost:
processor time for 1280 x 720 at 25 pictures a second, painted pixel by pixel; then with all panels open.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from subprocess import PIPE, Popen
from typing import Final

os.environ["QT_QPA_PLATFORM"] = "offscreen"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QApplication
from scripts.make_movies import ROOT, make
from scripts.movies.marks import FRAME_RATE, beep_starts, flash_on, read_mark

from reelcast.media.decode import Picture
from reelcast.player.application import connect_source
from reelcast.player.playout import Samples
from reelcast.player.sound import NullDevice
from reelcast.player.source import Source
from reelcast.player.status import Phase
from reelcast.player.theme import DARK
from reelcast.player.window import Window

RATE: Final = 48_000
MOVIES: Final = ROOT / "build" / "movies"


@contextmanager
def served(movie: str) -> Iterator[str]:
    """A server in a process of its own; the movie's URL."""
    command = [sys.executable, "-m", "reelcast", "serve", str(make(movie, MOVIES))]
    with Popen([*command, "--host", "127.0.0.1", "--port", "0"], stdout=PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


class Watch(QObject):
    """Remembers what was painted and heard, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.painted: list[tuple[float, Picture]] = []
        self.heard: list[tuple[float, Samples]] = []
        self.window = Window(connect_source, NullDevice(self._hear), theme=DARK)
        self.window.picture.installEventFilter(self)

    def _hear(self, when: float, samples: Samples) -> None:
        self.heard.append((when, samples))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        picture = self.window.picture.picture
        before = self.painted[-1][1] if self.painted else None
        if event.type() is QEvent.Type.Paint and picture is not None and picture is not before:
            self.painted.append((time.monotonic(), picture))
        return False


def run_until(condition: Callable[[], bool]) -> None:
    while not condition():
        QApplication.processEvents()
        time.sleep(0.001)


def play(watch: Watch, url: str, seconds: float) -> None:
    """Play for some time."""
    watch.window.show()
    watch.window.load(Source(url), play=True)
    run_until(lambda: watch.window.engine.status.phase is Phase.PLAYING)
    end = time.monotonic() + seconds
    run_until(lambda: time.monotonic() >= end)


def sync(seconds: float) -> None:
    """Print how far the beeps were behind the flashes."""
    watch = Watch()
    with served("movie.mp4") as url:
        play(watch, url, seconds)
        counts = watch.window.engine.playout.counts
        watch.window.close()
    flashes = [at for at, picture in watch.painted if _begins_flash(picture)]
    beeps = heard_beeps(watch.heard)
    offsets = [
        1000 * (nearest - at) for at in flashes if abs((nearest := min(beeps, key=_from(at))) - at) < 0.5
    ]
    print(f"{len(offsets)} flashes, beep behind flash: median {median(offsets):+.1f} ms, ", end="")
    print(f"from {min(offsets):+.1f} to {max(offsets):+.1f} ms; {counts}")


def _from(at: float) -> Callable[[float], float]:
    return lambda beep: abs(beep - at)


def _begins_flash(picture: Picture) -> bool:
    pixels = picture.to_ndarray("rgb24")
    return flash_on(pixels) and (read_mark(pixels) or 1) % FRAME_RATE == 0


def heard_beeps(heard: list[tuple[float, Samples]]) -> list[float]:
    """When each beep began to be heard."""
    signal = np.concatenate([samples[:, 0] for _, samples in heard])
    begins = np.cumsum([0, *(len(samples) for _, samples in heard)])
    found = []
    for start in beep_starts(signal, RATE):
        sample = round(start * RATE)
        block = int(np.searchsorted(begins, sample, side="right")) - 1
        found.append(heard[block][0] + (sample - begins[block]) / RATE)
    return found


def cost(seconds: float, *, panels: bool) -> None:
    """Print what playing costs."""
    watch = Watch()
    window = watch.window
    window.resize(1280 + (380 if panels else 0), 720 + 160 + (220 if panels else 0))
    for button in window.controls.panels.values():
        button.setChecked(panels)
    with served("bench-720p.mp4") as url:
        play(watch, url, 1.0)
        size = window.picture.width(), window.picture.height()
        before, since = time.process_time(), time.monotonic()
        end = since + seconds
        window._tick_timer.start(0)
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.004)
        used = (time.process_time() - before) / (time.monotonic() - since)
        counts = window.engine.playout.counts
        window.close()
    print(f"720p25 on {size[0]} x {size[1]}, {'all panels' if panels else 'no panel'}: ", end="")
    print(f"{used:.2f} of a core; {counts}")


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    application = QApplication(["reelcast"])
    sync(seconds)
    cost(seconds, panels=False)
    cost(seconds, panels=True)
    application.quit()


if __name__ == "__main__":
    main()
