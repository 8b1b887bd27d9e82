"""Whether Qt can open a window here: where it cannot, it ends the process, so that is asked before."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Final

from PySide6.QtCore import QLibrary, QLibraryInfo

__all__ = ["missing_library", "refusal"]

TRIAL_SECONDS: Final = 10.0
"""For another process to reach the display: one behind a slow network takes a second."""
TRIAL: Final = """
import resource
from PySide6.QtGui import QGuiApplication
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
QGuiApplication([])
"""

_SAID = re.compile(r"^(?:qt\.qpa\.\w+: )?(.+)$", re.MULTILINE)


def refusal() -> str | None:
    """Why the display takes no window, as another process finds out; None if it does, or if that is unknown.

    A display may be named and not be there: in a terminal that outlived its session, behind `ssh`, under `sudo`.
    """
    if not _is_in_question():
        return None
    command = [sys.executable, "-c", TRIAL]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, timeout=TRIAL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"the display does not answer within {TRIAL_SECONDS:g} s"
    if tried.returncode == 0:
        return None
    found = _SAID.search(tried.stderr)
    return f"Qt cannot open a window here: {found[1] if found else 'it does not say why'}"


def missing_library() -> str | None:
    """What Qt's platform plugin lacks of this system, with what to do; None if nothing, or if that is unknown."""
    if not _is_in_question():
        return None
    plugins = QLibraryInfo.path(QLibraryInfo.LibraryPath.PluginsPath)
    reasons = [_load_error(f"{plugins}/platforms/libq{name}.so") for name in _platforms()]
    if not reasons or None in reasons:
        return None
    return reasons[0]


def _is_in_question() -> bool:
    return sys.platform.startswith("linux") and not os.environ.get("QT_QPA_PLATFORM")


def _platforms() -> list[str]:
    found = []
    if os.environ.get("WAYLAND_DISPLAY"):
        found.append("wayland")
    if os.environ.get("DISPLAY"):
        found.append("xcb")
    return found


def _load_error(path: str) -> str | None:
    library = QLibrary(path)
    if library.load():
        return None
    found = re.search(r"(lib[\w.+-]+\.so[.\d]*)", library.errorString().rpartition(path)[2])
    if found is None:
        return "Qt cannot open a window here: " + library.errorString()
    name = found[1]
    package = re.sub(r"\.so\.?", "", name)
    return f"Qt needs {name} to open a window: install it (on Debian: apt install {package})"
