"""What a client is told before it connects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from reelcast.client.events import Event
from reelcast.client.reconnect import NEVER, Reconnect
from reelcast.client.timeouts import Timeouts
from reelcast.client.transcript import Utterance
from reelcast.rtsp.authentication import Credentials

__all__ = ["Dialect", "Options", "Transport", "Way"]

Transport = Literal["auto", "udp", "tcp"]
Dialect = Literal["rtsp", "classroom", "auto"]
Way = Literal["udp", "tcp", "classroom"]
"""How media comes."""

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

    @property
    def ways(self) -> tuple[Way, ...]:
        """The ways to try, in this order."""
        if self.dialect == "classroom":
            return ("classroom",)
        return _WAYS[self.transport] + (("classroom",) if self.dialect == "auto" else ())

    def tell(self, event: Event) -> None:
        """Tell who watches."""
        if self.on_event is not None:
            self.on_event(event)
