"""What a client is told before it connects."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from reelcast.client.events import Event, notify
from reelcast.client.reconnect import NEVER, Reconnect
from reelcast.client.timeouts import Timeouts
from reelcast.client.transcript import Utterance
from reelcast.client.trust import SYSTEM, Trust
from reelcast.errors import ProtocolError
from reelcast.rtp.intake import ReceivedUnit
from reelcast.rtsp.authentication import Credentials
from reelcast.rtsp.url import without_userinfo

__all__ = ["Dialect", "Moment", "Options", "Transport", "Way", "check", "is_encrypted"]

Transport = Literal["auto", "udp", "tcp"]
Dialect = Literal["rtsp", "classroom", "auto"]
Way = Literal["udp", "tcp", "classroom"]
"""How media comes."""

Moment = float | datetime | Literal["now"]
"""Where to play: presentation time in seconds; what was recorded at a time of day; what is live now."""

_WAYS: dict[Transport, tuple[Way, ...]] = {"auto": ("udp", "tcp"), "udp": ("udp",), "tcp": ("tcp",)}


@dataclass(frozen=True, slots=True)
class Options:
    """How to connect; see `reelcast.connect`."""

    timeouts: Timeouts
    transport: Transport = "auto"
    dialect: Dialect = "rtsp"
    credentials: Credentials | None = None
    reconnect: Reconnect = NEVER
    rtp_port: int | None = None
    on_event: Callable[[Event], None] | None = None
    on_message: Callable[[Utterance], None] | None = None
    trust: Trust = SYSTEM
    on_unit: Callable[[ReceivedUnit], None] | None = None

    def ways(self, *, encrypted: bool) -> tuple[Way, ...]:
        """The ways to try, in this order; where the connection is encrypted, media is not to go beside it."""
        if encrypted:
            return ("tcp",)
        if self.dialect == "classroom":
            return ("classroom",)
        return _WAYS[self.transport] + (("classroom",) if self.dialect == "auto" else ())

    def tell(self, event: Event) -> None:
        """Tell who watches."""
        if self.on_event is not None:
            notify(self.on_event, event)


def is_encrypted(url: str) -> bool:
    """Whether it is a URL of RTSPS."""
    return url.lstrip().lower().startswith("rtsps:")


def check(
    *,
    url: str = "",
    transport: str = "auto",
    dialect: str = "rtsp",
    at: Moment | None = None,
    scale: float | None = None,
    rtp_port: int | None = None,
) -> None:
    """Raise ValueError, in one line that says what would do, for an option that makes no sense.

    ProtocolError(461) where media is wanted in clear beside an encrypted connection.
    """
    for name, value, known in (("transport", transport, Transport), ("dialect", dialect, Dialect)):
        if value not in get_args(known):
            choice = ", ".join(map(repr, get_args(known)))
            raise ValueError(f"{name} must be one of {choice}, not {value!r}")
    if transport == "udp" and is_encrypted(url):
        message, advice = "over TLS media goes inside the connection", "choose the transport tcp, or auto"
        raise ProtocolError(message, 461, url=without_userinfo(url), advice=advice)
    if isinstance(at, datetime) and at.tzinfo is None:
        raise ValueError("at must say its time zone, as datetime.now(UTC) does")
    if isinstance(at, int | float) and not 0 <= at < math.inf:
        raise ValueError(f"at must be a time in seconds from 0 on, not {at!r}")
    if isinstance(at, str) and at != "now":
        raise ValueError(f"at must be seconds, a datetime or 'now', not {at!r}")
    if scale is not None and (scale == 0 or not math.isfinite(scale)):
        raise ValueError(f"scale must be a speed such as 2.0, and other than 0, not {scale!r}")
    if rtp_port is not None and not 0 <= rtp_port < 65535:
        raise ValueError(f"rtp_port must be a port up to 65534, with the next one for RTCP, not {rtp_port!r}")
