"""The player: a window that plays a stream; the extra `player` brings what it needs.

Nothing of Qt is loaded before `available` or `run` is called.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

from reelcast.errors import ReelcastError
from reelcast.player.source import Source

__all__ = ["Source", "available", "check_installed", "run"]

_NEEDED = ("PySide6", "pyqtgraph", "miniaudio")


def check_installed() -> None:
    """Raise ReelcastError, with what to do, where the extra `player` is not installed."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ReelcastError(
            f"the player needs {' and '.join(missing)}", advice="run: pip install 'reelcast[player]'"
        )


def available() -> str | None:
    """Why no window can be opened here, in one line; None where it can."""
    try:
        check_installed()
    except ReelcastError as error:
        return str(error)
    if not _has_display():
        return "there is no display to open a window on"
    from reelcast.player.platform import missing_library, refusal

    return missing_library() or refusal()


def run(source: Source | None = None, *, play: bool = True, leave_at_end: bool = False) -> int:
    """Open the window, and return the exit code when it is closed.

    source         what to play; without one it is asked for in a window of its own
    play           at once; else the window is ready for Setup
    leave_at_end   close the window at the end of the movie

    Raises ReelcastError with the text of `available` where no window can be opened.
    """
    reason = available()
    if reason is not None:
        raise ReelcastError(reason)
    from reelcast.player.application import run as run_application

    return run_application(source, play=play, leave_at_end=leave_at_end)


def _has_display() -> bool:
    if sys.platform in ("win32", "darwin") or "QT_QPA_PLATFORM" in os.environ:
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
