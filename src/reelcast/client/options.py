"""What a client is told before it connects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from numbers import Real
from typing import Literal, get_args

from reelcast.client.events import Event, notify
from reelcast.client.reconnect import NEVER, Reconnect
from reelcast.client.timeouts import Timeouts
from reelcast.client.transcript import Utterance
from reelcast.client.trust import SYSTEM, Trust
from reelcast.errors import ProtocolError
from reelcast.given import choice, is_number, is_whole
from reelcast.rtp.intake import ReceivedUnit
from reelcast.rtsp.authentication import Credentials
from reelcast.rtsp.url import without_userinfo

__all__ = ["Dialect", "Moment", "Options", "Transport", "Way", "check", "is_encrypted", "moment", "start_of"]

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

    def __post_init__(self) -> None:
        if self.credentials is not None and not isinstance(self.credentials, Credentials):
            kind = type(self.credentials).__name__  # and no more of it: it may hold a password
            raise ValueError(f"credentials must be reelcast.Credentials(user, password), not a {kind}")
        for name in ("on_event", "on_message", "on_unit"):
            watcher = getattr(self, name)
            if watcher is not None and not callable(watcher):
                raise ValueError(f"{name} must be a function, not {watcher!r}")

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
    *, url: str = "", transport: str = "auto", dialect: str = "rtsp", rtp_port: int | None = None
) -> None:
    """Raise ValueError, in one line that says what would do, for an option that makes no sense.

    ProtocolError(461) where media is wanted in clear beside an encrypted connection.
    """
    if not isinstance(url, str):
        raise ValueError(f"url must be a string such as 'rtsp://HOST/PATH', not {url!r}")
    choice("transport", transport, get_args(Transport))
    choice("dialect", dialect, get_args(Dialect))
    if transport == "udp" and is_encrypted(url):
        message, advice = "over TLS media goes inside the connection", "choose the transport tcp, or auto"
        raise ProtocolError(message, 461, url=without_userinfo(url), advice=advice)
    if rtp_port is not None and not (is_whole(rtp_port) and 0 <= rtp_port < 65535):
        raise ValueError(f"rtp_port must be a port up to 65534, with the next one for RTCP, not {rtp_port!r}")


def moment(at: Moment) -> Moment:
    """Where to play, with a number of any kind as a float; ValueError for what is no such place."""
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise ValueError("at must say its time zone, as datetime.now(UTC) does")
        return at
    if isinstance(at, str) and at == "now":
        return at
    if is_number(at) and at >= 0:
        return float(at)
    if isinstance(at, Real):
        raise ValueError(f"at must be a time in seconds from 0 on, not {at!r}")
    raise ValueError(f"at must be seconds, a datetime or 'now', not {at!r}")


def start_of(at: Moment | None, scale: float | None) -> tuple[Moment | None, float | None]:
    """Where to play and how fast, likewise."""
    if scale is not None:
        if not is_number(scale) or scale == 0:
            raise ValueError(f"scale must be a speed such as 2.0, and other than 0, not {scale!r}")
        scale = float(scale)
    return None if at is None else moment(at), scale
