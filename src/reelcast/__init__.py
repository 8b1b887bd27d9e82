"""reelcast: an RTSP server, client and player for Python.

What is named here is loaded when it is first used: `import reelcast` alone loads neither PyAV nor asyncio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reelcast.errors import (
    AuthenticationError,
    DeadlineError,
    MediaError,
    PayloadError,
    ProtocolError,
    ReelcastError,
    RemoteError,
    TransportError,
)
from reelcast.track import AccessUnit, Track

if TYPE_CHECKING:
    from reelcast.client.intake import ReceivedUnit
    from reelcast.client.stream import Stream, open_stream
    from reelcast.client.transcript import Utterance
    from reelcast.rtsp.authentication import Credentials
    from reelcast.server.app import Server

__all__ = [
    "AccessUnit",
    "AuthenticationError",
    "Credentials",
    "DeadlineError",
    "MediaError",
    "PayloadError",
    "ProtocolError",
    "ReceivedUnit",
    "ReelcastError",
    "RemoteError",
    "Server",
    "Stream",
    "Track",
    "TransportError",
    "Utterance",
    "open_stream",
]

_LAZY = {
    "Credentials": "reelcast.rtsp.authentication",
    "ReceivedUnit": "reelcast.client.intake",
    "Server": "reelcast.server.app",
    "Stream": "reelcast.client.stream",
    "Utterance": "reelcast.client.transcript",
    "open_stream": "reelcast.client.stream",
}


def __getattr__(name: str) -> object:
    """Load what is used (PEP 562)."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
