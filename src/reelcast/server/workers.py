"""Several processes that serve one port, so that more than one core can: the kernel spreads connections over them.

Each worker is a whole server with UDP ports of its own. What they share is the RTSP port (SO_REUSEPORT) and the
timeline of live streams (`Era`). A session belongs to the worker that it was made in: a client that leaves its
connection and names the session on another one may meet a worker that does not know it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Collection, Iterator
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Semaphore
from types import FrameType
from typing import Protocol

from reelcast.errors import ReelcastError, TransportError
from reelcast.net import event_loop

__all__ = ["Servant", "reserved_port", "run_workers"]

log = logging.getLogger(__name__)

START_SECONDS = 30.0
"""A worker that has not begun to listen by then has failed."""
STOP_SECONDS = 5.0
"""A worker that has not ended so long after it was told to is killed."""
MIN_LIFE = 1.0
"""A worker that ends by itself sooner is not started again: it would only end again."""
_LOOK = 0.1
_SPAWN = multiprocessing.get_context("spawn")


class Servant(Protocol):
    """What a worker runs: a Server, or what has one."""

    async def serve_until_signal(self, on_start: Callable[[], None], stop: asyncio.Event) -> None:
        """Start, call `on_start`, serve until a signal or `stop` ends it."""


@contextlib.contextmanager
def reserved_port(host: str | None, port: int) -> Iterator[int]:
    """Hold a TCP port (0: any free one) that workers of ours alone can listen on; its number.

    Raises TransportError where it is taken, or the system cannot share ports.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise TransportError("this system cannot share a port between processes: serve without --workers")
    family = socket.AF_INET6 if host is not None and ":" in host else socket.AF_INET
    with (
        socket.socket(family, socket.SOCK_STREAM) as probe,
        socket.socket(family, socket.SOCK_STREAM) as holder,
    ):
        try:
            # First alone, since others that share the port would let us in.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host or "", port))
            number: int = probe.getsockname()[1]
            probe.close()
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            holder.bind((host or "", number))
        except OSError as error:
            raise TransportError(f"port {port} cannot be had: {error.strerror}; choose another") from error
        yield number


def run_workers(
    count: int,
    make: Callable[[int], Servant],
    on_start: Callable[[], None],
    pass_on: Collection[int] = (),
) -> None:
    """Run `count` workers until SIGINT or SIGTERM, and start again those that end before.

    `make` builds the server of one worker, given its number; it is pickled. `on_start` is called when all listen.
    Signals in `pass_on` go to all workers. Raises TransportError where one does not come up.
    """
    stopping: list[int] = []
    passing: list[int] = []

    def hear(number: int, _: FrameType | None) -> None:
        (passing if number in pass_on else stopping).append(number)

    handlers = {number: signal.signal(number, hear) for number in {signal.SIGINT, signal.SIGTERM, *pass_on}}
    ready = _SPAWN.Semaphore(0)
    workers = {number: _start(make, number, ready) for number in range(count)}
    born = dict.fromkeys(workers, time.monotonic())
    try:
        _await_all(workers, ready, stopping)
        if not stopping:
            on_start()
        while not stopping:
            time.sleep(_LOOK)
            while passing:
                _pass_on(passing.pop(0), workers, born)
            for number, worker in list(workers.items()):
                if worker.is_alive() or stopping:
                    continue
                if time.monotonic() - born[number] < MIN_LIFE:
                    raise TransportError(f"worker {number} ended at once, with exit code {worker.exitcode}")
                log.error("worker %d ended with exit code %s: started again", number, worker.exitcode)
                workers[number], born[number] = _start(make, number, ready), time.monotonic()
    finally:
        _stop_all(workers)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _start(make: Callable[[int], Servant], number: int, ready: Semaphore) -> BaseProcess:
    worker = _SPAWN.Process(target=_work, args=(make, number, ready), name=f"reelcast-{number}", daemon=True)
    # Ctrl-C goes to all of a terminal's processes. A worker inherits that it does not hear it: it would break off
    # its loading, with a traceback. It is told by us to end.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        worker.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return worker


def _pass_on(number: int, workers: dict[int, BaseProcess], born: dict[int, float]) -> None:
    """Give a signal to the workers, but for those that may not yet listen to it."""
    for key, worker in workers.items():
        if worker.pid is not None and worker.is_alive() and time.monotonic() - born[key] >= MIN_LIFE:
            os.kill(worker.pid, number)


def _await_all(workers: dict[int, BaseProcess], ready: Semaphore, stopping: list[int]) -> None:
    limit, listening = time.monotonic() + START_SECONDS, 0
    while listening < len(workers) and not stopping:
        if ready.acquire(timeout=_LOOK):
            listening += 1
        elif time.monotonic() > limit or not all(worker.is_alive() for worker in workers.values()):
            raise TransportError("a worker did not come up")


def _stop_all(workers: dict[int, BaseProcess]) -> None:
    for worker in workers.values():
        worker.terminate()
    limit = time.monotonic() + STOP_SECONDS
    for worker in workers.values():
        worker.join(max(0.0, limit - time.monotonic()))
        if worker.is_alive():
            worker.kill()
            worker.join()
        worker.close()


def _work(make: Callable[[int], Servant], number: int, ready: Semaphore) -> None:
    """What a worker does: serve until it is told to stop, or its parent is gone."""
    try:
        event_loop.run(_serve(make(number), ready))
    except ReelcastError as error:
        print(f"reelcast: worker {number}: {error}", file=sys.stderr)
        sys.exit(1)


async def _serve(server: Servant, ready: Semaphore) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    orphaned = asyncio.Event()
    loop = asyncio.get_running_loop()

    def leave() -> None:
        loop.remove_reader(parent.sentinel)
        orphaned.set()

    loop.add_reader(parent.sentinel, leave)
    await server.serve_until_signal(lambda: ready.release(), orphaned)
