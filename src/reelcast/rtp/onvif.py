"""The RTP header extension of ONVIF replay: the camera's own time for each access unit.

ONVIF Streaming Specification, "RTP header extension". A recording that is played back carries it on the first
packet of every access unit, some cameras put it on live packets too. It is twelve bytes: a 64-bit NTP time, a
byte of flags, the low byte of the CSeq of the PLAY request that the packet answers, and two bytes of padding;
what stands behind them (the size of a large JPEG) is for others.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from struct import Struct
from typing import Final

from reelcast.rtp.burst import Burst, extended
from reelcast.rtp.clock import ntp_to_unix, unix_to_ntp
from reelcast.rtp.packet import EXTENSION, Packet

__all__ = [
    "MAX_REACH",
    "PROFILE",
    "SIZE",
    "CameraClock",
    "ReplayExtension",
    "beneath",
    "dated",
    "replay_extension",
]

PROFILE: Final = 0xABAC
"""The extension's "defined by profile" field (RFC 3550 section 5.3.1)."""

MAX_REACH: Final = 1.0
"""Seconds from one extension that its time is taken for: it comes with every access unit, or the camera has stopped
to say it; some units (of audio, several in a packet) stand between."""
_KEPT: Final = 4
"""Extensions remembered: a unit may only be known to be whole when the next has begun, at another time."""

_FIELDS = Struct("!QBBxx")
_CLEAN, _END, _DISCONTINUITY, _TERMINAL = 0x80, 0x40, 0x20, 0x10


@dataclass(frozen=True, slots=True)
class ReplayExtension:
    """What the extension says of the access unit that its packet begins.

    ntp             64-bit NTP time (RFC 3550 section 4); 0 where the camera knows no time
    clean           C: the unit can be decoded without any before it
    end             E: the last unit of a contiguous piece of the recording
    discontinuity   D: the unit does not follow the one before it: a gap, or a seek
    terminal        T: the last unit that there is for this request
    cseq            low byte of the CSeq of the PLAY request that it answers
    """

    ntp: int
    clean: bool
    end: bool
    discontinuity: bool
    terminal: bool
    cseq: int

    def to_bytes(self) -> bytes:
        """The extension's data, for `Packet.extension` under `PROFILE`."""
        flags = (
            self.clean * _CLEAN
            | self.end * _END
            | self.discontinuity * _DISCONTINUITY
            | self.terminal * _TERMINAL
        )
        return _FIELDS.pack(self.ntp, flags, self.cseq)


def replay_extension(packet: Packet) -> ReplayExtension | None:
    """The extension of a packet; None where it has another, none, or one cut short."""
    if packet.extension is None:
        return None
    profile, data = packet.extension
    if profile != PROFILE or len(data) < _FIELDS.size:
        return None
    ntp, flags, cseq = _FIELDS.unpack_from(data)
    return ReplayExtension(
        ntp,
        bool(flags & _CLEAN),
        bool(flags & _END),
        bool(flags & _DISCONTINUITY),
        bool(flags & _TERMINAL),
        cseq,
    )


SIZE: Final = EXTENSION.size + _FIELDS.size
"""Bytes by which the extension makes a packet larger."""


def dated(burst: Burst, wall: float) -> Burst:
    """A burst that says when its first unit was, in Unix seconds.

    It is shared by all who are sent it: what only one session could say (of its requests, and of gaps and ends
    on its way) is left unsaid.
    """
    told = ReplayExtension(
        unix_to_ntp(wall), burst.keyframe, end=False, discontinuity=False, terminal=False, cseq=0
    )
    return extended(burst, PROFILE, told.to_bytes())


def beneath(extension: tuple[int, bytes] | None) -> tuple[int, bytes] | None:
    """A packet's other extension, which stands within that of replay where there are both."""
    if extension is None or extension[0] != PROFILE:
        return extension
    data = extension[1][_FIELDS.size :]
    return (EXTENSION.unpack_from(data)[0], data[EXTENSION.size :]) if len(data) >= EXTENSION.size else None


class CameraClock:
    """The wall-clock time of one source's RTP timestamps by its own extensions, unit by unit.

    Better than sender reports where a recording is played: between two pieces of it, time jumps.
    """

    def __init__(self, clock_rate: int) -> None:
        self.clock_rate = clock_rate
        self._anchors: deque[tuple[int, float]] = deque(maxlen=_KEPT)

    def take(self, packet: Packet) -> None:
        """Remember what a packet says, if it says anything."""
        if packet.extension is not None:
            told = replay_extension(packet)
            if told is not None and told.ntp:
                self._anchors.append((packet.timestamp, ntp_to_unix(told.ntp)))

    def unix(self, timestamp: int) -> float | None:
        """Seconds since the Unix epoch of a 32-bit RTP timestamp; None where no extension near it told."""
        if not self._anchors:
            return None
        for anchor, time in reversed(self._anchors):
            if anchor == timestamp:
                return time
        for anchor, time in reversed(self._anchors):
            step = ((timestamp - anchor + 0x80000000 & 0xFFFFFFFF) - 0x80000000) / self.clock_rate
            if 0 <= step <= MAX_REACH:
                return time + step
        return None
