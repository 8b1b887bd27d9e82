"""The wall-clock time of a live stream, as its readers' sender reports tell it (RFC 3550 section 6.4.1).

What a publisher says of its own clock is carried on; until it has said so of every track, the time is by the unit
that came soonest. Where the better knowledge differs by little, the reports lean towards it: players that follow
them closely do not stumble. RTP timestamps are never touched by any of this.

No I/O: time is an argument.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reelcast.rtp.clock import unix_to_ntp
from reelcast.server.axis import MAX_AHEAD

__all__ = ["MAX_SKEW", "WallClock"]

LEAN: Final = 0.005
"""Seconds in a second by which the time that is told may move: ten times what a bad crystal is off."""
LARGE: Final = 1.0
"""Seconds by which it is set at once: the publisher's clock is not ours, and leaning would take minutes."""
MAX_SKEW: Final = MAX_AHEAD
"""Seconds between tracks by their own clocks. What is further apart has leapt since its last report (and was put
back in its place, see `axis`), or has a clock that does not belong to the other."""
FORGET: Final = 0.0005
"""Seconds in a second by which an estimate rises, so that it follows crystals that are not alike."""


class WallClock:
    """Wall-clock times of one live stream's tracks.

    Media times are seconds on the stream's own axis, wall-clock times are Unix seconds.
    """

    def __init__(self, leading: int) -> None:
        """`leading` is the track that the others are compared with."""
        self._leading = leading
        self._told: dict[int, float] = {}
        self._heard: set[int] = set()
        self._estimate: tuple[float, float] | None = None
        self._shown: tuple[float, float] | None = None

    def restart(self) -> None:
        """Another publisher: what the one before said of its clock no longer holds."""
        self._told.clear()
        self._heard.clear()
        self._estimate = None

    def observe(self, track: int, media: float, told: float | None, arrival: float) -> None:
        """A unit of media time `media` came at the Unix time `arrival`; `told` is the publisher's time of it."""
        self._heard.add(track)
        offset = arrival - media
        if self._estimate is not None:
            known, at = self._estimate
            offset = min(offset, known + max(arrival - at, 0.0) * FORGET)
        self._estimate = offset, arrival
        if told is not None:
            self._told[track] = told - media

    @property
    def synchronized(self) -> bool:
        """Whether the publisher has told its time of every track that came."""
        told = [self._told[track] for track in self._heard if track in self._told]
        return 0 < len(told) == len(self._heard) and max(told) - min(told) <= MAX_SKEW

    def at(self, now: float, media: float) -> tuple[int, Mapping[int, float]]:
        """The NTP time of the stream's time `media`, which is now (Unix seconds), and where each track stands then.

        Tracks that are not named stand at `media`.
        """
        synchronized = self.synchronized
        leading = self._told.get(self._leading, next(iter(self._told.values()), 0.0))
        estimate = now - media if self._estimate is None else self._estimate[0]
        offset = self._lean(leading if synchronized else estimate, now)
        skews = {track: leading - told for track, told in self._told.items()} if synchronized else {}
        return unix_to_ntp(media + offset), {track: media + skew for track, skew in skews.items()}

    def _lean(self, wanted: float, now: float) -> float:
        """What is told: on its way from what was told last to what is wanted."""
        if self._shown is not None and abs(wanted - self._shown[0]) < LARGE:
            shown, at = self._shown
            room = max(now - at, 0.0) * LEAN
            wanted = shown + min(max(wanted - shown, -room), room)
        self._shown = wanted, now
        return wanted
