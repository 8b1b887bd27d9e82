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
    from reelcast.client.departure import PublishedTrack
    from reelcast.client.frame import Frame
    from reelcast.client.publish import Publisher, publishing
    from reelcast.client.reconnect import Reconnect
    from reelcast.client.stream import Stream, TrackStatistics, connect
    from reelcast.client.sync import SyncStream, open
    from reelcast.client.sync_publish import SyncPublisher, publish
    from reelcast.client.timeouts import Timeouts
    from reelcast.client.transcript import Utterance
    from reelcast.client.trust import Trust
    from reelcast.net.tls import Tls
    from reelcast.rtp.intake import ReceivedUnit
    from reelcast.rtsp.authentication import Credentials
    from reelcast.server.app import Server
    from reelcast.server.guard import Guard, User
    from reelcast.server.limits import Limits
    from reelcast.server.passwords import Password
    from reelcast.server.rights import Rights
    from reelcast.station.relay import Relay

__all__ = [
    "AccessUnit",
    "AuthenticationError",
    "Credentials",
    "DeadlineError",
    "Frame",
    "Guard",
    "Limits",
    "MediaError",
    "Password",
    "PayloadError",
    "ProtocolError",
    "PublishedTrack",
    "Publisher",
    "ReceivedUnit",
    "Reconnect",
    "ReelcastError",
    "Relay",
    "RemoteError",
    "Rights",
    "Server",
    "Stream",
    "SyncPublisher",
    "SyncStream",
    "Timeouts",
    "Tls",
    "Track",
    "TrackStatistics",
    "TransportError",
    "Trust",
    "User",
    "Utterance",
    "connect",
    "open",
    "publish",
    "publishing",
]

_LAZY = {
    "Credentials": "reelcast.rtsp.authentication",
    "Frame": "reelcast.client.frame",
    "Guard": "reelcast.server.guard",
    "Limits": "reelcast.server.limits",
    "Password": "reelcast.server.passwords",
    "PublishedTrack": "reelcast.client.departure",
    "Publisher": "reelcast.client.publish",
    "ReceivedUnit": "reelcast.rtp.intake",
    "Reconnect": "reelcast.client.reconnect",
    "Relay": "reelcast.station.relay",
    "Rights": "reelcast.server.rights",
    "Server": "reelcast.server.app",
    "Stream": "reelcast.client.stream",
    "SyncPublisher": "reelcast.client.sync_publish",
    "SyncStream": "reelcast.client.sync",
    "Timeouts": "reelcast.client.timeouts",
    "Tls": "reelcast.net.tls",
    "TrackStatistics": "reelcast.client.stream",
    "Trust": "reelcast.client.trust",
    "User": "reelcast.server.guard",
    "Utterance": "reelcast.client.transcript",
    "connect": "reelcast.client.stream",
    "open": "reelcast.client.sync",
    "publish": "reelcast.client.sync_publish",
    "publishing": "reelcast.client.publish",
}


def __getattr__(name: str) -> object:
    """Load what is used (PEP 562)."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    """What `dir`, `help` and editors show: also what was not used yet."""
    return sorted({*globals(), *__all__})
