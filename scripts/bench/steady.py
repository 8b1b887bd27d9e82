"""Our live streams in their steady state: one server for all live rows, whose movies have been round once.

In its first round a movie is read and packetised as it is sent; then it is in memory, for as long as the stream
goes on. Between two loads nobody reads, and the streams rest.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final

from scripts.bench.measure import Figures, Load, run_load
from scripts.bench.rows import Stream
from scripts.bench.servers import MOVIE_SECONDS, Movies, Serving, reelcast

from reelcast.errors import ReelcastError

__all__ = ["Steady"]

STREAMS: Final[tuple[Stream, ...]] = ("hd", "sd")


class Steady:
    """The server, from its first load on until the stack is unwound that it is given."""

    def __init__(self, movies: Movies, stack: ExitStack) -> None:
        self._movies = movies
        self._stack = stack
        self._serving: Serving | None = None

    def measure(self, load: Load) -> Figures:
        """What a load finds; {"failure": why there is nothing}."""
        try:
            if self._serving is None:
                self._serving = self._stack.enter_context(reelcast(self._movies))
                self._play_once(self._serving)
        except ReelcastError as error:
            return {"failure": str(error)}
        return run_load(self._serving, load)

    def _play_once(self, serving: Serving) -> None:
        """Have a reader watch each stream, both at once; joining and settling come on top of the round."""
        with ThreadPoolExecutor(len(STREAMS)) as pool:
            list(
                pool.map(lambda stream: run_load(serving, Load(stream, "udp", 1, 2, MOVIE_SECONDS)), STREAMS)
            )
