"""What the tests of the verbs that receive share: the command as it is called, and a server of our own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from reelcast.cli.main import main
from reelcast.server.app import Server

__all__ = ["call", "serving"]


async def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The command in a thread of its own, for it runs an event loop; its exit code."""

    def command() -> int:
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    monkeypatch.setattr("sys.argv", ["reelcast", *arguments])
    return await asyncio.to_thread(command)


@asynccontextmanager
async def serving(movie: Path, *, live: bool = False) -> AsyncIterator[str]:
    """The URL of a movie on a server on loopback."""
    server = Server("127.0.0.1", 0)
    server.mount("/movie", movie, live=live)
    async with server:
        yield f"rtsp://127.0.0.1:{server.port}/movie"
