"""A station in operation: what signals it hears, and how it follows its configuration's file."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

from reelcast.errors import ReelcastError
from reelcast.server.feed import Era
from reelcast.station.station import Station
from reelcast.station.toml_file import Flags, read_configuration

__all__ = ["LOOK_SECONDS", "RELOAD_SIGNAL", "STATUS_SIGNAL", "Operation"]

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
"""How often the file is looked at. It is read when it has not changed from one look to the next: saving takes a
moment, and half of a configuration is none."""
RELOAD_SIGNAL: Final[int | None] = getattr(signal, "SIGHUP", None)
STATUS_SIGNAL: Final[int | None] = getattr(signal, "SIGUSR1", None)
"""Windows has neither."""

_Stamp = tuple[int, int, int] | None


class Operation:
    """A station that runs until a signal ends it; without a file, its configuration stays.

    station   what runs
    """

    def __init__(
        self,
        file: Path | None,
        flags: Flags,
        *,
        worker: int | None = None,
        era: Era | None = None,
        status_seconds: float | None = None,
    ) -> None:
        """Read the file and open what it says; see `Station`.

        The log says how live paths are each `status_seconds`, and when SIGUSR1 comes. Raises ConfigurationError
        where the file is wrong, and what `Station` raises.
        """
        self._file = file
        self._flags = flags
        # Before it is read: what is saved meanwhile is read too.
        self._stamp = None if file is None else _stamp(file)
        self.station = Station(read_configuration(file, flags), worker=worker, era=era)
        self._asked = asyncio.Event()
        self._status_seconds = status_seconds

    async def serve_until_signal(
        self, on_start: Callable[[], None] = lambda: None, stop: asyncio.Event | None = None
    ) -> None:
        """Start, call `on_start`, serve until SIGINT, SIGTERM or `stop`; SIGHUP reads the file again.

        Raises what `Server.start` raises.
        """
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self.station.end)

            def begin() -> None:
                self.station.begin()
                on_start()
                loop = asyncio.get_running_loop()
                if self._file is not None:
                    stack.push_async_callback(_cancelled, loop.create_task(self._follow(self._file)))
                if self._status_seconds is not None:
                    stack.push_async_callback(
                        _cancelled, loop.create_task(self._say_status(self._status_seconds))
                    )

            signals: dict[int, Callable[[], None]] = {}
            if STATUS_SIGNAL is not None:
                signals[STATUS_SIGNAL] = self.station.say_status
            if self._file is not None and RELOAD_SIGNAL is not None:
                signals[RELOAD_SIGNAL] = self._asked.set
            await self.station.server.serve_until_signal(begin, stop, signals)

    async def _follow(self, file: Path) -> None:
        """Read the file again when it was saved, or when that was asked for."""
        looked = self._stamp
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), LOOK_SECONDS)
            asked = self._asked.is_set()
            self._asked.clear()
            before, looked = looked, await asyncio.to_thread(_stamp, file)
            if asked or (looked == before and looked != self._stamp):
                self._stamp = looked
                await self._reload(file)

    async def _say_status(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            self.station.say_status()

    async def _reload(self, file: Path) -> None:
        try:
            told = await asyncio.to_thread(read_configuration, file, self._flags)
            await self.station.apply(told)
        except ReelcastError as error:
            log.error("%s; what is served stays as it was", error)
        except Exception:
            log.exception("%s could not be applied; what is served may be a part of it", file)
        else:
            log.info("%s was read again", file)


def _stamp(file: Path) -> _Stamp:
    """What differs when a file has been written, or another has come in its place; None where there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
