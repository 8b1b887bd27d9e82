"""Two ways for a live stream to its readers: published to a server of ours; and relayed from there by another."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal, get_args

from scripts.bench.rows import Transport
from scripts.bench.servers import running

__all__ = ["WAYS", "Places", "Way", "stations"]

Way = Literal["published", "relayed"]
WAYS: Final[tuple[Way, ...]] = get_args(Way)
_CONFIGURATION: Final = """\
[paths."/live"]
relay = "{url}"
transport = "{transport}"
"""
_COMMAND: Final = (sys.executable, "-m", "reelcast", "serve", "--host", "127.0.0.1", "--port", "0")


@dataclass(frozen=True, slots=True)
class Places:
    """URLs: where the stream is published, and where it is read."""

    publish: str
    read: str


@contextmanager
def stations(way: Way, transport: Transport) -> Iterator[Places]:
    """The servers of a way; a relay fetches over `transport`."""
    with running((*_COMMAND, "--publish", "live"), 1) as (_, (url,)):
        if way == "published":
            yield Places(url, url)
            return
        with TemporaryDirectory() as folder:
            file = Path(folder) / "relay.toml"
            file.write_text(_CONFIGURATION.format(url=url, transport=transport))
            with running((*_COMMAND, "--config", file), 1) as (_, (relayed,)):
                yield Places(url, relayed)
