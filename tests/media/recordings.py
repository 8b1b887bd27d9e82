"""Movies as they come out of our own packets, and recordings of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.rtp.payload.wire import packets_of, receive, send

from reelcast.media.demux import open_demuxer
from reelcast.media.record import Recorder
from reelcast.rtp.payload import depacketizer_for, packetizer_for
from reelcast.track import AccessUnit, Track

Units = list[tuple[Track, AccessUnit, float]]
NOON = 1.7e9
"""A wall clock's time, as of a live stream."""


def received(path: Path, seconds: float = 99.0) -> Units:
    """The units of a movie as they come out of our own packets, without dts, in the order in which they are due.

    Those from a keyframe on that is shown at `seconds` or later are left out.
    """
    demuxer = open_demuxer(path)
    tracks = demuxer.tracks
    units = [(index, unit) for index, unit in demuxer.units()]
    demuxer.close()
    found: list[tuple[float, Track, AccessUnit, float]] = []
    for index, track in enumerate(tracks):
        mine = [unit for each, unit in units if each == index]
        due = {unit.pts & 0xFFFFFFFF: unit.dts / track.clock_rate for unit in mine}
        for unit in receive(depacketizer_for(track), packets_of(send(packetizer_for(track), mine))):
            pts = unit.pts - (1 << 32) * (unit.pts >> 31)
            at = due.get(unit.pts, pts / track.clock_rate)
            found.append((at, track, unit, pts / track.clock_rate))
    found.sort(key=lambda each: each[0])
    ends = [
        at for at, track, unit, shown in found if shown >= seconds and track.kind == "video" and unit.keyframe
    ]
    return [(track, unit, shown) for at, track, unit, shown in found if not ends or at < ends[0]]


def recorded(path: Path, units: Iterable[tuple[Track, AccessUnit, float]], shift: float = NOON) -> Recorder:
    units = list(units)
    recorder = Recorder(path, list(dict.fromkeys(track for track, _, _ in units)))
    with recorder:
        for track, unit, seconds in units:
            recorder.write(track, unit, seconds + shift)
    return recorder
