"""Whether Qt can open a window here: where it cannot, it ends the process, so that is asked before."""

from __future__ import annotations

import os
import re
import sys

from PySide6.QtCore import QLibrary, QLibraryInfo

__all__ = ["missing_library"]


def missing_library() -> str | None:
    """What Qt's platform plugin lacks of this system, with what to do; None if nothing, or if that is unknown."""
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM"):
        return None
    plugins = QLibraryInfo.path(QLibraryInfo.LibraryPath.PluginsPath)
    reasons = [_load_error(f"{plugins}/platforms/libq{name}.so") for name in _platforms()]
    if not reasons or None in reasons:
        return None
    return reasons[0]


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
