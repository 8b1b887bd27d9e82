"""How long a client waits, for what."""

from __future__ import annotations

from dataclasses import dataclass

from reelcast.given import positive

__all__ = ["Timeouts"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds after which waiting is an error that names what was waited for (`DeadlineError`).

    connect        for the TCP connection
    reply          for each response
    first_packet   for media after PLAY; `transport="auto"` spends a part of it on UDP
    silence        for more media, later on; a stream that is paused may be silent
    opening        for all of it together, from the connection to the first packet; None for no such bound

    Each may be math.inf: for ever. Raises ValueError for what is no such number.
    """

    connect: float = 5.0
    reply: float = 5.0
    first_packet: float = 5.0
    silence: float = 10.0
    opening: float | None = None

    def __post_init__(self) -> None:
        for name in ("connect", "reply", "first_packet", "silence", "opening"):
            value = getattr(self, name)
            if value is not None or name != "opening":
                positive(name, value, unit=" of seconds", endless=True)

    @classmethod
    def of(cls, value: float | Timeouts) -> Timeouts:
        """A number of seconds bounds each wait, and the opening as a whole."""
        if isinstance(value, Timeouts):
            return value
        value = positive("timeout", value, unit=" of seconds", endless=True)
        return cls(value, value, value, value, value)
