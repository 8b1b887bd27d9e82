"""Disks that are full, or slow, for a while."""

from __future__ import annotations

import threading
from io import FileIO
from pathlib import Path
from typing import IO, Any

import pytest


class Disk:
    """What recordings are written to from here on: at first it has room for `room` bytes.

    free    cleared where it is to take nothing until it is set
    part    of the paths for which it takes nothing then
    hangs   set when something has waited for that
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: float) -> None:
        self.room = room
        self.free = threading.Event()
        self.free.set()
        self.part = ""
        self.hangs = threading.Event()
        disk = self

        class File(FileIO):
            def write(self, data: Any) -> int:
                if not disk.free.is_set() and disk.part in str(self.name):
                    disk.hangs.set()
                    disk.free.wait()
                if disk.room <= 0:
                    raise OSError(28, "No space left on device")
                written = super().write(data[: int(min(len(data), disk.room))])
                disk.room -= written
                return written

        opened = Path.open

        def open_file(self: Path, mode: str = "r", buffering: int = -1) -> IO[Any]:
            return File(self, mode) if "w" in mode else opened(self, mode, buffering)

        monkeypatch.setattr(Path, "open", open_file)
