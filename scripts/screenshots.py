"""Picture the player for docs/images: `python scripts/screenshots.py`; no screen is needed.

Each theme playing, paused, failed, and with its plots; the last once more at two device pixels to one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

os.environ["QT_QPA_PLATFORM"] = "offscreen"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from PySide6.QtWidgets import QApplication
from scripts.make_movies import ROOT
from scripts.measure_player import run_until, served

from reelcast.player.application import connect_source
from reelcast.player.sound import NullDevice
from reelcast.player.source import Source
from reelcast.player.status import Phase
from reelcast.player.theme import DARK, LIGHT, Theme
from reelcast.player.window import Window

IMAGES: Final = ROOT / "docs" / "images"
SIZE: Final = (1120, 760)
SMALL: Final = (960, 680)
PLACE: Final = 5.4
"""Seconds into the movie: no flash, and the planets stand well."""
HISTORY: Final = 25.0
"""Seconds of which the plots show something."""
NOBODY: Final = "rtsp://127.0.0.1:9/movie.mp4"
"""The port that nothing is listening on."""


def main() -> None:
    names = sys.argv[1:]
    application = QApplication(["reelcast"])
    IMAGES.mkdir(parents=True, exist_ok=True)
    with served("movie.mp4") as url:
        for theme in (LIGHT, DARK):
            for name, picture in PICTURES.items():
                if not names or f"{theme.name}-{name}" in names:
                    picture(url, theme, f"player-{theme.name}-{name}{_suffix()}.png")
    application.quit()
    if not names:
        doubled = {**os.environ, "QT_SCALE_FACTOR": "2"}
        subprocess.run([sys.executable, __file__, "dark-plots"], env=doubled, check=True)


def _suffix() -> str:
    return "@2x" if os.environ.get("QT_SCALE_FACTOR") == "2" else ""


def _window(theme: Theme, size: tuple[int, int]) -> Window:
    window = Window(connect_source, NullDevice(), theme=theme)
    window.resize(*size)
    window.show()
    return window


def _play(window: Window, url: str, until: float) -> None:
    window.load(Source(url), play=True)
    position = window.engine.playout.position
    run_until(lambda: (position(time.monotonic()) or 0.0) >= until)


def _save(window: Window, name: str) -> None:
    run_until(_after(0.3))
    window.grab().save(str(IMAGES / name), "PNG", 0)
    window.close()
    print(f"{IMAGES / name}: {(IMAGES / name).stat().st_size:,} bytes")


def _after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def playing(url: str, theme: Theme, name: str) -> None:
    window = _window(theme, SMALL)
    _play(window, url, PLACE)
    _save(window, name)


def paused(url: str, theme: Theme, name: str) -> None:
    window = _window(theme, SIZE)
    window.controls.panels["dialogue"].click()
    _play(window, url, PLACE)
    window.engine.pause()
    run_until(lambda: window.engine.status.phase is Phase.PAUSED)
    _save(window, name)


def failed(url: str, theme: Theme, name: str) -> None:
    window = _window(theme, SMALL)
    window.load(Source(NOBODY), play=True)
    run_until(lambda: window.engine.status.error is not None)
    _save(window, name)


def plots(url: str, theme: Theme, name: str) -> None:
    window = _window(theme, SIZE)
    for panel in ("plots", "tracks"):
        window.controls.panels[panel].click()
    _play(window, url, 0.0)
    window.engine.seek(0.0)
    end = _after(HISTORY)
    run_until(lambda: end() or window.engine.status.phase is Phase.ENDED)
    if window.engine.status.phase is Phase.ENDED:
        window.engine.play()
        run_until(end)
    _save(window, name)


PICTURES: Final[dict[str, Callable[[str, Theme, str], None]]] = {
    "playing": playing,
    "paused": paused,
    "failed": failed,
    "plots": plots,
}


if __name__ == "__main__":
    main()
